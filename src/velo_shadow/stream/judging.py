"""What the rows that stand say now: those that both sides have passed are compared, the others are pending.

Rows come as SQL with `k0 …`, `c0 …`, `velo_time`, `velo_moment` (`incoming`) and `velo_net`: how often the row stands;
0 of one that was removed lately. A key is judged as a whole: it is pending while one of its changes is, unless its rows
are equal by now; so are identical rows of a bag. Rows of a bag with a tolerance are judged one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sqlglot import exp

from velo_shadow.alignment import Relation, quoted, roles
from velo_shadow.diff import MAX_DIFFERENCES, Diff, diff
from velo_shadow.equality import equal
from velo_shadow.model import ComparisonPlan, Counts, Side
from velo_shadow.stream.rows import Rows

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
    rows: Rows,
    standing: Mapping[Side, str],
    span: Span,
    *,
    limit: int = MAX_DIFFERENCES,
    unequal_wait: bool = False,
) -> Judged:
    """Compare what can be judged of the rows that stand; up to `limit` rows that differ are fetched.

    `unequal_wait`: no row that is not passed has an equal on the other side, so that none is looked for, and the
    pending are counted by row instead of by key.
    """
    judging = _Judging(rows, standing, span, unequal_wait)
    found = judging.diff(limit)
    equal_by_now = judging.equal_by_now
    counts = replace(
        found.counts,
        left=found.counts.left + equal_by_now,
        right=found.counts.right + equal_by_now,
        matched=found.counts.matched + equal_by_now,
    )
    result = Judged(
        replace(found, counts=counts),
        judging.pending(),
        judging.pending_rows() if limit else (),
        judging.warm_up(),
    )
    judging.clear()
    return result


def same_keys(plan: ComparisonPlan, first: str, second: str) -> str:
    """The condition that rows of two relations agree in what pairs them."""
    ways = [f"{first}.k{i} IS NOT DISTINCT FROM {second}.k{i}" for i in range(len(roles(plan).by))]
    return " AND ".join(ways) or "TRUE"


@cache
def equal_values(plan: ComparisonPlan) -> str:
    """The condition that the compared columns of relations `l` and `r` are equal under the plan."""
    conditions = [
        equal(exp.column(f"c{i}", "l"), exp.column(f"c{i}", "r"), column.type, column.equality).sql("duckdb")
        for i, column in enumerate(roles(plan).compared)
    ]
    return " AND ".join(conditions) or "TRUE"


def repeated(rows: Rows, standing: str) -> str:
    """Each row as often as it stands."""
    most = rows.number(f"SELECT MAX(velo_net) AS n FROM {standing} AS a")
    return f"(SELECT b.* FROM {standing} AS b, RANGE(b.velo_net) AS c(nth))" if most > 1 else standing


def named_rows(plan: ComparisonPlan, rows: str) -> Relation:
    """Rows under the plan's names; one that stands several times (`velo_net`) must have been repeated."""
    found = roles(plan)
    columns = tuple(column.name for column in (*found.by, *found.compared))
    return Relation(f"(SELECT {_named(plan)} FROM {rows} AS a)", columns)


def _named(plan: ComparisonPlan, *, key_only: bool = False) -> str:
    found = roles(plan)
    names = [f"k{i} AS {quoted(column.name)}" for i, column in enumerate(found.by)]
    if not key_only:
        names += [f"c{i} AS {quoted(column.name)}" for i, column in enumerate(found.compared)]
    return ", ".join(names)


