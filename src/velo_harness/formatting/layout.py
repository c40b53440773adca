"""Documents that know where lines may break, and their layout in a given width.

The model of Philip Wadler's "A prettier printer" (1998): a group stands on one line when it fits, else all of its own
line breaks are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 100
"""Characters of a line, where words allow it."""
INDENT = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A place where a line may break; `flat` is what stands there when it does not."""

    flat: str = " "


@dataclass(frozen=True, slots=True)
class Hard:
    """A line break."""

    blank: bool = False
    """With an empty line."""


@dataclass(frozen=True, slots=True)
class Trailing:
    """Text for the end of the line that is being written; the next thing stands on a new line."""

    text: str


@dataclass(frozen=True, slots=True)
class Indented:
    """Lines in it are indented once more."""

    parts: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Stands on one line when it fits and holds no forced break."""

    parts: tuple[Document, ...]
    broken: bool = False
    """Breaks although it may fit."""


Document: TypeAlias = str | Line | Hard | Trailing | Indented | Group


def laid_out(documents: tuple[Document, ...]) -> str:
    """The text, without trailing spaces, ending in one line break."""
    lines: list[str] = []
    current, pending = "", False
    stack: list[tuple[Document, int, bool]] = [(part, 0, True) for part in reversed(documents)]
    while stack:
        part, indent, broken = stack.pop()
        match part:
            case str():
                if pending and part:
                    lines.append(current.rstrip())
                    current, pending = " " * indent, False
                current += part
            case Line() | Hard() if pending or isinstance(part, Hard) or broken:
                lines.append(current.rstrip())
                if isinstance(part, Hard) and part.blank:
                    lines.append("")
                current, pending = " " * indent, False
            case Line():
                current += part.flat
            case Trailing():
                current = f"{current.rstrip()}  {part.text}" if current.strip() else current + part.text
                pending = True
            case Indented():
                stack.extend((child, indent + INDENT, broken) for child in reversed(part.parts))
            case Group():
                flat = not _forced(part) and len(current) + _flat_width(part) + _following(stack) <= WIDTH
                stack.extend((child, indent, not flat) for child in reversed(part.parts))
    lines.append(current.rstrip())
    return "\n".join(lines).strip("\n") + "\n"


def _forced(part: Document) -> bool:
    """Whether something in it breaks a line in any case."""
    match part:
        case Hard() | Trailing():
            return True
        case Group():
            return part.broken or any(_forced(child) for child in part.parts)
        case Indented():
            return any(_forced(child) for child in part.parts)
        case str():
            return "\n" in part
        case _:
            return False


def _flat_width(part: Document) -> int:
    match part:
        case str():
            return len(part)
        case Line():
            return len(part.flat)
        case Group() | Indented():
            return sum(_flat_width(child) for child in part.parts)
        case _:
            return 0


def _following(stack: list[tuple[Document, int, bool]]) -> int:
    """The characters that follow on the same line in any case, up to the next place where it may break."""
    width = 0
    for part, _, broken in reversed(stack):
        for text in _until_break(part, broken):
            if text is None:
                return width
            width += len(text)
    return width


def _until_break(part: Document, broken: bool) -> Iterator[str | None]:
    match part:
        case str():
            yield part
        case Line():
            yield None if broken else part.flat
        case Hard() | Trailing():
            yield None
        case Indented():
            for child in part.parts:
                yield from _until_break(child, broken)
        case Group():
            for child in part.parts:
                yield from _until_break(child, True)
