"""Data schemas without a file: the columns that the SQL declares, with hints in its comments.

`-- @data.<field>: enum [A, B], weights: [2, 1]` or `range [10, 20]`, and `-- @data.<field>.<key>: value` with the keys
of field constraints (and `volatility`, `drift`, `start_value`, `group_by` of a random walk); `@data.record_count`,
`@data.seed`, `@data.time_start` and `@data.time_end` for all. A schema file wins over hints.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.schema import RowSchema
from velo_engine.sql.program import Property
from velo_engine.types import TEMPORALS, TIMESTAMPS, SqlType, TypeName
from velo_harness.constraint_checks import check_constraints
from velo_harness.constraint_keys import CONSTRAINTS, constraints_of
from velo_harness.constraints import FieldConstraints, TimeRange
from velo_harness.data_schema import DataField, DataSchema
from velo_harness.keys import bad_value, read_object
from velo_harness.kinds import Integer
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence, parse_yaml

PREFIX = "data."
GLOBALS = ("record_count", "seed", "time_start", "time_end")
_WALK_KEYS = {"volatility": "volatility", "drift": "drift", "start_value": "start", "group_by": "group_by"}
_PART = re.compile(r"\s*([A-Za-z_]+)\s*:?\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DataHints:
    """The `@data` annotations of a program."""

    record_count: int | None = None
    seed: int | None = None
    time_start: str = "-1h"
    time_end: str = "now"
    fields: Mapping[str, tuple[tuple[str, Property], ...]] = field(default_factory=dict)
    """Field → its annotations: the key after the field's name ("" for none) and the value."""
    has_times: bool = False
    """time_start or time_end is written: timestamps without a hint lie between them."""


def hints_of(annotations: Iterable[tuple[str, Property]]) -> DataHints:
    """The hints among the annotations of a program. Errors: BAD_VALUE."""
    hints = DataHints()
    fields: dict[str, list[tuple[str, Property]]] = {}
    for name, given in annotations:
        if not name.startswith(PREFIX):
            continue
        rest = name.removeprefix(PREFIX)
        if rest in GLOBALS:
            hints = _with_global(hints, rest, given)
        else:
            field_name, _, key = rest.partition(".")
            fields.setdefault(field_name, []).append((key, given))
    return replace(hints, fields={name: tuple(found) for name, found in fields.items()})


def check_hinted_fields(hints: DataHints, columns: Iterable[str]) -> None:
    """Refuses hints for fields that no source has; `columns` are those of all sources. Errors: UNKNOWN_COLUMN."""
    known = set(columns)
    for name, found in hints.fields.items():
        if name not in known:
            hint = did_you_mean(name, known, noun="column")
            message = f"the hint @data.{name} names no column of a source"
            raise VeloError(ErrorCode.UNKNOWN_COLUMN, message, location=found[0][1].location, hint=hint)


def hinted_schema(source: str, columns: RowSchema, hints: DataHints, location: Location) -> DataSchema:
    """The data schema of a source that the SQL declares. `location` is the place of its declaration.

    Errors: UNKNOWN_KEY, BAD_VALUE and what else reading constraints gives, at the hint.
    """
    fields = tuple(_hinted_field(column.name, column.type, hints, location) for column in columns.columns)
    return DataSchema(
        name=source,
        description=None,
        fields=fields,
        record_count=hints.record_count,
        key_field=None,
        namespace=None,
        origin="the SQL's declaration",
        topic=None,
        file=None,
        location=location,
    )


def _with_global(hints: DataHints, name: str, given: Property) -> DataHints:
    node = YamlScalar(given.value.strip(), True, given.location)
    match name:
        case "record_count":
            return replace(hints, record_count=Integer(0).read(node))
        case "seed":
            return replace(hints, seed=Integer(0).read(node))
        case "time_start":
            return replace(hints, time_start=node.text, has_times=True)
        case _:
            return replace(hints, time_end=node.text, has_times=True)


def _hinted_field(name: str, kind: SqlType, hints: DataHints, location: Location) -> DataField:
    found = hints.fields.get(name, ())
    constraints = FieldConstraints()
    if found:
        place = found[0][1].location
        node = YamlMapping(tuple(_entries(found, kind, hints)), place)
        constraints = constraints_of(read_object(node, CONSTRAINTS))
        check_constraints(constraints, kind, place)
        if constraints.null_probability and not kind.nullable:
            raise bad_value(f'the column "{name}" is NOT NULL', constraints.place("null_probability", place))
        if constraints.arrival is not None and constraints.source is None and hints.has_times:
            constraints = replace(constraints, source=TimeRange(hints.time_start, hints.time_end))
    elif kind.name in TIMESTAMPS and hints.has_times:
        constraints = FieldConstraints(TimeRange(hints.time_start, hints.time_end))
    return DataField(name, kind, False, None, constraints, _children(kind, location), location)


def _children(kind: SqlType, location: Location) -> tuple[DataField, ...]:
    """The parts of a nested type, without constraints."""
    parts: tuple[tuple[str, SqlType], ...] = ()
    if kind.name is TypeName.ROW:
        parts = kind.fields
    elif kind.name is TypeName.ARRAY and kind.element is not None:
        parts = (("items", kind.element),)
    elif kind.name is TypeName.MAP and kind.key is not None and kind.element is not None:
        parts = (("key", kind.key), ("items", kind.element))
    return tuple(_hinted_field(name, inner, DataHints(), location) for name, inner in parts)


