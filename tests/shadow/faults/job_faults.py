"""Faults made where they arise: in the SQL of our job, or in what it reads. The engine then gives the wrong rows."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.shadow.faults.fault import Fault, Kind, Row, Sound, remade

from velo_shadow.model import Cause

SECOND = timedelta(seconds=1)

JOIN_KIND = frozenset(cause for cause in Cause if "join" in cause.value) or frozenset({Cause.UNKNOWN})


@dataclass(frozen=True)
class Edit:
    """A change of a scenario's program."""

    scenario: str
    old: str
    new: str


EDITS: Mapping[str, tuple[frozenset[Cause], Sequence[Edit]]] = {
    "boundary off by one": (
        frozenset({Cause.WINDOW_BOUNDARY}),
        [
            Edit("interval_join", "BETWEEN o.ordered_at AND o.ordered_at + INTERVAL '15' MINUTE",
                 "BETWEEN o.ordered_at AND o.ordered_at + INTERVAL '899' SECOND"),
            Edit("interval_join", "BETWEEN o.ordered_at AND o.ordered_at + INTERVAL '15' MINUTE",
                 "BETWEEN o.ordered_at AND o.ordered_at + INTERVAL '16' MINUTE"),
            Edit("interval_join", "BETWEEN o.ordered_at AND o.ordered_at + INTERVAL '15' MINUTE",
                 ">= o.ordered_at AND p.paid_at < o.ordered_at + INTERVAL '15' MINUTE"),
            Edit("sessions", "INTERVAL '5' MINUTE", "INTERVAL '299' SECOND"),
            Edit("sessions", "INTERVAL '5' MINUTE", "INTERVAL '4' MINUTE"),
            Edit("sessions", "INTERVAL '5' MINUTE", "INTERVAL '301' SECOND"),
        ],
    ),
    "late rows lost": (
        frozenset({Cause.LATE_ON_ONE_SIDE}),
        [
            Edit("tumbling", "ordered_at - INTERVAL '5' MINUTE", "ordered_at"),
            Edit("tumbling", "ordered_at - INTERVAL '5' MINUTE", "ordered_at - INTERVAL '30' SECOND"),
            Edit("tumbling", "ordered_at - INTERVAL '5' MINUTE", "ordered_at - INTERVAL '2' MINUTE"),
            Edit("sessions", "clicked_at - INTERVAL '1' MINUTE", "clicked_at - INTERVAL '1' SECOND"),
        ],
    ),
    "late rows kept": (
        frozenset({Cause.LATE_ON_ONE_SIDE}),
        [
            Edit("tumbling", "ordered_at - INTERVAL '5' MINUTE", "ordered_at - INTERVAL '45' MINUTE"),
            Edit("tumbling", "ordered_at - INTERVAL '5' MINUTE", "ordered_at - INTERVAL '20' MINUTE"),
            Edit("sessions", "clicked_at - INTERVAL '1' MINUTE", "clicked_at - INTERVAL '50' MINUTE"),
        ],
    ),
    "tie order": (
        frozenset({Cause.TOP_N_TIE}),
        [
            Edit("top_n", "ORDER BY price DESC", "ORDER BY price DESC, bid_id DESC"),
            Edit("top_n", "ORDER BY price DESC", "ORDER BY price DESC, bidder"),
        ],
    ),
    "wrong join kind": (
        JOIN_KIND,
        [
            Edit("left_join", "LEFT JOIN", "JOIN"),
            Edit("interval_join", "JOIN payments", "LEFT JOIN payments"),
            Edit("left_join", "LEFT JOIN", "FULL JOIN"),
        ],
    ),
    "wrong rounding in SQL": (
        frozenset({Cause.DECIMAL_ROUNDING}),
        [
            Edit("readings", "CAST(volts * 1000 AS DECIMAL(16, 3))",
                 "CAST(CAST(volts * 1000 AS DECIMAL(16, 0)) AS DECIMAL(16, 3))"),
            Edit("interval_join", "o.amount - p.paid", "CAST(o.amount - p.paid AS DECIMAL(10, 0))"),
            Edit("running_totals", "SUM(amount)", "CAST(SUM(amount) AS DECIMAL(38, 1))"),
        ],
    ),
    "single precision": (
        frozenset({Cause.FLOAT_ASSOCIATION, Cause.TYPE_CHANGE}),
        [
            Edit("tumbling", "AVG(weight)", "CAST(CAST(AVG(weight) AS FLOAT) AS DOUBLE)"),
            Edit("running_totals", "AVG(fee)", "CAST(CAST(AVG(fee) AS FLOAT) AS DOUBLE)"),
            Edit("readings", "(fahrenheit - 32) * 5 / 9", "CAST(CAST((fahrenheit - 32) * 5 / 9 AS FLOAT) AS DOUBLE)"),
        ],
    ),
    "time of another zone in SQL": (
        frozenset({Cause.TIME_ZONE}),
        [
            Edit("running_totals", "MAX(paid_at)", "MAX(paid_at) + INTERVAL '2' HOUR"),
            Edit("interval_join", "o.ordered_at,\n    p.paid_at\n", "o.ordered_at,\n    p.paid_at - INTERVAL '1' HOUR\n"),
            Edit("left_join", "s.shipped_at\n", "s.shipped_at + INTERVAL '1' HOUR\n"),
        ],
    ),
    "default left out": (
        frozenset({Cause.NULL_OR_ABSENT}),
        [Edit("readings", "COALESCE(remark, '')", "remark")],
    ),
    "wrong function": (
        frozenset({Cause.UNKNOWN}),
        [
            Edit("tumbling", "MAX(amount)", "MIN(amount)"),
            Edit("running_totals", "MIN(amount)", "MAX(amount)"),
            Edit("readings", "(fahrenheit - 32)", "(fahrenheit - 30)"),
            Edit("sessions", "MAX(page)", "MIN(page)"),
            Edit("readings", "charge > 0", "charge > 20"),
            Edit("dedup", "ORDER BY happened_at ASC", "ORDER BY happened_at DESC"),
        ],
    ),
    "wrong filter": (
        frozenset({Cause.UNKNOWN}),
        [
            Edit("readings", "fahrenheit > -40", "fahrenheit > -20"),
            Edit("readings", "fahrenheit > -40", "fahrenheit > -50"),
            Edit("running_totals", "note <> 'test'", "note <> 'gift'"),
        ],
    ),
}  # fmt: skip


