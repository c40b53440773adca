"""`${NAME}` references: one rule for SQL texts, configuration files and test specs.

| form | value when NAME is set and not empty | else |
|---|---|---|
| `${NAME}` | its value | its empty value; unset is an error |
| `${NAME:default}`, `${NAME:-default}` | its value | the default, which may hold references |
| `${NAME:?message}` | its value | an error with the message |
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from velo_engine.errors import ErrorCode, Location, VeloError, nearest
from velo_engine.sql.source_text import SegmentKind, SourceText, reference_end, segments

_REFERENCE = re.compile(r"\$\{\s*([A-Za-z_][A-Za-z0-9_.]*)\s*(?::([-?]?)(.*))?\}\Z", re.DOTALL)
MAX_DEPTH = 20
"""References within the default of a reference, at most this deep."""


@dataclass(frozen=True, slots=True)
class ExpandedText:
    """SQL text ready for the tokenizer: references replaced, comments blank, unquoted URIs quoted."""

    text: str
    expanded_starts: tuple[int, ...]
    """Where each piece starts in `text`, ascending."""
    pieces: tuple[tuple[int, int, bool], ...]
    """For each: start and end in the original text, and whether it was replaced as a whole."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The original offsets of the characters `start` to `end` (inclusive) of `text`."""
        return self._original(start)[0], self._original(end)[1]

    def _original(self, offset: int) -> tuple[int, int]:
        index = bisect_right(self.expanded_starts, offset) - 1
        start, end, replaced = self.pieces[index]
        if replaced:
            return start, end - 1
        position = start + offset - self.expanded_starts[index]
        return position, position


def expand(value: str, variables: Mapping[str, str], place: Callable[[int, int], Location | None]) -> str:
    """`value` with its references replaced.

    `place` gives the location of the characters from one offset to another (exclusive); VeloError UNSET_VARIABLE for a
    reference without a value, SQL_SYNTAX for one that is not well-formed.
    """
    return _expand(value, variables, place, depth=0)


def _expand(
    value: str, variables: Mapping[str, str], place: Callable[[int, int], Location | None], *, depth: int
) -> str:
    parts: list[str] = []
    position = 0
    while (start := value.find("${", position)) >= 0:
        end = reference_end(value, start)
        if end is None:
            break
        parts += [value[position:start], _value_of(value[start:end], variables, place(start, end), depth=depth)]
        position = end
    return "".join((*parts, value[position:]))


def _value_of(reference: str, variables: Mapping[str, str], location: Location | None, *, depth: int) -> str:
    match = _REFERENCE.match(reference)
    if match is None or depth > MAX_DEPTH:
        raise VeloError(
            ErrorCode.SQL_SYNTAX,
            f"{reference} is not a variable reference",
            location=location,
            hint="write ${NAME}, ${NAME:default} or ${NAME:?message}",
        )
    name, operator, argument = match.group(1), match.group(2), match.group(3)
    value = variables.get(name)
    if operator is None and value is not None:
        return value
    if value:
        return value
    if operator is None or operator == "?":
        raise _unset(name, argument, variables, location)
    return _expand(argument, variables, lambda _start, _end: location, depth=depth + 1)


def _unset(name: str, message: str | None, variables: Mapping[str, str], location: Location | None) -> VeloError:
    close = nearest(name, variables)
    hint = f"set {name}, or write ${{{name}:default}}"
    return VeloError(
        ErrorCode.UNSET_VARIABLE,
        f"the variable {name} is not set" + (f": {message}" if message else ""),
        location=location,
        hint=hint + (f"; did you mean {close}?" if close is not None else ""),
    )


def expand_sql(source: SourceText, variables: Mapping[str, str]) -> ExpandedText:
    """The text of `source` for the tokenizer.

    A value that stands within quotes has those quotes doubled, so it cannot end the string. Comments become blanks of
    the same length: the tokenizer attaches comments to tokens, and nobody reads them there.
    """
    text: list[str] = []
    starts: list[int] = []
    pieces: list[tuple[int, int, bool]] = []
    length = 0

    def add(piece: str, start: int, end: int, replaced: bool) -> None:
        nonlocal length
        if piece:
            text.append(piece)
            starts.append(length)
            pieces.append((start, end, replaced))
            length += len(piece)

    for segment in segments(source):
        raw = source.text[segment.start : segment.end]
        match segment.kind:
            case SegmentKind.LINE_COMMENT | SegmentKind.BLOCK_COMMENT:
                add(re.sub(r"[^\r\n]", " ", raw), segment.start, segment.end, False)
            case SegmentKind.CODE:
                add(raw, segment.start, segment.end, False)
            case SegmentKind.URI:
                uri = expand(raw, variables, _placer(source, segment.start))
                add("'" + uri.replace("'", "''") + "'", segment.start, segment.end, True)
            case SegmentKind.VARIABLE:
                add(expand(raw, variables, _placer(source, segment.start)), segment.start, segment.end, True)
            case SegmentKind.STRING | SegmentKind.NAME:
                value = raw if "${" not in raw else _quoted(raw, variables, _placer(source, segment.start))
                add(value, segment.start, segment.end, value is not raw)
    return ExpandedText("".join(text), tuple(starts), tuple(pieces))


def _quoted(raw: str, variables: Mapping[str, str], place: Callable[[int, int], Location | None]) -> str:
    quote = raw[0]
    value = expand(raw[1:-1].replace(quote * 2, quote), variables, lambda start, end: place(start + 1, end + 1))
    return quote + value.replace(quote, quote * 2) + quote


def _placer(source: SourceText, base: int) -> Callable[[int, int], Location | None]:
    return lambda start, end: source.location(base + start, base + end)
