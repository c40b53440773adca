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
from velo_shadow.stream.rows import BESIDE, Rows
from velo_shadow.stream.saved import LARGEST_PART, Part, State, overlaps

_SAME = "a.velo_f0 = b.velo_f0 AND a.velo_f1 = b.velo_f1"
_ON_LEFT, _ON_RIGHT = 1, 2
_BITS = {Side.LEFT: _ON_LEFT, Side.RIGHT: _ON_RIGHT}


class LeavingRows:
    """Two append streams."""

    def __init__(self, rows: Rows) -> None:
        """Works on these files."""
        self._rows = rows
        self._kernel = rows.kernel
        self._plan = rows.plan

    def standing(self, state: State, side: Side) -> str:
        """The rows of a side that have not left, as `judging` reads them."""
        return f"(SELECT *, CAST(1 AS BIGINT) AS velo_net FROM {self._rows.standing(state, side)} AS s)"

    def take(self, state: State, span: Span) -> None:
        """Take in what came: count copies, let equal pairs leave, write what stands now."""
        if self._plan.key:
            self._take_by_key(state, span)
        else:
            self._take_bag(state)

    def _all(self, state: State, side: Side) -> str:
        return f"(SELECT * FROM {self._rows.standing(state, side)} UNION ALL SELECT * FROM {self._rows.new(side)})"

    def _take_by_key(self, state: State, span: Span) -> None:
        for side in Side:
            self._leave_out_copies(state, side)
        left, right = (self._all(state, side) for side in Side)
        met = f"gone-{state.step:08d}-met.parquet"
        matched = self._rows.write(
            met,
            f"SELECT a.velo_f0, a.velo_f1, CAST({_ON_LEFT | _ON_RIGHT} AS UTINYINT) AS velo_side, a.velo_time "
            f"FROM {left} AS a JOIN {right} AS b ON {_SAME}",
        )
        parts = [met]
        if self._has_tolerance:
            near = f"gone-{state.step:08d}-near.parquet"
            matched += self._let_near_leave(state, span, met, near) // 2
            parts.append(near)
        state.matched += matched
        gone = self._rows.files(parts)
        for side in Side:
            of_side = f"(SELECT velo_f0, velo_f1 FROM {gone} WHERE velo_side & {_BITS[side]} <> 0)"
            self._write(
                state, side, f"SELECT a.* FROM {self._all(state, side)} AS a ANTI JOIN {of_side} AS b ON {_SAME}"
            )
        self._keep(state, gone)

    def _leave_out_copies(self, state: State, side: Side) -> None:
        """Rows that came before: with the same step, before it, or so long ago that they have left."""
        new, old = self._rows.new(side), self._rows.standing(state, side)
        times = self._rows.times(new)
        anywhere = any(of_side.has_untimed for of_side in state.sides.values())
        files = [part.file for part in state.parts if anywhere or overlaps(part, *times)]
        known = [f"SELECT velo_f0, velo_f1 FROM {old} AS b"]
        if files:
            known.append(
                f"SELECT velo_f0, velo_f1 FROM {self._rows.files(files)} AS b WHERE velo_side & {_BITS[side]} <> 0"
            )
        before = f"({' UNION ALL '.join(known)})"
        found = self._kernel.query(
            f"SELECT COUNT(*) AS n, COUNT(DISTINCT velo_f0) AS distinct_rows FROM {new}"
        ).to_pylist()[0]
        count = found["n"]
        again = self._rows.number(f"SELECT COUNT(*) AS n FROM {before} AS b SEMI JOIN {new} AS a ON {_SAME}")
        if not again and count == found["distinct_rows"]:
            return
        kept = self._rows.replace_new(
            side,
            f"SELECT a.* FROM {new} AS a ANTI JOIN {before} AS b ON {_SAME} "
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY a.velo_f0, a.velo_f1 ORDER BY a.velo_n) = 1",
        )
        state.sides[side].copies += count - kept

    def _let_near_leave(self, state: State, span: Span, met: str, near: str) -> int:
        """Pairs within the tolerance leave once their key is final: until then a closer partner may come.

        Looks among the rows that stood before this step, which are few when most are the same. Writes the pairs as
        `near`; how many rows.
        """
        rest = {
            side: f"(SELECT a.* FROM {self._all(state, side)} AS a ANTI JOIN {self._rows.file(met)} AS b ON {_SAME})"
            for side in Side
        }
        stood = [
            f"(SELECT a.* FROM {self._rows.standing(state, side)} AS a "
            f"ANTI JOIN {self._rows.file(met)} AS b ON {_SAME} WHERE NOT ({span.waits}))"
            for side in Side
        ]
        keys = [f"k{i}" for i in range(len(self._plan.key))]
        listed = ", ".join(f"l.{key}" for key in keys)
        pairs = f"pairs-{state.step:08d}.parquet"
        found = self._rows.write(
            pairs,
            f"SELECT {listed}, l.velo_f0 AS l0, l.velo_f1 AS l1, r.velo_f0 AS r0, r.velo_f1 AS r1, "
            f"l.velo_time, r.velo_time AS r_time "
            f"FROM {stood[0]} AS l JOIN {stood[1]} AS r ON {same_keys(self._plan, 'l', 'r')} "
            f"WHERE {equal_values(self._plan)}",
        )
        single = self._rows.file(pairs)
        for side in Side if found else ():
            crowded = (
                f"SELECT {', '.join(f'a.{key}' for key in keys)} FROM {rest[side]} AS a "
                f"SEMI JOIN {self._rows.file(pairs)} AS b ON {same_keys(self._plan, 'a', 'b')} "
                f"GROUP BY ALL HAVING COUNT(*) > 1"
            )
            single = f"(SELECT a.* FROM {single} AS a ANTI JOIN ({crowded}) AS b ON {same_keys(self._plan, 'a', 'b')})"
        count = self._rows.write(
            near,
            f"SELECT l0 AS velo_f0, l1 AS velo_f1, CAST({_ON_LEFT} AS UTINYINT) AS velo_side, velo_time FROM {single} "
            f"UNION ALL SELECT r0, r1, CAST({_ON_RIGHT} AS UTINYINT), r_time FROM {single}",
        )
        self._rows.remove([pairs])
        return count

    @property
    def _has_tolerance(self) -> bool:
        return any(needs_rule(column.equality) for column in self._plan.columns)

    def _keep(self, state: State, gone: str) -> None:
        """A file more, or the last ones with these added: there are few files, and each is written a few times only."""
        size = self._rows.number(f"SELECT COUNT(*) AS n FROM {gone}")
        if not size:
            return
        first, last = self._rows.times(gone)
        part = Part(f"gone-{state.step:08d}.parquet", 0, first, last)
        select = f"SELECT velo_f0, velo_f1, velo_side FROM {gone}"
        while state.parts and state.parts[-1].rows < min(2 * size, LARGEST_PART):
            before = state.parts.pop()
            select += f" UNION ALL SELECT * FROM {self._rows.file(before.file)}"
            part.first_ms, part.last_ms = _least(part.first_ms, before.first_ms), _most(part.last_ms, before.last_ms)
            size += before.rows
        part.rows = self._rows.write(part.file, select)
        state.parts.append(part)

    def _take_bag(self, state: State) -> None:
        counted = [
            f"(SELECT velo_f0, velo_f1, COUNT(*) AS n FROM {self._all(state, side)} GROUP BY velo_f0, velo_f1)"
            for side in Side
        ]
        met = f"met-{state.step:08d}.parquet"
        self._rows.write(
            met,
            f"SELECT a.velo_f0, a.velo_f1, LEAST(a.n, b.n) AS met, GREATEST(a.n, b.n) AS most "
            f"FROM {counted[0]} AS a JOIN {counted[1]} AS b ON {_SAME}",
        )
        gone = self._rows.file(met)
        state.matched += self._rows.number(f"SELECT SUM(met) AS n FROM {gone}")
        names = ", ".join(f"a.{name}" for name in (*self._rows.columns, *BESIDE))
        for side in Side:
            rows = self._all(state, side)
            self._write(
                state,
                side,
                f"SELECT {names} FROM {rows} AS a ANTI JOIN {gone} AS b ON {_SAME} UNION ALL "
                f"SELECT {names} FROM {rows} AS a JOIN {gone} AS b ON {_SAME} AND b.most > b.met "
                "QUALIFY ROW_NUMBER() OVER (PARTITION BY a.velo_f0, a.velo_f1 ORDER BY a.velo_n) > b.met",
            )

    def _write(self, state: State, side: Side, select: str) -> None:
        name = f"{side}-{state.step:08d}.parquet"
        state.sides[side].standing = self._rows.write(name, select)
        state.sides[side].rows = name


def _least(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else min(one, other)


def _most(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
