"""What planning one query needs to know about the place where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from sqlglot import exp

from velo_engine.plan.changelog import Statements
from velo_engine.plan.nodes import Emit, LateData
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a query needs of a FROM item besides its columns."""

    system_columns: tuple[str, ...] = ()
    """Lower-case names, `_event_time` and the window bounds excepted."""
    event_time: bool = False
    """Whether there must be an event time, the record timestamp if nothing else."""
    time_value: exp.Expr | None = None
    """What becomes the event time: `expression AS _EVENT_TIME`, or the time column that the query's window names."""
    replaces: bool = False
    """Whether `time_value` replaces an event time that the item already has (AS _EVENT_TIME does)."""
    joined: bool = False
    """Right side of a join: a file is a reference table there."""
    looked_up: bool = False
    """FOR SYSTEM_TIME AS OF processing time: any source is a reference table there."""
    versioned: bool = False
    """FOR SYSTEM_TIME AS OF event time: the rows are versions, read as a stream, also those of a file."""


class Relations(Protocol):
    """The relations that the queries of one statement read."""

    def named(self, table: exp.Table, wanted: Wanted) -> Relation:
        """What a table of a FROM clause names, under its alias."""

    def query(self, query: exp.Query, context: QueryContext) -> Relation:
        """The result of a query inside the statement."""

    def read(self, select: exp.Select, context: QueryContext) -> Relation:
        """What the FROM clause of a query gives."""

    def timed(self, relation: Relation, wanted: Wanted) -> Relation:
        """`relation` with the event time that the query around it asks for, as far as its columns give it."""

    def retimed(self, relation: Relation, position: int, at: exp.Expr) -> Relation:
        """`relation` with its column `position` as event time."""


@dataclass(frozen=True, slots=True)
class CommonTable:
    """A query of a WITH clause, and the names it sees."""

    query: exp.Query
    columns: tuple[str, ...]
    """New names of its columns; empty to keep them."""
    visible: Mapping[str, CommonTable]


@dataclass(frozen=True, slots=True)
class QueryContext:
    """The statement around a query, and the names it sees."""

    text: ProgramText
    relations: Relations
    emit: Emit
    """Of windows."""
    statements: Statements = field(default_factory=dict)
    """The statements planned so far, for those that it reads."""
    allowed_lateness_ms: int = 0
    late_data: LateData = LateData.DROP
    common_tables: Mapping[str, CommonTable] = field(default_factory=dict)
    nested: bool = False
    """Whether another query reads this one: then its order means nothing."""
    joined: bool = False
    """Whether the query stands on the right side of a join: a file is a reference table there."""

    def as_subquery(self) -> QueryContext:
        """The same statement within an expression: another query reads this one, as Flink joins it."""
        return replace(self, nested=True, joined=False)

    def seeing(self, common_tables: Mapping[str, CommonTable]) -> QueryContext:
        """The same statement with other WITH names in sight."""
        return replace(self, common_tables=common_tables)

    def inside(self, query: exp.Query) -> QueryContext:
        """The context of `query`'s parts: its WITH names are in sight, each for those after it."""
        clause = query.args.get("with_")
        if clause is None:
            return self
        if clause.args.get("recursive"):
            raise self.text.unsupported("WITH RECURSIVE", clause)
        tables = dict(self.common_tables)
        for cte in clause.expressions:
            alias = cte.args["alias"]
            columns = tuple(column.name for column in alias.args.get("columns") or ())
            tables[cte.alias] = CommonTable(cte.this, columns, dict(tables))
        return self.seeing(tables)
