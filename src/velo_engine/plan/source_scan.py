"""The plan that reads a source: its records, computed and metadata columns, and its watermark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.functions import record_headers
from velo_engine.functions.record_headers import HEADERS, HEADERS_TYPE
from velo_engine.plan.aggregate_syntax import function_name
from velo_engine.plan.changelog_nodes import ChangelogNormalize
from velo_engine.plan.context import Wanted
from velo_engine.plan.event_time import assigned, column_at, nameable, time_value
from velo_engine.plan.expressions import Cast, ColumnRef, Expression
from velo_engine.plan.nodes import PlanNode, Scan, SourceChanges, SourceKind, SourceTable
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Field, Relation, project
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.statement_properties import EventTimeSettings
from velo_engine.schema import Column, RowSchema
from velo_engine.sql.durations import interval_ms
from velo_engine.sql.program import ColumnDefinition, Statement, WatermarkDefinition
from velo_engine.type_rules import can_cast, parse_type
from velo_engine.types import BIGINT, INT, STRING, TIMESTAMPS, SqlType, timestamp_ltz

SYSTEM_TYPES: dict[str, SqlType] = {
    "_timestamp": timestamp_ltz(3),
    "_offset": BIGINT.as_nullable(False),
    "_partition": INT.as_nullable(False),
    "_processing_time": timestamp_ltz(3).as_nullable(False),
    "_key": STRING,
    "_topic": STRING.as_nullable(False),
    HEADERS: HEADERS_TYPE,
    "$timestamp_type": STRING.as_nullable(False),
}
"""What a scan can add to a record. Those that begin with a dollar have no name in queries."""

_METADATA = {
    "timestamp": "_timestamp",
    "timestamp-type": "$timestamp_type",
    "offset": "_offset",
    "partition": "_partition",
    "topic": "_topic",
    "headers": HEADERS,
}
"""Keys of METADATA columns (Flink's Kafka connector) and the system column each is."""


@dataclass(frozen=True, slots=True)
class SourceRead:
    """One FROM item that is a source."""

    source: SourceTable
    declaration: Statement | None
    is_file: bool
    settings: EventTimeSettings
    wanted: Wanted
    alias: str
    text: ProgramText


def read_source(read: SourceRead) -> Relation:
    """The source's relation with its event time, if it has any."""
    stream = read.source.kind is SourceKind.STREAM
    names = _names(read)
    timed = stream and _will_be_timed(read, names)
    relation = _columns(read, _system_columns(read, timed))
    if not timed:
        return relation
    value, settings = _event_time(read, relation, names)
    partition = relation.node.schema.index("_partition")
    return assigned(relation, value, settings, None if read.is_file else partition)


def _names(read: SourceRead) -> tuple[str, ...]:
    if read.declaration is not None and read.declaration.columns:
        return tuple(column.name for column in read.declaration.columns)
    return read.source.schema.names


def _will_be_timed(read: SourceRead, names: Sequence[str]) -> bool:
    declared = read.declaration is not None and read.declaration.watermark is not None
    if declared or read.settings.field is not None:
        return True
    if read.wanted.time_value is not None and nameable(read.wanted.time_value, names, read.alias):
        return True
    return read.wanted.event_time and not read.is_file


def _system_columns(read: SourceRead, timed: bool) -> tuple[str, ...]:
    """What the scan adds to a record: what the query names, declared columns are made of, and the watermark needs."""
    own = set(read.source.schema.names)
    wanted = [name for name in read.wanted.system_columns if name not in own]
    for column in () if read.declaration is None else read.declaration.columns:
        if column.metadata_key is not None:
            wanted.append(_metadata_source(column, read.text))
        elif is_processing_time(column.expression):
            wanted.append("_processing_time")
        elif reads_headers(column.expression):
            wanted.append(HEADERS)
    if timed and not read.is_file:
        wanted += ["_timestamp"] if _by_record_timestamp(read) else []
        wanted.append("_partition")
    return tuple(dict.fromkeys(wanted))


def _by_record_timestamp(read: SourceRead) -> bool:
    """Whether nothing names an event time, so that it is the record's."""
    declared = read.declaration is not None and read.declaration.watermark is not None
    value = read.wanted.time_value
    named = value is not None and nameable(value, _names(read), read.alias)
    return not (declared or read.settings.field is not None or named)


def is_processing_time(expression: exp.Expr | None) -> bool:
    """Whether a computed column is `PROCTIME()`."""
    return expression is not None and function_name(expression) == "proctime"


def reads_headers(expression: exp.Expr | None) -> bool:
    """Whether a computed column is made of the record's headers by HEADER and its like."""
    return expression is not None and any(function_name(node) in record_headers.NAMES for node in expression.walk())


def _metadata_source(column: ColumnDefinition, text: ProgramText) -> str:
    key = str(column.metadata_key)
    if key not in _METADATA:
        raise text.unsupported(f"METADATA FROM '{key}'", column.location, f"there are {', '.join(sorted(_METADATA))}")
    return _METADATA[key]


def _columns(read: SourceRead, system: tuple[str, ...]) -> Relation:
    """The scan under its declared columns, and the system columns after them."""
    source = read.source
    added = tuple(Column(name, SYSTEM_TYPES[name]) for name in system)
    schema = RowSchema(source.schema.columns + added)
    visible = {name for name in system if name in read.wanted.system_columns or name == HEADERS}
    fields = tuple(
        Field(name, i, read.alias, system=i >= len(source.schema))
        for i, name in enumerate(schema.names)
        if i < len(source.schema) or name in visible
    )
    relation = Relation(
        _normalized(Scan(source, system, schema)),
        fields,
        processing_times=frozenset(i for i, name in enumerate(schema.names) if name == "_processing_time"),
        reference=source.kind is SourceKind.TABLE,
        bounded=source.kind is SourceKind.TABLE or read.is_file,
    )
    declared = () if read.declaration is None else read.declaration.columns
    if all(column.expression is None and column.metadata_key is None for column in declared):
        return relation
    relation = _with_metadata(relation, declared, read)
    return _with_computed(relation, declared, system, read)


def _normalized(scan: Scan) -> PlanNode:
    """The scan of a source of upserts with the rows that they replace."""
    if scan.source.changes is not SourceChanges.UPSERTS:
        return scan
    return ChangelogNormalize(scan, scan.source.primary_key, tuple(range(len(scan.schema))), None, scan.schema)


def _with_metadata(relation: Relation, declared: Sequence[ColumnDefinition], read: SourceRead) -> Relation:
    """The metadata columns after all others, under their names."""
    node = relation.node
    names, expressions = list(node.schema.names), [ColumnRef(i, t) for i, t in enumerate(node.schema.types)]
    fields = list(relation.fields)
    values: list[Expression] = list(expressions)
    for column in declared:
        if column.metadata_key is not None:
            fields.append(Field(column.name, len(values), read.alias))
            names.append(column.name)
            values.append(_metadata_value(column, expressions[names.index(_METADATA[column.metadata_key])], read.text))
    return replace(relation, node=project(node, values, names), fields=tuple(fields))


def _metadata_value(column: ColumnDefinition, value: Expression, text: ProgramText) -> Expression:
    assert column.type is not None, "a metadata column is declared with its type"
    target = parse_type(column.type).as_nullable(value.type.nullable)
    if target == value.type:
        return value
    if not can_cast(value.type, target):
        raise text.error(
            ErrorCode.TYPE_MISMATCH, f"metadata of type {value.type} cannot be read as {target}", column.location
        )
    return Cast(value, target, location=column.location)


def _with_computed(
    relation: Relation, declared: Sequence[ColumnDefinition], system: Sequence[str], read: SourceRead
) -> Relation:
    """All declared columns in their order, then the system columns. Computed ones see physical and metadata columns."""
    scope = RelationScope(relation, read.text, clause="a computed column")
    schema = relation.node.schema
    position = {field.name: field.position for field in relation.fields}
    values: list[Expression] = []
    for column in declared:
        if is_processing_time(column.expression):
            at = schema.names.index("_processing_time")
            values.append(ColumnRef(at, schema.types[at]))
        elif column.expression is not None:
            values.append(read.text.bind_column(column.expression, scope))
        else:
            at = position[column.name]
            values.append(ColumnRef(at, schema.types[at]))
    names = [column.name for column in declared]
    for name in system:
        at = schema.names.index(name)
        names.append(name)
        values.append(ColumnRef(at, schema.types[at]))
    node = project(relation.node, values, names)
    visible = {*(column.name for column in declared), *read.wanted.system_columns}
    fields = tuple(
        Field(name, i, read.alias, system=i >= len(declared)) for i, name in enumerate(names) if name in visible
    )
    processing = frozenset(
        i for i, v in enumerate(values) if isinstance(v, ColumnRef) and v.index in relation.processing_times
    )
    return replace(relation, node=node, fields=fields, processing_times=processing)


def _event_time(read: SourceRead, relation: Relation, names: Sequence[str]) -> tuple[Expression, EventTimeSettings]:
    """The event time and its settings, from the first that there is: WATERMARK, event.time.field, what the query asks
    for, the record's timestamp."""
    text = read.text
    watermark = None if read.declaration is None else read.declaration.watermark
    field = read.settings.field
    if watermark is not None:
        return _declared_time(watermark, relation, read)
    if field is not None:
        node = column_at(field, read.settings.location("event.time.field"), names, text)
        return time_value(node, relation, read.settings, text), read.settings
    wanted = read.wanted.time_value
    if wanted is not None and nameable(wanted, names, read.alias):
        return time_value(wanted, relation, read.settings, text), read.settings
    at = relation.node.schema.names.index("_timestamp")
    return ColumnRef(at, relation.node.schema.types[at]), read.settings


def _declared_time(
    watermark: WatermarkDefinition, relation: Relation, read: SourceRead
) -> tuple[Expression, EventTimeSettings]:
    """WATERMARK FOR column AS column [- INTERVAL …]."""
    text, settings = read.text, read.settings
    if settings.field is not None and settings.field != watermark.column:
        raise text.error(
            ErrorCode.BAD_PROPERTY,
            f"event.time.field is {settings.field}, but {read.source.name} declares WATERMARK FOR {watermark.column}",
            settings.location("event.time.field"),
            "drop one of them",
        )
    found = [field for field in relation.fields if field.name == watermark.column]
    if len(found) != 1:
        raise text.unsupported(f"WATERMARK FOR {watermark.column}", watermark.location, "name a column of the table")
    at = found[0].position
    kind = relation.node.schema.types[at]
    if kind.name not in TIMESTAMPS or kind.precision > 3:
        raise text.error(
            ErrorCode.TYPE_MISMATCH,
            f"a watermark needs a TIMESTAMP or TIMESTAMP_LTZ of precision 0 to 3; {watermark.column} is {kind}",
            watermark.location,
            f"declare {watermark.column} TIMESTAMP(3)",
        )
    delay = _declared_delay(watermark, text)
    if settings.delay_ms and settings.delay_ms != delay:
        raise text.error(
            ErrorCode.BAD_PROPERTY,
            f"watermark.max_out_of_orderness contradicts WATERMARK FOR {watermark.column} of {read.source.name}",
            settings.location("watermark.max_out_of_orderness"),
            "drop one of them",
        )
    return ColumnRef(at, kind), replace(settings, delay_ms=delay)


def _declared_delay(watermark: WatermarkDefinition, text: ProgramText) -> int:
    expression = watermark.expression
    while isinstance(expression, exp.Paren):
        expression = expression.this
    if isinstance(expression, exp.Column) and expression.name == watermark.column:
        return 0
    if isinstance(expression, exp.Sub) and isinstance(expression.expression, exp.Interval):
        column = expression.this
        if isinstance(column, exp.Column) and column.name == watermark.column:
            try:
                return interval_ms(expression.expression)
            except ValueError as error:
                raise text.unsupported(f"this watermark: {error}", expression) from None
    raise text.unsupported(
        "this watermark", expression, f"write {watermark.column} - INTERVAL 'n' SECOND, or {watermark.column} alone"
    )
