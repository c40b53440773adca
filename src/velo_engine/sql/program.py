"""A program: the statements of one SQL text, in order, before they are bound to schemas.

`parse_program` is the only way in; the dialect lives in `sql/dialect.py`, its own syntax nodes in `sql/syntax.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sqlglot import exp

from velo_engine.errors import Location
from velo_engine.plan.nodes import Emit


class StatementKind(Enum):
    """What a statement does."""

    SOURCE = "source"
    """CREATE TABLE|STREAM name (columns …): declares a relation that exists outside the program."""
    STREAM = "stream"
    """CREATE STREAM name AS query."""
    TABLE = "table"
    """CREATE TABLE name AS query."""
    VIEW = "view"
    """CREATE VIEW name AS query."""
    INSERT = "insert"
    """INSERT INTO target query; its name is the target."""
    SELECT = "select"
    """A bare query; its name is `select_1`, `select_2`, …"""


@dataclass(frozen=True, slots=True)
class Property:
    """A value of WITH (…), SET or an annotation, after ${VARIABLE} substitution."""

    value: str
    location: Location
    """Of the value."""
    name_location: Location | None = None
    """Of the key."""


@dataclass(frozen=True, slots=True)
class Warning:
    """Something in the text that has no effect, or not the one its writer may expect."""

    message: str
    location: Location
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """A declared column: `name type [NOT NULL]`, or computed (`name AS expression`), or METADATA [FROM key].

    NOT NULL is `nullable=False` of the type. In the column list of INSERT or CREATE VIEW only the name is known.
    """

    name: str
    type: exp.DataType | None
    expression: exp.Expression | None
    metadata_key: str | None
    """The key, the column's name when FROM is absent; None for a column without METADATA."""
    location: Location
    virtual: bool = False
    """METADATA … VIRTUAL: read only."""
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class WatermarkDefinition:
    """WATERMARK FOR column AS expression."""

    column: str
    expression: exp.Expression
    location: Location


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as written."""

    name: str
    kind: StatementKind
    query: exp.Query | None
    """None for SOURCE."""
    emit: Emit | None
    sink: str | None
    """INTO name, or the INSERT target."""
    properties: Mapping[str, Property]
    """Its own WITH clause, keys as written."""
    annotations: tuple[tuple[str, Property], ...]
    """`-- @name: value` lines before it, in order; names without the @."""
    columns: tuple[ColumnDefinition, ...]
    watermark: WatermarkDefinition | None
    primary_key: tuple[str, ...]
    location: Location
    conflict: str | None = None
    """What ON CONFLICT DO says, in upper case: DEDUPLICATE, ERROR or NOTHING."""


@dataclass(frozen=True, slots=True)
class Program:
    """A parsed SQL text."""

    file: str
    text: str
    statements: tuple[Statement, ...]
    annotations: tuple[tuple[str, Property], ...]
    """Annotations of the application (at the head of the file)."""
    settings: Mapping[str, Property]
    """SET 'key' = 'value' statements."""
    warnings: tuple[Warning, ...] = ()
    """In the order of their places."""
