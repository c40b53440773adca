"""A fault as two streams that have ended: Flink's rows on one, the wrong ones on the other, in batches by chance."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
from tests.shadow.faults.fault import differing
from tests.shadow.faults.measuring import TODAY, Case
from tests.shadow.scenarios.interleaved import NOWHERE, changes_of, plan_of

from velo_engine.schema import RowSchema
from velo_shadow.folding import KIND_COLUMN, Changelog
from velo_shadow.judgement import judged
from velo_shadow.model import Decision, Side
from velo_shadow.stream.comparator import StreamComparator


def measured_as_streams(case: Case, folder: Path) -> bool | None:
    """Whether exactly the rows made wrong are found, and the verdict is not SAFE.

    None for a fault that a typed stream cannot have: values that its columns do not hold.
    """
    chance = random.Random(f"streams {case.seed}")
    try:
        wrong = pa.Table.from_pylist(list(case.fault.rows), _nullable(case.side.schema))
    except pa.ArrowInvalid:
        return None
    if case.fault.as_texts:
        return None
    sides = {Side.LEFT: pa.Table.from_pylist(list(case.side.reference), wrong.schema), Side.RIGHT: wrong}
    sides = {
        side: table.append_column(KIND_COLUMN, pa.array([0] * len(table), pa.int8())) for side, table in sides.items()
    }
    at = dict.fromkeys(Side, 0)
    changelogs = dict.fromkeys(Side, Changelog.APPEND)
    with StreamComparator(plan_of(case.side.scenario), changelogs, folder / "state") as comparator:
        while any(at[side] < len(sides[side]) for side in Side):
            side = chance.choice([side for side in Side if at[side] < len(sides[side])])
            rows = sides[side].slice(at[side], chance.randrange(1, 100))
            comparator.add(side, changes_of(rows, at[side]))
            at[side] += len(rows)
        comparator.step(NOWHERE)
        result = judged(comparator.finish(True, NOWHERE), today=TODAY)
    names = case.side.key
    found = {tuple(str(one.key[name]) for name in names) for one in result.differences}
    wanted = {tuple(str(value) for value in key) for key in differing(case.side, case.fault.rows)[0]}
    return found == wanted and result.verdict.decision is not Decision.SAFE


def _nullable(schema: RowSchema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema.arrow()])
