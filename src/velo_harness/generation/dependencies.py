"""Which field is made before which: a field that uses others comes after them."""

from __future__ import annotations

from collections import abc

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_harness.constraints import Correlation, Derived, Reference, Sequence, TimeRange
from velo_harness.data_schema import DataField
from velo_harness.generation.derived import fields_used


def in_order(fields: abc.Sequence[DataField], own: abc.Collection[str] = ()) -> list[DataField]:
    """The fields, each after those it uses, else in the order given; `own` is what foreign keys call their own table.

    Errors: UNKNOWN_COLUMN, BAD_VALUE for a cycle.
    """
    by_name = {field.name: field for field in fields}
    order: dict[str, DataField] = {}
    _check_entities(by_name)
    for field in fields:
        _visit(field, by_name, order, (), own)
    return list(order.values())


def _check_entities(by_name: dict[str, DataField]) -> None:
    """Fields whose rows sessions may put into order: those drawn independently of other fields and rows."""
    for field in by_name.values():
        given = field.constraints
        for name in given.sessions.entity if given.sessions is not None else ():
            entity = by_name.get(name)
            if entity is None:
                continue
            walks = entity.constraints.distribution is not None and bool(entity.constraints.distribution.group_by)
            if walks or isinstance(entity.constraints.source, Derived | Correlation | Sequence | TimeRange):
                place = given.place("sessions", given.place("arrival", field.location))
                message = (
                    f'the entity of sessions must be drawn row by row, and "{name}" follows from other fields or rows'
                )
                hint = "take a field with an enum, a range, a pattern or a reference"
                raise VeloError(ErrorCode.BAD_VALUE, message, location=place, hint=hint)


def _visit(
    field: DataField,
    by_name: dict[str, DataField],
    order: dict[str, DataField],
    above: tuple[str, ...],
    own: abc.Collection[str],
) -> None:
    if field.name in order:
        return
    if field.name in above:
        circle = " → ".join((*above[above.index(field.name) :], field.name))
        message = f"these fields depend on each other: {circle}"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=field.location)
    for name in _uses(field, by_name, own):
        _visit(by_name[name], by_name, order, (*above, field.name), own)
    order[field.name] = field


def _uses(field: DataField, by_name: dict[str, DataField], own: abc.Collection[str]) -> list[str]:
    """The fields that one uses. A name in a derived expression that is no field is left to the expression's binder."""
    stated = [name for name, _ in field.constraints.fields_used()]
    for name, key in field.constraints.fields_used():
        if name not in by_name:
            place = field.constraints.place(key, field.location)
            hint = did_you_mean(name, by_name, noun="field")
            raise VeloError(ErrorCode.UNKNOWN_COLUMN, f'there is no field "{name}"', location=place, hint=hint)
    source = field.constraints.source
    if isinstance(source, Derived):
        place = field.constraints.place("derived", field.location)
        stated += [name for name in fields_used(source.expression, place) if name in by_name and name not in stated]
    if isinstance(source, Reference) and source.schema in own and source.field in by_name:
        stated.append(source.field)
    return stated + _after_sessions(field, stated, by_name)


def _after_sessions(field: DataField, used: list[str], by_name: dict[str, DataField]) -> list[str]:
    """Times that put the rows of the entities among `used` into order: only then these have their final places."""
    return [
        other.name
        for other in by_name.values()
        if other.constraints.sessions is not None
        and other.name != field.name
        and not set(other.constraints.sessions.entity).isdisjoint(used)
    ]
