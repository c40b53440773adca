"""Regular joins once more, a row at a time over lists: what the array kernels are held against.

Written after Flink's StreamingJoinOperator and StreamingSemiAntiJoinOperator, without state views: each row counts its
matches by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.engine.operators.changelogs import Event, OutputRow

from velo_engine.plan.nodes import JoinKind

Row: TypeAlias = tuple[Any, ...]


@dataclass
class Held:
    row: Row
    matches: int = 0


class RegularJoin:
    """Both sides, and the changes so far."""

    def __init__(self, kind: JoinKind, matches: Callable[[Row, Row], bool], widths: tuple[int, int]) -> None:
        self.kind = kind
        self.matches = matches
        self.widths = widths
        self.held: tuple[list[Held], list[Held]] = ([], [])
        self.out: list[OutputRow] = []

    def run(self, left: Sequence[Event], right: Sequence[Event]) -> list[OutputRow]:
        for seq, events in enumerate(zip(left, right, strict=True)):
            for side, event in enumerate(events):
                for kind, row in event.rows:
                    (self.one_sided if self.kind.one_sided else self.two_sided)(seq, side, kind, row)
        return self.out

    def outer(self, side: int) -> bool:
        return self.kind in ((JoinKind.LEFT, JoinKind.FULL), (JoinKind.RIGHT, JoinKind.FULL))[side]

    def met(self, side: int, row: Row) -> list[Held]:
        return [h for h in self.held[1 - side] if self.matches(*((h.row, row) if side else (row, h.row)))]

    def keep(self, side: int, kind: str, row: Row, count: int) -> None:
        if kind in ("+I", "+U"):
            self.held[side].append(Held(row, count))
            return
        for number, held in enumerate(self.held[side]):
            if repr(held.row) == repr(row):
                del self.held[side][number]
                return

    def emit(self, seq: int, kind: str, side: int, own: Row | None, other: Row | None) -> None:
        rows = (other, own) if side else (own, other)
        padded = [(None,) * width if row is None else row for row, width in zip(rows, self.widths, strict=True)]
        self.out.append(OutputRow(seq, kind, (*padded[0], *padded[1])))

    def two_sided(self, seq: int, side: int, kind: str, row: Row) -> None:
        adds = kind in ("+I", "+U")
        own_outer, other_outer = self.outer(side), self.outer(1 - side)
        met = self.met(side, row)
        joined = kind
        if own_outer or (adds and other_outer):
            joined = "+I" if adds else "-D"
        if not met and own_outer:
            self.emit(seq, joined, side, row, None)
        for other in met:
            if adds and other_outer and other.matches == 0:
                self.emit(seq, "-D", side, None, other.row)
            self.emit(seq, joined, side, row, other.row)
            if not adds and other_outer and other.matches == 1:
                self.emit(seq, "+I", side, None, other.row)
            other.matches += 1 if adds else -1
        self.keep(side, kind, row, len(met))

    def one_sided(self, seq: int, side: int, kind: str, row: Row) -> None:
        adds, anti = kind in ("+I", "+U"), self.kind is JoinKind.ANTI
        met = self.met(side, row)
        if side == 0:
            if bool(met) is not anti:
                self.out.append(OutputRow(seq, kind, row))
        else:
            for other in met:
                if other.matches == (0 if adds else 1):
                    shown = ("-D" if adds else "+I") if anti else kind
                    self.out.append(OutputRow(seq, shown, other.row))
                other.matches += 1 if adds else -1
        self.keep(side, kind, row, len(met))
