"""The converted program while it grows: pieces of SQL, each of which knows the input that it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from velo_engine.engine import Engine
from velo_engine.errors import Location, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.sql.source_text import SourceText
from velo_import.mapped_text import MappedText


@dataclass(slots=True, eq=False)
class Piece:
    """One statement of the converted program, without its semicolon."""

    text: MappedText
    source: SourceText
    """Where it came from."""
    location: Location
    """Of the statement there."""
    reads: tuple[Piece, ...] = ()
    """What it speaks of."""

    def closure(self) -> Iterator[Piece]:
        """All that it needs, itself last."""
        seen: set[int] = set()
        pending = [(self, False)]
        while pending:
            piece, ready = pending.pop()
            if ready:
                yield piece
            elif id(piece) not in seen:
                seen.add(id(piece))
                pending.append((piece, True))
                pending.extend((below, False) for below in reversed(piece.reads))


@dataclass(slots=True)
class Assembly:
    """A program of pieces, and the way back from its places."""

    settings: Mapping[str, str]
    pieces: list[Piece] = field(default_factory=list)

    def text(self) -> str:
        """The program."""
        return "".join((self.head(), *(piece.text.text + ";\n\n" for piece in self.pieces)))

    def head(self) -> str:
        """The properties of the job."""
        lines = [f"SET {literal(key)} = {literal(value)};\n" for key, value in self.settings.items()]
        return "".join((*lines, "\n"))

    def original(self, place: Location | None) -> Location | None:
        """Where in the input the cause of an error stands."""
        if place is None:
            return None
        source = SourceText(place.file, self.text())
        offset = source.line_starts[min(place.line, len(source.line_starts)) - 1] + place.column - 1
        start = len(self.head())
        for piece in self.pieces:
            if offset < start + piece.text.length + 3:
                origin = piece.text.origin_of(offset - start)
                if origin is None:
                    return piece.location
                return piece.source.location(origin, origin + place.length)
            start += piece.text.length + 3
        return None


def planned(pieces: Iterable[Piece], settings: Mapping[str, str]) -> PlannedProgram:
    """The plan of a program of `pieces`. VeloError with its place in the input."""
    assembly = Assembly(settings, list(pieces))
    try:
        return Engine().plan(assembly.text(), variables={})
    except VeloError as error:
        raise VeloError(
            error.code, error.message, location=assembly.original(error.location), hint=error.hint
        ) from None
    except RecursionError:
        raise too_deep(assembly.pieces[-1].location) from None


def too_deep(place: Location) -> VeloError:
    """The statement is more deeply nested than can be planned."""
    from velo_engine.errors import ErrorCode

    return VeloError(ErrorCode.SQL_UNSUPPORTED, "the statement is nested too deeply", location=place)


def literal(value: str) -> str:
    """The text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"
