"""Going on after an error in a program: the statement that is wrong is blanked, and the rest is read again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.sql.source_text import SegmentKind, SourceText, segments
from velo_harness.validating.yaml_pruning import Pruning

_NAME = r"[`\"]?(?P<{}>[\w.]+)[`\"]?"
_DEFINES = re.compile(
    r"\b(?:CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMPORARY\s+)?(?:STREAM|TABLE|VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    + _NAME.format("created")
    + r"|INTO\s+"
    + _NAME.format("written")
    + ")",
    re.IGNORECASE,
)
_NOT_A_LINE_BREAK = re.compile(r"[^\r\n]")
_OF_COLUMNS = frozenset({ErrorCode.UNKNOWN_COLUMN, ErrorCode.AMBIGUOUS_COLUMN})
_OF_NAMES = frozenset({ErrorCode.UNKNOWN_TABLE, ErrorCode.UNKNOWN_QUERY})


@dataclass(slots=True)
class BlankedProgram:
    """A program's text, and the names that statements blanked in it define. Places stay what they are."""

    text: str
    names: set[str] = field(default_factory=set)

    def blank(self, error: VeloError) -> Pruning:
        """Blanks the statement that `error` lies in."""
        consequence = self.is_consequence(error)
        extent = None if error.location is None else _extent_at(self.text, error.location)
        start, end = extent or (0, 0)
        statement = self.text[start:end]
        if not statement.strip():
            return Pruning(not consequence, goes_on=False)
        for found in _DEFINES.finditer(statement):
            self.names.update(name for name in found.groups() if name is not None)
        self.text = self.text[:start] + _NOT_A_LINE_BREAK.sub(" ", statement) + self.text[end:]
        return Pruning(not consequence, goes_on=True)

    def without_column(self, error: VeloError) -> BlankedProgram | None:
        """The program with NULL in place of the unknown column that `error` underlines; None for other errors.

        Only for looking at the rest of its statement, which must be blanked afterwards: the column has lost its name.
        """
        if error.code not in _OF_COLUMNS or error.location is None:
            return None
        extent = _extent_at(self.text, error.location)
        start = _offset_of(self.text, error.location)
        if extent is None or start is None:
            return None
        length = error.location.length
        constant = ("NULL" if length >= len("NULL") else "0").ljust(length)
        return BlankedProgram(self.text[:start] + constant + self.text[start + length :], set(self.names))

    def same_statement(self, one: VeloError, other: VeloError) -> bool:
        """Whether two errors lie in the same statement."""
        if one.location is None or other.location is None or one.location.file != other.location.file:
            return False
        return _extent_at(self.text, one.location) == _extent_at(self.text, other.location)

    def is_consequence(self, error: VeloError) -> bool:
        """Whether an error is about a name that a blanked statement would have defined."""
        return error.code in _OF_NAMES and not self.names.isdisjoint(_named(error))


def _named(error: VeloError) -> set[str]:
    """The names that an error is about: underlined, or in quotes."""
    place = error.location
    marked = "" if place is None else place.text[place.column - 1 : place.column - 1 + place.length]
    return {marked.strip("`\"'"), *re.findall(r'"([^"]+)"', error.message)}


def _extent_at(text: str, place: Location) -> tuple[int, int] | None:
    """The offsets of the statement at a place, comments before it and its semicolon included."""
    source = SourceText(place.file, text)
    offset = _offset_of(text, place)
    if offset is None:
        return None
    try:
        return next(((start, end) for start, end in _extents(source) if start <= offset < end), None)
    except VeloError:  # a string or comment without an end: nothing after it can be read
        return None


def _offset_of(text: str, place: Location) -> int | None:
    starts = SourceText(place.file, text).line_starts
    if place.line > len(starts):
        return None
    return min(starts[place.line - 1] + place.column - 1, max(len(text) - 1, 0))


def _extents(source: SourceText) -> Iterator[tuple[int, int]]:
    start = 0
    for segment in segments(source):
        if segment.kind is SegmentKind.CODE:
            for found in re.finditer(";", source.text[segment.start : segment.end]):
                end = segment.start + found.end()
                yield start, end
                start = end
    if start < len(source.text):
        yield start, len(source.text)
