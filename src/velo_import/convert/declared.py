"""Tables as the scripts declare them, and as hints change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.flink.names import joined_name, last_part
from velo_engine.sql.flink.script import parse_script
from velo_engine.sql.flink.statements import CreateTable
from velo_engine.sql.source_text import SourceText
from velo_import.convert import tables
from velo_import.convert.connectors import ConvertedOptions
from velo_import.convert.draft import Draft, Relation
from velo_import.convert.inference.declarations import create_table
from velo_import.convert.inference.relations import OpenTable
from velo_import.convert.program import Piece, planned
from velo_import.mapped_text import MappedText
from velo_import.model import Construct, Outcome

UNDECLARED = "table that the input does not declare"
"""The feature of a table that is inferred."""


def declare_table(draft: Draft, statement: CreateTable, *, is_lent: bool = False) -> None:
    """CREATE TABLE without a query; `is_lent`: it stands in a script that was found by its names."""
    place = statement.place
    missing = draft.undeclared.misfits.get(draft.catalog.full(statement.name)) if is_lent else None
    if missing is not None:
        written, reason = f"CREATE TABLE {statement.name}", f"this job reads a column {missing}, which it has not"
        draft.note(place.location, written, "another table of that name", "left out", Outcome.SAME, reason)
        return
    if statement.if_not_exists and draft.catalog.find(statement.name) is not None:
        written = f"CREATE TABLE IF NOT EXISTS {statement.name}"
        draft.note(place.location, written, "table", "no effect", Outcome.SAME, "the table is there already")
        return
    above = relation_of(draft, statement.like.source) if statement.like is not None else None
    if statement.like is not None and (above is None or above.definition is None):
        message = f"the table {statement.like.source} of LIKE is not declared in the input"
        error = VeloError(ErrorCode.UNKNOWN_TABLE, message, location=place.location)
        draft.fail_relation(statement.name, error, place, "table like")
        return
    definition = tables.definition_of(statement, draft.source, None if above is None else above.definition)
    if not definition.statement.columns:
        message = f"the columns of {statement.name} are not declared"
        error = VeloError(ErrorCode.UNKNOWN_TABLE, message, location=place.location)
        draft.fail_relation(statement.name, error, place, "table without columns")
        return
    relation = declared(draft, definition, draft.catalog.flat_name(statement.name))
    if relation.piece is not None:
        relation.piece.comment = draft.comment_above(place)
    draft.catalog.define(statement.name, relation)


def declared(draft: Draft, definition: tables.Definition, name: str, *, again: bool = False) -> Relation:
    """The relation of a declared table, with its piece and its rows in the report; `again` as of `_declaration`."""
    text, options = _declaration(draft, definition, name, again=again)
    piece = Piece(text, definition.source, definition.statement.place.location)
    relation = Relation(name, piece, definition, options)
    try:
        definition.schema  # noqa: B018 - types that do not exist here are found now
        planned([piece], {})
    except VeloError as error:
        relation.piece, relation.failure = None, error
        draft.note_failure(error, definition.statement.place, f"table of connector {options.connector}")
    else:
        draft.pieces.append(piece)
        draft.constructs += tables.constructs(definition, options, name)
    draft.add(relation)
    return relation


def relation_of(draft: Draft, name: str) -> Relation | None:
    """What a name means; a table that nothing declares is declared now, as the statements of the job need it."""
    found = draft.catalog.find(name)
    table = draft.undeclared.tables.get(draft.catalog.full(name)) if found is None else None
    if table is None:
        return found
    found = stood_in(draft, table, draft.catalog.flat_name(name))
    if found.piece is not None:
        draft.constructs.append(_construct_of(table))
    draft.define(name, found)
    return found


def stood_in(draft: Draft, table: OpenTable, name: str) -> Relation:
    """The relation of a table that is inferred."""
    written = create_table(table)
    (statement,) = parse_script(written, file=table.location.file).statements
    assert isinstance(statement, CreateTable)
    place = replace(statement.place, location=table.location)
    definition = tables.definition_of(replace(statement, place=place), SourceText(table.location.file, written), None)
    further = system_columns(draft, definition)
    is_written = last_part(table.written) in draft.written
    looked_up = bool(table.lookup_keys) and not _is_versioned(definition, further) and not is_written
    text, options = tables.declaration(definition, name, further, looked_up=looked_up)
    piece = Piece(MappedText(), definition.source, table.location, is_inferred=True)
    piece.text.add(f"-- The input does not declare {name}: its columns are inferred from the statements that use it.\n")
    piece.text.add(text.text)
    relation = Relation(name, piece, definition, options, inferred=table)
    try:
        planned([piece], {})
    except VeloError as error:
        relation.piece, relation.failure = None, error
        return relation
    draft.pieces.append(piece)
    return relation


def contradiction(table: OpenTable) -> Construct:
    """The row of a table that is inferred for one statement, since the others contradict it."""
    reason = "other statements contradict this one: its columns are inferred from it alone"
    return replace(_construct_of(table), reason=reason)


def _construct_of(table: OpenTable) -> Construct:
    reason = "its columns and their types are inferred from the statements that use it"
    instead = "add its CREATE TABLE to the input"
    became = "a topic of its name"
    return Construct(table.location, table.written, UNDECLARED, became, Outcome.STAND_IN, reason, instead)


def hinted(draft: Draft, relation: Relation, options: Mapping[str, str]) -> Relation:
    """The table as the hint OPTIONS makes it; the same one when the options change nothing here."""
    definition = relation.definition
    if definition is None or relation.options is None:
        return relation
    changed = tables.with_options(definition, options)
    now = _declaration(draft, changed, relation.name)[1]
    if now.properties == relation.options.properties:
        return relation
    known = next((r for r in draft.relations if r.definition == changed and r.piece is not None), None)
    return known or declared(draft, changed, draft.catalog.flat_name(joined_name((relation.name,))))


def read_again(draft: Draft, relation: Relation) -> Relation:
    """The table that the job writes, as one of rows that a join looks up: the system holds it, the job does not."""
    if relation.definition is None:
        return relation
    known = [r for r in draft.relations if r.definition is relation.definition and r.piece is not None]
    other = next((r for r in known if r is not relation), None)
    return other or declared(
        draft, relation.definition, draft.catalog.flat_name(joined_name((relation.name,))), again=True
    )


def _declaration(
    draft: Draft, definition: tables.Definition, name: str, *, again: bool = False
) -> tuple[MappedText, ConvertedOptions]:
    """`again`: as what a join looks up, of a table that the job writes, too."""
    further = system_columns(draft, definition)
    last = last_part(definition.statement.name)
    of_job = last in draft.lookups and last not in draft.written
    looked_up = again or (of_job and not _is_versioned(definition, further))
    return tables.declaration(definition, name, further, looked_up=looked_up, secrets=draft.secrets)


def _is_versioned(definition: tables.Definition, further: Sequence[str]) -> bool:
    """Whether a temporal join with the table goes by its event time."""
    statement = definition.statement
    return (statement.watermark is not None or bool(further)) and bool(statement.primary_key)


def system_columns(draft: Draft, definition: tables.Definition) -> list[str]:
    """The event time that Confluent's tables have without saying so."""
    if not draft.rowtime or definition.options.get("connector", "confluent") != "confluent":
        return []
    if any(column.name == "$rowtime" for column in definition.statement.columns):
        return []
    columns = ["`$rowtime` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL"]
    if definition.statement.watermark is None:
        columns.append("WATERMARK FOR `$rowtime` AS `$rowtime`")
    return columns
