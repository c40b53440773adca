"""What an export makes of a program: statements of Flink SQL, each with its place in the program, and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from velo_engine.errors import Location


class NoteKind(StrEnum):
    """What a note says of a construct."""

    REFUSED = "not exported"
    DIFFERS = "differs"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Note:
    """Something of the program that is not said, or said differently, in Flink SQL."""

    kind: NoteKind
    message: str
    location: Location
    hint: str | None = None


class Form(StrEnum):
    """What a statement of the exported script does."""

    SET = "set"
    TABLE = "table"
    VIEW = "view"
    TABLE_AS = "table as"
    INSERT = "insert"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class ExportedStatement:
    """One statement of Flink SQL, without its semicolon."""

    form: Form
    name: str
    """Of the table or view that it makes or writes; of SET the key; of a query `select_1`, `select_2`, …"""
    sql: str
    location: Location
    """In the program."""
    origin: str
    """The statement of the program that it belongs to."""
    comment: str = ""
    """Lines before it, each beginning with `--`."""
    query: str | None = None
    """The query in it."""
    columns: str = ""
    """The column list of a table, without its parentheses."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Of a table: WITH."""


@dataclass(frozen=True, slots=True)
class ExportedProgram:
    """A program in Flink SQL."""

    file: str
    head: str
    """Comments that the script begins with."""
    statements: tuple[ExportedStatement, ...]
    """In the order in which Flink carries them out; INSERTs that follow one another are one job."""
    notes: tuple[Note, ...]
    foot: str = ""
    """Comments that the program ends with."""

    @property
    def refused(self) -> tuple[Note, ...]:
        """What is not exported."""
        return tuple(note for note in self.notes if note.kind is NoteKind.REFUSED)

    @property
    def sql(self) -> str:
        """The script."""
        from velo_import.export.script import script_text

        return script_text(self)
