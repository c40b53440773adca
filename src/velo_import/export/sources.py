"""The sources of a program as Flink's tables; read with several watermarks, a source is several tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlglot import exp

from velo_engine.plan.nodes import WindowAggregate, inputs
from velo_engine.plan.source_uri import is_uri, parse_uri
from velo_engine.sql.program import Statement, StatementKind
from velo_import.export.event_times import (
    PROCESSING_TIME,
    EventTime,
    Mark,
    NoEventTimeError,
    event_time,
    marks,
    passed_on,
)
from velo_import.export.options import Brokers
from velo_import.export.relations import Reading
from velo_import.export.tables import SYSTEM_COLUMNS

if TYPE_CHECKING:
    from velo_import.export.program import Exporting


class Sources:
    """Which statement reads which source how."""

    def __init__(self, shared: Exporting) -> None:
        self._shared = shared
        self.declarations: dict[str, Statement] = {
            s.name: s for s in shared.program.statements if s.kind is StatementKind.SOURCE
        }
        self._needs: dict[tuple[str, str], EventTime] = {}
        """By statement and source."""
        self._times: dict[tuple[str, str], str] = {}
        """The column that is the event time of a relation, by statement and relation."""
        self._clocks: set[str] = set()
        """The statements that cut windows of processing time."""
        self.written: set[str] = set()
        """Sources that nothing declares and that the script has already."""
        self.refused: set[int] = set()
        """The ids of statements whose event time Flink cannot declare; the notes say why."""
        self._queries = [s for s in shared.program.statements if s.query is not None]
        for statement in self._queries:
            self._look_at(statement)

    def relations_of(self, statement: Statement) -> tuple[str, ...]:
        """The relations that a statement's query names, but for its own WITH."""
        if statement.query is None:
            return ()
        own = {cte.alias for cte in statement.query.find_all(exp.CTE)}
        return tuple(dict.fromkeys(t.name for t in statement.query.find_all(exp.Table) if t.name and t.name not in own))

    def variants(self, source: str) -> tuple[EventTime | None, ...]:
        """The event times with which a source is read, in the order of the program; the first is that of its name."""
        found = dict.fromkeys(need for (_, name), need in self._needs.items() if name == source)
        return tuple(found) or (None,)

    def variant_name(self, source: str, number: int) -> str:
        """What Flink calls variant `number` of a source."""
        name = plain_name(source)
        while number:
            taken = {
                *self.declarations,
                *self._shared.planned.statements,
                *map(plain_name, self._shared.planned.sources),
            }
            candidate = f"{name}_{number + 1}"
            if candidate not in taken:
                return candidate
            number += 1
        return name

    @property
    def brokers(self) -> Brokers:
        """The cluster of tables."""
        topics = [one.properties for one in self._shared.planned.sources.values() if "path" not in one.properties]
        said = {one.get("bootstrap.servers", one.get("properties.bootstrap.servers")) for one in topics}
        return Brokers(self._shared.options.brokers, said.pop() if len(said) == 1 else None)

    def is_read(self, statement: Statement) -> bool:
        """Whether another statement reads it, of those that are not refused by their event time."""
        lost = {one.name for one in self._queries if id(one) in self.refused}
        planned = self._shared.planned.statements
        return any(statement.name in one.reads for name, one in planned.items() if name not in lost)

    def reading(self, statement: Statement) -> Reading:
        """How a statement reads its relations."""
        names, times, computed, extended = {}, {}, set(), set()
        for relation in self.relations_of(statement):
            source = plain_name(relation)
            extended |= {relation} if self._is_extended(source) else set()
            need = self._needs.get((statement.name, source))
            if need is not None:
                number = self.variants(source).index(need)
                name = self.variant_name(source, number)
                if name != relation:
                    names[relation] = name
                times[relation] = need.column
                computed |= {relation} if need.computed is not None else set()
            elif source != relation:
                names[relation] = source
            known = self._times.get((statement.name, source))
            if known is not None:
                times.setdefault(relation, known)
        goes_by_clock = statement.name in self._clocks
        return Reading(self._columns(), names, times, frozenset(computed), frozenset(extended), goes_by_clock)

    def _is_extended(self, source: str) -> bool:
        computed = any(need is not None and need.computed is not None for need in self.variants(source))
        return source in self._shared.planned.sources and (computed or bool(self.system_columns(source)))

    def system_columns(self, source: str) -> list[str]:
        """The system columns of a source that some statement names."""
        found: dict[str, None] = {}
        for statement in self._shared.program.statements:
            if source not in map(plain_name, self.relations_of(statement)):
                continue
            for column in statement.query.find_all(exp.Column) if statement.query is not None else ():
                if column.name.lower() in SYSTEM_COLUMNS:
                    found[column.name.lower()] = None
        return list(found)

    def _columns(self) -> Mapping[str, tuple[str, ...]]:
        planned = self._shared.planned
        found = {name: tuple(source.schema.names) for name, source in planned.sources.items()}
        found |= {name: tuple(one.plan.schema.names) for name, one in planned.statements.items()}
        for name, declared in self.declarations.items():
            if name not in planned.statements:
                found[name] = tuple(column.name for column in declared.columns)
        return found

    # --- event time ---

    def _look_at(self, statement: Statement) -> None:
        planned = self._shared.planned
        if statement.name not in planned.statements:
            return
        for mark in marks(planned, statement.name):
            if mark.relation in planned.sources:
                self._of_source(statement, statement.name, mark)
            else:
                self._of_statement(statement, mark)
        for relation in self.relations_of(statement):
            declared = self.declarations.get(relation)
            if declared is not None and declared.watermark is not None:
                self._times.setdefault((statement.name, relation), declared.watermark.column)
            elif relation in planned.statements and relation != statement.name:
                column = _window_time(planned.statements[statement.name].plan)
                if column is not None and column in planned.statements[relation].plan.schema.names:
                    self._times.setdefault((statement.name, relation), column)

    def _of_source(self, statement: Statement, reader: str, mark: Mark) -> None:
        """`mark` is that of a source which `reader` reads; `statement` says so."""
        declared = self.declarations.get(mark.relation)
        own = declared is not None and declared.watermark is not None
        if mark.column == PROCESSING_TIME:  # Flink's clock, too: nothing to declare
            self._clocks.add(statement.name)
            return
        properties = self._shared.properties
        settings = properties.event_time(statement, mark.relation)
        names = statement.query is not None and mark.relation in self.relations_of(statement)
        overrides = names and properties.changes_watermark(statement, mark.relation)
        if own and declared is not None and declared.watermark is not None and not overrides:
            written = declared.watermark.column
            if settings.field in (None, written):
                self._times[statement.name, mark.relation] = written
                return
        source = self._shared.planned.sources[mark.relation]
        try:
            need = event_time(mark, source, settings)
        except NoEventTimeError as problem:
            hint = "declare the source with a computed column and WATERMARK FOR it"
            self._refuse(statement, str(problem), hint)
            return
        if own:
            message = f"another watermark of {mark.relation} than its declaration has"
            self._refuse(statement, message, "declare the source twice, each with its WATERMARK")
            return
        known = self._needs.setdefault((reader, mark.relation), need)
        if known != need:
            message = f"{mark.relation} with two watermarks in one statement"
            self._refuse(statement, message, "declare the source twice, each with its WATERMARK")

    def _refuse(self, statement: Statement, message: str, hint: str) -> None:
        self._shared.notes.refuse(message, statement.location, hint)
        self.refused.add(id(statement))

    def _of_statement(self, statement: Statement, mark: Mark) -> None:
        """A watermark that begins at the result of another statement begins at the source in Flink."""
        planned = self._shared.planned
        found = None if mark.column is None else passed_on(planned, mark.relation, mark.column)
        reader = _reader(mark.relation, found[0] if found else "", self._shared)
        if found is None or mark.column is None or reader is None:
            message = f"the event time of {mark.relation}, which is not a column of a source"
            hint = "declare the event time of the source: WATERMARK FOR column AS column - INTERVAL '5' SECOND"
            if _window_time(planned.statements[mark.relation].plan) is not None:
                hint = f"give window_time AS rowtime out of {mark.relation}, and cut the window by it: (rowtime, …)"
            self._refuse(statement, message, hint)
            return
        message = f"in Flink the watermark of {mark.relation} is that of {found[0]}, all of its rows move it"
        self._shared.notes.differs(message, statement.location)
        self._of_source(statement, reader, Mark(found[0], found[1], mark.delay_ms, mark.idle_timeout_ms))
        self._times[statement.name, mark.relation] = mark.column


def _reader(relation: str, source: str, shared: Exporting) -> str | None:
    """The statement below `relation` that reads `source` itself."""
    waiting = [relation]
    while waiting:
        name = waiting.pop()
        one = shared.planned.statements[name]
        if source in one.sources:
            return name
        waiting.extend(one.reads)
    return None


def _window_time(node: object) -> str | None:
    """The name of the column by which the first window of a plan is cut."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, WindowAggregate):
            return one.input.schema.columns[one.time_column].name
        waiting.extend(inputs(one))  # type: ignore[arg-type]
    return None


def plain_name(name: str) -> str:
    """The name of a source that is written as a URI."""
    return parse_uri(name).name if is_uri(name) else name
