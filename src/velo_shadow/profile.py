"""What both sides' rows are like beside those that differ, as far as an explanation of the differences needs it.

Nothing is asked where no difference could be explained by the answer: sides that are equal cost nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import combinations

import pyarrow as pa

from velo_engine.types import INTEGERS, TIMESTAMPS, arrow_type
from velo_shadow.alignment import Relation, output_name, side_rows
from velo_shadow.causes.rows import row_of
from velo_shadow.model import ComparisonPlan, Difference, Kind, Side
from velo_shadow.sql_engine import SqlEngine

_SAMPLE = 10_000
"""Rows that tell whether the values of a column repeat."""
_FEW = 20
"""Rows of which counts are often all different."""
_MOST_TIMES = 4
"""Columns of times of which each two are looked at."""


@dataclass(frozen=True, slots=True)
class SideProfile:
    """The rows of one side."""

    unique: frozenset[str] = frozenset()
    """Columns of whole numbers that repeat no value: numbers that rows are known by, not counts."""
    nulls: Mapping[str, int] = field(default_factory=dict)
    """How many NULLs a column has, of those that are NULL in rows without partner."""
    apart: Mapping[tuple[str, str], tuple[timedelta, timedelta]] = field(default_factory=dict)
    """By two columns of times, how far the second is behind the first: least and most."""
    rows: int = 0
    copies: Mapping[str, int] = field(default_factory=dict)
    """Of a bag: by row (`row_of`) that lacks a partner, how often this side has it."""


def profile(
    engine: SqlEngine,
    plan: ComparisonPlan,
    relations: tuple[Relation, Relation],
    differences: Sequence[Difference],
    tables: Mapping[str, pa.Table],
) -> Mapping[Side, SideProfile]:
    """Both sides' rows."""
    lone = [one for one in differences if one.kind is not Kind.VALUE]
    names = {column.name: column.type for column in (*plan.key, *plan.columns)}
    changed = {one.column for one in differences if one.kind is Kind.VALUE}
    whole = [n for n, kind in names.items() if kind.name in INTEGERS and (lone or n in changed)]
    empty = [n for n in names if any(one.row.get(n, "") is None for one in lone)]
    times = [n for n, kind in names.items() if kind.name in TIMESTAMPS][:_MOST_TIMES] if lone else []
    pairs = [*combinations(times, 2)]
    sides = dict(zip(Side, relations, strict=True))
    found = dict.fromkeys(Side, SideProfile())
    if whole or empty or pairs:
        wanted = whole, empty, pairs
        found = {side: _side_profile(engine, plan, relation, wanted, tables) for side, relation in sides.items()}
    if lone and not plan.key:
        return {
            side: replace(one, copies=_copies(engine, plan, sides[side], lone, tables)) for side, one in found.items()
        }
    return found


def _copies(
    engine: SqlEngine,
    plan: ComparisonPlan,
    relation: Relation,
    lone: Sequence[Difference],
    tables: Mapping[str, pa.Table],
) -> dict[str, int]:
    """How often a side has each of these rows."""
    rows = list({row_of(one.row): one.row for one in lone}.values())
    columns = {f"w{i}": column for i, column in enumerate(plan.columns)}
    wanted = pa.table(
        {"place": range(len(rows))}
        | {name: pa.array([row[c.name] for row in rows], arrow_type(c.type)) for name, c in columns.items()}
    )
    same = [f"a.{output_name(plan, c.name)} IS NOT DISTINCT FROM w.{name}" for name, c in columns.items()]
    found = engine.query_written(
        f"SELECT w.place, COUNT(*) AS often FROM velo_wanted AS w JOIN ({side_rows(plan, relation)}) AS a "
        f"ON {' AND '.join(same)} GROUP BY w.place",
        {**tables, "velo_wanted": wanted},
    )
    return {row_of(rows[one["place"]]): one["often"] for one in found.to_pylist()}


def _side_profile(
    engine: SqlEngine,
    plan: ComparisonPlan,
    relation: Relation,
    wanted: tuple[Sequence[str], Sequence[str], Sequence[tuple[str, str]]],
    tables: Mapping[str, pa.Table],
) -> SideProfile:
    whole, empty, pairs = wanted
    column = {name: output_name(plan, name) for names in (whole, empty, *pairs) for name in names}
    apart = [f"EPOCH_US({column[b]}) - EPOCH_US({column[a]})" for a, b in pairs]
    outputs = ["COUNT(*) AS total"]
    outputs += [f"COUNT(*) - COUNT({column[name]}) AS n{i}" for i, name in enumerate(empty)]
    outputs += [f"MIN({text}) AS a{i}, MAX({text}) AS b{i}" for i, text in enumerate(apart)]
    rows = side_rows(plan, relation)
    found = engine.query_written(f"SELECT {', '.join(outputs)} FROM ({rows}) AS a", tables).to_pylist()[0]
    repeats = f"= COUNT(*) AND COUNT(*) >= {_FEW}"
    distinct = [f"COUNT(DISTINCT {column[name]}) {repeats} AS u{i}" for i, name in enumerate(whole)]
    unique: Mapping[str, bool] = {}
    if distinct:
        sample = f"SELECT {', '.join(distinct)} FROM (SELECT * FROM ({rows}) AS a LIMIT {_SAMPLE}) AS b"
        unique = engine.query_written(sample, tables).to_pylist()[0]
    micro = timedelta(microseconds=1)
    return SideProfile(
        frozenset(name for i, name in enumerate(whole) if unique[f"u{i}"]),
        {name: found[f"n{i}"] for i, name in enumerate(empty)},
        {
            pair: (found[f"a{i}"] * micro, found[f"b{i}"] * micro)
            for i, pair in enumerate(pairs)
            if found[f"a{i}"] is not None
        },
        found["total"],
    )
