"""Windows that are over: keys that hold their time, whose rows are equal and which both sides have passed.

They are set aside whole, so that a step does not read and write them again. A change that comes for one of them after
all brings its file back: what is found is as if nothing had been set aside.
"""

from __future__ import annotations

from collections.abc import Mapping

from velo_shadow.folding import Changelog
from velo_shadow.model import Side
from velo_shadow.stream.judging import Span, equal_values, same_keys
from velo_shadow.stream.rows import Rows
from velo_shadow.stream.saved import LARGEST_PART, Part, State, overlaps

_SHARE = 0.25
"""Of the rows that stand, from which it is worth to set windows aside."""
_NUMBERS = {Side.LEFT: 1, Side.RIGHT: 2}


class Archive:
    """The files of windows that are over."""

    def __init__(self, rows: Rows, changelogs: Mapping[Side, Changelog]) -> None:
        """Without a time column in the key nothing is ever over."""
        self._rows = rows
        self._plan = rows.plan
        self._one_a_key = all(changelogs[side] is Changelog.UPSERT for side in Side)
        names = rows.plan.key_names
        self._time = f"k{names.index(rows.plan.time_column)}" if rows.plan.time_column in names else None
        self._keys = [f"k{i}" for i in range(len(names))]

    def recalled(self, state: State) -> Mapping[Side, str]:
        """Files that changes have come for are set aside no longer: their rows, by side; empty when there are none."""
        files = []
        spans = [self._rows.times(self._rows.new(side)) for side in Side] if state.parts else []
        for part in state.parts:
            if not any(overlaps(part, *span) for span in spans):
                continue
            times = f"BETWEEN {part.first_ms} AND {part.last_ms}"
            came = " UNION ALL ".join(
                f"SELECT {', '.join(self._keys)} FROM {self._rows.new(side)} AS n WHERE velo_time {times}"
                for side in Side
            )
            on = same_keys(self._plan, "a", "b")
            if self._rows.number(
                f"SELECT COUNT(*) AS n FROM ({came}) AS a SEMI JOIN {self._rows.file(part.file)} AS b ON {on}"
            ):
                files.append(part.file)
                state.matched -= part.rows // 2
        state.parts = [part for part in state.parts if part.file not in files]
        return {side: self._of_side(files, side) for side in Side} if files else {}

    def rows(self, state: State, side: Side) -> str:
        """What has been set aside of a side; empty when nothing has."""
        return self._of_side([part.file for part in state.parts], side) if state.parts else ""

    def set_aside(self, state: State, span: Span, standing: Mapping[Side, str]) -> Mapping[Side, str]:
        """Set aside what is over, if it is much; the rows that stand then, by side."""
        total = sum(of_side.standing for of_side in state.sides.values())
        if self._time is None or span.nothing or not total:
            return standing
        over = self._over(state, span, standing)
        count = self._rows.number(f"SELECT COUNT(*) AS n FROM {over}")
        if not count or 2 * count < _SHARE * total:
            return standing
        on = same_keys(self._plan, "a", "b")
        select = " UNION ALL ".join(
            f"SELECT a.*, {_NUMBERS[side]} AS velo_side FROM {standing[side]} AS a SEMI JOIN {over} AS b ON {on}"
            for side in Side
        )
        self._keep(state, select, 2 * count)
        state.matched += count
        return {side: f"(SELECT a.* FROM {standing[side]} AS a ANTI JOIN {over} AS b ON {on})" for side in Side}

    def _over(self, state: State, span: Span, standing: Mapping[Side, str]) -> str:
        """Keys that are over."""
        on = same_keys(self._plan, "a", "b")
        keys = ", ".join(f"a.{key}" for key in self._keys)
        unquiet = f"{span.waits} OR {span.before} OR velo_net <> 1 OR {self._time} IS NULL"
        loud = " UNION ALL ".join(
            f"SELECT {', '.join(self._keys)} FROM {standing[side]} AS a WHERE {unquiet}" for side in Side
        )
        quiet = [f"(SELECT a.* FROM {standing[side]} AS a ANTI JOIN ({loud}) AS b ON {on})" for side in Side]
        if not self._one_a_key:
            quiet = [f"(SELECT a.* FROM {rows} AS a QUALIFY COUNT(*) OVER (PARTITION BY {keys}) = 1)" for rows in quiet]
        name = f"over-{state.step:08d}.parquet"
        self._rows.write(
            name,
            f"SELECT {', '.join(f'l.{key}' for key in self._keys)} FROM {quiet[0]} AS l JOIN {quiet[1]} AS r "
            f"ON {same_keys(self._plan, 'l', 'r')} WHERE {equal_values(self._plan)}",
        )
        return self._rows.file(name)

    def _keep(self, state: State, select: str, size: int) -> None:
        part = Part(f"over-{state.step:08d}-rows.parquet", 0, None, None)
        while state.parts and state.parts[-1].rows < min(2 * size, LARGEST_PART):
            before = state.parts.pop()
            select += f" UNION ALL SELECT * FROM {self._rows.file(before.file)}"
            size += before.rows
        part.rows = self._rows.write(part.file, select)
        part.first_ms, part.last_ms = self._rows.times(self._rows.file(part.file))
        state.parts.append(part)

    def _of_side(self, files: list[str], side: Side) -> str:
        return f"(SELECT * EXCLUDE velo_side FROM {self._rows.files(files)} AS p WHERE velo_side = {_NUMBERS[side]})"
