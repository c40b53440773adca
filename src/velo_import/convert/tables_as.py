"""CREATE TABLE (…) AS: the table that the column list and the query make together.

Columns that the list declares and the query does not have come first, and stay NULL; then those of the query, in its
order, with the types that the list gives them by name. A list of bare names only orders the columns of the query.
Source: Flink's MergeTableAsUtil, held by what its tables of such statements look like.
"""

from __future__ import annotations

from dataclasses import replace

from velo_engine.plan.sources import is_physical
from velo_engine.schema import RowSchema
from velo_engine.sql.flink.names import last_part
from velo_engine.sql.flink.script import parse_script
from velo_engine.sql.flink.statements import CreateTable
from velo_engine.sql.source_text import SourceText
from velo_import.catalog import quoted
from velo_import.convert.definitions import ItemKind
from velo_import.convert.tables import Definition, definition_of


def is_query_alone(definition: Definition, schema: RowSchema) -> bool:
    """Whether the column list says no more than names, types and key of the columns of the query, in its order."""
    names = tuple(column.name for column in definition.statement.columns)
    kinds = {item.kind for item in definition.items}
    if _is_bare(definition) and not set(names) <= set(schema.names):
        return True
    return not kinds or (kinds <= {ItemKind.PHYSICAL, ItemKind.CONSTRAINTS} and names == schema.names)


def _is_bare(definition: Definition) -> bool:
    """Whether no column has a type."""
    return all(column.type is None and is_physical(column) for column in definition.statement.columns)


def merged(definition: Definition, schema: RowSchema) -> Definition:
    """The declaration of the table that takes the rows of the query."""
    statement = definition.statement
    given = [column.name for column in statement.columns if is_physical(column)]
    types = {column.name: f"{quoted(column.name)} {column.type}" for column in schema.columns}
    texts = {item.name: item.text for item in definition.items if item.kind is ItemKind.PHYSICAL}
    names = schema.names
    if given and _is_bare(definition):
        texts, names = {}, (*given, *(name for name in schema.names if name not in given))
    further = [item.text for item in definition.items if item.kind is not ItemKind.PHYSICAL]
    first = [texts[name] for name in given if name not in schema.names]
    own = [texts.get(name, types[name]) for name in names]
    lines = ",\n    ".join((*first, *own, *further))
    written = f"CREATE TABLE {quoted(last_part(statement.name))} (\n    {lines}\n)"
    (parsed,) = parse_script(written, file=statement.place.location.file).statements
    assert isinstance(parsed, CreateTable)
    place = replace(parsed.place, location=statement.place.location)
    parsed = replace(parsed, place=place, options=statement.options)
    return definition_of(parsed, SourceText(statement.place.location.file, written), None)
