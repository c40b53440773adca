"""Edits of a text by character offsets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class TextEdit:
    """What stands from `start` up to `end` (offsets in characters) becomes `text`; an insertion when they are equal."""

    start: int
    end: int
    text: str


def edited(text: str, edits: Iterable[TextEdit]) -> str:
    """The text with all edits made; their offsets are those of `text`. They must not overlap."""
    parts: list[str] = []
    reached = 0
    for edit in sorted(set(edits)):
        assert edit.start >= reached, "edits overlap"
        parts += (text[reached : edit.start], edit.text)
        reached = edit.end
    return "".join((*parts, text[reached:]))


def line_start(text: str, offset: int) -> int:
    """Where the line that holds `offset` begins."""
    return text.rfind("\n", 0, offset) + 1


def line_end(text: str, offset: int) -> int:
    """Where the line that holds `offset` ends, before its line break."""
    at = text.find("\n", offset)
    if at < 0:
        return len(text)
    return at - 1 if at > offset and text[at - 1] == "\r" else at


def next_line(text: str, offset: int) -> int:
    """Where the line after the one that holds `offset` begins."""
    at = text.find("\n", offset)
    return len(text) if at < 0 else at + 1


def line_break(text: str) -> str:
    """The line break that the text uses."""
    return "\r\n" if "\r\n" in text else "\n"
