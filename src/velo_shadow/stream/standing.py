"""Streams that change their rows: what stands is kept on disk, and judged as it stands.

A change of a row, also one that removes it, is kept until both sides have passed it, so that a side which is ahead
makes no difference. Windows that are over are set aside (`archive`).
"""

from __future__ import annotations

from collections.abc import Mapping

from velo_engine.batch import RowKind
from velo_shadow.folding import Changelog
from velo_shadow.model import Side
from velo_shadow.stream.archive import Archive
from velo_shadow.stream.judging import Span, same_keys
from velo_shadow.stream.rows import Rows
from velo_shadow.stream.saved import State

_ADDING = f"velo_kind IN ({int(RowKind.INSERT)}, {int(RowKind.UPDATE_AFTER)})"


class StandingRows:
    """Two streams of which one at least changes its rows."""

    def __init__(self, rows: Rows, changelogs: Mapping[Side, Changelog]) -> None:
        """Works on these tables and files."""
        self._rows = rows
        self._plan = rows.plan
        self._changelogs = changelogs
        self._archive = Archive(rows, changelogs)

    def standing(self, state: State, side: Side) -> str:
        """The rows of a side, as `judging` reads them."""
        return self._rows.standing(state, side)

    def take(self, state: State, span: Span) -> None:
        """Fold what came into what stands."""
        recalled = self._archive.recalled(state)
        folded = {}
        for side in Side:
            fold = self._upserted if self._changelogs[side] is Changelog.UPSERT else self._summed
            kept = f"velo_net <> 0 OR {span.waits}"
            name = f"{side}-{state.step:08d}-folded.parquet"
            self._rows.write(name, f"SELECT * FROM ({fold(state, side, recalled.get(side))}) WHERE {kept}")
            self._stand(state, side, name)
            folded[side] = self._rows.file(name)
        left = self._archive.set_aside(state, span, folded)
        for side in Side if left is not folded else ():
            name = f"{side}-{state.step:08d}.parquet"
            self._rows.write(name, f"SELECT * FROM {left[side]}")
            self._stand(state, side, name)

    def all_rows(self, state: State, side: Side) -> str:
        """The rows of a side, also of windows that are over."""
        over = self._archive.rows(state, side)
        standing = self.standing(state, side)
        return f"(SELECT * FROM {standing} UNION ALL SELECT * FROM {over})" if over else standing

    def _stand(self, state: State, side: Side, name: str) -> None:
        state.sides[side].rows = name
        state.sides[side].standing = self._rows.number(
            f"SELECT SUM(GREATEST(velo_net, 0)) AS n FROM {self._rows.file(name)}"
        )

    def missing(self, state: State, side: Side) -> int:
        """Rows taken back more often than they were added."""
        if self._changelogs[side] in (Changelog.UPSERT, Changelog.APPEND):
            return state.sides[side].unmatched
        return self._rows.number(f"SELECT SUM(GREATEST(-velo_net, 0)) AS n FROM {self.standing(state, side)}")

    def _upserted(self, state: State, side: Side, recalled: str | None) -> str:
        """By key the last change."""
        keys = ", ".join(f"k{i}" for i in range(len(self._plan.key)))
        last = (
            f"SELECT {self._listed()}, CAST(CASE WHEN {_ADDING} THEN 1 ELSE 0 END AS BIGINT) AS velo_net "
            f"FROM {self._rows.new(side)} WHERE velo_kind <> {int(RowKind.UPDATE_BEFORE)} "
            f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY velo_n DESC) = 1"
        )
        self._rows.replace_new(side, last)
        old, new = self._old(state, side, recalled), self._rows.new(side)
        if old is None:
            return f"SELECT * FROM {new}"
        on = same_keys(self._plan, "a", "b")
        return f"SELECT a.* FROM {old} AS a ANTI JOIN {new} AS b ON {on} UNION ALL SELECT * FROM {new}"

    def _summed(self, state: State, side: Side, recalled: str | None) -> str:
        """By row how often it was added more than taken back."""
        new = (
            f"SELECT {self._listed()}, CAST(CASE WHEN {_ADDING} THEN 1 ELSE -1 END AS BIGINT) AS velo_net "
            f"FROM {self._rows.new(side)}"
        )
        old = self._old(state, side, recalled)
        both = new if old is None else f"SELECT * FROM {old} UNION ALL {new}"
        by = ", ".join(self._rows.columns)
        return (
            f"SELECT {by}, MAX(velo_time) AS velo_time, MAX(velo_moment) AS velo_moment, "
            f"MAX(velo_partition) AS velo_partition, CAST(SUM(velo_net) AS BIGINT) AS velo_net "
            f"FROM ({both}) GROUP BY {by}"
        )

    def _old(self, state: State, side: Side, recalled: str | None) -> str | None:
        """What stood before this step; None before the first."""
        if state.sides[side].rows is None:
            return None
        standing = self._rows.standing(state, side)
        return standing if recalled is None else f"(SELECT * FROM {standing} UNION ALL SELECT * FROM {recalled})"

    def _listed(self) -> str:
        return ", ".join((*self._rows.columns, "velo_time", "velo_moment", "velo_partition"))
