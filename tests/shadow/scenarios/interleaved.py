"""The equal scenarios as streams: both sides in random batches, interleavings, delays and steps must show no difference.

python -m tests.shadow.scenarios.interleaved [--runs N] [--from SEED]

Leaves with 1 when a difference was shown at any step or in the end, or a whole run was not SAFE with every row matched.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from tests.shadow.faults.fault import NOT_COMPARED
from tests.shadow.scenarios.scenario import Scenario, run, scenarios, sink_schema

from velo_engine.batch import RowKind
from velo_engine.types import SqlType
from velo_shadow.folding import KIND_COLUMN, Changelog
from velo_shadow.judgement import judged
from velo_shadow.model import ComparisonPlan, Decision, Side
from velo_shadow.planning import plan_for
from velo_shadow.stream.changes import Changes, Positions
from velo_shadow.stream.comparator import StreamComparator

RUNS = 100
NOWHERE: Mapping[Side, Positions] = {Side.LEFT: {}, Side.RIGHT: {}}


@dataclass(frozen=True)
class TypedSide:
    """A stream whose types are known."""

    label: str
    types: Mapping[str, SqlType | None]
    table: pa.Table | None = None
    are_texts: Mapping[str, bool] = ()  # type: ignore[assignment]
    is_sample: bool = False


@dataclass(frozen=True)
class Seen:
    """What one run showed."""

    scenario: str
    seed: int
    steps: int
    most_different: int
    """At any step."""
    left_pending: int
    """At the last step before the end."""
    matched: int
    expected: int | None
    """None for streams that were stopped in the middle."""
    different: int
    decision: Decision

    @property
    def is_right(self) -> bool:
        """No false alarm on the way or in the end; every row matched and SAFE, unless it was stopped in the middle."""
        if self.most_different or self.different:
            return False
        if self.expected is None:
            return self.decision is not Decision.NOT_SAFE
        return self.decision is Decision.SAFE and self.matched == self.expected


def plan_of(scenario: Scenario) -> ComparisonPlan:
    """What the scenario's config says, over typed streams."""
    types = {column.name: column.type.as_nullable() for column in sink_schema(scenario.program).columns}
    sides = [TypedSide(f"kafka://{side}", types, are_texts={}) for side in Side]
    config = scenario.sink_config
    return plan_for(
        *sides,
        key=config.key,
        equality=config.equality,
        ignored=NOT_COMPARED.get(scenario.name, ()),
        time_column=config.time_column,
        grace_ms=config.grace_ms,
    )


@cache
def both_sides(name: str) -> Mapping[Side, pa.Table]:
    """The changes of Flink and of our engine; what is deleted from an upsert stream has nothing but its key."""
    scenario = scenarios()[name]
    found = {Side.LEFT: scenario.recorded(), Side.RIGHT: run(scenario.program, scenario.inputs)}
    if scenario.sink.changelog is not Changelog.UPSERT:
        return found
    return {side: _with_tombstones(table, scenario.key) for side, table in found.items()}


def _with_tombstones(changes: pa.Table, key: Sequence[str]) -> pa.Table:
    rows = changes.to_pylist()
    for row in rows:
        if row[KIND_COLUMN] == int(RowKind.DELETE):
            row.update({name: None for name in row if name not in (*key, KIND_COLUMN)})
    nullable = pa.schema([field.with_nullable(True) for field in changes.schema])
    return pa.Table.from_pylist(rows, nullable)


def one_run(seed: int, folder: Path, most_steps: int | None = None) -> Seen:
    """One scenario in one interleaving, with about so many steps; by default few or many by chance."""
    chance = random.Random(f"interleaving {seed}")
    scenario = scenarios()[sorted(scenarios())[seed % len(scenarios())]]
    sides = both_sides(scenario.name)
    at = dict.fromkeys(Side, 0)
    # Some are stopped in the middle, each side wherever it is: what the other has not reached is pending.
    is_cut_short = chance.random() < 0.3
    ends = {side: chance.randrange(len(table) + 1) if is_cut_short else len(table) for side, table in sides.items()}
    most, pending, steps = 0, 0, 0
    # How much of all batches the left has, and how large they are: from one row to all; a side may lag far behind.
    share, size = chance.choice((0.0, 0.1, 0.5, 0.5, 0.9, 1.0)), chance.choice((1, 5, 30, 1000))
    # About so many steps, wherever they fall.
    steps_wanted = chance.choice((2, 5, 15)) if most_steps is None else most_steps
    step_share = steps_wanted * size / sum(map(len, sides.values())) / 2
    changelogs = dict.fromkeys(Side, scenario.sink.changelog)
    with StreamComparator(plan_of(scenario), changelogs, folder) as comparator:
        while any(at[side] < ends[side] for side in Side):
            side = Side.LEFT if chance.random() < share else Side.RIGHT
            if at[side] >= ends[side]:
                side = side.other
            rows = sides[side].slice(at[side], min(chance.randrange(1, size + 1), ends[side] - at[side]))
            comparator.add(side, changes_of(rows, at[side]))
            at[side] += len(rows)
            if chance.random() < step_share:
                comparator.step(NOWHERE)
                seen = comparator.view()
                steps += 1
                most, pending = max(most, seen.different), seen.pending
        result = judged(comparator.finish(not is_cut_short, NOWHERE), today=date(2026, 4, 1))
    return Seen(
        scenario.name,
        seed,
        steps,
        most,
        pending,
        result.counts.matched,
        None if is_cut_short else scenario.expected["compared"],
        result.counts.different,
        result.verdict.decision,
    )


def changes_of(rows: pa.Table, first: int) -> Changes:
    """Rows with their kinds, as a reader gives them; `first` is the place of the first in the stream."""
    kinds = rows.column(KIND_COLUMN).to_numpy().astype(np.int8)
    written = np.arange(first, first + len(rows), dtype=np.int64) + 1_774_728_000_000
    return Changes(rows.drop_columns([KIND_COLUMN]), kinds, written, np.zeros(len(rows), np.int32))


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.shadow.scenarios.interleaved")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--from", type=int, dest="first", metavar="SEED", help="the first seed; by default a new one")
    parsed = parser.parse_args(arguments)
    first = random.SystemRandom().randrange(10**9) if parsed.first is None else parsed.first
    found = []
    for seed in range(first, first + parsed.runs):
        with tempfile.TemporaryDirectory() as folder:
            found.append(one_run(seed, Path(folder)))
        if not found[-1].is_right:
            print(found[-1])
    right, steps = sum(one.is_right for one in found), sum(one.steps for one in found)
    whole = [one for one in found if one.expected is not None]
    print(
        f"{right} of {len(found)} interleavings from seed {first} show no difference, at none of {steps} steps nor in the end"
    )
    print(f"{len(whole)} to the end: SAFE, every row matched ({sum(one.matched for one in whole)})")
    print(f"{len(found) - len(whole)} stopped in the middle: what one side had not reached was pending")
    return 0 if right == len(found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
