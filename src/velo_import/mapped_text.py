"""Text put together of pieces of an input: every character that was copied knows where it stood there."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

_COMMENT = re.compile(r"'(?:[^']|'')*+'|`[^`]*`|(?P<block>/\*.*?\*/)|(?P<dashes>--[^\r\n]*)|(?P<slashes>//)", re.DOTALL)
_VARIABLE = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*\}")


@dataclass(frozen=True, slots=True)
class Edit:
    """The characters `start` to `end` (exclusive) of an input become `text`."""

    start: int
    end: int
    text: str


@dataclass(slots=True)
class MappedText:
    """A text that grows at its end."""

    _parts: list[str] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _origins: list[int | None] = field(default_factory=list)
    length: int = 0

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._parts)

    def add(self, text: str, origin: int | None = None) -> None:
        """`text`, which stood at `origin` of the input; None: it did not stand there."""
        if text:
            self._parts.append(text)
            self._starts.append(self.length)
            self._origins.append(origin)
            self.length += len(text)

    def extend(self, other: MappedText) -> None:
        """All of another text."""
        for part, origin in zip(other._parts, other._origins, strict=True):
            self.add(part, origin)

    def origin_of(self, offset: int) -> int | None:
        """Where the character at `offset` stood; None when it was added."""
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return None
        origin = self._origins[index]
        return None if origin is None else origin + offset - self._starts[index]

    def copy(self, source: str, start: int, end: int, edits: Iterable[Edit] = ()) -> None:
        """The characters `start` to `end` (exclusive) of `source` with `edits`, which do not overlap."""
        position = start
        for edit in sorted(edits, key=lambda one: one.start):
            if edit.start < position or edit.end > end:
                continue
            self.add(source[position : edit.start], position)
            self.add(edit.text, edit.start)
            position = edit.end
        self.add(source[position:end], position)

    def edited(self, edits: Iterable[Edit]) -> MappedText:
        """This text with `edits`, which are of its own characters and do not overlap."""
        found, position = MappedText(), 0
        for edit in sorted(edits, key=lambda one: one.start):
            self._append_to(found, position, edit.start)
            found.add(edit.text, self.origin_of(edit.start))
            position = edit.end
        self._append_to(found, position, self.length)
        return found

    def _append_to(self, other: MappedText, start: int, end: int) -> None:
        """The characters `start` to `end` (exclusive) go to the end of `other`."""
        for part, at, origin in zip(self._parts, self._starts, self._origins, strict=True):
            first, last = max(start - at, 0), min(end - at, len(part))
            if first < last:
                other.add(part[first:last], None if origin is None else origin + first)


def edits_of_comments(source: str, start: int, end: int) -> list[Edit]:
    """Comments behind `//` begin with `--`; hints are gone: what they say is in the definitions of tables."""
    found = []
    for match in _COMMENT.finditer(source, start, end):
        if match["slashes"]:
            line_end = re.compile(r"[\r\n]|\Z").search(source, match.end())
            assert line_end is not None
            text = source[match.end() : line_end.start()]
            found.append(Edit(match.start(), min(end, line_end.start()), "-- " + text.strip()))
        elif match["block"] and match["block"].startswith("/*+"):
            found.append(Edit(match.start(), match.end(), ""))
    return found


def edits_of_variables(source: str, start: int, end: int) -> list[Edit]:
    """`${NAME}` gets its own name as the value that it has when nothing sets it."""
    return [
        Edit(match.start(), match.end(), f"${{{match[1]}:{match[1]}}}")
        for match in _VARIABLE.finditer(source, start, end)
    ]


def with_defaults(value: str, *, is_secret: bool = False) -> str:
    """As `edits_of_variables`, of a value; a secret is empty when nothing sets it, so that nobody logs in with it."""
    return _VARIABLE.sub(lambda match: f"${{{match[1]}:{'' if is_secret else match[1]}}}", value)


def variables(source: str) -> list[str]:
    """The names of `${NAME}` references without a default, each once."""
    return list(dict.fromkeys(match[1] for match in _VARIABLE.finditer(source)))
