"""Event time of a relation: which column, made a timestamp if it is not one, and the watermark that follows it.

The watermark generator stands directly above the source and its computed columns: a row that WHERE removes still
advances the watermark.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, did_you_mean
from velo_engine.plan.expressions import Cast, ColumnRef, Expression
from velo_engine.plan.nodes import AssignWatermark
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation, append
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.statement_properties import EventTimeSettings, bad_property
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
    return replace(relation.on(watermark), event_times=(position,))


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


_EPOCH_DIGITS = {"epoch_millis": 3, "epoch_seconds": 0, "auto": 3}
"""Formats of integers, and the digits of a second that one unit has."""

_ISO_8601 = ("iso8601", "auto")


def _from_epoch(node: exp.Expr, settings: EventTimeSettings) -> exp.Expr:
    """TO_TIMESTAMP_LTZ of an integer: milliseconds unless the format says seconds."""
    written = (settings.format or "auto").lower()
    if written not in _EPOCH_DIGITS:
        raise bad_property(
            f'"{settings.format}" is not a format of an integer event time',
            settings.location("event.time.format"),
            "use epoch_millis or epoch_seconds",
        )
    digits = exp.Literal.number(_EPOCH_DIGITS[written])
    return exp.Anonymous(this="TO_TIMESTAMP_LTZ", expressions=[node.copy(), digits])


def _from_text(node: exp.Expr, settings: EventTimeSettings) -> exp.Expr:
    """A string by its format: ISO 8601 unless the format is epoch_… or a pattern of java.time."""
    written = settings.format or "auto"
    if written.lower() in _ISO_8601:
        return exp.Anonymous(this="FROM_ISO8601", expressions=[node.copy()])
    if written.lower() in _EPOCH_DIGITS:
        number = exp.Cast(this=node.copy(), to=exp.DataType.build("BIGINT"))
        return _from_epoch(number, settings)
    pattern = exp.Literal.string(written)
    return exp.Anonymous(this="TO_TIMESTAMP", expressions=[node.copy(), pattern])


def _to_milliseconds(value: Expression) -> Expression:
    if value.type.precision <= MAX_PRECISION:
        return value
    return Cast(value, SqlType(value.type.name, value.type.nullable, precision=MAX_PRECISION), location=value.location)
