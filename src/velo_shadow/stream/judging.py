"""What the rows that stand say now: those that both sides have passed are compared, the others are pending.

Rows come as SQL with `k0 …`, `c0 …`, `velo_time`, `velo_moment` (`incoming`) and `velo_net`: how often the row stands;
0 of one that was removed lately. A key is judged as a whole: it is pending while one of its changes is, unless its rows
are equal by now; so are identical rows of a bag. Rows of a bag with a tolerance are judged one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from velo_engine.kernel import Kernel
from velo_shadow.alignment import Relation, quoted, roles
from velo_shadow.diff import MAX_DIFFERENCES, Diff, diff
from velo_shadow.equality import equal
from velo_shadow.model import ComparisonPlan, Side

SHOWN_PENDING = 100
"""Pending rows that a result names."""


@dataclass(frozen=True, slots=True)
class Span:
    """What can be judged: rows whose moment lies up to `until_ms`, of keys with an event time from `from_ms` on."""

    until_ms: int | None = None
    """None: all."""
    nothing: bool = False
    """Nothing is known of a side yet."""
    from_ms: int | None = None
    """None: all; rows that lie before it have been left out, or there are none."""

    @property
    def waits(self) -> str:
        """The condition on a row that is not passed."""
        if self.nothing:
            return "TRUE"
        return "FALSE" if self.until_ms is None else f"velo_moment > {self.until_ms}"

    @property
    def before(self) -> str:
        """The condition on a row that lies before the start."""
        return "FALSE" if self.from_ms is None else f"velo_time < {self.from_ms}"


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found."""

    diff: Diff
    pending: int
    pending_rows: tuple[Mapping[str, Any], ...]
    warm_up: int


def judge(
    kernel: Kernel, plan: ComparisonPlan, rows: Mapping[Side, str], span: Span, *, limit: int = MAX_DIFFERENCES
) -> Judged:
    """Compare what can be judged of `rows`; up to `limit` rows that differ are fetched."""
    judging = _Judging(kernel, plan, rows, span)
    left, right = (judging.relation(side) for side in Side)
    found = diff(kernel, plan, left, right, limit=limit)
    shown = judging.pending_rows() if limit else ()
    return Judged(found, judging.pending(), shown, judging.warm_up())


def same_keys(plan: ComparisonPlan, first: str, second: str) -> str:
    """The condition that rows of two relations agree in what pairs them."""
    ways = [f"{first}.k{i} IS NOT DISTINCT FROM {second}.k{i}" for i in range(len(roles(plan).by))]
    return " AND ".join(ways) or "TRUE"


def equal_values(plan: ComparisonPlan, left: str, right: str) -> str:
    """The condition that the compared columns of two relations are equal under the plan."""
    conditions = [
        equal(exp.column(f"c{i}", left), exp.column(f"c{i}", right), column.type, column.equality).sql("duckdb")
        for i, column in enumerate(roles(plan).compared)
    ]
    return " AND ".join(conditions) or "TRUE"


