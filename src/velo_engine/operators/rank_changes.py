"""The changes of a Top-N while they are collected."""

from __future__ import annotations

from dataclasses import dataclass, field

from velo_engine.batch import RowKind


@dataclass(slots=True)
class RankChanges:
    """Changes in order. Rows are numbers that the operator understands."""

    first: int = 1
    """Changes of ranks before it are left out."""
    kind: list[int] = field(default_factory=list)
    row: list[int] = field(default_factory=list)
    rank: list[int] = field(default_factory=list)
    seq: list[int] = field(default_factory=list)

    def add(self, kind: RowKind, row: int, rank: int, seq: int) -> None:
        """One change of the row at `rank`."""
        if rank >= self.first:
            self.unranked(kind, row, seq, rank)

    def unranked(self, kind: RowKind, row: int, seq: int, rank: int = 0) -> None:
        """One change of a row whose rank is not told."""
        self.kind.append(kind)
        self.row.append(row)
        self.rank.append(rank)
        self.seq.append(seq)
