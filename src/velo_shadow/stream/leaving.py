"""Streams whose rows stay as they are: a row that has met its equal leaves, and only its fingerprint is kept.

Rows with the same fingerprint are the same. With a key, identical rows of a side are one row that was delivered more
than once, also when it left long ago: the fingerprints of the rows that left tell. Without a key, they are taken away
one against one. Rows without an equal stay in the file, judged or not: their partner may still come, so that what is
found in the end does not depend on which side was read faster.
"""

from __future__ import annotations

from velo_shadow.equality import needs_rule
from velo_shadow.model import Side
from velo_shadow.stream.judging import Span, equal_values, same_keys
from velo_shadow.stream.rows import Rows
from velo_shadow.stream.saved import Part, State

_LARGEST_PART = 4_000_000
"""Fingerprints of a file, from which no more are added to it: a file is read when rows of its times come."""
_SAME = "a.velo_f0 = b.velo_f0 AND a.velo_f1 = b.velo_f1"
_ON_LEFT, _ON_RIGHT = 1, 2


class LeavingRows:
    """Two append streams."""

    def __init__(self, rows: Rows) -> None:
        """Works on these tables and files."""
        self._rows = rows
        self._kernel = rows.kernel
        self._plan = rows.plan
        self._met = self._kernel.table("met")
        self._gone = self._kernel.table("gone")

    def standing(self, state: State, side: Side) -> str:
        """The rows of a side that have not left, as `judging` reads them."""
        return f"(SELECT *, CAST(1 AS BIGINT) AS velo_net FROM {self._rows.standing(state, side)} AS s)"

    def take(self, state: State, span: Span) -> None:
        """Take in what came: count copies, let equal pairs leave, write what stands now."""
        if self._plan.key:
            self._leave_out_copies_of_gone(state)
        self._meet(state)
        if self._plan.key:
            self._take_by_key(state, span)
        else:
            self._take_bag(state)

    def _open(self, state: State, side: Side) -> str:
        return self._rows.standing(state, side) or f"(SELECT * FROM {self._rows.new(side)} WHERE FALSE)"

    def _leave_out_copies_of_gone(self, state: State) -> None:
        for side, bit in ((Side.LEFT, _ON_LEFT), (Side.RIGHT, _ON_RIGHT)):
            new = self._rows.new(side)
            span = self._kernel.query(f"SELECT MIN(velo_time) AS first, MAX(velo_time) AS last FROM {new}").to_pylist()[
                0
            ]
            files = [part.file for part in state.parts if _overlaps(part, span["first"], span["last"])]
            if not files:
                continue
            seen = self._kernel.table("seen")
            self._kernel.execute(
                f"CREATE OR REPLACE TABLE {seen} AS SELECT a.velo_f0, a.velo_f1 FROM {self._rows.files(files)} AS a "
                f"SEMI JOIN {new} AS b ON {_SAME} WHERE a.velo_side & {bit} <> 0"
            )
            if self._rows.number(f"SELECT COUNT(*) AS n FROM {seen}"):
                copies = f"FROM {new} AS a WHERE EXISTS (SELECT 1 FROM {seen} AS b WHERE {_SAME})"
                state.sides[side].copies += self._rows.number(f"SELECT COUNT(*) AS n {copies}")
                self._kernel.execute(f"DELETE {copies}")

    def _meet(self, state: State) -> None:
        """By fingerprint how often it came (`nl`, `nr`) and stood (`ol`, `orr`) on each side."""
        sides = []
        for column, side in (("nl", Side.LEFT), ("nr", Side.RIGHT)):
            sides.append((column, self._rows.new(side)))
        for column, side in (("ol", Side.LEFT), ("orr", Side.RIGHT)):
            sides.append((column, self._open(state, side)))
        names = [name for name, _ in sides]
        one = [
            f"SELECT velo_f0, velo_f1, {', '.join(f'{int(name == of)} AS {name}' for name in names)} FROM {rows} AS s"
            for of, rows in sides
        ]
        sums = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in names)
        self._kernel.execute(
            f"CREATE OR REPLACE TABLE {self._met} AS SELECT velo_f0, velo_f1, {sums} "
            f"FROM ({' UNION ALL '.join(one)}) GROUP BY velo_f0, velo_f1"
        )

    def _take_by_key(self, state: State, span: Span) -> None:
        found = self._kernel.query(
            f"SELECT COUNT(CASE WHEN nl + ol > 0 AND nr + orr > 0 THEN 1 END) AS matched, "
            f"SUM(CASE WHEN nl > 0 THEN nl - CASE WHEN ol = 0 THEN 1 ELSE 0 END END) AS lefts, "
            f"SUM(CASE WHEN nr > 0 THEN nr - CASE WHEN orr = 0 THEN 1 ELSE 0 END END) AS rights FROM {self._met}"
        ).to_pylist()[0]
        copies = {Side.LEFT: int(found["lefts"] or 0), Side.RIGHT: int(found["rights"] or 0)}
        self._kernel.execute(
            f"CREATE OR REPLACE TABLE {self._gone} AS SELECT velo_f0, velo_f1, "
            f"CAST({_ON_LEFT | _ON_RIGHT} AS UTINYINT) AS velo_side "
            f"FROM {self._met} WHERE nl + ol > 0 AND nr + orr > 0"
        )
        state.matched += found["matched"] + self._let_near_leave(state, span)
        self._save_gone(state)
        for side, bit in ((Side.LEFT, _ON_LEFT), (Side.RIGHT, _ON_RIGHT)):
            new, old = f"(SELECT * FROM {self._rows.new(side)})", self._open(state, side)
            if copies[side]:
                state.sides[side].copies += copies[side]
                new = (
                    f"(SELECT a.* FROM {new} AS a ANTI JOIN {old} AS b ON {_SAME} "
                    "QUALIFY ROW_NUMBER() OVER (PARTITION BY a.velo_f0, a.velo_f1 ORDER BY a.velo_n) = 1)"
                )
            both = f"(SELECT * FROM {old} AS o UNION ALL SELECT * FROM {new} AS n)"
            gone = f"(SELECT velo_f0, velo_f1 FROM {self._gone} WHERE velo_side & {bit} <> 0)"
            self._write(state, side, f"SELECT a.* FROM {both} AS a ANTI JOIN {gone} AS b ON {_SAME}")

    def _let_near_leave(self, state: State, span: Span) -> int:
        """Pairs within the tolerance leave once their key is final: until then a closer partner may come."""
        if span.nothing or all(state.sides[side].rows is None for side in Side) or not self._has_tolerance():
            return 0
        sides = []
        keys = ", ".join(f"a.k{i}" for i in range(len(self._plan.key)))
        for side in Side:
            final = (
                f"SELECT a.* FROM {self._open(state, side)} AS a ANTI JOIN {self._gone} AS b ON {_SAME} "
                f"QUALIFY COUNT(*) OVER (PARTITION BY {keys}) = 1 AND NOT ({span.waits.replace('velo_', 'a.velo_')})"
            )
            coming = f"{self._rows.new(side)} AS c ON {same_keys(self._plan, 'f', 'c')}"
            sides.append(f"(SELECT f.* FROM ({final}) AS f ANTI JOIN {coming})")
        near = self._kernel.table("near")
        self._kernel.execute(
            f"CREATE OR REPLACE TABLE {near} AS SELECT l.velo_f0 AS l0, l.velo_f1 AS l1, r.velo_f0 AS r0, "
            f"r.velo_f1 AS r1 FROM {sides[0]} AS l JOIN {sides[1]} AS r ON {same_keys(self._plan, 'l', 'r')} "
            f"WHERE {equal_values(self._plan, 'l', 'r')}"
        )
        for letter, bit in (("l", _ON_LEFT), ("r", _ON_RIGHT)):
            self._kernel.execute(
                f"INSERT INTO {self._gone} SELECT {letter}0, {letter}1, CAST({bit} AS UTINYINT) FROM {near}"
            )
        return self._rows.number(f"SELECT COUNT(*) AS n FROM {near}")

    def _has_tolerance(self) -> bool:
        return any(needs_rule(column.equality) for column in self._plan.columns)

    def _save_gone(self, state: State) -> None:
        """A file more, or the last one with these added: there are few files, and each is written a few times only."""
        size = self._rows.number(f"SELECT COUNT(*) AS n FROM {self._gone}")
        if not size:
            return
        times = [f"SELECT velo_time FROM {self._rows.new(side)}" for side in Side]
        times += [f"SELECT velo_time FROM {self._open(state, side)} AS o" for side in Side]
        span = self._kernel.query(
            f"SELECT MIN(velo_time) AS first, MAX(velo_time) AS last FROM ({' UNION ALL '.join(times)})"
        ).to_pylist()[0]
        part = Part(f"gone-{state.step:08d}.parquet", 0, span["first"], span["last"])
        select = f"SELECT * FROM {self._gone}"
        while state.parts and state.parts[-1].rows < min(2 * size, _LARGEST_PART):
            last = state.parts.pop()
            select += f" UNION ALL SELECT * FROM {self._rows.file(last.file)}"
            part.first_ms, part.last_ms = _least(part.first_ms, last.first_ms), _most(part.last_ms, last.last_ms)
            size += last.rows
        part.rows = self._rows.write(part.file, select)
        state.parts.append(part)

    def _take_bag(self, state: State) -> None:
        state.matched += self._rows.number(f"SELECT SUM(LEAST(nl + ol, nr + orr)) AS n FROM {self._met}")
        gone = f"(SELECT *, LEAST(nl + ol, nr + orr) AS met FROM {self._met} WHERE LEAST(nl + ol, nr + orr) > 0)"
        for side, total in ((Side.LEFT, "nl + ol"), (Side.RIGHT, "nr + orr")):
            both = f"(SELECT * FROM {self._open(state, side)} AS o UNION ALL SELECT * FROM {self._rows.new(side)} AS n)"
            names = ", ".join(f"a.{name}" for name in (*self._rows.columns, *_BESIDE))
            self._write(
                state,
                side,
                f"SELECT {names} FROM {both} AS a ANTI JOIN {gone} AS b ON {_SAME} UNION ALL "
                f"SELECT {names} FROM {both} AS a JOIN {gone} AS b ON {_SAME} WHERE {total} > met "
                "QUALIFY ROW_NUMBER() OVER (PARTITION BY a.velo_f0, a.velo_f1 ORDER BY a.velo_n) > met",
            )

    def _write(self, state: State, side: Side, select: str) -> None:
        name = f"{side}-{state.step:08d}.parquet"
        state.sides[side].standing = self._rows.write(name, select)
        state.sides[side].rows = name


_BESIDE = ("velo_time", "velo_moment", "velo_partition", "velo_kind", "velo_n", "velo_f0", "velo_f1")


def _overlaps(part: Part, first: int | None, last: int | None) -> bool:
    if first is None or last is None:
        return False
    return part.first_ms is None or part.last_ms is None or (part.first_ms <= last and first <= part.last_ms)


def _least(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else min(one, other)


def _most(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