class _Judging:
    """Which rows are pending or warm-up, and which are left to compare."""

    def __init__(self, kernel: Kernel, plan: ComparisonPlan, rows: Mapping[Side, str], span: Span) -> None:
        self._kernel = kernel
        self._plan = plan
        self._span = span
        self._roles = roles(plan)
        self._by = ", ".join(f"k{i}" for i in range(len(self._roles.by)))
        self._rows = rows
        self._here = {side: f"(SELECT * FROM {rows[side]} AS z WHERE velo_net > 0)" for side in Side}
        self._together = bool(plan.key) or (bool(self._by) and not self._roles.compared)
        self._warm = kernel.table("warm")
        self._waiting = kernel.table("waiting")
        if self._together:
            self._find_warm()
            self._find_waiting()

    def relation(self, side: Side) -> Relation:
        """The rows of a side that are compared now, under the plan's names."""
        columns = tuple(column.name for column in (*self._roles.by, *self._roles.compared))
        rows = self._judged(side)
        most = self._number(f"SELECT MAX(velo_net) AS n FROM {rows} AS a")
        repeated = ", RANGE(a.velo_net) AS b(nth)" if most > 1 else ""
        return Relation(f"(SELECT {self._named()} FROM {rows} AS a{repeated})", columns)

    def pending(self) -> int:
        """Keys, or rows of a bag, that are not passed and not equal."""
        if self._plan.key:
            return self._number(f"SELECT COUNT(*) AS n FROM {self._waiting}")
        left, right = (self._pending_of(side) for side in Side)
        if not self._together:
            return self._number(f"SELECT SUM(velo_net) AS n FROM ({left} UNION ALL {right})")
        return self._number(
            f"SELECT SUM(ABS(net)) AS n FROM (SELECT SUM(velo_net) AS net FROM "
            f"({left} UNION ALL SELECT * REPLACE (-velo_net AS velo_net) FROM ({right})) GROUP BY {self._by})"
        )

    def pending_rows(self) -> tuple[Mapping[str, Any], ...]:
        """The first of them, in order of time and key."""
        listed = self._by if self._plan.key else ", ".join(filter(None, (self._by, *self._compared())))
        sides = [
            f"SELECT '{side}' AS velo_side, {listed}, MIN(velo_time) AS velo_time "
            f"FROM ({self._pending_of(side)}) AS a GROUP BY ALL"
            for side in Side
        ]
        names = self._named(key_only=bool(self._plan.key))
        found = self._kernel.query(
            f"SELECT velo_side AS side, {names} FROM ({' UNION ALL '.join(sides)}) AS a "
            f"ORDER BY velo_time, {listed}, velo_side LIMIT {SHOWN_PENDING}"
        )
        return tuple(found.to_pylist())

    def warm_up(self) -> int:
        """Keys, or rows of a bag, that lie before the start."""
        if self._span.from_ms is None:
            return 0
        if self._plan.key:
            return self._number(f"SELECT COUNT(*) AS n FROM {self._warm}")
        left, right = (f"SELECT * FROM {self._here[side]} AS y WHERE {self._span.before}" for side in Side)
        return self._number(f"SELECT SUM(velo_net) AS n FROM ({left} UNION ALL {right})")

    def _find_warm(self) -> None:
        """Keys are left out only when all of their rows are: one that is stale on one side is a difference."""
        both = f"SELECT * FROM {self._here[Side.LEFT]} AS y UNION ALL SELECT * FROM {self._here[Side.RIGHT]} AS y"
        having = "FALSE" if self._span.from_ms is None else f"MAX(velo_time) < {self._span.from_ms}"
        self._kernel.execute(
            f"CREATE OR REPLACE TABLE {self._warm} AS SELECT {self._by} FROM ({both}) "
            f"GROUP BY {self._by} HAVING {having}"
        )

    def _find_waiting(self) -> None:
        left, right = (self._rows[side] for side in Side)
        both = f"SELECT * FROM {left} AS y UNION ALL SELECT * FROM {right} AS y"
        self._kernel.execute(
            f"CREATE OR REPLACE TABLE {self._waiting} AS SELECT a.* FROM (SELECT DISTINCT {self._by} FROM ({both}) "
            f"WHERE {self._span.waits}) AS a ANTI JOIN {self._warm} AS w ON {same_keys(self._plan, 'a', 'w')}"
        )
        if self._number(f"SELECT COUNT(*) AS n FROM {self._waiting}"):
            self._take_out_equal()

    def _take_out_equal(self) -> None:
        """Keys that are gone on both sides, or whose only rows are equal; identical rows of a bag as often each."""
        sides = []
        for side in Side:
            values = ", ".join(("", *(f"ANY_VALUE(a.c{i}) AS c{i}" for i in range(len(self._roles.compared)))))
            by = ", ".join(f"a.k{i}" for i in range(len(self._roles.by)))
            here = f"{self._here[side]} AS a SEMI JOIN {self._waiting} AS w ON {same_keys(self._plan, 'a', 'w')}"
            sides.append(f"SELECT {by}{values.rstrip(', ')}, SUM(a.velo_net) AS net FROM {here} GROUP BY {by}")
        once = "l.net = 1 AND r.net = 1" if self._plan.key else "l.net = r.net"
        done = self._kernel.table("done")
        self._kernel.execute(
            f"CREATE OR REPLACE TABLE {done} AS SELECT w.* FROM {self._waiting} AS w "
            f"LEFT JOIN ({sides[0]}) AS l ON {same_keys(self._plan, 'w', 'l')} "
            f"LEFT JOIN ({sides[1]}) AS r ON {same_keys(self._plan, 'w', 'r')} "
            f"WHERE l.net IS NULL AND r.net IS NULL OR COALESCE({once}, FALSE) "
            f"AND {equal_values(self._plan, 'l', 'r')}"
        )
        self._kernel.execute(
            f"CREATE OR REPLACE TABLE {self._waiting} AS SELECT w.* FROM {self._waiting} AS w "
            f"ANTI JOIN {done} AS d ON {same_keys(self._plan, 'w', 'd')}"
        )
        self._kernel.execute(f"DROP TABLE {done}")

    def _judged(self, side: Side) -> str:
        if not self._together:
            return (
                f"(SELECT * FROM {self._here[side]} AS y WHERE NOT ({self._span.waits}) AND NOT ({self._span.before}))"
            )
        return (
            f"(SELECT y.* FROM {self._here[side]} AS y "
            f"ANTI JOIN {self._waiting} AS w ON {same_keys(self._plan, 'y', 'w')} "
            f"ANTI JOIN {self._warm} AS m ON {same_keys(self._plan, 'y', 'm')})"
        )

    def _pending_of(self, side: Side) -> str:
        if not self._together:
            return f"SELECT * FROM {self._here[side]} AS y WHERE ({self._span.waits}) AND NOT ({self._span.before})"
        on = same_keys(self._plan, "y", "w")
        return f"SELECT y.* FROM {self._here[side]} AS y SEMI JOIN {self._waiting} AS w ON {on}"

    def _compared(self) -> list[str]:
        return [f"c{i}" for i in range(len(self._roles.compared))]

    def _named(self, *, key_only: bool = False) -> str:
        names = [f"k{i} AS {quoted(column.name)}" for i, column in enumerate(self._roles.by)]
        if not key_only:
            names += [f"c{i} AS {quoted(column.name)}" for i, column in enumerate(self._roles.compared)]
        return ", ".join(names)

    def _number(self, sql: str) -> int:
        return int(self._kernel.query(sql).column("n")[0].as_py() or 0)