def edited(name: str) -> Kind:
    """A kind whose faults are edits of programs."""

    def made(side: Sound, chance: random.Random) -> Fault | None:
        causes, edits = EDITS[name]
        fitting = [edit for edit in edits if edit.scenario == side.scenario.name]
        if not fitting:
            return None
        edit = chance.choice(fitting)
        head, _, query = side.scenario.program.rpartition("INSERT INTO")
        inside = "watermark" if name.startswith("late") else "query"
        text = head if inside == "watermark" else query
        assert edit.old in text, edit
        changed = text.replace(edit.old, edit.new)
        program = f"{changed}INSERT INTO{query}" if inside == "watermark" else f"{head}INSERT INTO{changed}"
        return Fault(remade(side.scenario, program), causes, note=edit.new.strip())

    return made


Inputs = dict[str, list[Row]]


def _over(causes: frozenset[Cause], names: Sequence[str], change: Callable[[Inputs, random.Random], str]) -> Kind:
    """A kind whose faults are changes of the input of some scenarios."""

    def made(side: Sound, chance: random.Random) -> Fault | None:
        if side.scenario.name not in names:
            return None
        inputs = {name: [dict(row) for row in rows] for name, rows in side.scenario.inputs.items()}
        note = change(inputs, chance)
        for rows in inputs.values():
            rows.sort(key=lambda row: row["arrived"])
        return Fault(remade(side.scenario, side.scenario.program, inputs), causes, note=note)

    return made


def _shift_times(inputs: Inputs, chance: random.Random) -> str:
    """All times a little earlier or later: what was near a boundary is in the next window."""
    by = chance.choice((-5, -2, 2, 5)) * SECOND
    (rows,) = inputs.values()
    for row in rows:
        row["ordered_at"] = _text(_time(row["ordered_at"]) + by)
    return f"{by.total_seconds():+} s"


def _few_again(inputs: Inputs, chance: random.Random) -> str:
    """A few rows twice, one directly after the other."""
    return _twice(inputs, chance, chance.choice((1, 3, 5)))


def _deliver_again(inputs: Inputs, chance: random.Random) -> str:
    """Many rows twice, one directly after the other."""
    return _twice(inputs, chance, chance.choice((60, 120, 200)))


def _twice(inputs: Inputs, chance: random.Random, number: int) -> str:
    (rows,) = inputs.values()
    again = chance.sample(rows, number)
    for row in rows:
        row["arrived"] *= 2
    rows += [row | {"arrived": row["arrived"] + 1} for row in again]
    return f"{number} rows"


def _begin_late(inputs: Inputs, chance: random.Random) -> str:
    """The first rows are not there, as when a job begins to read later."""
    (rows,) = inputs.values()
    lost = int(len(rows) * chance.uniform(0.1, 0.5))
    del rows[:lost]
    return f"{lost} rows"


def _forget_the_silent(inputs: Inputs, chance: random.Random) -> str:
    """What an account did before a long silence is forgotten, as by an expiry of state."""
    silence = timedelta(minutes=chance.choice((60, 90, 120)))
    (rows,) = inputs.values()
    last: dict[str, datetime] = {}
    kept: dict[str, list[Row]] = {}
    for row in rows:
        account, time = row["account"], _time(row["paid_at"])
        if account in last and time - last[account] > silence:
            kept[account] = []
        kept.setdefault(account, []).append(row)
        last[account] = time
    rows[:] = [row for some in kept.values() for row in some]
    return f"{silence}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _text(time: datetime) -> str:
    return time.isoformat(" ", "milliseconds")


FINAL_ROWS_DO_NOT_TELL = frozenset({Cause.WARM_UP, Cause.TTL_EXPIRY})
"""A key whose state has expired and one whose beginning was not read have the same final row."""
ONE_MORE = frozenset({Cause.DUPLICATE_DELIVERY, Cause.LATE_ON_ONE_SIDE})
"""Nor do they tell a row that counts twice from one that only one side still took, when it is one or two."""

KINDS: Mapping[str, Kind] = {
    **{name: edited(name) for name in EDITS},
    "windows shifted": _over(frozenset({Cause.WINDOW_BOUNDARY}), ("tumbling",), _shift_times),
    "duplicated delivery": _over(
        frozenset({Cause.DUPLICATE_DELIVERY}), ("tumbling", "running_totals", "sessions"), _deliver_again
    ),
    "a few rows twice": _over(ONE_MORE, ("tumbling", "running_totals", "sessions"), _few_again),
    "stale warm-up": _over(FINAL_ROWS_DO_NOT_TELL, ("running_totals", "tumbling", "sessions"), _begin_late),
    "expired state": _over(FINAL_ROWS_DO_NOT_TELL, ("running_totals",), _forget_the_silent),
}
