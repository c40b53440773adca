"""Faults of whole rows: lost, invented, moved in time, not brought up to date."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta

from tests.shadow.faults.fault import Fault, Kind, Sound, parts, shifted
from tests.shadow.scenarios.scenario import run

from velo_engine.batch import RowKind
from velo_shadow.folding import KIND_COLUMN, Changelog
from velo_shadow.model import Cause


def missing_partition(side: Sound, chance: random.Random) -> Fault | None:
    """No row of one value of a column, as when a partition is not read."""
    found = [part for part in parts(side) if not isinstance(part.value, datetime)]
    if not found:
        return None
    part = chance.choice(found)
    rows = [row for row in side.rows if not part.holds(row)]
    return Fault(rows, frozenset({Cause.UNKNOWN}), part, note=f"{part.column}={part.value}")


def missing_hour(side: Sound, chance: random.Random) -> Fault | None:
    """No row of one hour, as after an outage."""
    time_column = side.scenario.sink_config.time_column
    found = [part for part in parts(side) if part.column == time_column]
    part = chance.choice(found)
    rows = [row for row in side.rows if not part.holds(row)]
    causes = {Cause.UNKNOWN}
    if part.value == min(one.value for one in found):  # it may as well have begun to read later
        causes.add(Cause.WARM_UP)
    return Fault(rows, frozenset(causes), part, note=f"{part.column} {part.value:%H}h")


def lost_rows(side: Sound, chance: random.Random) -> Fault | None:
    """Some rows are not there."""
    kept = list(side.rows)
    chance.shuffle(kept)
    return Fault(kept[chance.choice((1, 2, 5, 20)) :], frozenset({Cause.UNKNOWN}))


def invented_rows(side: Sound, chance: random.Random) -> Fault | None:
    """Rows under a key that nobody asked for."""
    number = chance.choice((1, 3, 20))
    names = {c.name: c.type for c in side.schema.columns}
    key = next((name for name in side.key if str(names[name]).startswith(("BIGINT", "STRING"))), None)
    if key is None:
        return None
    is_text = str(names[key]).startswith("STRING")
    invented = [
        row | {key: f"nobody {i}" if is_text else 1_000_000 + 37 * i}
        for i, row in enumerate(chance.sample(list(side.rows), number))
    ]
    return Fault([*side.rows, *invented], frozenset({Cause.UNKNOWN}), note=key)


def key_offset(side: Sound, chance: random.Random) -> Fault | None:
    """Every window some hours off, as after a change of the session's time zone."""
    windows = [name for name in ("window_start", "window_end") if name in side.scenario.sink.columns]
    if not windows:
        return None
    offset = timedelta(hours=chance.choice((-8, -1, 1, 2)))
    rows = [shifted(dict(row), windows, offset) for row in side.rows]
    return Fault(rows, frozenset({Cause.TIME_ZONE}), note=f"{offset}")


def stale_value(side: Sound, chance: random.Random) -> Fault | None:
    """Some keys have the value before their last change: the update was lost, or is late."""
    scenario = side.scenario
    if scenario.sink.changelog is Changelog.APPEND:
        return None
    changes = run(scenario.program, scenario.inputs)
    latest = {side.key_of(row): row for row in scenario.rows(changes).to_pylist()}
    earlier = dict(latest)
    names = [name for name in changes.column_names if name != KIND_COLUMN]
    for change in changes.to_pylist():
        row = {name: change[name] for name in names}
        if change[KIND_COLUMN] in (RowKind.INSERT, RowKind.UPDATE_AFTER) and row != latest[side.key_of(row)]:
            earlier[side.key_of(row)] = row
    able = [key for key in latest if earlier[key] != latest[key]]
    struck = chance.sample(able, min(len(able), chance.choice((1, 3, 20, len(able)))))
    stale = latest | {key: earlier[key] for key in struck}
    # A row of a left join had NULLs before its partner came.
    causes = {Cause.UNKNOWN, Cause.LATE_ON_ONE_SIDE}
    if any(earlier[key][name] is None and latest[key][name] is not None for key in struck for name in names):
        causes.add(Cause.NULL_OR_ABSENT)
    return Fault([*stale.values()], frozenset(causes))


def retraction_lost(side: Sound, chance: random.Random) -> Fault | None:
    """Some rows that were taken back still stand: their retraction never came."""
    scenario = side.scenario
    if scenario.sink.changelog is not Changelog.RETRACT:
        return None
    changes = run(scenario.program, scenario.inputs)
    kinds = changes.column(KIND_COLUMN).to_pylist()
    taken = [i for i, kind in enumerate(kinds) if kind in (RowKind.UPDATE_BEFORE, RowKind.DELETE)]
    lost = set(chance.sample(taken, chance.choice((1, 5, 40))))
    left = scenario.rows(changes.take([i for i in range(len(kinds)) if i not in lost]))
    return Fault(left.to_pylist(), frozenset({Cause.UNKNOWN}), note=f"{len(lost)} of {len(taken)}")


KINDS: Mapping[str, Kind] = {
    "missing partition": missing_partition,
    "missing hour": missing_hour,
    "lost rows": lost_rows,
    "invented rows": invented_rows,
    "offset of hours in the key": key_offset,
    "stale value": stale_value,
    "retraction lost": retraction_lost,
}
