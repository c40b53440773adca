"""One statement of a program as the statements of Flink SQL that do the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlglot import exp

from velo_engine.plan.changelog import changelog_mode
from velo_engine.plan.nodes import (
    Emit,
    GroupAggregate,
    JoinKind,
    LateData,
    PlanNode,
    TableJoin,
    WindowAggregate,
    inputs,
)
from velo_engine.schema import Column, RowSchema
from velo_engine.sql.program import Statement, StatementKind
from velo_engine.sql.syntax import KeyColumn, SystemTime
from velo_import.convert.secrets import HIDDEN, is_secret
from velo_import.export.event_times import EventTime, time_columns
from velo_import.export.model import ExportedStatement, Form
from velo_import.export.names import flink_name
from velo_import.export.options import UNKNOWN_BROKERS, Brokers, FlinkOptions, Use, flink_options, flinks_own
from velo_import.export.queries import QueryText
from velo_import.export.sources import plain_name
from velo_import.export.tables import SYSTEM_COLUMNS, columns_of_schema, create_table, declared_columns
from velo_import.export.variables import as_it_stands, written_value
from velo_import.mapped_text import with_defaults

if TYPE_CHECKING:
    from velo_import.export.program import Exporting
    from velo_import.export.sources import Sources


class StatementExport:
    """Makes the statements that one becomes. What cannot be said is noted; then the statement is not exported."""

    def __init__(self, shared: Exporting, sources: Sources, statement: Statement) -> None:
        self._shared = shared
        self._sources = sources
        self._statement = statement

    def exported(self) -> list[ExportedStatement]:
        """What stands for the statement: tables that it needs and nothing declares, a view, an INSERT, a query."""
        statement = self._statement
        if statement.kind is StatementKind.SOURCE:
            return list(self._declared())
        before = self._shared.notes.refusals
        self._check()
        reading = self._sources.reading(statement)
        text = QueryText(self._shared.source, self._shared.of(statement), reading, self._shared.notes)
        query = text.text()
        self._check_functions(text)
        if self._shared.notes.refusals > before:
            return []
        found = [*self._undeclared()]
        match statement.kind:
            case StatementKind.VIEW:
                found.append(self._view(statement.name, query))
            case StatementKind.INSERT:
                found.append(self._insert(statement.name, query))
            case StatementKind.SELECT if statement.sink is None:
                found.append(self._made(Form.QUERY, statement.name, query, query=query))
            case _:
                found += self._stream(query)
        return found

    def _made(self, form: Form, name: str, sql: str, **parts: object) -> ExportedStatement:
        return ExportedStatement(
            form,
            name,
            sql,
            self._statement.location,
            self._statement.name,
            **parts,  # type: ignore[arg-type]
        )

    # --- statements with a query ---

    def _view(self, name: str, query: str) -> ExportedStatement:
        columns = ", ".join(flink_name(column.name) for column in self._statement.columns)
        head = f"CREATE VIEW {flink_name(name)}{f' ({columns})' if columns else ''} AS\n"
        return self._made(Form.VIEW, name, head + query, query=query)

    def _insert(self, target: str, query: str) -> ExportedStatement:
        is_insert = self._statement.kind is StatementKind.INSERT
        columns = ", ".join(flink_name(c.name) for c in self._statement.columns) if is_insert else ""
        head = f"INSERT INTO {flink_name(target)}{f' ({columns})' if columns else ''}\n"
        conflict = self._statement.conflict
        tail = f"\nON CONFLICT DO {conflict}" if conflict else ""
        return self._made(Form.INSERT, target, head + query + tail, query=query)

    def _stream(self, query: str) -> Iterator[ExportedStatement]:
        """CREATE STREAM or TABLE … AS: a view when others read it, a table with an INSERT when it is written."""
        statement = self._statement
        name = statement.name or "result"
        if self._is_table_as:
            options = {key: written_value(self._shared.source, v) for key, v in statement.properties.items()}
            options = self._production(name, options) if "connector" in options else {}
            spanned = self._shared.of(statement)
            has_list = bool(statement.columns or statement.primary_key)
            columns = declared_columns(self._shared.source, spanned) if has_list else ""
            lines = create_table(name, columns, options)
            lines = lines if has_list else lines.replace(" (\n)", "", 1)
            yield self._made(Form.TABLE_AS, name, f"{lines} AS\n{query}", query=query, options=options)
            return
        is_read = self._sources.is_read(statement)
        says_sink = statement.sink is not None or bool(self._sink_properties())
        sink = statement.sink or name
        declared = sink in self._sources.declarations
        if is_read:
            yield self._view(name, query)
            if not says_sink:
                message = f"{name} is a view: its own rows are written nowhere"
                hint = f"to write them, say where: WITH ('{name}.type' = 'kafka_sink', '{name}.topic' = '{name}')"
                self._shared.notes.note(message, statement.location, hint)
                return
            query = f"SELECT * FROM {flink_name(name)}"
            sink = sink if sink != name else self._free(f"{name}_sink")
        if not declared:
            yield self._sink_table(sink, statement.sink or name)
        yield self._insert(sink, query if is_read else self._with_one_event_time(query))

    @property
    def _is_table_as(self) -> bool:
        """Whether it is written as in Flink: CREATE TABLE … AS with a connector, or, imported, without one."""
        own = self._statement.properties
        managed = bool(self._shared.options.production) and {"type", "topic", "format"} == own.keys()
        return self._statement.kind is StatementKind.TABLE and ("connector" in own or managed)

    def _sink_properties(self) -> dict[str, str]:
        planned = self._shared.planned.statements[self._statement.name]
        return {} if planned.sink is None else dict(planned.sink.properties)

    def _sink_table(self, name: str, topic: str) -> ExportedStatement:
        """The table that a stream's rows go to."""
        planned = self._shared.planned.statements[self._statement.name]
        assert planned.sink is not None, "a stream has a sink"
        changes = self._changes_in_flink()
        properties = self._sink_properties()
        names = planned.plan.schema.names
        key = [names[i] for i in planned.sink.upsert_key] if changes or self._says_key() else []
        upserts = bool(key) and (changes or properties.get("mode") == "upsert")
        made = flink_options(properties, Use(topic, False, True, upserts), brokers=self._sources.brokers)
        options = dict(made.options)
        self._remark(made, name)
        if changes and options.get("connector") == "filesystem":
            self._shared.notes.refuse(
                f"{name} changes, and Flink's filesystem connector takes only new rows",
                self._statement.location,
                "write it to a topic, or close the result with a window",
            )
        if changes and options.get("connector") == "kafka":
            self._shared.notes.differs(
                f"{name} changes and has no key: its rows are written with their changes (debezium-json)",
                self._statement.location,
            )
            options["format"] = "debezium-json"
        if not upserts and key and options.get("connector") == "kafka" and "format" in options:
            form = options.pop("format")
            options |= {"key.format": "json", "key.fields": ";".join(key), "value.format": form}
        nullable = [c.name for c in planned.plan.schema.columns if c.name in key and c.type.nullable]
        if upserts and nullable:
            self._shared.notes.differs(
                f"{name}: a row whose key {', '.join(nullable)} is NULL ends the job in Flink",
                self._statement.location,
                "leave such rows out (WHERE … IS NOT NULL), or SET 'table.exec.sink.not-null-enforcer' = 'DROP'",
            )
        columns = columns_of_schema(_nullable(planned.plan.schema), key if upserts else ())
        sql = create_table(name, columns, options)
        return self._made(Form.TABLE, name, sql, columns=columns, options=options)

    def _changes_in_flink(self) -> bool:
        """Whether the result changes there: an outer join with a table does, as it is one of streams."""
        planned = self._shared.planned.statements
        own = planned[self._statement.name].plan
        if not changelog_mode(own, planned).insert_only:
            return True
        as_of = self._statement.query is not None and self._statement.query.find(SystemTime) is not None
        return not as_of and any(isinstance(n, TableJoin) and n.kind is JoinKind.LEFT for n in _nodes(own))

    def _with_one_event_time(self, query: str) -> str:
        """Flink writes rows with one event time only: further ones are plain timestamps."""
        planned = self._shared.planned.statements[self._statement.name].plan
        further = time_columns(planned)[1:]
        if not further:
            return query
        columns = planned.schema.columns
        names = [flink_name(column.name) for column in columns]
        items = [f"CAST({names[i]} AS {c.type.as_nullable()}) AS {names[i]}" if i in further else names[i]
                 for i, c in enumerate(columns)]  # fmt: skip
        return f"SELECT {', '.join(items)} FROM (\n{query}\n)"

    def _says_key(self) -> bool:
        query = self._statement.query
        return bool(self._statement.primary_key) or (query is not None and query.find(KeyColumn) is not None)

    def _free(self, name: str) -> str:
        taken = {*self._sources.declarations, *self._shared.planned.statements, *self._shared.planned.sources}
        while name in taken:
            name += "_2"
        return name

    # --- tables ---

    def _declared(self) -> Iterator[ExportedStatement]:
        statement = self._statement
        spanned = self._shared.of(statement)
        for number, need in enumerate(self._sources.variants(statement.name)):
            name = self._sources.variant_name(statement.name, number)
            further = self._further(statement.name, need)
            if statement.columns:
                columns = declared_columns(self._shared.source, spanned, further)
            else:
                source = self._shared.planned.sources.get(statement.name)
                if source is None:
                    return
                columns = columns_of_schema(source.schema, (), further)
            options = self._options(statement.name, need)
            yield self._made(Form.TABLE, name, create_table(name, columns, options), columns=columns, options=options)

    def _undeclared(self) -> Iterator[ExportedStatement]:
        """The sources that the statement is the first to read, and that nothing declares."""
        for relation in self._sources.relations_of(self._statement):
            plain = plain_name(relation)
            if plain not in self._shared.planned.sources or plain in self._sources.declarations:
                continue
            if plain in self._sources.written:
                continue
            self._sources.written.add(plain)
            source = self._shared.planned.sources[plain]
            for number, need in enumerate(self._sources.variants(plain)):
                name = self._sources.variant_name(plain, number)
                columns = columns_of_schema(source.schema, (), self._further(plain, need))
                options = self._options(plain, need)
                yield self._made(
                    Form.TABLE, name, create_table(name, columns, options), columns=columns, options=options
                )

    def _further(self, source: str, need: EventTime | None) -> tuple[str, ...]:
        """What a source's column list has besides its columns."""
        used = self._sources.system_columns(source)
        own = () if need is None else need.items
        plain = [name for name in used if need is None or need.column != name]
        return (*(f"`{name}` {SYSTEM_COLUMNS[name]}" for name in plain), *own)

    def _options(self, name: str, need: EventTime | None) -> dict[str, str]:
        declared = self._sources.declarations.get(name)
        given = {} if declared is None else declared.properties
        own = {key: written_value(self._shared.source, found) for key, found in given.items()}
        production = self._shared.options.production.get(name)
        if production is not None or any(key.casefold() == "connector" for key in own):
            return self._production(name, own)
        planned = self._shared.planned
        source = planned.sources.get(name)
        properties = dict(self._shared.properties.declared(name) if source is None else source.properties)
        writes = name in planned.statements
        upserts = properties.get("mode", "").casefold() == "upsert" and bool(declared and declared.primary_key)
        if declared is not None and declared.primary_key and not upserts and properties.get("type", "kafka") == "kafka":
            upserts = True
            if source is not None:
                message = f"{name}: with a primary key Flink reads the newest row of each key"
                self._shared.notes.differs(message, self._statement.location)
        made = flink_options(properties, Use(name, source is not None, writes, upserts), brokers=self._sources.brokers)
        self._remark(made, name)
        options = dict(made.options)
        if need is not None and need.idle_timeout_ms:
            options["scan.watermark.idle-timeout"] = f"{need.idle_timeout_ms} ms"
        return options

    def _production(self, name: str, own: dict[str, str]) -> dict[str, str]:
        """The options of Flink's for which the program's stand in, when an import has kept them."""
        production = self._shared.options.production.get(name)
        if production is None and self._shared.options.production:
            return self._with_brokers(name, own)
        if production is None:
            kept, left_out = flinks_own(own, reads=name in self._shared.planned.sources)
            self._remark(FlinkOptions(kept, left_out), name)
            return self._with_brokers(name, kept)
        connector = own.get("connector")
        same = connector is not None and connector == production.get("connector")
        defaults = {key: with_defaults(value, is_secret=is_secret(key)) for key, value in production.items()}
        edited = [key for key, value in own.items() if key in production and value != defaults[key]]
        kept = {key: own[key] for key in edited} if same else {}
        raw = {key: as_it_stands(value) for key, value in production.items()}
        made = {**raw, **kept}
        secrets = [key for key, value in made.items() if HIDDEN in value]
        if secrets:
            message = f"{', '.join(secrets)} of {name}: the import kept no secrets"
            self._shared.notes.note(message, self._statement.location, "write them where *** stands")
        return self._with_brokers(name, made)

    def _with_brokers(self, name: str, options: dict[str, str]) -> dict[str, str]:
        """Options that are Flink's already, with the cluster that somebody named."""
        if options.get("connector") not in ("kafka", "upsert-kafka"):
            return options
        key = "properties.bootstrap.servers"
        imported = bool(self._shared.options.production)  # then the tables are as somebody wrote them for Flink
        known = Brokers(self._shared.options.brokers) if imported else self._sources.brokers
        brokers = known.of(options.get(key))
        if brokers is not None:
            return {**options, key: brokers}
        if not imported:
            self._say_unknown_brokers(name)
            return {**options, key: UNKNOWN_BROKERS}
        self._shared.notes.note(f"{name} does not say {key}", self._statement.location, "--brokers HOST:PORT")
        return options

    def _remark(self, made: FlinkOptions, name: str) -> None:
        for remark in made.remarks:
            self._shared.notes.differs(f"{name}: {remark}", self._statement.location)
        if not made.knows_brokers:
            self._say_unknown_brokers(name)
        if made.left_out:
            left = ", ".join(made.left_out)
            self._shared.notes.differs(f"{name}: no option of Flink's says {left}", self._statement.location)

    def _say_unknown_brokers(self, name: str) -> None:
        message = f"the program does not say where the brokers of {name} are: {UNKNOWN_BROKERS} is written"
        self._shared.notes.note(message, self._statement.location, "--brokers HOST:PORT")

    # --- what Flink cannot say ---

    def _check(self) -> None:
        statement, notes, properties = self._statement, self._shared.notes, self._shared.properties
        planned = self._shared.planned.statements.get(statement.name)
        found = list(_nodes(planned.plan)) if planned is not None else []
        windowed = any(isinstance(node, WindowAggregate) for node in found)
        if windowed and statement.emit is Emit.CHANGES:
            hint = "EMIT FINAL gives each window once; CUMULATING gives results in between"
            notes.refuse("EMIT CHANGES over a window", statement.location, hint)
        if windowed and properties.allowed_lateness_ms(statement):
            hint = "let the watermark wait as long instead: watermark.max_out_of_orderness"
            notes.refuse("allowed.lateness: windows that late rows correct", statement.location, hint)
        if windowed and properties.late_data(statement) is LateData.DEAD_LETTER:
            notes.differs("Flink drops late rows, it has no dead letters", statement.location)
        semantics = self._shared.planned.properties.get("emit.semantics", "velostream")
        if semantics != "flink" and any(isinstance(node, GroupAggregate) for node in found):
            notes.differs(
                f"{statement.name}: Flink does not give out a result again that has not changed", statement.location
            )
        if windowed and self._joins_tables_below(statement.name):
            hint = "join behind the window, or join the table FOR SYSTEM_TIME AS OF the event time"
            notes.refuse(
                "a window over a join with a table: Flink has no event time behind it", statement.location, hint
            )
        as_of = statement.query is not None and statement.query.find(SystemTime) is not None
        if any(isinstance(node, TableJoin) for node in found) and not as_of:
            notes.differs(
                f"{statement.name}: Flink joins the table as a stream, so that its later rows change results",
                statement.location,
                "a table that Flink looks up is joined FOR SYSTEM_TIME AS OF a processing time",
            )
        for column in statement.query.find_all(exp.Alias) if statement.query is not None else ():
            if column.alias.upper() == "_EVENT_TIME":
                notes.refuse(
                    "AS _EVENT_TIME", statement.location, "compute the column in the source, and declare its WATERMARK"
                )

    def _joins_tables_below(self, name: str) -> bool:
        """Whether a statement, or one that it reads, joins a table as Flink joins a stream."""
        planned = self._shared.planned.statements
        waiting, seen = [name], set()
        while waiting:
            one = waiting.pop()
            seen.add(one)
            query = next(
                (s.query for s in self._shared.program.statements if s.name == one and s.query is not None), None
            )
            as_of = query is not None and query.find(SystemTime) is not None
            if not as_of and any(isinstance(node, TableJoin) for node in _nodes(planned[one].plan)):
                return True
            waiting += [below for below in planned[one].reads if below not in seen]
        return False

    def _check_functions(self, text: QueryText) -> None:
        own = {function.name.upper() for function in self._shared.planned.functions}
        query = self._statement.query
        for call in query.find_all(exp.Anonymous) if query is not None else ():
            if str(call.this).upper() in own:
                text.refuse(
                    f"the function {call.this}, which is Python's",
                    call,
                    "Flink calls Python functions of its own kind: CREATE FUNCTION … LANGUAGE PYTHON",
                )


def _nullable(schema: RowSchema) -> RowSchema:
    return RowSchema(tuple(Column(c.name, c.type.as_nullable()) for c in schema.columns))


def _nodes(node: PlanNode) -> Iterator[PlanNode]:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(inputs(one))
