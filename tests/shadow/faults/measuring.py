"""Whether a fault is found, refused, explained and placed: through the Python interface, some through `velo shadow`."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet
from tests.shadow.faults import job_faults, row_faults, value_faults
from tests.shadow.faults.fault import Fault, Kind, Part, Row, Sound, differing, sound_sides
from tests.shadow.scenarios.scenario import Scenario

from velo_engine.errors import ErrorCode, VeloError
from velo_shadow.config import FileStream
from velo_shadow.control import ignorable_columns, subtract, without_columns
from velo_shadow.judgement import judged
from velo_shadow.model import Cause, ComparisonResult, Decision, Segment, Side
from velo_shadow.model import Kind as DifferenceKind
from velo_shadow.offline import compare_files, read_side
from velo_shadow.planning import plan_for

KINDS: dict[str, Kind] = {**value_faults.KINDS, **row_faults.KINDS, **job_faults.KINDS}
TODAY = date(2026, 4, 1)
_SHARE = 0.5
"""Of the differences that must have a right cause."""
_EXAMPLES = 3


@dataclass(frozen=True)
class Outcome:
    """What became of one fault."""

    kind: str
    scenario: str
    seed: int
    note: str
    has_cause: bool
    """A cause of the list is right; else none is, and to name one would be wrong."""
    found: bool
    """The rows that differ are those, and only those, that were made to."""
    refused: bool
    """The verdict is not SAFE."""
    explained: bool
    """Most differences have a right cause."""
    located: bool
    """The columns that differ are named, and no others."""
    placed: bool | None
    """The part of the data is named that holds the fault; None where it is all over them."""
    said: str = ""
    """What was said, for who looks into it."""


@dataclass(frozen=True)
class Case:
    """A fault of a scenario."""

    kind: str
    seed: int
    side: Sound
    fault: Fault


def case_of(seed: int, sides: Mapping[str, Sound] | None = None) -> Case:
    """The fault of a seed: kinds take turns, the scenario is one that has a place for it."""
    known = sound_sides() if sides is None else sides
    names = sorted(KINDS)
    kind = names[seed % len(names)]
    chance = random.Random(f"fault {seed}")
    while True:
        order = list(known)
        chance.shuffle(order)
        for name in order:
            side = known[name]
            fault = KINDS[kind](side, chance)
            if fault is not None and (fault.as_texts or differing(side, fault.rows)[0]):
                return Case(kind, seed, side, fault)


def files_of(case: Case, folder: Path) -> tuple[Path, Path]:
    """Flink's recorded rows, and the wrong ones, each in a format by chance."""
    chance = random.Random(f"files {case.seed}")
    left, right = chance.choice(("parquet", "jsonl")), chance.choice(("parquet", "jsonl"))
    if case.fault.as_texts:
        right = "jsonl"
    wrong = list(case.fault.rows)
    chance.shuffle(wrong)
    return (
        written(case.side.reference, case.side, folder / f"flink.{left}"),
        written(wrong, case.side, folder / f"velo.{right}", case.fault.as_texts),
    )


def measured(case: Case, folder: Path) -> Outcome:
    """What the comparison makes of a fault."""
    left, right = files_of(case, folder)
    fault, scenario = case.fault, case.side.scenario
    where = (case.kind, scenario.name, case.seed, fault.note, Cause.UNKNOWN not in fault.causes)
    try:
        result = compared(scenario, left, right)
    except VeloError as error:
        named = all(f'"{name}"' in error.message for name in fault.as_texts)
        is_type = error.code is ErrorCode.SCHEMA_MISMATCH and "type" in error.message
        return Outcome(*where, bool(fault.as_texts) and named, True, is_type, named, None, error.message)
    keys, columns = differing(case.side, fault.rows)
    names = scenario.key
    found = {tuple(str(one.key[name]) for name in names) for one in result.differences}
    wanted = {tuple(str(value) for value in key) for key in keys}
    right_causes = sum(n for cause, n in result.causes.items() if cause in fault.causes)
    changed = {one.column for one in result.differences if one.kind is DifferenceKind.VALUE}
    explained = right_causes >= _SHARE * max(1, sum(result.causes.values()))
    located = changed == columns
    placed = None if fault.part is None else any(names_part(s, fault.part) for s in result.segments)
    is_refused = result.verdict.decision is not Decision.SAFE
    return Outcome(*where, found == wanted, is_refused, explained, located, placed, _said(result))


def _said(result: ComparisonResult) -> str:
    causes = ", ".join(f"{n} {cause.value}" for cause, n in result.causes.most_common(_EXAMPLES))  # type: ignore[attr-defined]
    segments = ", ".join(f"{s.dimension}={s.value}" for s in result.segments[:_EXAMPLES])
    return f"{causes}; {segments or 'no segment'}"


def compared(scenario: Scenario, left: Path, right: Path) -> ComparisonResult:
    """The result of a comparison of two files by the scenario's config, less what Flink has differently every time."""
    sides = read_side(left, Side.LEFT), read_side(right, Side.RIGHT)
    config = scenario.sink_config
    plan = plan_for(
        *sides,
        key=config.key,
        equality=config.equality,
        time_column=config.time_column,
    )
    if config.control is None:
        return judged(compare_files(*sides, plan), today=TODAY)
    assert isinstance(config.control, FileStream)
    control = read_side(config.control.path, Side.RIGHT)
    beside = compare_files(sides[0], control, plan)
    smaller = without_columns(plan, ignorable_columns(beside))
    found = subtract(compare_files(*sides, smaller), compare_files(sides[0], control, smaller))
    return judged(found, today=TODAY)


def names_part(segment: Segment, part: Part) -> bool:
    """Whether a segment is the part of a fault."""
    if segment.dimension.removeprefix("hour of ") != part.column:
        return False
    if isinstance(part.value, datetime):
        return segment.value.startswith(f"{part.value:%Y-%m-%d}") and f"{part.value:%H}:00" in segment.value
    value = str(part.value).lower() if isinstance(part.value, bool) else str(part.value)
    return segment.value.strip("'\"") == value


def written(rows: Sequence[Row], side: Sound, path: Path, as_texts: Sequence[str] = ()) -> Path:
    """Rows as Parquet, or as JSON lines with some columns in quotes."""
    types = {c.name: c.type for c in side.schema.columns}
    if path.suffix == ".jsonl":
        lines = ["{" + ",".join(f'"{n}":{_json(row[n], n in as_texts)}' for n in types) + "}\n" for row in rows]
        path.write_text("".join(lines), encoding="utf-8")
        return path
    fields = []
    for one in side.schema.arrow():
        if pa.types.is_decimal(one.type):
            digits = [-int(row[one.name].as_tuple().exponent) for row in rows if row[one.name] is not None]
            fields.append(pa.field(one.name, pa.decimal128(38, max([one.type.scale, *digits]))))
        else:
            fields.append(pa.field(one.name, one.type))
    parquet.write_table(pa.Table.from_pylist(list(rows), pa.schema(fields)), path)
    return path


def _json(value: Any, as_text: bool) -> str:
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return f'"{value.isoformat(" ")}"'
    text = f"{value:f}" if isinstance(value, Decimal) else json.dumps(value)
    return f'"{text}"' if as_text else text


__all__ = ["KINDS", "Case", "Outcome", "case_of", "compared", "files_of", "measured"]
