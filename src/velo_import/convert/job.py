"""A job's statements, one after the other, to a converted program; each is kept only if the engine plans it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.sql.flink import statements as flink
from velo_engine.sql.flink.script import FlinkScript
from velo_engine.sql.source_text import SourceText
from velo_import.catalog import Catalog, quoted
from velo_import.convert import commands, tables
from velo_import.convert.connectors import ConvertedOptions, shown
from velo_import.convert.features import features
from velo_import.convert.program import Assembly, Piece, first_failure, literal, planned
from velo_import.convert.queries import Reading, Resolved, options_of, query_edits, query_start, readings
from velo_import.convert.settings import Settings
from velo_import.mapped_text import Edit, MappedText
from velo_import.model import Construct, ConvertedJob, ConvertedStatement, ConvertedTable, Outcome, Role

_DEDUPLICATE = "\nON CONFLICT DO DEDUPLICATE"
_ALTERNATIVES = {
    ErrorCode.UNKNOWN_FUNCTION: "write the function in Python and name it: -- @udf: module:function",
    ErrorCode.UNKNOWN_TABLE: "add its CREATE TABLE to the input",
}


@dataclass(slots=True, eq=False)
class _Relation:
    """A table or view of the script."""

    name: str
    piece: Piece | None
    """None: it is not converted, `failure` says why."""
    definition: tables.Definition | None = None
    options: ConvertedOptions | None = None
    failure: VeloError | None = None
    roles: set[Role] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Made:
    """Where the statement of a piece stands."""

    position: int
    """Among the job's statements."""
    place: flink.Place
    query: exp.Query
    source: SourceText
    is_bare: bool


def convert_job(name: str, scripts: Sequence[FlinkScript]) -> ConvertedJob:
    """The converted job of `scripts`, which are read in this order."""
    converter = _Converter()
    for script in scripts:
        converter.look_at(script)
    for script in scripts:
        converter.read(script)
    return converter.job(name, tuple(scripts))


