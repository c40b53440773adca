"""Which row of the left belongs to which of the right: SQL that pairs them, to be rendered for DuckDB and for Spark.

The pairing gives one row for each pair and for each row without a partner: `l_here`, `r_here` (true or NULL), the key
as `lk0 …`, `rk0 …` and the compared columns as `lc0 …`, `rc0 …`.

* `ONE_A_KEY`: a full join by key. Right when no key that both sides have stands twice on a side.
* `COPIES`: rows of a key that are identical on one side are one row, delivered more than once; what is then left
  beside rows found identical on both sides is paired within its key, in order of the values.
* `BAG`: no key. Identical rows are taken away one against one, so that multiplicity counts; what is left is paired
  among rows that agree in every column compared exactly, in order of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from velo_engine.types import kernel_type
from velo_shadow.equality import needs_rule
from velo_shadow.model import ComparisonPlan, PlanColumn, Side


class Pairing(StrEnum):
    """How rows find their partners."""

    ONE_A_KEY = "one a key"
    COPIES = "copies"
    BAG = "bag"


@dataclass(frozen=True, slots=True)
class Relation:
    """One side as SQL sees it."""

    source: str
    """What stands after FROM: a table's name or a call of a table function."""
    columns: tuple[str, ...]
    """Names of the columns that it has."""
    instants: frozenset[str] = frozenset()
    """Columns that it holds with a time zone: compared as UTC, whatever zone the engine's session has."""
    where: str = ""
    """A condition on rows that take part; empty: all do."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The roles of a plan's columns in a pairing."""

    by: tuple[PlanColumn, ...]
    """Partners agree in these."""
    compared: tuple[PlanColumn, ...]


def roles(plan: ComparisonPlan) -> Columns:
    """By key; in a bag by the columns that are compared exactly."""
    if plan.key:
        return Columns(plan.key, plan.columns)
    exact = tuple(column for column in plan.columns if not needs_rule(column.equality))
    return Columns(exact, tuple(column for column in plan.columns if needs_rule(column.equality)))


def paired(plan: ComparisonPlan, left: Relation, right: Relation, pairing: Pairing) -> str:
    """The pairing as a SELECT in DuckDB's SQL."""
    found = roles(plan)
    ways = [f"l.k{i} IS NOT DISTINCT FROM r.k{i}" for i in range(len(found.by))]
    sides = {Side.LEFT: _side(found, left), Side.RIGHT: _side(found, right)}
    if pairing is not Pairing.ONE_A_KEY:
        ways.append("l.velo_nth = r.velo_nth")
        sides = {side: _remaining(found, sides[side], sides[side.other], pairing) for side in Side}
    return (
        f"SELECT {', '.join(_outputs(found))} FROM (SELECT TRUE AS here, * FROM ({sides[Side.LEFT]}) AS a) AS l "
        f"FULL JOIN (SELECT TRUE AS here, * FROM ({sides[Side.RIGHT]}) AS b) AS r ON {' AND '.join(ways)}"
    )


def side_rows(plan: ComparisonPlan, relation: Relation, beside: Sequence[str] = ()) -> str:
    """The rows of a side that take part, with the plan's columns as `k0 …`, `c0 …` brought to their types.

    `beside` are further columns of the relation, given as they are.
    """
    return _side(roles(plan), relation, beside)


def output_name(plan: ComparisonPlan, name: str) -> str:
    """The name that a plan's column has in `side_rows`."""
    found = roles(plan)
    names = {column.name: f"k{i}" for i, column in enumerate(found.by)}
    return (names | {column.name: f"c{i}" for i, column in enumerate(found.compared)})[name]


def remaining_rows(plan: ComparisonPlan, left: Relation, right: Relation, pairing: Pairing) -> str:
    """What the left has beside rows identical on both sides: what a pairing other than ONE_A_KEY pairs."""
    found = roles(plan)
    return _remaining(found, _side(found, left), _side(found, right), pairing)


def crowded(plan: ComparisonPlan, relation: Relation) -> str:
    """The largest number of rows among 65536 groups of keys, `crowd`, and of all, `total`: tells whether a key stands
    so often that joining it with itself would explode."""
    keys = ", ".join(f"k{i}" for i in range(len(plan.key)))
    rows = side_rows(plan, relation)
    return (
        "SELECT MAX(n) AS crowd, CAST(SUM(n) AS BIGINT) AS total FROM "
        f"(SELECT COUNT(*) AS n FROM ({rows}) AS a GROUP BY HASH({keys}) % 65536) AS b"
    )


def _side(found: Columns, relation: Relation, beside: Sequence[str] = ()) -> str:
    outputs = [_typed(c, relation, f"k{i}") for i, c in enumerate(found.by)]
    outputs += [_typed(c, relation, f"c{i}") for i, c in enumerate(found.compared)]
    outputs += beside
    where = f" WHERE {relation.where}" if relation.where else ""
    return f"SELECT {', '.join(outputs)} FROM {relation.source}{where}"


def _typed(column: PlanColumn, relation: Relation, name: str) -> str:
    if column.name not in relation.columns:
        return f"CAST(NULL AS {kernel_type(column.type)}) AS {name}"
    value = quoted(column.name)
    if column.name in relation.instants:
        value = f"MAKE_TIMESTAMP(EPOCH_US({value}))"
    return f"CAST({value} AS {kernel_type(column.type)}) AS {name}"


def _remaining(found: Columns, rows: str, others: str, pairing: Pairing) -> str:
    """Rows without an identical one on the other side, numbered within what pairs them."""
    by = [f"k{i}" for i in range(len(found.by))]
    order = [f"c{i}" for i in range(len(found.compared))] or by
    within = f"PARTITION BY {', '.join(by)} " if by else ""
    without = "EXCEPT ALL" if pairing is Pairing.BAG else "EXCEPT"
    return (
        f"SELECT *, ROW_NUMBER() OVER ({within}ORDER BY {', '.join(order)}) AS velo_nth "
        f"FROM (SELECT * FROM ({rows}) AS x {without} SELECT * FROM ({others}) AS y) AS z"
    )


def _outputs(found: Columns) -> list[str]:
    sides = [("l", "l"), ("r", "r")]
    outputs = [f"{side}.here AS {name}_here" for side, name in sides]
    outputs += [f"{side}.k{i} AS {name}k{i}" for i in range(len(found.by)) for side, name in sides]
    return outputs + [f"{side}.c{i} AS {name}c{i}" for i in range(len(found.compared)) for side, name in sides]


def quoted(name: str) -> str:
    """A column's name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
