"""A query of a spec as a question for Flink: its sources as tables with the rows of the run, its SQL as one query.

Flink is asked for one statement at a time; the statements that it reads stand before it, WITH their names. The SQL goes
to Flink as it is written, so it must be Flink's.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from velo_engine import TableInput, TopicInput
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_engine.plan import nodes
from velo_engine.plan.nodes import AssignWatermark, PlannedProgram, PlanNode, Scan, SourceKind, SourceTable
from velo_engine.sql.node_spans import spanned_statements
from velo_engine.sql.program import StatementKind
from velo_engine.sql.reading import source_text
from velo_engine.sql.variables import expand_sql
from velo_harness.execution import needed_sources, needed_statements
from velo_harness.flink.server import InputTable
from velo_harness.inputs import RunInputs
from velo_harness.preparation import PreparedQuery

MOST_RECORDS = 2000
"""Flink takes the records one by one, with a pause after each."""

_JSON_OPTIONS = "json."
_MARK = "FOR SYSTEM_TIME AS OF"


@dataclass(frozen=True, slots=True)
class Question:
    """What Flink is asked."""

    tables: tuple[InputTable, ...]
    order: tuple[tuple[str, int], ...]
    """The rows as they arrive: table, and place among its rows."""
    queries: Mapping[str, str]
    """By statement."""
    reads: Mapping[str, tuple[str, ...]]
    """By statement the tables that its query reads."""
    config: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> Question:
        """The part that is about one statement."""
        read = self.reads[name]
        tables = tuple(table for table in self.tables if table.name in read)
        order = tuple(turn for turn in self.order if turn[0] in read)
        return Question(tables, order, {name: self.queries[name]}, {name: read}, self.config)

    @property
    def digest(self) -> str:
        """Equal for questions with the same SQL, rows and order."""
        tables = [[t.name, t.columns, list(t.rows), t.lookup, dict(t.options)] for t in self.tables]
        text = json.dumps([tables, self.order, dict(self.queries), dict(self.config)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def question(prepared: PreparedQuery, inputs: RunInputs, variables: Mapping[str, str], time_zone: str) -> Question:
    """The question that a query's run is. Errors: NOT_YET_SUPPORTED for what Flink cannot be asked."""
    _check(inputs)
    written = _Written(prepared, variables)
    sources = needed_sources(prepared.program, prepared.targets)
    for name in sources:
        if name not in inputs.engine:
            raise _not_asked(f"{name} reads a file of its own", "give its rows in the spec")
    queries = {name: written.query(name) for name in prepared.targets}
    lookups = {name for name, s in sources.items() if s.kind is SourceKind.TABLE and written.looks_up}
    tables, arrivals = [], []
    for name, source in sources.items():
        rows, places = _rows(source, inputs.engine[name])
        options = {key: text for key, text in source.properties.items() if key.startswith(_JSON_OPTIONS)}
        columns = written.columns(name) or _columns(source, prepared.program)
        tables.append(InputTable(name, columns, rows, name in lookups, options))
        if name not in lookups:
            arrivals += [(place, name, i) for i, place in enumerate(places)]
    order = tuple((name, i) for _, name, i in sorted(arrivals, key=lambda arrival: arrival[0]))
    if len(order) > MOST_RECORDS:
        message = f"{len(order)} records are more than the {MOST_RECORDS} that Flink is given, one after the other"
        raise _not_asked(message, "give it fewer records")
    reads = {name: tuple(needed_sources(prepared.program, (name,))) for name in prepared.targets}
    return Question(tuple(tables), order, queries, reads, {"table.local-time-zone": time_zone})


def _check(inputs: RunInputs) -> None:
    if inputs.ticks:
        raise _not_asked("a timeline, or slow processing, moves the clock of the run", "leave it to the engine")
    if inputs.faults is not None and inputs.faults.plan.malformed is not None:
        raise _not_asked("a malformed record ends a job of Flink's", "leave fault_injection to the engine")


def _not_asked(message: str, hint: str) -> VeloError:
    return VeloError(ErrorCode.NOT_YET_SUPPORTED, f"Flink cannot run this query: {message}", hint=hint)


def _rows(source: SourceTable, given: object) -> tuple[list[str], list[int]]:
    """The records as JSON texts, and the place of each in the run; rows of tables come before everything."""
    if isinstance(given, TableInput):
        table = given.table.rename_columns([f"c{i}" for i in range(given.table.num_columns)])
        texts = [value.decode() for value in open_format("json", source.schema, {}).encode(table)]
        return texts, [-1] * len(texts)
    assert isinstance(given, TopicInput)
    if given.format != "json":
        raise _not_asked(f"the records of {source.name} are {given.format}", "Flink is asked with JSON records here")
    found = sorted(given.topic.records(), key=lambda record: record.sequence or 0)
    texts = [(record.value or b"null").decode("utf-8", "replace") for record in found]
    return texts, [record.sequence or 0 for record in found]


def _columns(source: SourceTable, program: PlannedProgram) -> str:
    """The body of a CREATE TABLE for a source whose columns the SQL does not say."""
    parts = [f"`{column.name}` {column.type}" for column in source.schema.columns]
    mark = _watermark(source.name, program)
    return ", ".join([*parts, *([mark] if mark else [])])


def _watermark(source: str, program: PlannedProgram) -> str | None:
    for statement in program.statements.values():
        waiting: list[PlanNode] = [statement.plan]
        while waiting:
            node = waiting.pop()
            waiting.extend(nodes.inputs(node))
            if isinstance(node, AssignWatermark) and isinstance(node.input, Scan) and node.input.source.name == source:
                column = node.schema.columns[node.time_column].name
                return f"WATERMARK FOR `{column}` AS `{column}` - {_interval(node.delay_ms)}"
    return None


def _interval(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"INTERVAL '{days} {hours:02}:{minutes:02}:{seconds:02}.{ms:03}' DAY TO SECOND(3)"


class _Written:
    """The statements of the program as they are written."""

    def __init__(self, prepared: PreparedQuery, variables: Mapping[str, str]) -> None:
        values = {**os.environ, **dict(prepared.text.variables), **variables}
        source = source_text(prepared.text.text, prepared.text.file)
        self._text = expand_sql(source, values).text
        self._program = prepared.program
        self._statements = {s.statement.name: s for s in spanned_statements(self._text, file=prepared.text.file)}

    @property
    def looks_up(self) -> bool:
        """Whether some query looks rows up in a table as of a time."""
        return _MARK in " ".join(self._text.upper().split())

    def query(self, name: str) -> str:
        """The query of a statement, with those that it reads."""
        above = [other for other in needed_statements(self._program, (name,)) if other != name]
        own = self._own_query(name)
        if not above:
            return own
        named = ", ".join(f"`{other}` AS ({self._own_query(other)})" for other in above)
        return f"WITH {named} SELECT * FROM ({own})"

    def columns(self, name: str) -> str | None:
        """The body of a source's CREATE TABLE; None when the SQL has none."""
        found = self._statements.get(name)
        if found is None or found.statement.kind is not StatementKind.SOURCE or not found.statement.columns:
            return None
        depth, start = 0, None
        for token in found.tokens:
            if token.text == "(":
                depth += 1
                start = token.end + 1 if start is None else start
            elif token.text == ")":
                depth -= 1
                if not depth:
                    return self._text[start : token.start]
        return None

    def _own_query(self, name: str) -> str:
        found = self._statements[name]
        query = found.statement.query
        span = None if query is None else found.span(query)
        if span is None:
            raise _not_asked(f"{name} has no query of its own", "leave it to the engine")
        return self._text[span.start : span.end]