class _Converter:
    """Holds what the script has said so far."""

    def __init__(self) -> None:
        self._catalog: Catalog[_Relation] = Catalog()
        self._settings = Settings()
        self._relations: list[_Relation] = []
        self._pieces: list[Piece] = []
        """Of the converted program, in order."""
        self._made: dict[int, _Made] = {}
        """Of each piece that makes rows, by its id."""
        self._statements: list[ConvertedStatement] = []
        self._constructs: list[Construct] = []
        self._source = SourceText("", "")
        self._rowtime = False
        self._lookups: set[str] = set()
        """Last parts of the names of tables that are looked up."""

    def look_at(self, script: FlinkScript) -> None:
        """Which tables a script looks up, before it is read: those are tables of rows, not of changes."""
        for statement in script.statements:
            inserts = statement.inserts if isinstance(statement, flink.StatementSet) else (statement,)
            for query in (getattr(one, "query", None) for one in inserts):
                if isinstance(query, exp.Expr):
                    names = (reading.written for reading in readings(query) if reading.is_lookup)
                    self._lookups.update(name.rpartition(".")[2] for name in names)

    def read(self, script: FlinkScript) -> None:
        """All statements of a script."""
        self._source = SourceText(script.file, script.text)
        self._rowtime = "$rowtime" in script.text
        for statement in script.statements:
            self._read(statement)

    def job(self, name: str, scripts: tuple[FlinkScript, ...]) -> ConvertedJob:
        """What all statements came to."""
        self._settle_tables()
        self._settle_program()
        self._name_queries()
        kept = [piece for piece in self._pieces if piece.text.length]
        return ConvertedJob(
            name=name,
            scripts=scripts,
            tables={r.name: table for r in self._relations if (table := _table(r)) is not None},
            statements=tuple(self._statements),
            app_sql=self._head(scripts) + Assembly(self._settings.current, kept).text() + self._foot(),
            constructs=tuple(self._constructs),
            settings=dict(self._settings.current),
        )

    def _head(self, scripts: tuple[FlinkScript, ...]) -> str:
        """What the program says of itself."""
        lines = [f"-- Converted from: {' '.join(script.file.split())}" for script in scripts]
        return "\n".join((*lines, "", ""))

    def _foot(self) -> str:
        """What the program does not have."""
        missing = [construct for construct in self._constructs if construct.outcome is Outcome.NOT_CONVERTED]
        return "".join(
            f"-- Not converted: {' '.join(f'{c.location.file}:{c.location.line}: {c.reason}'.split())}\n"
            for c in missing
        )

    def _read(self, statement: flink.Statement | flink.Unread) -> None:
        match statement:
            case flink.Unread():
                self._note_failure(statement.error, statement.place, "statement that does not parse")
            case flink.SetOption():
                self._constructs.append(self._settings.set(statement))
            case flink.ResetOption():
                self._constructs.append(self._settings.reset(statement))
            case flink.CreateTable() if statement.query is None:
                self._table(statement)
            case flink.CreateTable():
                self._table_as(statement)
            case flink.CreateView():
                self._view(statement)
            case flink.Insert():
                self._insert(statement)
            case flink.Query():
                self._query(statement)
            case flink.StatementSet():
                place = statement.place.location
                reason = "its INSERTs are statements of the job"
                written = "STATEMENT SET"
                self._constructs.append(Construct(place, written, "statement set", "no frame", Outcome.SAME, reason))
                for insert in statement.inserts:
                    self._insert(insert)
            case flink.Explain():
                self._constructs.append(commands.explained(statement))
            case flink.CreateFunction():
                self._constructs.append(commands.function(statement))
            case flink.CreateNamed():
                self._constructs.append(commands.named(statement))
            case flink.Command():
                self._command(statement)

    def _command(self, statement: flink.Command) -> None:
        words = [word for word in statement.words if word.upper() not in ("IF", "EXISTS")]
        name = "".join(words)
        if statement.name in ("USE", "USE CATALOG"):
            self._catalog.use(name, catalog=statement.name == "USE CATALOG")
        elif statement.name in ("DROP TABLE", "DROP VIEW", "DROP TEMPORARY TABLE", "DROP TEMPORARY VIEW"):
            self._catalog.drop(name)
            statement = replace(statement, name=statement.name.replace(" TEMPORARY", ""))
        elif statement.name == "DROP TEMPORARY FUNCTION":
            statement = replace(statement, name="DROP FUNCTION")
        elif statement.name == "ALTER TABLE" and "RENAME" in [word.upper() for word in words]:
            at = [word.upper() for word in words].index("RENAME")
            moved = self._catalog.drop("".join(words[:at]))
            if moved is not None:
                self._catalog.define("".join(words[at + 2 :]), moved)
                written = " ".join((statement.name, *statement.words))
                reason = "later statements see it under the new name"
                place = statement.place.location
                self._constructs.append(Construct(place, written, "alter table", "no effect", Outcome.SAME, reason))
                return
        self._constructs.append(commands.command(statement))

    # --- tables ---

    def _table(self, statement: flink.CreateTable) -> None:
        if statement.if_not_exists and self._catalog.find(statement.name) is not None:
            place, written = statement.place.location, f"CREATE TABLE IF NOT EXISTS {statement.name}"
            reason = "the table is there already"
            self._constructs.append(Construct(place, written, "table", "no effect", Outcome.SAME, reason))
            return
        above = self._catalog.find(statement.like.source) if statement.like is not None else None
        if statement.like is not None and (above is None or above.definition is None):
            message = f"the table {statement.like.source} of LIKE is not declared in the input"
            error = VeloError(ErrorCode.UNKNOWN_TABLE, message, location=statement.place.location)
            self._failed_relation(statement.name, error, statement.place, "table like")
            return
        definition = tables.definition_of(statement, self._source, None if above is None else above.definition)
        if not definition.statement.columns:
            message = f"the columns of {statement.name} are not declared"
            error = VeloError(ErrorCode.UNKNOWN_TABLE, message, location=statement.place.location)
            self._failed_relation(statement.name, error, statement.place, "table without columns")
            return
        relation = self._declared(definition, self._catalog.flat_name(statement.name))
        self._catalog.define(statement.name, relation)

    def _declared(self, definition: tables.Definition, name: str) -> _Relation:
        """The relation of a declared table, with its piece and its rows in the report."""
        text, options = self._declaration(definition, name)
        place = definition.statement.place.location
        piece = Piece(text, definition.source, place)
        relation = _Relation(name, piece, definition, options)
        try:
            definition.schema  # noqa: B018 - types that do not exist here are found now
            planned([piece], {})
        except VeloError as error:
            relation.piece, relation.failure = None, error
            self._note_failure(error, definition.statement.place, f"table of connector {options.connector}")
        else:
            self._pieces.append(piece)
            self._constructs += tables.constructs(definition, options, name)
        self._relations.append(relation)
        return relation

    def _declaration(self, definition: tables.Definition, name: str) -> tuple[MappedText, ConvertedOptions]:
        looked_up = definition.statement.name.rpartition(".")[2] in self._lookups
        return tables.declaration(definition, name, self._system_columns(definition), looked_up=looked_up)

    def _system_columns(self, definition: tables.Definition) -> list[str]:
        """The event time that Confluent's tables have without saying so."""
        if not self._rowtime or definition.options.get("connector", "confluent") != "confluent":
            return []
        columns = ["`$rowtime` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL"]
        if definition.statement.watermark is None:
            columns.append("WATERMARK FOR `$rowtime` AS `$rowtime`")
        return columns

    def _failed_relation(self, name: str, error: VeloError, place: flink.Place, feature: str) -> None:
        relation = _Relation(name, None, failure=error)
        self._relations.append(relation)
        self._catalog.define(name, relation)
        self._note_failure(error, place, feature)

    def _settle_tables(self) -> None:
        """Tables that nothing uses, and that could not be read, are not part of the program."""
        used = {id(below) for piece in self._pieces for below in piece.closure() if below is not piece}
        for relation in self._relations:
            piece = relation.piece
            if piece is None or relation.definition is None or id(piece) in used:
                continue
            probe = Piece(MappedText(), piece.source, piece.location, (piece,))
            probe.text.add(f"SELECT * FROM {quoted(relation.name)}")
            try:
                planned([*probe.closure()], self._settings.current)
            except VeloError as error:
                self._pieces.remove(piece)
                relation.piece, relation.failure = None, error
                self._note_failure(error, relation.definition.statement.place, "table that cannot be read")

    def _settle_program(self) -> None:
        """Statements that plan one by one may not do so together: those that do not are left out."""
        while self._pieces and (failure := first_failure(self._pieces, self._settings.current)) is not None:
            piece, error = failure
            for one in [p for p in self._pieces if p is piece or any(below is piece for below in p.closure())]:
                self._left_out(one, error)

    def _left_out(self, piece: Piece, error: VeloError) -> None:
        """A statement that was converted is not, after all."""
        self._pieces.remove(piece)
        made = self._made.pop(id(piece), None)
        for relation in self._relations:
            if relation.piece is piece:
                relation.piece, relation.failure = None, error
        if made is None:
            return
        old = self._statements[made.position]
        construct = _failure(error, made.place, features(made.query)[0], made.source)
        name = _line(made.place) if made.is_bare else old.name
        self._statements[made.position] = ConvertedStatement(name, None, old.location, (), None, (construct,))
        first = next(at for at, one in enumerate(self._constructs) if one is old.constructs[0])
        gone = {id(one) for one in old.constructs}
        self._constructs = [one for one in self._constructs if id(one) not in gone]
        self._constructs.insert(first, construct)

    def _name_queries(self) -> None:
        """Bare queries are called as the engine calls them, in order."""
        bare = sorted(made.position for made in self._made.values() if made.is_bare)
        for number, position in enumerate(bare, 1):
            self._statements[position] = replace(self._statements[position], name=f"select_{number}")

    # --- statements that make rows ---

    def _view(self, statement: flink.CreateView) -> None:
        if statement.if_not_exists and self._catalog.find(statement.name) is not None:
            place, written = statement.place.location, f"CREATE VIEW IF NOT EXISTS {statement.name}"
            reason = "the view is there already"
            self._constructs.append(Construct(place, written, "view", "no effect", Outcome.SAME, reason))
            return
        name = self._catalog.flat_name(statement.name)
        head = MappedText()
        columns = f" ({', '.join(map(quoted, statement.columns))})" if statement.columns else ""
        head.add(f"CREATE VIEW {quoted(name)}{columns} AS\n", statement.place.start)
        piece = self._converted(statement.place, statement.query, head, name, "view")
        relation = _Relation(name, piece)
        if piece is None:
            relation.failure = self._last_failure()
        self._relations.append(relation)
        self._catalog.define(statement.name, relation)

    def _table_as(self, statement: flink.CreateTable) -> None:
        query = statement.query
        assert query is not None, "CREATE TABLE … AS"
        if statement.if_not_exists and self._catalog.find(statement.name) is not None:
            place, written = statement.place.location, f"CREATE TABLE IF NOT EXISTS {statement.name}"
            reason = "the table is there already"
            self._constructs.append(Construct(place, written, "table", "no effect", Outcome.SAME, reason))
            return
        name = self._catalog.flat_name(statement.name)
        definition = tables.definition_of(statement, self._source, None)
        own, options = tables.declaration(definition, name)
        head = MappedText()
        if definition.items:
            head = own
        else:
            head.add(f"CREATE TABLE {quoted(name)}", statement.place.start)
            tables.add_properties(head, options.properties)
        head.add(" AS\n")
        piece = self._converted(statement.place, query, head, name, "create table as", sink=name)
        relation = _Relation(name, piece)
        if piece is None:
            relation.failure = self._last_failure()
        else:
            self._constructs += tables.constructs(definition, options, name)
        if statement.materialized:
            place, reason = statement.place.location, "it follows every row; FRESHNESS and REFRESH_MODE have no effect"
            written = " ".join(("MATERIALIZED TABLE", *statement.refresh))
            outcome = Construct(place, written, "materialized table", "a table", Outcome.DIFFERS, reason)
            self._constructs.append(outcome)
        self._relations.append(relation)
        self._catalog.define(statement.name, relation)

    def _insert(self, statement: flink.Insert) -> None:
        place = statement.place
        target = self._catalog.find(statement.target)
        options = options_of(statement.hint) if statement.hint is not None else {}
        if target is not None and options:
            target = self._hinted(target, options)
        if target is None or target.piece is None:
            error = self._missing(statement.target, target, place.location)
            self._unconverted(statement.target, error, place, statement.query)
            return
        head, tail = _insert_frame(statement, target)
        piece = self._converted(
            place, statement.query, head, target.name, "insert", sink=target.name, also=(target.piece,), tail=tail
        )
        if piece is not None:
            target.roles.add(Role.SINK)
        if statement.overwrite and piece is not None:
            reason = "a stream has nothing that is written over: rows are added"
            written = "INSERT OVERWRITE"
            outcome = Construct(place.location, written, "overwrite", "INSERT INTO", Outcome.DIFFERS, reason)
            self._constructs.append(outcome)

    def _query(self, statement: flink.Query) -> None:
        self._converted(statement.place, statement.query, MappedText(), "select", "query")

    def _converted(
        self,
        place: flink.Place,
        query: exp.Query,
        head: MappedText,
        name: str,
        kind: str,
        *,
        sink: str | None = None,
        also: tuple[Piece, ...] = (),
        tail: str = "",
    ) -> Piece | None:
        """The piece of a statement whose query comes behind `head`; None when it is not converted."""
        source = self._source
        self._settings.used()
        missing = self._first_missing(query)
        if missing is not None:
            self._unconverted(name if kind != "query" else _line(place), missing, place, query)
            return None
        start = query_start(source, place.start, place.end)
        edits, reads = query_edits(query, source, start, place.end, self._resolve)
        notes = []
        piece = _piece(head, source, place, (start, edits, tail), (*also, *reads))
        try:
            try:
                planned(piece.closure(), self._settings.current)
            except VeloError as error:
                if sink is None or "ON CONFLICT" not in (error.hint or ""):
                    raise
                piece = _piece(head, source, place, (start, edits, tail + _DEDUPLICATE), (*also, *reads))
                planned(piece.closure(), self._settings.current)
                reason = "what Flink does by itself unless table.exec.sink.upsert-materialize is NONE"
                notes.append(
                    Construct(place.location, f"INSERT INTO {sink}", "key of the sink", "ON CONFLICT DO DEDUPLICATE",
                              Outcome.SAME, reason)
                )  # fmt: skip
        except VeloError as error:
            self._unconverted(name if kind != "query" else _line(place), error, place, query)
            return None
        self._pieces.append(piece)
        self._read_roles(query)
        became = "the statement as it stands"
        own = [
            Construct(place.location, _shown(source, place), feature, became, Outcome.SAME)
            for feature in features(query)
        ] + notes + self._of_hints(query, place)  # fmt: skip
        relations = {id(r.piece): r.name for r in self._relations if r.piece is not None}
        read_names = tuple(relations[id(p)] for p in reads if id(p) in relations)
        self._made[id(piece)] = _Made(len(self._statements), place, query, source, kind == "query")
        self._statements.append(ConvertedStatement(name, piece.text.text, place.location, read_names, sink, tuple(own)))
        self._constructs += own
        return piece

    def _resolve(self, reading: Reading) -> Resolved | None:
        found = self._catalog.find(reading.written)
        if found is None or found.piece is None:
            return None
        if reading.options and found.definition is not None:
            found = self._hinted(found, reading.options)
        return Resolved(found.name, found.piece) if found.piece is not None else None

    def _hinted(self, relation: _Relation, options: dict[str, str]) -> _Relation:
        """The table as a hint makes it; the same one when the options change nothing here."""
        definition = relation.definition
        if definition is None or relation.options is None:
            return relation
        changed = tables.with_options(definition, options)
        now = self._declaration(changed, relation.name)[1]
        if now.properties == relation.options.properties:
            return relation
        known = next((r for r in self._relations if r.definition == changed and r.piece is not None), None)
        return known or self._declared(changed, self._catalog.flat_name(relation.name))

    def _read_roles(self, query: exp.Query) -> None:
        for reading in readings(query):
            found = self._catalog.find(reading.written)
            if found is not None:
                found.roles.add(Role.LOOKUP if reading.is_lookup else Role.SOURCE)

    def _first_missing(self, query: exp.Query) -> VeloError | None:
        """The first relation of a query that is not there."""
        for reading in readings(query):
            found = self._catalog.find(reading.written)
            if found is None or found.piece is None:
                identifier = reading.node.this
                start = int(identifier.meta.get("start", 0))
                place = self._source.location(start, int(identifier.meta.get("end", start)) + 1)
                return self._missing(reading.written, found, place)
        return None

    def _missing(self, name: str, found: _Relation | None, place: Location) -> VeloError:
        if found is None:
            message = f"the input does not declare {name}"
            return VeloError(ErrorCode.UNKNOWN_TABLE, message, location=place, hint="add its CREATE TABLE to the input")
        why = found.failure.message if found.failure is not None else "it is not converted"
        message = why if why.startswith("it needs ") else f"it needs {name}, which is not converted: {why}"
        return VeloError(ErrorCode.UNKNOWN_TABLE, message, location=place, hint="convert that first")

    def _of_hints(self, query: exp.Query, place: flink.Place) -> list[Construct]:
        """What became of the hints of a query."""
        found = []
        for call in (call for hint in query.find_all(exp.Hint) for call in hint.expressions):
            name = str(call.this).upper() if isinstance(call, exp.Anonymous) else call.sql()
            if name == "OPTIONS":
                outcome, became, reason = Outcome.SAME, "properties of the table", None
            elif name == "STATE_TTL":
                reason = "state lives as long as state.ttl of the job says"
                outcome, became = Outcome.DIFFERS, "left out"
            else:
                outcome, became, reason = Outcome.SAME, "left out", "it chooses how a join runs, not its result"
            found.append(Construct(place.location, f"/*+ {name} */", f"hint {name}", became, outcome, reason))
        return found

    # --- failures ---

    def _unconverted(self, name: str, error: VeloError, place: flink.Place, query: exp.Query) -> None:
        construct = _failure(error, place, features(query)[0], self._source)
        self._constructs.append(construct)
        self._statements.append(ConvertedStatement(name, None, place.location, (), None, (construct,)))

    def _last_failure(self) -> VeloError:
        """Why the statement that was read last is not converted."""
        return VeloError(ErrorCode.SQL_UNSUPPORTED, self._constructs[-1].reason or "it is not converted")

    def _note_failure(self, error: VeloError, place: flink.Place, feature: str) -> None:
        self._constructs.append(_failure(error, place, feature, self._source))