def _entries(
    found: tuple[tuple[str, Property], ...], kind: SqlType, hints: DataHints
) -> Iterator[tuple[YamlScalar, YamlNode]]:
    """The hints of one field as the keys and values of its constraints."""
    walk: list[tuple[YamlScalar, YamlNode]] = []
    shape: YamlNode | None = None
    ends = {"start", "end"} - {key for key, _ in found}
    for key, given in found:
        for name, value in _parts(given) if key == "" else [(_key(key, given), _value(given.value, given, 0))]:
            if name.text in _WALK_KEYS:
                walk.append((replace(name, text=_WALK_KEYS[name.text]), value))
            elif name.text == "distribution":
                shape = value
            elif name.text == "range" and isinstance(value, YamlSequence):
                yield from _range(name, value, kind)
                ends = set()
            else:
                yield name, value
                if name.text == "sequential":
                    texts = {"start": hints.time_start, "end": hints.time_end}
                    yield from ((replace(name, text=end), replace(name, text=texts[end])) for end in sorted(ends))
    if shape is not None or walk:
        yield _distribution(shape, walk)


def _key(key: str, given: Property) -> YamlScalar:
    if key not in {*CONSTRAINTS.by_spelling, *_WALK_KEYS}:
        hint = did_you_mean(key, {*CONSTRAINTS.by_spelling, *_WALK_KEYS}, noun="key")
        raise VeloError(
            ErrorCode.UNKNOWN_KEY, f'unknown key "{key}" in a hint', location=given.name_location, hint=hint
        )
    return YamlScalar(key, True, given.name_location or given.location)


def _parts(given: Property) -> Iterator[tuple[YamlScalar, YamlNode]]:
    """`enum [A, B], weights: [2, 1]` as keys with values; a bare list is an enum, a bare word is true."""
    for start, text in _split(given.value):
        if text.lstrip().startswith("["):
            yield YamlScalar("enum", True, given.location), _value(text, given, start)
            continue
        found = _PART.fullmatch(text)
        if found is None:
            raise bad_value(f'"{text.strip()}" is not a hint', given.location, hint="for example: enum [A, B]")
        key = YamlScalar(found[1], True, given.location)
        if found[1] not in CONSTRAINTS.by_spelling and found[1] not in _WALK_KEYS:
            _key(found[1], replace(given, name_location=given.location))
        yield key, _value(found[2] or "true", given, start + found.start(2))


def _split(text: str) -> Iterator[tuple[int, str]]:
    """The parts between commas outside brackets and quotes, each with where it starts."""
    start, depth, quote = 0, 0, ""
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "[({":
            depth += 1
        elif c in "])}":
            depth -= 1
        elif c == "," and depth == 0:
            yield start, text[start:i]
            start = i + 1
    yield start, text[start:]


def _value(text: str, given: Property, start: int) -> YamlNode:
    """The value as YAML, with its place in the SQL text. SQL expressions need no quotes."""
    stripped = text.strip()
    place = given.location
    offset = place.column - 1 + start + len(text) - len(text.lstrip())
    if stripped.startswith(("[", "{", "'", '"')):
        try:
            return _moved(parse_yaml(stripped, place.file), place, offset)
        except VeloError as error:
            raise bad_value(f'"{stripped}" does not parse: {error.message}', place) from None
    return YamlScalar(stripped, True, replace(place, column=offset + 1, length=max(len(stripped), 1)))


def _moved(node: YamlNode, place: Location, offset: int) -> YamlNode:
    """The tree with the places of the SQL text."""
    where = replace(place, column=node.location.column + offset, length=node.location.length)
    match node:
        case YamlScalar():
            return replace(node, location=where)
        case YamlSequence(items=items):
            return YamlSequence(tuple(_moved(item, place, offset) for item in items), where)
        case YamlMapping(entries=entries):
            pairs = ((_moved(key, place, offset), _moved(value, place, offset)) for key, value in entries)
            return YamlMapping(tuple((key, value) for key, value in pairs if isinstance(key, YamlScalar)), where)


def _range(name: YamlScalar, value: YamlSequence, kind: SqlType) -> Iterator[tuple[YamlScalar, YamlNode]]:
    if len(value.items) != 2:
        raise bad_value("a range has two ends: [smallest, greatest]", value.location)
    ends = ("start", "end") if kind.name in TEMPORALS - {TypeName.TIME} else ("min", "max")
    for end, item in zip(ends, value.items, strict=True):
        yield replace(name, text=end), item


def _distribution(shape: YamlNode | None, walk: list[tuple[YamlScalar, YamlNode]]) -> tuple[YamlScalar, YamlNode]:
    """The distribution; parameters of a random walk make it one."""
    if not walk:
        assert shape is not None
        return YamlScalar("distribution", True, shape.location), shape
    place = walk[0][0].location
    kind = shape if shape is not None else YamlScalar("random_walk", True, place)
    if not isinstance(kind, YamlScalar):
        raise bad_value("give the parameters of the distribution in one place", place)
    entries = ((YamlScalar("type", True, kind.location), kind), *walk)
    return YamlScalar("distribution", True, place), YamlMapping(entries, kind.location)
