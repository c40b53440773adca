"""Statements that make rows: views, INSERTs, queries, CREATE TABLE … AS.

Each becomes a piece of the program, which the engine plans together with all that the piece needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.schema import RowSchema
from velo_engine.sql.flink import statements as flink
from velo_engine.sql.flink.names import joined_name, last_part
from velo_engine.sql.flink.script import FlinkScript
from velo_engine.sql.source_text import SourceText
from velo_engine.types import BIGINT, STRING
from velo_import.catalog import quoted
from velo_import.convert import tables, tables_as
from velo_import.convert.declared import (
    contradiction,
    declared,
    hinted,
    read_again,
    relation_of,
    stood_in,
    system_columns,
)
from velo_import.convert.draft import Draft, Made, Relation
from velo_import.convert.failures import shown, unnamed
from velo_import.convert.features import features
from velo_import.convert.inference.declarations import generalized
from velo_import.convert.inference.relations import OpenTable
from velo_import.convert.inference.undeclared import undeclared_tables
from velo_import.convert.program import Piece, literal, planned
from velo_import.convert.proof import UNPROVEN, proof_of
from velo_import.convert.queries import Reading, Resolved, options_of, query_edits, query_start, readings
from velo_import.mapped_text import Edit, MappedText
from velo_import.model import Construct, ConvertedStatement, Outcome, Role

_NONE: Mapping[str, Relation] = {}
_DEDUPLICATE = "\nON CONFLICT DO DEDUPLICATE"


@dataclass(frozen=True, slots=True)
class _Rows:
    """A statement that makes rows, as it becomes one of the program."""

    name: str
    place: flink.Place
    query: exp.Query
    head: MappedText
    """What stands before the query."""
    tail: str = ""
    """What stands behind it."""
    sink: str | None = None
    also: tuple[Piece, ...] = ()
    """What it needs besides what the query reads."""
    is_bare: bool = False
    """Whether it is a query by itself, which has no name."""
    own: Mapping[str, Relation] = field(default_factory=dict)
    """The tables as this statement alone speaks of them, by the names that it writes."""
    insert: flink.Insert | None = None
    """The statement, when it is an INSERT into a table that is inferred."""

    @property
    def name_when_left_out(self) -> str:
        """What it is called when it is not part of the program."""
        return unnamed(self.place) if self.is_bare else self.name


def convert_view(draft: Draft, statement: flink.CreateView) -> None:
    """CREATE VIEW."""
    place = statement.place
    if statement.if_not_exists and draft.catalog.find(statement.name) is not None:
        written = f"CREATE VIEW IF NOT EXISTS {statement.name}"
        draft.note(place.location, written, "view", "no effect", Outcome.SAME, "the view is there already")
        return
    name = draft.catalog.flat_name(statement.name)
    head = MappedText()
    columns = f" ({', '.join(map(quoted, statement.columns))})" if statement.columns else ""
    head.add(f"CREATE VIEW {quoted(name)}{columns} AS\n", place.start)
    piece = _converted(draft, _Rows(name, place, statement.query, head))
    relation = Relation(name, piece)
    if piece is None:
        relation.failure = draft.last_failure()
    draft.define(statement.name, relation)


def convert_table_as(draft: Draft, statement: flink.CreateTable) -> None:
    """CREATE TABLE … AS."""
    query, place = statement.query, statement.place
    assert query is not None, "CREATE TABLE … AS"
    if statement.if_not_exists and draft.catalog.find(statement.name) is not None:
        written = f"CREATE TABLE IF NOT EXISTS {statement.name}"
        draft.note(place.location, written, "table", "no effect", Outcome.SAME, "the table is there already")
        return
    name = draft.catalog.flat_name(statement.name)
    definition = tables.definition_of(statement, draft.source, None)
    schema = _schema(draft, statement)
    if schema is not None and not tables_as.is_query_alone(definition, schema):
        _convert_merged(draft, statement, definition, schema, name)
        return
    own, options = tables.declaration(definition, name)
    head = MappedText()
    if definition.items:
        head = own
    else:
        head.add(f"CREATE TABLE {quoted(name)}", place.start)
        tables.add_properties(head, options.properties)
    head.add(" AS\n")
    piece = _converted(draft, _Rows(name, place, query, head, sink=name))
    relation = Relation(name, piece)
    if piece is None:
        relation.failure = draft.last_failure()
    else:
        draft.constructs += tables.constructs(definition, options, name)
    _note_materialized(draft, statement)
    draft.define(statement.name, relation)


def _convert_merged(
    draft: Draft, statement: flink.CreateTable, written: tables.Definition, schema: RowSchema, name: str
) -> None:
    """CREATE TABLE … AS with more in its column list than the columns of the query: a table, and an INSERT into it."""
    merged = tables_as.merged(written, schema)
    text, options = tables.declaration(merged, name, system_columns(draft, merged))
    table = Piece(text, merged.source, statement.place.location)
    relation = Relation(name, table, merged, options)
    draft.pieces.append(table)
    head = MappedText()
    head.add(f"INSERT INTO {quoted(name)} ({', '.join(map(quoted, schema.names))})\n", statement.place.start)
    assert statement.query is not None, "CREATE TABLE … AS"
    rows = _Rows(name, statement.place, statement.query, head, sink=name, also=(table,))
    if _converted(draft, rows) is None:
        draft.pieces.remove(table)
        relation = Relation(name, None, failure=draft.last_failure())
    else:
        relation.roles.add(Role.SINK)
        draft.constructs += tables.constructs(written, options, name)
    _note_materialized(draft, statement)
    draft.define(statement.name, relation)


def _note_materialized(draft: Draft, statement: flink.CreateTable) -> None:
    if statement.materialized:
        reason = "it follows every row; FRESHNESS and REFRESH_MODE have no effect"
        written, place = " ".join(("MATERIALIZED TABLE", *statement.refresh)), statement.place.location
        draft.note(place, written, "materialized table", "a table", Outcome.DIFFERS, reason)


def convert_insert(draft: Draft, statement: flink.Insert) -> None:
    """INSERT, alone or of a statement set."""
    place = statement.place
    target = _target(draft, statement)
    options = options_of(statement.hint) if statement.hint is not None else {}
    if target is not None and options:
        target = hinted(draft, target, options)
    if target is None or target.piece is None:
        error = _missing(statement.target, target, place.location)
        draft.fail_statement(statement.target, error, place, statement.query)
        return
    head, tail = _insert_frame(statement, target)
    insert = statement if target.inferred is not None else None
    rows = _Rows(target.name, place, statement.query, head, tail, target.name, (target.piece,), insert=insert)
    if not _reading_itself(draft, rows, target) and _converted(draft, rows) is None:
        return
    target.roles.add(Role.SINK)
    if statement.overwrite:
        reason = "a stream has nothing that is written over: rows are added"
        draft.note(place.location, "INSERT OVERWRITE", "overwrite", "INSERT INTO", Outcome.DIFFERS, reason)


def _reading_itself(draft: Draft, rows: _Rows, target: Relation) -> bool:
    """Whether an INSERT that reads the table which it writes is converted: what it reads is declared a second time."""
    own = [r.written for r in readings(rows.query) if relation_of(draft, r.written) is target]
    if not own or target.definition is None:
        return False
    again = declared(draft, target.definition, draft.catalog.flat_name(joined_name((target.name,))))
    if _converted(draft, replace(rows, own=dict.fromkeys(own, again))) is None:
        if again.piece is not None:
            draft.pieces.remove(again.piece)
        return False
    draft.constructs.append(_of_itself(target, again, rows.place.location))
    return True


def _of_itself(target: Relation, again: Relation, place: Location) -> Construct:
    """What is said of an INSERT that reads the table which it writes."""
    written, feature, became = f"INSERT INTO {target.name}", "statement that reads its sink", f"it reads {again.name}"
    if target.options is not None and target.options.reason is None and target.options.connector:
        return Construct(place, written, feature, became, Outcome.SAME, "declared a second time, as it is")
    reason = "declared a second time: a topic of its own stands for what is read"
    return Construct(place, written, feature, became, Outcome.STAND_IN, reason, "name one topic for both")


def _target(draft: Draft, statement: flink.Insert) -> Relation | None:
    """The table that an INSERT writes; one that nothing declares takes what the query gives."""
    table = draft.undeclared.tables.get(draft.catalog.full(statement.target))
    if table is not None and draft.catalog.find(statement.target) is None:
        _learn_rows(draft, statement, table)
    return relation_of(draft, statement.target)


def _learn_rows(draft: Draft, statement: flink.Insert, table: OpenTable) -> None:
    """The types of the columns of a table are those that its first INSERT gives."""
    schema = _schema(draft, statement)
    if schema is None:
        return
    fixed = [name for name, value in statement.partition.items() if not isinstance(value, exp.Null)]
    for name in fixed:
        table.column(name).learn(STRING if statement.partition[name].is_string else BIGINT)
    if table.written_columns is None:
        table.written_columns = (*(statement.columns or schema.names), *fixed)
    names = statement.columns or tuple(name for name in table.written_columns if name not in fixed)
    for name, found in zip(names, schema.types, strict=False):
        column = table.column(name)
        if not column.root().known:
            column.learn(generalized(found))


def _schema(draft: Draft, statement: flink.Insert | flink.CreateTable) -> RowSchema | None:
    """What the query of a statement gives; None when it does not plan."""
    if statement.query is None or _first_missing(draft, statement.query) is not None:
        return None
    place = statement.place
    start = query_start(draft.source, place.start, place.end)
    edits, reads = query_edits(statement.query, draft.source, start, place.end, lambda one: _resolve(draft, one))
    piece = _piece(MappedText(), draft.source, place, (start, edits, ""), reads)
    try:
        plan = planned(piece.closure(), draft.settings.current)
    except VeloError:
        return None
    return list(plan.statements.values())[-1].plan.schema


def convert_query(draft: Draft, statement: flink.Query) -> None:
    """A query by itself."""
    _converted(draft, _Rows("select", statement.place, statement.query, MappedText(), is_bare=True))


def _converted(draft: Draft, rows: _Rows) -> Piece | None:
    """The piece of a statement; None when it is not converted."""
    draft.settings.used()
    missing = _first_missing(draft, rows.query)
    if missing is not None:
        draft.fail_statement(rows.name_when_left_out, missing, rows.place, rows.query)
        return None
    start = query_start(draft.source, rows.place.start, rows.place.end)
    edits, reads = query_edits(
        rows.query, draft.source, start, rows.place.end, lambda reading: _resolve(draft, reading, rows.own)
    )
    try:
        piece, notes = _planned(draft, rows, start, edits, (*rows.also, *reads))
    except VeloError as error:
        alone = None if rows.own else _converted_alone(draft, rows) or _into_own_sink(draft, rows)
        if alone is None and not rows.own:
            draft.fail_statement(rows.name_when_left_out, error, rows.place, rows.query)
        return alone
    _keep(draft, rows, piece, reads, notes)
    return piece


def _converted_alone(draft: Draft, rows: _Rows) -> Piece | None:
    """The statement over tables as it alone speaks of them, where the input declares none: statements that contradict
    each other, such as those of one page, speak of other tables of the same name."""
    inferred = {r.written for r in readings(rows.query) if (one := relation_of(draft, r.written)) and one.inferred}
    if not inferred:
        return None
    query = flink.Query(rows.place, rows.query)
    script = FlinkScript(draft.source.file, draft.source.text, (query,), written=draft.source.written)
    found = [table for table in undeclared_tables((script,)).tables.values() if table.written in inferred]
    own = {table.written: stood_in(draft, table, draft.catalog.flat_name(table.written)) for table in found}
    pieces = [one.piece for one in own.values() if one.piece is not None]
    piece = None
    if len(pieces) == len(inferred):
        piece = _converted(draft, replace(rows, own=own))
    if piece is None:
        draft.pieces[:] = [one for one in draft.pieces if one not in pieces]
    else:
        draft.constructs += [contradiction(table) for table in found]
        for one in own.values():
            draft.add(one)
    return piece


def _into_own_sink(draft: Draft, rows: _Rows) -> Piece | None:
    """An INSERT into a table as it alone speaks of it, where the others contradict it."""
    statement = rows.insert
    if statement is None:
        return None
    script = FlinkScript(draft.source.file, draft.source.text, (statement,), written=draft.source.written)
    (table,) = (one for one in undeclared_tables((script,)).tables.values() if one.written == statement.target)
    _learn_rows(draft, statement, table)
    target = stood_in(draft, table, draft.catalog.flat_name(table.written))
    if target.piece is None:
        return None
    head, tail = _insert_frame(statement, target)
    rows = replace(rows, name=target.name, head=head, tail=tail, sink=target.name, also=(target.piece,))
    piece = _converted(draft, replace(rows, own={table.written: target}))
    if piece is None:
        draft.pieces.remove(target.piece)
        return None
    draft.constructs.append(contradiction(table))
    target.roles.add(Role.SINK)
    draft.add(target)
    return piece


def _planned(
    draft: Draft, rows: _Rows, start: int, edits: list[Edit], reads: tuple[Piece, ...]
) -> tuple[Piece, list[Construct]]:
    """The piece as the engine plans it, and what the report says of changes to it. VeloError when it does not."""
    piece = _piece(rows.head, draft.source, rows.place, (start, edits, rows.tail), reads)
    try:
        planned(piece.closure(), draft.settings.current)
    except VeloError as error:
        if rows.sink is None or "ON CONFLICT" not in (error.hint or ""):
            raise
    else:
        return piece, []
    piece = _piece(rows.head, draft.source, rows.place, (start, edits, rows.tail + _DEDUPLICATE), reads)
    planned(piece.closure(), draft.settings.current)
    written, feature, became = f"INSERT INTO {rows.sink}", "key of the sink", "ON CONFLICT DO DEDUPLICATE"
    reason = "what Flink does by itself unless table.exec.sink.upsert-materialize is NONE"
    return piece, [Construct(rows.place.location, written, feature, became, Outcome.SAME, reason)]


def _keep(draft: Draft, rows: _Rows, piece: Piece, reads: tuple[Piece, ...], notes: list[Construct]) -> None:
    """A converted statement becomes part of the job."""
    piece.comment = draft.comment_above(rows.place)
    draft.pieces.append(piece)
    _read_roles(draft, rows)
    place = rows.place.location
    became, written = "the statement as it stands", shown(draft.source, rows.place)
    further = (*notes, *_of_hints(rows.query, place))
    # Flink was asked without settings and hints, and of columns whose types are known.
    is_asked = draft.settings.changes_nothing and all(one.outcome is Outcome.SAME for one in further)
    is_known = not any(below.is_inferred for below in piece.closure())
    proof = proof_of(rows.query) if is_asked and is_known else UNPROVEN
    own = (
        *(
            Construct(place, written, feature, became, proof.outcome, proof.reasons.get(feature))
            for feature in features(rows.query)
        ),
        *further,
    )
    names = tuple(draft.names[id(p)] for p in reads if id(p) in draft.names)
    draft.made[id(piece)] = Made(len(draft.statements), rows.place, rows.query, draft.source, rows.is_bare)
    draft.statements.append(ConvertedStatement(rows.name, piece.text.text, place, names, rows.sink, own))
    draft.constructs += own


def _resolve(draft: Draft, reading: Reading, own: Mapping[str, Relation] = _NONE) -> Resolved | None:
    found = own.get(reading.written) or relation_of(draft, reading.written)
    if found is None or found.piece is None:
        return None
    if reading.options and found.definition is not None:
        found = hinted(draft, found, reading.options)
    if reading.is_lookup and _is_written(draft, found):
        found = read_again(draft, found)
    return Resolved(found.name, found.piece) if found.piece is not None else None


def _is_written(draft: Draft, relation: Relation) -> bool:
    """Whether some statement of the job writes the table."""
    last = None if relation.definition is None else last_part(relation.definition.statement.name)
    return Role.SINK in relation.roles or last in draft.written


def _read_roles(draft: Draft, rows: _Rows) -> None:
    for reading in readings(rows.query):
        found = rows.own.get(reading.written) or draft.catalog.find(reading.written)
        if found is not None:
            if reading.is_lookup and _is_written(draft, found):
                found = read_again(draft, found)
            found.roles.add(Role.LOOKUP if reading.is_lookup else Role.SOURCE)


def _first_missing(draft: Draft, query: exp.Query) -> VeloError | None:
    """The first relation of a query that is not there."""
    for reading in readings(query):
        found = relation_of(draft, reading.written)
        if found is None or found.piece is None:
            identifier = reading.node.this
            start = int(identifier.meta.get("start", 0))
            place = draft.source.location(start, int(identifier.meta.get("end", start)) + 1)
            return _missing(reading.written, found, place)
    return None


def _missing(name: str, found: Relation | None, place: Location) -> VeloError:
    if found is None:
        message = f"the input does not declare {name}"
        return VeloError(ErrorCode.UNKNOWN_TABLE, message, location=place, hint="add its CREATE TABLE to the input")
    why = found.failure.message if found.failure is not None else "it is not converted"
    message = why if why.startswith("it needs ") else f"it needs {name}, which is not converted: {why}"
    return VeloError(ErrorCode.UNKNOWN_TABLE, message, location=place, hint="convert that first")


def _of_hints(query: exp.Query, place: Location) -> list[Construct]:
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
        found.append(Construct(place, f"/*+ {name} */", f"hint {name}", became, outcome, reason))
    return found


def _insert_frame(statement: flink.Insert, target: Relation) -> tuple[MappedText, str]:
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
    values = ", ".join(_fixed(name, value, target) for name, value in fixed.items())
    head.add(f"SELECT rows_of_partition.*, {values} FROM (\n", statement.place.start)
    return head, "\n) AS rows_of_partition"


def _end(source: SourceText, place: flink.Place, edits: list[Edit]) -> int:
    """Where a statement ends, without the blanks before a hint that stood at its end and is gone."""
    gone = next((edit for edit in edits if edit.end == place.end and edit.start < edit.end and not edit.text), None)
    return place.end if gone is None else place.start + len(source.text[place.start : gone.start].rstrip())


def _fixed(name: str, value: exp.Expr, target: Relation) -> str:
    """The value of a static partition as one of its column. Source: Flink's PreValidateReWriter, which casts it."""
    text = literal(value.name) if value.is_string else value.sql()
    column = None if target.definition is None else target.definition.schema.index(name)
    if target.definition is None or column is None:
        return text
    return f"CAST({text} AS {target.definition.schema.types[column].as_nullable()})"


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
    text.copy(source.text, start, _end(source, place, edits), edits)
    text.add(tail)
    return Piece(text, source, place.location, tuple(dict.fromkeys(reads)))
