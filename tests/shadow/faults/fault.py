"""A fault: one side of a scenario made wrong in a known way, and what of that an explanation should say."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeAlias

from tests.shadow.scenarios.inputs import files
from tests.shadow.scenarios.scenario import Scenario, run, scenarios, sink_schema

from velo_engine.schema import RowSchema
from velo_engine.types import SqlType
from velo_shadow.model import Cause

Row: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[Any, ...]

NOT_COMPARED = {"control": ("receipt", "processed_at")}
"""Columns that Flink itself does not write twice alike."""
FEW_VALUES = 12
"""A column with no more values than that has parts that can be named."""


@dataclass(frozen=True)
class Part:
    """Where a fault is, when it is not everywhere."""

    column: str
    value: Any
    """Of a time: the beginning of its hour."""

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row belongs to it."""
        value = row[self.column]
        return bool((hour_of(value) if isinstance(value, datetime) else value) == self.value)


@dataclass(frozen=True)
class Fault:
    """A side that was made wrong."""

    rows: Sequence[Row]
    causes: frozenset[Cause]
    """What would be a right explanation; Cause.UNKNOWN stands among them where no cause of the list fits."""
    part: Part | None = None
    as_texts: tuple[str, ...] = ()
    """Columns that the side writes in quotes although they are none."""
    note: str = ""


@dataclass(frozen=True)
class Sound:
    """The right side of a scenario as it should be."""

    scenario: Scenario
    schema: RowSchema
    rows: Sequence[Row]
    key: tuple[str, ...]
    reference: Sequence[Row]
    """The left side: what Flink made of the scenario."""

    def columns(self, wanted: Callable[[SqlType], bool]) -> list[str]:
        """Columns beside the key that are compared, of some types."""
        left_out = (*self.key, *NOT_COMPARED.get(self.scenario.name, ()))
        return [c.name for c in self.schema.columns if c.name not in left_out and wanted(c.type)]

    def key_of(self, row: Mapping[str, Any]) -> Key:
        """The key of a row."""
        return tuple(row[name] for name in self.key)


Kind: TypeAlias = Callable[[Sound, random.Random], Fault | None]
"""Makes a fault of its kind; None where the scenario has no place for it."""


@cache
def sound_sides() -> Mapping[str, Sound]:
    """By scenario what our engine makes of its input, beside what Flink did."""
    return {name: _sound(one, one.rows(one.recorded()).to_pylist()) for name, one in scenarios().items()}


def other_sides(seed: int) -> Mapping[str, Sound]:
    """The same jobs over other input, which nobody has seen before; our engine's rows stand for Flink's as well.

    But for the scenario with a control, which is recorded.
    """
    found = {}
    for name, one in scenarios().items():
        if name not in NOT_COMPARED:
            texts = files(name, seed)
            inputs = {table: [json.loads(line) for line in text.splitlines()] for table, text in texts.items()}
            found[name] = _sound(replace(one, inputs=inputs), None)
    return found


def _sound(scenario: Scenario, reference: Sequence[Row] | None) -> Sound:
    rows = remade(scenario, scenario.program)
    return Sound(scenario, sink_schema(scenario.program), rows, scenario.key, rows if reference is None else reference)


def remade(
    scenario: Scenario, program: str, inputs: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
) -> list[Row]:
    """The final rows of another program, or over other input."""
    rows: list[Row] = scenario.rows(run(program, scenario.inputs if inputs is None else inputs)).to_pylist()
    return rows


def hour_of(time: datetime) -> datetime:
    """The beginning of the hour."""
    return time.replace(minute=0, second=0, microsecond=0)


def parts(side: Sound) -> list[Part]:
    """What can be named: values of columns with few, and hours, that hold some rows but not most."""
    found: dict[tuple[str, Any], int] = {}
    for column in side.schema.columns:
        if column.name in NOT_COMPARED.get(side.scenario.name, ()):
            continue
        values = [row[column.name] for row in side.rows]
        if any(isinstance(value, datetime) for value in values):
            values = [hour_of(value) for value in values if value is not None]
        elif not all(isinstance(value, str | int) for value in values) or len(set(values)) > FEW_VALUES:
            continue
        for value in values:
            found[column.name, value] = found.get((column.name, value), 0) + 1
    return [Part(*place) for place, n in found.items() if 8 <= n <= 0.4 * len(side.rows)]


def scope(side: Sound, chance: random.Random, able: Sequence[int]) -> tuple[list[int], Part | None]:
    """Rows to strike, of those that are able to be: one, few, a tenth, all, or those of one part."""
    chosen = list(able)
    chance.shuffle(chosen)
    match chance.choice(("one", "few", "tenth", "all", "part", "part")):
        case "one":
            return chosen[:1], None
        case "few":
            return chosen[: chance.randrange(2, 9)], None
        case "tenth":
            return chosen[: max(3, len(chosen) // 10)], None
        case "part":
            part = chance.choice(parts(side))
            within = [i for i in chosen if part.holds(side.rows[i])]
            return (within, part) if len(within) >= 5 else (chosen, None)
        case _:
            return chosen, None


def is_same(left: Any, right: Any) -> bool:
    """Whether two values are, up to the tolerance of floating point that every scenario has."""
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9)
    return bool(left == right)


def differing(side: Sound, rows: Iterable[Row]) -> tuple[set[Key], set[str]]:
    """The keys in which rows differ from those that should be, and the columns: computed here, row by row."""
    wrong, right = (_by_key(side, some) for some in (rows, side.rows))
    names = side.columns(lambda _: True)
    keys, columns = set(wrong.keys() ^ right.keys()), set()
    for key in wrong.keys() & right.keys():
        # A key with a row too many still has the right one: then no column of it differs.
        found = [] if right[key][0] in wrong[key] else _unlike(names, wrong[key][0], right[key][0])
        if found or len(wrong[key]) > 1:
            keys.add(key)
            columns.update(found)
    return keys, columns


def _by_key(side: Sound, rows: Iterable[Row]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(side.key_of(row), []).append(row)
    return found


def _unlike(names: Iterable[str], one: Row, other: Row) -> list[str]:
    return [name for name in names if not is_same(one[name], other[name])]


def shifted(row: Row, names: Iterable[str], by: timedelta) -> Row:
    """A row with some of its times moved."""
    return row | {name: row[name] + by for name in names if row[name] is not None}
