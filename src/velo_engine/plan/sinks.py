"""Where a statement's rows go: its sink, the columns they have there, and the key that identifies them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.plan.changelog import Statements
from velo_engine.plan.expressions import Cast, ColumnRef, Expression, Literal
from velo_engine.plan.nodes import NotNullColumns, PlanNode, Sink
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import (
    Relation,
    columns_through_projection,
    fields_of,
    project,
    through_projection,
    window_through_projection,
)
from velo_engine.plan.sink_changes import changes_for_sink, check_taken, sink_takes
from velo_engine.plan.sources import physical_column
from velo_engine.plan.statement_properties import ProgramProperties
from velo_engine.plan.upsert_keys import preferred_key, upsert_keys
from velo_engine.schema import Column
from velo_engine.sql.expression_binder import coerce
from velo_engine.sql.program import ColumnDefinition, Statement, StatementKind
from velo_engine.type_rules import can_coerce, can_store
from velo_engine.types import BYTES, STRING, TIMESTAMPS, SqlType, map_of

SINK_TYPES = frozenset({"file", "kafka", "topic", "print", "blackhole"})
"""Where rows can be written. The rows of print and blackhole are only in the result of the job."""

_NO_RECORDS = frozenset({"file"})
"""Those that have no metadata."""

_HEADERS_TYPE = map_of(STRING, BYTES)


def planned_sink(
    statement: Statement,
    node: PlanNode,
    key: Sequence[int],
    target: Statement | None,
    properties: ProgramProperties,
    statements: Statements,
    text: ProgramText,
) -> Sink | None:
    """The sink of a statement; views and bare queries without INTO have none.

    `key` are the columns marked PRIMARY KEY, `target` the declaration of an INSERT's target.
    """
    if statement.sink is None and statement.kind in (StatementKind.VIEW, StatementKind.SELECT):
        return None
    name = statement.sink or statement.name
    given = properties.of(statement).sinks[name].texts()
    declared = tuple(key) or _declared_key(node, statement, target)
    merged = {**properties.declared(name), **given}
    places = properties.sink_places(statement, name)
    _check_connector(name, merged, places)
    takes = sink_takes(merged)
    check_taken(node, name, takes, statements, text, statement.location)
    changes = changes_for_sink(
        statement.name, node, declared, statement.conflict, takes, statements, text, statement.location
    )
    return Sink(
        name=name,
        properties=merged,
        upsert_key=declared or preferred_key(upsert_keys(node, statements)),
        changes=changes,
        not_null=_not_null(node, statement, target, properties.drops_nulls),
        locations=places,
        metadata={} if target is None else _metadata(target, merged, text),
    )


def _metadata(target: Statement, properties: Mapping[str, str], text: ProgramText) -> Mapping[str, int]:
    """The positions of the metadata columns that are written, by their keys.

    Source: Flink's DynamicSinkUtils and KafkaDynamicSink.WritableMetadata.
    """
    found: dict[str, int] = {}
    for position, column in enumerate(_writable(target)):
        key = column.metadata_key
        if key is None:
            continue
        if properties.get("type") in _NO_RECORDS:
            raise text.unsupported("METADATA of a file that is written", column.location, "declare it VIRTUAL")
        kind = physical_column(column).type
        if key not in ("headers", "timestamp"):
            hint = "headers and timestamp are; declare it VIRTUAL to only read it"
            raise text.unsupported(f"writing METADATA FROM '{key}'", column.location, hint)
        fits = kind.name in TIMESTAMPS if key == "timestamp" else can_coerce(kind, _HEADERS_TYPE)
        if not fits or key in found:
            wanted = "a TIMESTAMP_LTZ(3)" if key == "timestamp" else f"a {_HEADERS_TYPE}"
            message = (
                f"there are two columns of the metadata '{key}'"
                if key in found
                else (f"the metadata '{key}' is {wanted}, not {kind.as_nullable()}")
            )
            raise text.error(ErrorCode.TYPE_MISMATCH, message, column.location)
        found[key] = position
    return found


def _writable(target: Statement) -> list[ColumnDefinition]:
    """The columns that INSERT INTO fills."""
    return [c for c in target.columns if c.expression is None and not (c.metadata_key is not None and c.virtual)]


def _check_connector(name: str, properties: Mapping[str, str], places: Mapping[str, Location]) -> None:
    """Refuse a sink of a type that nothing here writes."""
    kind = properties.get("type")
    if kind is not None and kind not in SINK_TYPES:
        raise VeloError(
            ErrorCode.SQL_UNSUPPORTED,
            f'{name} has the type "{kind}", for which this version has no sink',
            location=places.get("type"),
            hint=f"the types of sinks are {', '.join(sorted(SINK_TYPES))}",
        )


def _declared_key(node: PlanNode, statement: Statement, target: Statement | None) -> tuple[int, ...]:
    """The key in the statement's own column list, or in the target's declaration."""
    names = statement.primary_key or (() if target is None else target.primary_key)
    schema = node.schema
    return tuple(i for i, name in enumerate(schema.names) if name in names)


def _not_null(node: PlanNode, statement: Statement, target: Statement | None, drops: bool) -> NotNullColumns | None:
    """The columns that the declaration of the sink says are NOT NULL, and the query does not. So are those of a
    declared PRIMARY KEY."""
    declaration = statement if target is None else target
    required = set(declaration.primary_key)
    required |= {c.name for c in declaration.columns if c.type is not None and not physical_column(c).type.nullable}
    found = tuple(i for i, c in enumerate(node.schema.columns) if c.name in required and c.type.nullable)
    return NotNullColumns(found, drops) if found else None


def fitted_to_target(relation: Relation, statement: Statement, target: Statement | None, text: ProgramText) -> Relation:
    """`relation` under the column names and types that the statement or its INSERT target declares, by position.

    Source: Flink's DynamicSinkUtils.validateSchemaAndApplyImplicitCast; columns that INSERT leaves out are NULL.
    """
    if target is not None and target.columns:
        return _inserted(relation, statement, target, text)
    columns = statement.columns
    _refuse_more_than_columns(statement, text)
    if not columns:
        return relation
    _check_count(len(relation.node.schema), len(columns), statement, text)
    wanted = [
        Column(c.name, kind) if c.type is None else physical_column(c)
        for c, kind in zip(columns, relation.node.schema.types, strict=True)
    ]
    return _as_columns(relation, list(_references(relation)), wanted, statement, text)


def _refuse_more_than_columns(statement: Statement, text: ProgramText) -> None:
    """The column list of a statement with a query names its columns; it cannot compute any."""
    if statement.watermark is not None:
        raise text.unsupported(
            "WATERMARK of a statement with a query",
            statement.watermark.location,
            "select the event time AS _EVENT_TIME instead",
        )
    for column in statement.columns:
        if column.expression is not None or column.metadata_key is not None:
            raise text.unsupported(
                "a computed column of a statement with a query", column.location, "select it instead"
            )


def _inserted(relation: Relation, statement: Statement, target: Statement, text: ProgramText) -> Relation:
    wanted = [physical_column(column) for column in _writable(target)]
    values: list[Expression] = list(_references(relation))
    if statement.columns:
        _check_count(len(values), len(statement.columns), statement, text)
        by_name = dict(zip((column.name for column in statement.columns), values, strict=True))
        for column in statement.columns:
            if column.name not in {c.name for c in wanted}:
                raise text.error(
                    ErrorCode.UNKNOWN_COLUMN,
                    f'{target.name} has no column "{column.name}"',
                    column.location,
                    did_you_mean(column.name, [c.name for c in wanted], noun="column"),
                )
        values = [by_name.get(column.name, Literal(None, column.type.as_nullable())) for column in wanted]
    _check_count(len(values), len(wanted), statement, text)
    return _as_columns(relation, values, wanted, statement, text)


def _references(relation: Relation) -> Sequence[ColumnRef]:
    return [ColumnRef(i, t) for i, t in enumerate(relation.node.schema.types)]


def _check_count(found: int, wanted: int, statement: Statement, text: ProgramText) -> None:
    if found != wanted:
        raise text.error(
            ErrorCode.TYPE_MISMATCH,
            f"the query gives {found} column(s), but {statement.sink or statement.name} has {wanted}",
            statement.location,
        )


def _stored(value: Expression, target: SqlType) -> Expression:
    """`value` as it is written into a column of `target`, which it can be."""
    if can_coerce(value.type, target):
        return coerce(value, target)
    return Cast(value, target, location=value.location)


def _as_columns(
    relation: Relation, values: Sequence[Expression], wanted: Sequence[Column], statement: Statement, text: ProgramText
) -> Relation:
    """`values` by position as the `wanted` columns, through implicit casts; nullable as the query's own types are."""
    fitted = []
    for value, column in zip(values, wanted, strict=True):
        if not can_store(value.type, column.type):
            raise text.error(
                ErrorCode.TYPE_MISMATCH,
                f'the query gives {value.type.as_nullable()} for "{column.name}", which is {column.type.as_nullable()}',
                statement.location,
                f"write CAST(... AS {column.type.as_nullable()})",
            )
        fitted.append(_stored(value, column.type.as_nullable(value.type.nullable)))
    event, processing = through_projection(relation, fitted)
    node = project(relation.node, fitted, [column.name for column in wanted])
    windows = window_through_projection(relation.windows, fitted)
    grouped = columns_through_projection(relation.grouped_times, fitted)
    fields = fields_of(node.schema)
    reference, bounded = relation.reference, relation.bounded
    return Relation(node, fields, event, processing, windows, reference, bounded, grouped_times=grouped)