class _Judging:
    """Which rows are pending or warm-up, and which are left to compare."""

    def __init__(self, rows: Rows, standing: Mapping[Side, str], span: Span, unequal_wait: bool) -> None:
        self._rows = rows
        self._plan = rows.plan
        self._span = span
        self._roles = roles(rows.plan)
        self._by = ", ".join(f"k{i}" for i in range(len(self._roles.by)))
        self._here = {side: f"(SELECT * FROM {standing[side]} AS z WHERE velo_net > 0)" for side in Side}
        self._waits = {side: f"(SELECT * FROM {standing[side]} AS z WHERE {span.waits})" for side in Side}
        self._together = bool(rows.plan.key) or (bool(self._by) and not self._roles.compared)
        self._counts_rows = unequal_wait
        self._files: list[str] = []
        self.equal_by_now = 0
        """Rows of each side that are equal although the other side has not passed them."""
        self._warm = self._held = self._done = ""
        if self._together:
            if span.from_ms is not None:
                self._warm = self._found_warm()
            if span.waits != "FALSE":
                self._held = self._found_held()
                if not unequal_wait:
                    self._done = self._found_done()

    def diff(self, limit: int) -> Diff:
        """What differs in the rows that are compared now."""
        judged = {side: self._judged(side) for side in Side}
        if not any(self._rows.number(f"SELECT COUNT(*) AS n FROM {rows} AS a") for rows in judged.values()):
            return Diff(Counts(0, 0, 0, 0, 0, 0), ())
        left, right = (named_rows(self._plan, repeated(self._rows, rows)) for rows in judged.values())
        return diff(self._rows.kernel, self._plan, left, right, limit=limit)

    def pending(self) -> int:
        """Keys, or rows of a bag, that are not passed and not equal."""
        if self._span.waits == "FALSE":
            return 0
        left, right = (self._pending_of(side) for side in Side)
        if self._plan.key and not self._counts_rows:
            return self._rows.number(
                f"SELECT COUNT(*) AS n FROM (SELECT DISTINCT {self._by} FROM ({left} UNION ALL {right}))"
            )
        if not self._together or self._counts_rows:
            return self._rows.number(f"SELECT SUM(velo_net) AS n FROM ({left} UNION ALL {right})")
        return self._rows.number(
            f"SELECT SUM(ABS(net)) AS n FROM (SELECT SUM(velo_net) AS net FROM "
            f"({left} UNION ALL SELECT * REPLACE (-velo_net AS velo_net) FROM ({right})) GROUP BY {self._by})"
        )

    def pending_rows(self) -> tuple[Mapping[str, Any], ...]:
        """The first of them, in order of time and key."""
        if self._span.waits == "FALSE":
            return ()
        compared = [] if self._plan.key else [f"c{i}" for i in range(len(self._roles.compared))]
        listed = ", ".join(filter(None, (self._by, *compared)))
        sides = [
            f"SELECT '{side}' AS velo_side, {listed}, MIN(velo_time) AS velo_time "
            f"FROM ({self._pending_of(side)}) AS a GROUP BY ALL"
            for side in Side
        ]
        names = _named(self._plan, key_only=bool(self._plan.key))
        found = self._rows.kernel.query(
            f"SELECT velo_side AS side, {names} FROM ({' UNION ALL '.join(sides)}) AS a "
            f"ORDER BY velo_time, {listed}, velo_side LIMIT {SHOWN_PENDING}"
        )
        return tuple(found.to_pylist())

    def warm_up(self) -> int:
        """Keys, or rows of a bag, that lie before the start."""
        if self._span.from_ms is None:
            return 0
        if self._plan.key:
            return self._rows.number(f"SELECT COUNT(*) AS n FROM {self._warm}")
        left, right = (f"SELECT * FROM {self._here[side]} AS y WHERE {self._span.before}" for side in Side)
        return self._rows.number(f"SELECT SUM(velo_net) AS n FROM ({left} UNION ALL {right})")

    def clear(self) -> None:
        """Removes what was written on the way."""
        self._rows.remove(self._files)

    def _found_warm(self) -> str:
        """Keys all of whose rows lie before the start: one that is stale on one side only is a difference."""
        before = self._keys_where(self._here, self._span.before)
        after = self._keys_where(self._here, f"NOT ({self._span.before})")
        on = same_keys(self._plan, "a", "b")
        return self._written(
            "warm", f"SELECT a.* FROM (SELECT DISTINCT * FROM ({before})) AS a ANTI JOIN ({after}) AS b ON {on}"
        )

    def _found_held(self) -> str:
        """Keys of rows that are passed, of which another change is not."""
        waiting = self._keys_where(self._waits, "TRUE")
        passed = self._keys_where(self._here, f"NOT ({self._span.waits})")
        on = same_keys(self._plan, "a", "b")
        return self._written("held", f"SELECT DISTINCT a.* FROM ({passed}) AS a SEMI JOIN ({waiting}) AS b ON {on}")

    def _found_done(self) -> str:
        """Keys that are not passed, but whose only rows are equal; of a bag, rows that stand as often on both sides."""
        on = same_keys(self._plan, "a", "b")
        listed = ", ".join(f"l.k{i}" for i in range(len(self._roles.by)))
        by = ", ".join(f"a.k{i}" for i in range(len(self._roles.by)))
        keys = f"({self._keys_where(self._waits, 'TRUE')})"
        sides = {s: f"SELECT a.* FROM {self._here[s]} AS a SEMI JOIN {keys} AS b ON {on}" for s in Side}
        if not self._plan.key:
            sums = {
                s: f"SELECT {by}, SUM(a.velo_net) AS velo_net FROM ({rows}) AS a GROUP BY {by}"
                for s, rows in sides.items()
            }
            condition = "l.velo_net = r.velo_net"
        else:
            sums = sides
            condition = f"l.velo_net = 1 AND r.velo_net = 1 AND {equal_values(self._plan)}"
        done = self._written(
            "done",
            f"SELECT {listed}, l.velo_net FROM ({sums[Side.LEFT]}) AS l JOIN ({sums[Side.RIGHT]}) AS r "
            f"ON {same_keys(self._plan, 'l', 'r')} WHERE {condition}",
        )
        if self._plan.key:
            done = self._written("done-alone", f"SELECT a.* FROM {done} AS a{self._without_crowds(done)}")
        self.equal_by_now = self._rows.number(f"SELECT SUM(velo_net) AS n FROM {done}")
        return done

    def _without_crowds(self, keys: str) -> str:
        """What takes from `a` the keys of which a side has another row."""
        on = same_keys(self._plan, "b", "c")
        by = ", ".join(f"b.k{i}" for i in range(len(self._roles.by)))
        crowds = [
            f"SELECT {by} FROM {self._here[side]} AS b SEMI JOIN {keys} AS c ON {on} "
            f"GROUP BY {by} HAVING SUM(b.velo_net) > 1"
            for side in Side
        ]
        return f" ANTI JOIN ({' UNION ALL '.join(crowds)}) AS d ON {same_keys(self._plan, 'a', 'd')}"

    def _keys_where(self, of: Mapping[Side, str], condition: str) -> str:
        return " UNION ALL ".join(f"SELECT {self._by} FROM {of[side]} AS y WHERE {condition}" for side in Side)

    def _written(self, name: str, select: str) -> str:
        self._files.append(f"{name}.parquet")
        self._rows.write(self._files[-1], select)
        return self._rows.file(self._files[-1])

    def _judged(self, side: Side) -> str:
        passed = f"SELECT y.* FROM {self._here[side]} AS y"
        for keys in filter(None, (self._held, self._warm)):
            passed = f"SELECT y.* FROM ({passed}) AS y ANTI JOIN {keys} AS w ON {same_keys(self._plan, 'y', 'w')}"
        before = "" if self._together else f" AND NOT ({self._span.before})"
        return f"(SELECT y.* FROM ({passed}) AS y WHERE NOT ({self._span.waits}){before})"

    def _pending_of(self, side: Side) -> str:
        if not self._together:
            return f"SELECT * FROM {self._here[side]} AS y WHERE ({self._span.waits}) AND NOT ({self._span.before})"
        on = same_keys(self._plan, "y", "w")
        here = f"SELECT y.* FROM {self._here[side]} AS y"
        pending = (
            f"{here} WHERE {self._span.waits} UNION ALL "
            f"SELECT y.* FROM ({here} SEMI JOIN {self._held} AS w ON {on}) AS y WHERE NOT ({self._span.waits})"
        )
        for keys in filter(None, (self._done, self._warm)):
            pending = f"SELECT y.* FROM ({pending}) AS y ANTI JOIN {keys} AS w ON {on}"
        return pending
