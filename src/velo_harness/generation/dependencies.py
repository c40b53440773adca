"""Which field is made before which: a field that uses others comes after them."""

from __future__ import annotations

from collections.abc import Sequence

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_harness.constraints import Derived
from velo_harness.data_schema import DataField
from velo_harness.generation.derived import fields_used


def in_order(fields: Sequence[DataField]) -> list[DataField]:
    """The fields, each after those it uses, else in the order given. Errors: UNKNOWN_COLUMN, BAD_VALUE for a cycle."""
    by_name = {field.name: field for field in fields}
    order: dict[str, DataField] = {}
    for field in fields:
        _visit(field, by_name, order, ())
    return list(order.values())


def _visit(
    field: DataField, by_name: dict[str, DataField], order: dict[str, DataField], above: tuple[str, ...]
) -> None:
    if field.name in order:
        return
    if field.name in above:
        circle = " → ".join((*above[above.index(field.name) :], field.name))
        message = f"these fields depend on each other: {circle}"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=field.location)
    for name in _uses(field, by_name):
        _visit(by_name[name], by_name, order, (*above, field.name))
    order[field.name] = field


def _uses(field: DataField, by_name: dict[str, DataField]) -> list[str]:
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
    return stated