def _failure(error: VeloError, place: flink.Place, feature: str, source: SourceText) -> Construct:
    """The row of a statement that is not converted: at the cause, if that is in the statement itself."""
    written = _shown(source, place)
    last_line = place.location.line + source.text.count("\n", place.start, place.end)
    alternative = error.hint or _ALTERNATIVES.get(error.code)
    if error.code is ErrorCode.UNKNOWN_FUNCTION:
        alternative = _ALTERNATIVES[error.code]
    where, reason = place.location, error.message
    cause = error.location
    if cause is not None and cause.file == where.file and where.line <= cause.line <= last_line:
        where = cause
    elif cause is not None:
        reason += f" ({cause.file}:{cause.line})"
    return Construct(where, written, feature, "left out", Outcome.NOT_CONVERTED, reason, alternative)


def _insert_frame(statement: flink.Insert, target: _Relation) -> tuple[MappedText, str]:
    """What stands before and behind the query of an INSERT; the values of a static partition are further columns."""
    head = MappedText()
    columns = statement.columns
    fixed = {name: value for name, value in statement.partition.items() if not isinstance(value, exp.Null)}
    if fixed and not columns and target.definition is not None:
        columns = tuple(c.name for c in target.definition.schema.columns if c.name not in fixed)
    names = f" ({', '.join(map(quoted, (*columns, *fixed)))})" if columns else ""
    head.add(f"INSERT INTO {quoted(target.name)}{names}\n", statement.place.start)
    if not fixed:
        return head, ""
    values = ", ".join(literal(value.name) if value.is_string else value.sql() for value in fixed.values())
    head.add(f"SELECT rows_of_partition.*, {values} FROM (\n", statement.place.start)
    return head, "\n) AS rows_of_partition"


def _piece(
    head: MappedText,
    source: SourceText,
    place: flink.Place,
    body: tuple[int, list[Edit], str],
    reads: tuple[Piece, ...],
) -> Piece:
    """A piece of `head`, the query (its start and its edits) and what comes behind it."""
    start, edits, tail = body
    text = MappedText()
    text.extend(head)
    text.copy(source.text, start, place.end, edits)
    text.add(tail)
    return Piece(text, source, place.location, tuple(dict.fromkeys(reads)))


def _line(place: flink.Place) -> str:
    return f"query_line_{place.location.line}"


def _shown(source: SourceText, place: flink.Place) -> str:
    """The beginning of a statement in one line."""
    text = " ".join(source.text[place.start : place.end].split())
    return text if len(text) <= 100 else text[:99] + "…"


def _table(relation: _Relation) -> ConvertedTable | None:
    definition, options = relation.definition, relation.options
    if definition is None or options is None or relation.piece is None:
        return None
    return ConvertedTable(
        name=relation.name,
        schema=definition.schema,
        definition=definition.statement,
        connector=options.connector,
        roles=frozenset(relation.roles),
        production=shown(definition.options),
        stand_in=options.reason is not None,
    )
