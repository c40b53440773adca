"""Statements with a quote or a comment that is never closed: where they start, and where the script goes on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.source_text import SourceText

# The possessive loops never give back a doubled quote, so an unclosed string is found where it starts.
_SEGMENT = re.compile(
    r"(?P<string>'(?:[^']++|'')*+')|(?P<name>`[^`]*+`)|(?P<comment>--[^\r\n]*|//[^\r\n]*|/\*.*?\*/)"
    r"|(?P<semicolon>;)|(?P<unclosed>/\*|['`])",
    re.DOTALL,
)
_END = re.compile(r";[ \t]*(?:\r?\n|\Z)")
"""A semicolon that most probably ends a statement, though a quote before it is open."""
_KINDS = {"/*": ("comment", "*/"), "'": ("string", "'"), "`": ("quoted name", "`")}


@dataclass(frozen=True, slots=True)
class Stretch:
    """The characters `start` to `end` (exclusive), which are not read as SQL, and why."""

    start: int
    end: int
    error: VeloError


def masked(text: str, stretches: Iterable[Stretch]) -> str:
    """The text with blanks in place of stretches; every other character keeps its place."""
    for one in stretches:
        text = text[: one.start] + re.sub(r"[^\r\n]", " ", text[one.start : one.end]) + text[one.end :]
    return text


def unclosed_statements(source: SourceText, text: str) -> Iterator[Stretch]:
    """The statements of `text`, which has the length of that of `source`, with what is never closed.

    A quote that is closed by the next statement's leaves the last quote of the text over. So the first string of a
    statement that runs beyond a semicolon at a line's end is taken for the one that is not closed.
    """
    position = start = 0
    runaway: int | None = None
    while (match := _SEGMENT.search(text, position)) is not None:
        position = match.end()
        if match.lastgroup == "semicolon":
            start, runaway = position, None
        elif match.lastgroup == "string" and runaway is None and _END.search(match.group()[:-1]):
            runaway = match.start()
        elif match.lastgroup == "unclosed":
            opened = match.start() if runaway is None else runaway
            end = _END.search(text, opened)
            position = len(text) if end is None or text.startswith("/*", opened) else end.start()
            written = start + len(text[start:opened]) - len(text[start:opened].lstrip())
            yield Stretch(written, position, _never_closed(source, opened))
            start, runaway = position, None


def _never_closed(source: SourceText, at: int) -> VeloError:
    opening = "/*" if source.text.startswith("/*", at) else source.text[at]
    what, closing = _KINDS[opening]
    return VeloError(
        ErrorCode.SQL_SYNTAX,
        f"the {what} that starts here is never closed",
        location=source.location(at, at + len(opening)),
        hint=f"close it with {closing}",
    )
