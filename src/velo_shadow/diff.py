"""The comparison of two relations: one SQL statement that counts, and one that shows the first differences.

Both are the same pairing (`alignment`) under the same equality (`equality`); sides that are equal cost one join. A join
by key is only right while no key stands twice on both sides: the counts tell (rows joined against rows there are), and
then the slower pairing that tells copies from rows is run instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from sqlglot import exp

from velo_shadow.alignment import Columns, Pairing, Relation, crowded, paired, remaining_rows, roles, side_rows
from velo_shadow.equality import FUNCTIONS, equal
from velo_shadow.model import ComparisonPlan, Counts, Difference, Kind, PlanColumn
from velo_shadow.sql_engine import SqlEngine

MAX_DIFFERENCES = 10_000
"""Rows with differences that are fetched, examined and kept, in order of the key."""
_CROWD = 64
"""Rows beyond twice the average in one of 65536 groups of keys, from which a key is taken to stand too often."""


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs between two relations."""

    counts: Counts
    differences: tuple[Difference, ...]
    """Of the first `MAX_DIFFERENCES` rows that differ; a row that differs in two columns gives two."""
    spread: tuple[Difference, ...] = field(default=(), compare=False)
    """Of as many rows from everywhere: the same, unless more rows differ. The first ones of a key that grows with time
    are all of one hour, wherever the others are."""


def diff(
    engine: SqlEngine,
    plan: ComparisonPlan,
    left: Relation,
    right: Relation,
    *,
    limit: int = MAX_DIFFERENCES,
    tables: Mapping[str, pa.Table] | None = None,
) -> Diff:
    """Compare two relations that `engine` can read; `tables` are those that they name.

    Errors: EXPRESSION_FAILED when a value does not fit the type that both sides are brought to.
    """
    for function in FUNCTIONS:
        engine.add_function(function)
    query = _Query(engine, tables or {})
    counts, pairing = _counted(query, plan, left, right)
    if not counts.different or not limit:
        return Diff(counts, ())
    rows = query.rows(differing_rows(plan, left, right, pairing, limit))
    found = tuple(_differences(plan, rows))
    if counts.different <= limit:
        return Diff(counts, found, found)
    return Diff(counts, found, tuple(_differences(plan, query.rows(spread_rows(plan, left, right, pairing, limit)))))


def counting(plan: ComparisonPlan, left: Relation, right: Relation, pairing: Pairing) -> str:
    """The statement that counts: `pairs`, `missing`, `extra`, `differing`, and of each column `d0 …`."""
    columns = roles(plan).compared
    counts = ["COUNT(l_here AND r_here) AS pairs"]
    counts += [f"{_count_of(f'{side}_here IS NULL')} AS {name}" for side, name in (("r", "missing"), ("l", "extra"))]
    same = {f"d{i}": _same(column, i) for i, column in enumerate(columns)}
    both = "l_here AND r_here"
    whole = " AND ".join(same.values()) or "TRUE"
    counts.append(f"{_count_of(f'{both} AND NOT ({whole})')} AS differing")
    counts += [f"{_count_of(f'{both} AND NOT ({condition})')} AS {name}" for name, condition in same.items()]
    return f"SELECT {', '.join(counts)} FROM ({paired(plan, left, right, pairing)}) AS p"


def differing_rows(plan: ComparisonPlan, left: Relation, right: Relation, pairing: Pairing, limit: int) -> str:
    """The statement that gives the first rows that differ, in order of the key, with `e0 …` for equal columns."""
    order = ", ".join(_places(roles(plan)))
    return f"{_differing(plan, left, right, pairing)} ORDER BY {order} LIMIT {limit}"


def spread_rows(plan: ComparisonPlan, left: Relation, right: Relation, pairing: Pairing, limit: int) -> str:
    """As `differing_rows`, in an order that has nothing to do with what is in them."""
    places = ", ".join(_places(roles(plan)))
    return f"{_differing(plan, left, right, pairing)} ORDER BY HASH({places}), {places} LIMIT {limit}"


def _places(found: Columns) -> list[str]:
    """What rows that differ are ordered by: the key first."""
    by = [f"COALESCE(lk{i}, rk{i})" for i in range(len(found.by))]
    return by + [f"{side}c{i}" for i in range(len(found.compared)) for side in "lr"]


def _differing(plan: ComparisonPlan, left: Relation, right: Relation, pairing: Pairing) -> str:
    same = [_same(column, i) for i, column in enumerate(roles(plan).compared)]
    outputs = ["*", *(f"{condition} AS e{i}" for i, condition in enumerate(same))]
    where = " AND ".join(["l_here", "r_here", *same])
    return (
        f"SELECT {', '.join(outputs)} FROM ({paired(plan, left, right, pairing)}) AS p "
        f"WHERE NOT COALESCE({where}, FALSE)"
    )


