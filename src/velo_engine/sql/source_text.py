"""One SQL text: its lexical segments (code, strings, quoted names, comments) and the places of its characters."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from velo_engine.errors import ErrorCode, Location, VeloError

MAX_CHARACTERS = 5_000_000
"""A longer SQL text is refused before it is read."""


@dataclass(frozen=True, slots=True)
class WrittenText:
    """The text of a file that SQL was taken out of, such as a program, and where each of the SQL's characters stood."""

    text: str
    offsets: Sequence[int]
    """Of each character of the SQL, in `text`. One that did not stand there has that of what it was made of."""


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text and the file it came from. Offsets count characters from 0."""

    file: str
    text: str
    written: WrittenText | None = field(default=None, repr=False, compare=False)
    """The file's own text, where that is another one: places are places of it."""
    line_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Of the file's own text."""

    def __post_init__(self) -> None:
        starts = (0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", self.file_text)))
        object.__setattr__(self, "line_starts", starts)

    @property
    def file_text(self) -> str:
        """The text of the file as it is."""
        return self.text if self.written is None else self.written.text

    def location(self, start: int, end: int | None = None) -> Location:
        """The place of the characters from `start` to `end` (exclusive); the underlining stops at the line's end."""
        if self.written is not None and self.text:
            offsets, last = self.written.offsets, len(self.text) - 1
            end = None if end is None else offsets[min(max(end - 1, start), last)] + 1
            start = offsets[min(start, last)]
        text = self.file_text
        index = bisect_right(self.line_starts, start) - 1
        line_start = self.line_starts[index]
        line_end = self.line_starts[index + 1] if index + 1 < len(self.line_starts) else len(text)
        line = text[line_start:line_end].rstrip("\r\n")
        length = 1 if end is None else max(1, min(end, line_start + len(line)) - start)
        return Location(self.file, index + 1, start - line_start + 1, length, line)


class SegmentKind(Enum):
    """What a stretch of SQL text is."""

    CODE = "code"
    STRING = "string"
    NAME = "quoted name"
    VARIABLE = "variable"
    URI = "unquoted URI"
    LINE_COMMENT = "comment"
    BLOCK_COMMENT = "block comment"


@dataclass(frozen=True, slots=True)
class Segment:
    """The characters from `start` to `end` (exclusive) and what they are."""

    kind: SegmentKind
    start: int
    end: int


# The possessive loops never give back a doubled quote, so an unclosed string is found where it starts. A URI is only
# looked for where a relation can stand; there `//` and `/*` belong to it and do not start a comment.
_SEGMENT = re.compile(
    r"""
    (?P<LINE_COMMENT>--[^\r\n]*)
    | (?P<BLOCK_COMMENT>/\*.*?\*/)
    | (?P<STRING>'(?:[^']++|'')*+')
    | (?P<NAME>"(?:[^"]++|"")*+"|`(?:[^`]++|``)*+`)
    | (?P<VARIABLE>\$\{)
    | (?:\b(?:FROM|JOIN|INTO)\s+(?P<URI>[A-Za-z][\w+.-]*://[^\s;,()'"`]+))
    | (?P<unclosed>/\*|['"`])
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


_BRACES = re.compile(r"\$\{|\}")


def segments(source: SourceText) -> Iterator[Segment]:
    """The segments of `source` in order, without gaps.

    VeloError SQL_SYNTAX for a string, quoted name or comment that is never closed.
    """
    text = source.text
    position = 0
    while (match := _SEGMENT.search(text, position)) is not None:
        kind = match.lastgroup or ""
        if kind == "unclosed":
            raise _never_closed(source, match.start())
        start = match.start(kind)
        end = reference_end(text, start) if kind == "VARIABLE" else match.end()
        if end is None:
            raise VeloError(
                ErrorCode.SQL_SYNTAX,
                'a "${" is never closed',
                location=source.location(start, start + 2),
                hint="write ${NAME}, ${NAME:default} or ${NAME:?message}",
            )
        if start > position:
            yield Segment(SegmentKind.CODE, position, start)
        yield Segment(SegmentKind[kind], start, end)
        position = end
    if position < len(text):
        yield Segment(SegmentKind.CODE, position, len(text))


def reference_end(text: str, start: int) -> int | None:
    """The offset after the `}` that closes the `${` at `start`, nested references included; None when none does."""
    depth = 0
    for match in _BRACES.finditer(text, start):
        depth += 1 if match.group() == "${" else -1
        if depth == 0:
            return match.end()
    return None


def _never_closed(source: SourceText, start: int) -> VeloError:
    opening = "/*" if source.text.startswith("/*", start) else source.text[start]
    what = {"/*": "comment", "'": "string"}.get(opening, "quoted name")
    hint = f"close it with {'*/' if opening == '/*' else opening}"
    suspect = _first_string_over_lines(source, start) if opening == "'" else None
    if suspect is not None:
        hint += f"; or the quote that is missing belongs to the string that starts in line {suspect}"
    return VeloError(
        ErrorCode.SQL_SYNTAX,
        f"the {what} that starts here is never closed",
        location=source.location(start, start + len(opening)),
        hint=hint,
    )


def _first_string_over_lines(source: SourceText, before: int) -> int | None:
    for match in _SEGMENT.finditer(source.text, 0, before):
        if match.lastgroup == "STRING" and "\n" in match.group():
            return source.location(match.start()).line
    return None
