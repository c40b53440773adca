"""The converted program while it grows: pieces of SQL, each of which knows the input that it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from velo_engine.engine import Engine
from velo_engine.errors import ErrorCode, Location, VeloError
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
    comment: str = ""
    """The lines that stand above it."""
    is_inferred: bool = False
    """Whether it is a table that the input does not declare."""

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
        return "".join((self.head(), *(piece.comment + piece.text.text + ";\n\n" for piece in self.pieces)))

    def head(self) -> str:
        """The properties of the job."""
        lines = [f"SET {literal(key)} = {literal(value)};\n" for key, value in self.settings.items()]
        return "".join((*lines, "\n"))

    def at(self, place: Location) -> tuple[Piece, int] | None:
        """The piece that a place of the program is in, and the character of it."""
        source = SourceText(place.file, self.text())
        offset = source.line_starts[min(place.line, len(source.line_starts)) - 1] + place.column - 1
        start = len(self.head())
        for piece in self.pieces:
            start += len(piece.comment)
            if offset < start + piece.text.length + 3:
                return piece, max(offset - start, 0)
            start += piece.text.length + 3
        return None

    def original(self, place: Location | None) -> Location | None:
        """Where in the input the cause of an error stands."""
        found = None if place is None else self.at(place)
        if place is None or found is None:
            return None
        piece, offset = found
        origin = piece.text.origin_of(offset)
        return piece.location if origin is None else piece.source.location(origin, origin + place.length)


def planned(pieces: Iterable[Piece], settings: Mapping[str, str]) -> PlannedProgram:
    """The plan of a program of `pieces`. VeloError with its place in the input."""
    assembly = Assembly(settings, list(pieces))
    try:
        return _plan(assembly)
    except VeloError as error:
        raise _moved(error, assembly) from None


def first_failure(pieces: Sequence[Piece], settings: Mapping[str, str]) -> tuple[Piece, VeloError] | None:
    """The piece for which the program is refused as a whole, and why; None when it is not."""
    assembly = Assembly(settings, list(pieces))
    try:
        _plan(assembly)
    except VeloError as error:
        found = None if error.location is None else assembly.at(error.location)
        return pieces[-1] if found is None else found[0], _moved(error, assembly)
    return None


def _plan(assembly: Assembly) -> PlannedProgram:
    try:
        return Engine().plan(assembly.text(), variables={})
    except RecursionError:
        raise _too_deep() from None
    except VeloError:
        raise
    except Exception as defect:
        # One statement on which the engine has a defect does not keep the others from being converted.
        message = f"the engine fails on it ({type(defect).__name__}), which is a defect of velostream"
        raise VeloError(ErrorCode.INTERNAL, message, hint="please report it") from None


def _moved(error: VeloError, assembly: Assembly) -> VeloError:
    """The error with its place in the input."""
    return VeloError(error.code, error.message, location=assembly.original(error.location), hint=error.hint)


def _too_deep() -> VeloError:
    """A statement is more deeply nested than can be planned."""
    return VeloError(ErrorCode.SQL_UNSUPPORTED, "the statement is nested too deeply")


def literal(value: str) -> str:
    """The text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"
