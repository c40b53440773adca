"""Event time of a relation: which column, made a timestamp if it is not one, and the watermark that follows it.

The watermark generator stands directly above the source and its computed columns: a row that WHERE removes still
advances the watermark.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, did_you_mean
from velo_engine.plan.expressions import Cast, ColumnRef, Expression, columns_of
from velo_engine.plan.nodes import AssignWatermark
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation, append
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.statement_properties import EventTimeSettings, bad_property
from velo_engine.schema import RowSchema
from velo_engine.sql.parser import parse_expression
from velo_engine.types import INTEGERS, STRINGS, TIMESTAMPS, SqlType

MAX_PRECISION = 3
"""Event time counts milliseconds."""


def assigned(
    relation: Relation, value: Expression, settings: EventTimeSettings, partition_column: int | None
) -> Relation:
    """`relation` with `value` (a timestamp over its columns) as event time, and nothing else as such."""
    if isinstance(value, ColumnRef):
        position, node = value.index, relation.node
    else:
        position = len(relation.node.schema)
        node = append(relation.node, [("$event_time", value)])
    watermark = AssignWatermark(
        input=node,
        time_column=position,
        delay_ms=settings.delay_ms,
        partition_column=partition_column,
        idle_timeout_ms=settings.idle_timeout_ms,
        schema=node.schema,
    )
    source = read_from(value)
    return replace(relation.on(watermark), event_times=(position,), time_source=source)


def read_from(value: Expression) -> int | None:
    """The one column that `value` is made of."""
    columns = columns_of(value)
    return next(iter(columns)) if len(columns) == 1 else None


def time_value(node: exp.Expr, relation: Relation, settings: EventTimeSettings, text: ProgramText) -> Expression:
    """`node` over the columns of `relation` as a timestamp of milliseconds, read as `event.time.format` says."""
    scope = RelationScope(relation, text, clause="an event time")
    bound = text.bind(node, scope)
    if isinstance(bound, Cast) and bound.arg.type == bound.type:
        bound = bound.arg
    if bound.type.name in TIMESTAMPS:
        return _to_milliseconds(bound)
    if bound.type.name in INTEGERS:
        return _to_milliseconds(text.bind(_from_epoch(node, settings), scope))
    if bound.type.name in STRINGS:
        return _to_milliseconds(text.bind(_from_text(node, settings), scope))
    raise text.error(
        ErrorCode.TYPE_MISMATCH,
        f"{bound.type.as_nullable()} cannot be an event time",
        node,
        "it takes a TIMESTAMP, an integer of milliseconds or seconds, or a string",
    )


def nameable(node: exp.Expr, names: Collection[str], alias: str) -> bool:
    """Whether `node` uses only columns called `names`, of a relation that is called `alias`."""
    for column in node.find_all(exp.Column):
        first, *rest = (part.name for part in column.parts)
        if first not in names and not (first == alias and rest and rest[0] in names):
            return False
    return True


def column_at(name: str, location: Location | None, names: Collection[str], text: ProgramText) -> exp.Column:
    """The column that a property names. Raises UNKNOWN_COLUMN at the property."""
    if name not in names:
        raise text.error(
            ErrorCode.UNKNOWN_COLUMN,
            f'the event time "{name}" is not a column of the input; it has {", ".join(names)}',
            location,
            did_you_mean(name, names, noun="column"),
        )
    return exp.Column(this=exp.Identifier(this=name, quoted=True))


_STANDARD = frozenset({"auto", "iso8601", "iso-8601", "sql"})
_EPOCHS = {
    "epoch_seconds": "v * 1000",
    "epoch_millis": "v",
    "epoch_micros": "v / 1000",
    "epoch_nanos": "v / 1000000",
    "auto": (
        "CASE WHEN ABS(v) < 100000000000 THEN v * 1000 WHEN ABS(v) < 100000000000000 THEN v"
        " WHEN ABS(v) < 100000000000000000 THEN v / 1000 ELSE v / 1000000 END"
    ),
}
"""Formats of integers: milliseconds from a value `v`; `auto` goes by its size, as the formats of records do."""


def decoding_format(settings: EventTimeSettings, schema: RowSchema) -> str | None:
    """The format by which records are decoded, when the event-time column is declared as a timestamp and says one."""
    at = None if settings.field is None else schema.index(settings.field)
    if at is None or schema.types[at].name not in TIMESTAMPS or settings.format is None:
        return None
    return settings.format


def _from_epoch(node: exp.Expr, settings: EventTimeSettings) -> exp.Expr:
    """TO_TIMESTAMP_LTZ of an integer: milliseconds unless the format says something else."""
    written = (settings.format or "epoch_millis").lower()
    if written not in _EPOCHS:
        raise bad_property(
            f'"{settings.format}" is not a format of an integer event time',
            settings.location("event.time.format"),
            "use epoch_millis, epoch_seconds or auto",
        )
    millis = parse_expression(_EPOCHS[written]).transform(lambda n: node.copy() if isinstance(n, exp.Column) else n)
    return exp.Anonymous(this="TO_TIMESTAMP_LTZ", expressions=[millis, exp.Literal.number(3)])


def _from_text(node: exp.Expr, settings: EventTimeSettings) -> exp.Expr:
    """A string by its format: ISO 8601 unless the format is epoch_… or a pattern."""
    written = settings.format or "auto"
    if written.lower() in _STANDARD:
        return exp.Anonymous(this="FROM_ISO8601", expressions=[node.copy()])
    if written.lower() in _EPOCHS:
        return _from_epoch(exp.Cast(this=node.copy(), to=exp.DataType.build("BIGINT")), settings)
    pattern = exp.Literal.string(_java_pattern(written, settings))
    return exp.Anonymous(this="TO_TIMESTAMP", expressions=[node.copy(), pattern])


_DIRECTIVES = {
    "%Y": "yyyy",
    "%m": "MM",
    "%d": "dd",
    "%H": "HH",
    "%M": "mm",
    "%S": "ss",
    "%f": "SSSSSS",
    "%j": "DDD",
    "%b": "MMM",
    "%a": "EEE",
    "%%": "%",
}


def _java_pattern(written: str, settings: EventTimeSettings) -> str:
    """A pattern of DateTimeFormatter; one with `%` is read as strftime's."""
    if "%" not in written:
        return written
    parts = re.findall(r"%.|[^%]+", written)
    unknown = [part for part in parts if part.startswith("%") and part not in _DIRECTIVES]
    if unknown:
        raise bad_property(
            f'"{unknown[0]}" of the event-time format is not known',
            settings.location("event.time.format"),
            f"there are {' '.join(_DIRECTIVES)}; or write a pattern like yyyy-MM-dd HH:mm:ss",
        )
    return "".join(_DIRECTIVES.get(part) or _quoted(part) for part in parts)


def _quoted(text: str) -> str:
    """Text of a Java pattern that stands for itself: letters need quotes."""
    return re.sub(r"[A-Za-z]+", lambda match: f"'{match[0]}'", text.replace("'", "''"))


def _to_milliseconds(value: Expression) -> Expression:
    if value.type.precision <= MAX_PRECISION:
        return value
    return Cast(value, SqlType(value.type.name, value.type.nullable, precision=MAX_PRECISION), location=value.location)