@dataclass(frozen=True, slots=True)
class _Query:
    engine: SqlEngine
    tables: Mapping[str, pa.Table]

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.engine.query_written(sql, self.tables).to_pylist()  # type: ignore[no-any-return]

    def count(self, rows: str) -> int:
        return int(self.rows(f"SELECT COUNT(*) AS n FROM ({rows}) AS a")[0]["n"])


def _counted(query: _Query, plan: ComparisonPlan, left: Relation, right: Relation) -> tuple[Counts, Pairing]:
    """The counts, by the pairing that proved right."""
    if plan.key:
        totals = [query.rows(crowded(plan, relation))[0] for relation in (left, right)]
        sizes = [int(total["total"] or 0) for total in totals]
        if all((total["crowd"] or 0) <= 2 * size / 65536 + _CROWD for total, size in zip(totals, sizes, strict=True)):
            found = query.rows(counting(plan, left, right, Pairing.ONE_A_KEY))[0]
            if _keys_stood_once(query, plan, (left, right), found, sizes):
                equal_pairs = found["pairs"] - found["differing"]
                return _counts(plan, found, sizes, [0, 0], matched=equal_pairs), Pairing.ONE_A_KEY
    return _counted_with_copies(query, plan, left, right)


def _keys_stood_once(
    query: _Query,
    plan: ComparisonPlan,
    sides: tuple[Relation, Relation],
    found: Mapping[str, Any],
    sizes: Sequence[int],
) -> bool:
    """Whether no key stands twice: keys with partners by the number of pairs, keys of one side by counting them."""
    if found["pairs"] + found["missing"] != sizes[0] or found["pairs"] + found["extra"] != sizes[1]:
        return False
    keys = ", ".join(f"k{i}" for i in range(len(plan.key)))
    return all(
        not alone or query.count(f"SELECT DISTINCT {keys} FROM ({side_rows(plan, side)}) AS b") == size
        for side, alone, size in zip(sides, (found["missing"], found["extra"]), sizes, strict=True)
    )


def _counted_with_copies(
    query: _Query, plan: ComparisonPlan, left: Relation, right: Relation
) -> tuple[Counts, Pairing]:
    pairing = Pairing.COPIES if plan.key else Pairing.BAG
    sizes = [query.count(side_rows(plan, relation)) for relation in (left, right)]
    copies = [0, 0]
    if plan.key:
        distinct = [query.count(f"SELECT DISTINCT * FROM ({side_rows(plan, one)}) AS b") for one in (left, right)]
        copies = [size - kept for size, kept in zip(sizes, distinct, strict=True)]
    identical = sizes[0] - copies[0] - query.count(remaining_rows(plan, left, right, pairing))
    found = query.rows(counting(plan, left, right, pairing))[0]
    return _counts(plan, found, sizes, copies, matched=identical + found["pairs"] - found["differing"]), pairing


def _counts(
    plan: ComparisonPlan, found: Mapping[str, Any], sizes: Sequence[int], copies: Sequence[int], *, matched: int
) -> Counts:
    by_column = {column.name: found[f"d{i}"] for i, column in enumerate(roles(plan).compared) if found[f"d{i}"]}
    return Counts(
        left=sizes[0],
        right=sizes[1],
        matched=matched,
        differing=found["differing"],
        missing=found["missing"],
        extra=found["extra"],
        left_copies=copies[0],
        right_copies=copies[1],
        by_column=by_column,
    )


def _differences(plan: ComparisonPlan, rows: Sequence[Mapping[str, Any]]) -> list[Difference]:
    found = roles(plan)
    differences = []
    for row in rows:
        side = "l" if row["l_here"] else "r"
        key = {column.name: row[f"{side}k{i}"] for i, column in enumerate(found.by)}
        values = {column.name: row[f"{side}c{i}"] for i, column in enumerate(found.compared)}
        whole = {**key, **values}
        time = None if plan.time_column is None else whole.get(plan.time_column)
        if row["r_here"] is None:
            differences.append(Difference(Kind.MISSING, key, left=values, time=time, row=whole))
        elif row["l_here"] is None:
            differences.append(Difference(Kind.EXTRA, key, right=values, time=time, row=whole))
        else:
            differences += [
                Difference(Kind.VALUE, key, column.name, row[f"lc{i}"], row[f"rc{i}"], time, whole)
                for i, column in enumerate(found.compared)
                if not row[f"e{i}"]
            ]
    return differences


def _count_of(condition: str) -> str:
    """Rows for which a condition holds; 0 of none."""
    return f"COUNT(CASE WHEN {condition} THEN 1 END)"


def _same(column: PlanColumn, position: int) -> str:
    left, right = exp.column(f"lc{position}"), exp.column(f"rc{position}")
    return equal(left, right, column.type, column.equality).sql("duckdb")
