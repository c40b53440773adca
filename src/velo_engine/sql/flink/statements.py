"""The statements of a Flink SQL script, as written and bound to nothing.

Queries are sqlglot trees of the same shape as in the velostream dialect (`sql/query_parser.py`, `sql/syntax.py`). Hints
stand at `select.args["hint"]` and `table.args["hints"]` as exp.Hint, whose expressions are exp.Anonymous.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sqlglot import exp

from velo_engine.errors import Location, VeloError
from velo_engine.sql.program import ColumnDefinition, Property, WatermarkDefinition


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement stands."""

    location: Location
    """Of its first word."""
    start: int
    end: int
    """Its characters in the script, `start` to `end` (exclusive), without the semicolon."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """DISTRIBUTED [BY [HASH|RANGE] (columns)] INTO n BUCKETS."""

    algorithm: str | None
    columns: tuple[str, ...]
    buckets: int | None


@dataclass(frozen=True, slots=True)
class TableLike:
    """LIKE source (INCLUDING|EXCLUDING|OVERWRITING what …)."""

    source: str
    options: tuple[tuple[str, str], ...]
    """`("INCLUDING", "ALL")`, … as written, upper case."""


@dataclass(frozen=True, slots=True)
class CreateTable:
    """CREATE [TEMPORARY] TABLE, with columns, LIKE or AS query; also MATERIALIZED TABLE, whose further words are in
    `refresh`."""

    place: Place
    name: str
    temporary: bool
    if_not_exists: bool
    columns: tuple[ColumnDefinition, ...]
    watermark: WatermarkDefinition | None
    primary_key: tuple[str, ...]
    comment: str | None
    partitioned_by: tuple[str, ...]
    distribution: Distribution | None
    options: Mapping[str, Property]
    like: TableLike | None
    query: exp.Query | None
    materialized: bool = False
    refresh: tuple[str, ...] = ()
    """FRESHNESS, REFRESH_MODE and START_MODE of a materialized table, as written."""


@dataclass(frozen=True, slots=True)
class CreateView:
    """CREATE [TEMPORARY] VIEW name [(columns)] [COMMENT …] AS query."""

    place: Place
    name: str
    temporary: bool
    if_not_exists: bool
    columns: tuple[str, ...]
    comment: str | None
    query: exp.Query


@dataclass(frozen=True, slots=True)
class CreateFunction:
    """CREATE [TEMPORARY] [SYSTEM] FUNCTION name AS class [LANGUAGE …] [USING JAR …] [WITH (…)]."""

    place: Place
    name: str
    temporary: bool
    system: bool
    if_not_exists: bool
    implementation: str
    language: str | None
    resources: tuple[str, ...]
    options: Mapping[str, Property]


@dataclass(frozen=True, slots=True)
class CreateNamed:
    """CREATE CATALOG, DATABASE, MODEL, CONNECTION and the like: a kind of object, its name and its options."""

    place: Place
    kind: str
    name: str
    if_not_exists: bool
    comment: str | None
    options: Mapping[str, Property]


@dataclass(frozen=True, slots=True)
class Insert:
    """INSERT INTO|OVERWRITE target [PARTITION (…)] [(columns)] query; also behind EXECUTE."""

    place: Place
    target: str
    columns: tuple[str, ...]
    partition: Mapping[str, exp.Expression]
    overwrite: bool
    query: exp.Query
    hint: exp.Hint | None = None
    """Behind the target: OPTIONS of this write."""
    conflict: str | None = None
    """What ON CONFLICT DO says: DEDUPLICATE, ERROR or NOTHING."""


@dataclass(frozen=True, slots=True)
class Query:
    """A bare query; also behind EXECUTE."""

    place: Place
    query: exp.Query


@dataclass(frozen=True, slots=True)
class SetOption:
    """SET 'key' = 'value'; without a key it lists all options."""

    place: Place
    key: str | None
    value: str | None


@dataclass(frozen=True, slots=True)
class ResetOption:
    """RESET 'key'; without a key all options."""

    place: Place
    key: str | None


@dataclass(frozen=True, slots=True)
class StatementSet:
    """BEGIN STATEMENT SET … END, EXECUTE STATEMENT SET BEGIN … END: the INSERTs of one job."""

    place: Place
    inserts: tuple[Insert, ...]


@dataclass(frozen=True, slots=True)
class Explain:
    """EXPLAIN [details] statement, EXPLAIN PLAN FOR statement."""

    place: Place
    details: tuple[str, ...]
    statement: Statement


@dataclass(frozen=True, slots=True)
class Command:
    """A statement of which only its kind matters here: `USE CATALOG`, `SHOW TABLES`, `DROP VIEW`, `ALTER TABLE`, …"""

    place: Place
    name: str
    words: tuple[str, ...]
    """All that stands behind the name, token by token."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A statement that does not parse, or that is refused by name; the script goes on behind it."""

    place: Place
    error: VeloError


Statement: TypeAlias = (
    CreateTable
    | CreateView
    | CreateFunction
    | CreateNamed
    | Insert
    | Query
    | SetOption
    | ResetOption
    | StatementSet
    | Explain
    | Command
)
