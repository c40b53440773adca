"""Edits of a SQL text: what a mutant changes. The lines of everything else stay what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from velo_engine.errors import Location
from velo_engine.sql.node_spans import Span
from velo_engine.sql.source_text import SourceText


@dataclass(frozen=True, slots=True)
class Edit:
    """The characters of `span` replaced by `text`."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one statement."""

    operator: str
    """The mutation operator, a key of `operators.OPERATORS`."""
    statement: str
    edits: tuple[Edit, ...]
    """In the order of the text, apart from each other."""
    kill: str
    """What input and what assertion notice the change, for a person."""


@dataclass(frozen=True, slots=True)
class ShownMutant:
    """A mutant as people see it."""

    location: Location
    """The first changed characters, in the original text."""
    original: str
    """The original line."""
    mutated: str
    """The same line of the mutant; several when more lines change, joined by ` ⏎ `."""
    mutated_column: int
    mutated_length: int
    """The characters of `mutated` that are new, from 1; a length of 0: something is gone there."""


def applied(text: str, edits: Sequence[Edit]) -> str:
    """`text` with the edits; lines that an edit takes away are left empty, so that line numbers hold."""
    parts: list[str] = []
    position = 0
    for edit in edits:
        parts += [text[position : edit.span.start], _padded(text, edit)]
        position = edit.span.end
    return "".join([*parts, text[position:]])


def _padded(text: str, edit: Edit) -> str:
    lost = text.count("\n", edit.span.start, edit.span.end) - edit.text.count("\n")
    return edit.text + "\n" * lost


def shown(text: str, file: str, mutant: Mutant) -> ShownMutant:
    """Where and how `mutant` changes the program `text` of `file`."""
    source = SourceText(file, text)
    first, last = mutant.edits[0], mutant.edits[-1]
    mutated = SourceText(file, applied(text, mutant.edits))
    location = source.location(first.span.start, max(first.span.end, first.span.start + 1))
    end_line = source.location(max(last.span.end - 1, last.span.start)).line
    lines = mutated.text.splitlines()[location.line - 1 : end_line]
    kept = [lines[0].rstrip(), *(line.strip() for line in lines[1:] if line.strip())] if lines else [""]
    length = len(first.text.split("\n")[0]) if len(mutant.edits) == 1 else len(" ⏎ ".join(kept)) - location.column + 1
    return ShownMutant(location, location.text.rstrip(), " ⏎ ".join(kept), location.column, length)
