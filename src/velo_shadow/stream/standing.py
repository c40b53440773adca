"""Streams that change their rows: what stands is kept on disk, and judged as it stands.

A change of a row, also one that removes it, is kept until both sides have passed it, so that a side which is ahead
makes no difference.
"""

from __future__ import annotations

from collections.abc import Mapping

from velo_engine.batch import RowKind
from velo_shadow.folding import Changelog
from velo_shadow.model import Side
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

    def standing(self, state: State, side: Side) -> str:
        """The rows of a side, as `judging` reads them."""
        return self._rows.standing(state, side)

    def take(self, state: State, span: Span) -> None:
        """Fold what came into what stands."""
        for side in Side:
            folded = self._upserted if self._changelogs[side] is Changelog.UPSERT else self._summed
            kept = f"velo_net <> 0 OR {span.waits}"
            name = f"{side}-{state.step:08d}.parquet"
            self._rows.write(name, f"SELECT * FROM ({folded(state, side)}) WHERE {kept}")
            state.sides[side].rows = name
            state.sides[side].standing = self._rows.number(
                f"SELECT SUM(GREATEST(velo_net, 0)) AS n FROM {self._rows.file(name)}"
            )

    def missing(self, state: State, side: Side) -> int:
        """Rows taken back more often than they were added."""
        if self._changelogs[side] in (Changelog.UPSERT, Changelog.APPEND):
            return state.sides[side].unmatched
        return self._rows.number(f"SELECT SUM(GREATEST(-velo_net, 0)) AS n FROM {self.standing(state, side)}")

    def _upserted(self, state: State, side: Side) -> str:
        """By key the last change."""
        keys = ", ".join(f"k{i}" for i in range(len(self._plan.key)))
        last = (
            f"SELECT {self._listed()}, CAST(CASE WHEN {_ADDING} THEN 1 ELSE 0 END AS BIGINT) AS velo_net "
            f"FROM {self._rows.new(side)} WHERE velo_kind <> {int(RowKind.UPDATE_BEFORE)} "
            f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY velo_n DESC) = 1"
        )
        self._rows.replace_new(side, last)
        if state.sides[side].rows is None:
            return f"SELECT * FROM {self._rows.new(side)}"
        old, on = self._rows.standing(state, side), same_keys(self._plan, "a", "b")
        new = self._rows.new(side)
        return f"SELECT a.* FROM {old} AS a ANTI JOIN {new} AS b ON {on} UNION ALL SELECT * FROM {new}"

    def _summed(self, state: State, side: Side) -> str:
        """By row how often it was added more than taken back."""
        new = (
            f"SELECT {self._listed()}, CAST(CASE WHEN {_ADDING} THEN 1 ELSE -1 END AS BIGINT) AS velo_net "
            f"FROM {self._rows.new(side)}"
        )
        has_rows = state.sides[side].rows is not None
        both = f"SELECT * FROM {self._rows.standing(state, side)} UNION ALL {new}" if has_rows else new
        by = ", ".join(self._rows.columns)
        return (
            f"SELECT {by}, MAX(velo_time) AS velo_time, MAX(velo_moment) AS velo_moment, "
            f"MAX(velo_partition) AS velo_partition, CAST(SUM(velo_net) AS BIGINT) AS velo_net "
            f"FROM ({both}) GROUP BY {by}"
        )

    def _listed(self) -> str:
        return ", ".join((*self._rows.columns, "velo_time", "velo_moment", "velo_partition"))
