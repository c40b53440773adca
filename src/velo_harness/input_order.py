"""Which generated source is made before which: rows that foreign keys point into come first."""

from __future__ import annotations

from collections.abc import Mapping

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.constraints import Reference
from velo_harness.data_schema import DataSchema
from velo_harness.spec import Input

Asked = Mapping[str, tuple[DataSchema, Input | None]]
"""Source → its data schema and its input."""


def in_reference_order(asked: Asked) -> list[str]:
    """The sources, each after those that its foreign keys point into, else in the order given.

    One that points into no source comes last, where its error knows all there are.

    Errors: BAD_VALUE for foreign keys in a circle, at the first of them.
    """
    sources = _sources_by_reference(asked)
    order: dict[str, None] = {}
    for name in sorted(asked, key=lambda name: not referenced_schemas(*asked[name]) <= set(sources)):
        _visit(name, asked, sources, order, ())
    return list(order)


def _visit(name: str, asked: Asked, sources: Mapping[str, str], order: dict[str, None], above: tuple[str, ...]) -> None:
    if name in order:
        return
    if name in above:
        circle = " → ".join((*above[above.index(name) :], name))
        message = f"these inputs refer to each other by foreign keys: {circle}"
        hint = "give one of them rows or a data_file, or override one of the fields"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=_place(*asked[name], set(sources)), hint=hint)
    for schema in sorted(referenced_schemas(*asked[name])):
        other = sources.get(schema)
        if other is not None and other != name:
            _visit(other, asked, sources, order, (*above, name))
    order[name] = None


def _sources_by_reference(asked: Asked) -> dict[str, str]:
    """What foreign keys may call a source: its name, else the name of its schema."""
    by_schema = {schema.name: name for name, (schema, _) in reversed(tuple(asked.items()))}
    return by_schema | {name: name for name in asked}


def referenced_schemas(schema: DataSchema, given: Input | None) -> set[str]:
    """The schemas into which foreign keys point, those of `schema` and those that the input puts over its fields."""
    return {source.schema for source, _ in _references(schema, given)}


def _references(schema: DataSchema, given: Input | None) -> list[tuple[Reference, Location]]:
    overrides = given.overrides if given is not None else {}
    found = []
    waiting = list(schema.fields)
    while waiting:
        field = waiting.pop(0)
        waiting.extend(field.children)
        constraints = overrides.get(field.name, field.constraints)
        source = constraints.source if constraints.source is not None else field.constraints.source
        if isinstance(source, Reference):
            found.append((source, constraints.place("references", field.location)))
    return found


def _place(schema: DataSchema, given: Input | None, known: set[str]) -> Location:
    """Where a foreign key into one of `known` stands."""
    return next(place for source, place in _references(schema, given) if source.schema in known)
