"""How the independent values of a field are drawn: by enum, pattern, range, Faker pool, reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from velo_engine.errors import VeloError
from velo_engine.types import BINARIES, STRINGS, SqlType, TypeName, arrow_type
from velo_harness import constraints as c
from velo_harness.data_schema import DataField
from velo_harness.generation import characters
from velo_harness.generation.choices import AliasTable, Drawing, fitting, taken
from velo_harness.generation.custom import custom_drawing
from velo_harness.generation.faker_pools import pool, pool_size
from velo_harness.generation.foreign_keys import referenced
from velo_harness.generation.numbers import bounds_of, draw, zipf_ranks
from velo_harness.generation.patterns import matching
from velo_harness.generation.units import is_ordered, unit_of
from velo_harness.keys import not_supported
from velo_harness.typed_values import typed_value

if TYPE_CHECKING:
    from velo_harness.generation.columns import ColumnMaker

TRUE_SHARE = 0.5
"""How often a boolean is true that says nothing."""
ELEMENTS = (0, 3)
"""How many elements an array has that says nothing."""


def drawing_of(one: DataField, maker: ColumnMaker) -> Drawing:
    """What draws values of the field. Errors: BAD_VALUE, UNKNOWN_SCHEMA, UNKNOWN_COLUMN, EMPTY_INPUT."""
    given, kind = one.constraints, one.type
    match given.source:
        case c.Enumeration():
            return _enumerated(given.source, given.distribution, kind)
        case c.Pattern():
            return _of_length(_matching(given.source.expression, one), one)
        case c.Faker():
            return _of_length(_faker(given.source, one, maker), one)
        case c.Custom():
            return _of_length(custom_drawing(given.source, kind, given.place("generator", one.location)), one)
        case c.Reference():
            place = given.place("references", one.location)
            return referenced(given.source, maker.references, kind, place, unique=given.unique)
        case c.Probability():
            return _booleans(given.source.of_true)
        case c.Uuid():
            return characters.uuids
        case _ if is_ordered(kind):
            bounds = bounds_of(kind, given.range, given.distribution, _now_units(kind, maker))
            place = given.place("distribution", one.location)
            return lambda rng, n: bounds.unit.array(draw(rng, n, bounds, given.distribution, place))
        case _ if kind.name is TypeName.BOOLEAN:
            return _booleans(TRUE_SHARE)
        case _ if kind.name in STRINGS | BINARIES:
            return _characters(given.length, kind)
        case _:
            raise not_supported(f"generating {kind.as_nullable()}", one.location)


def element_counts(rng: np.random.Generator, n: int, length: c.Length | None) -> Any:
    """How many elements each of `n` arrays has."""
    shortest, longest = ELEMENTS if length is None else length.bounds(*ELEMENTS)
    return rng.integers(shortest, longest, n, endpoint=True)


def _booleans(share: float) -> Drawing:
    return lambda rng, n: pa.array(rng.random(n) < share)


def _enumerated(given: c.Enumeration, distribution: c.Distribution | None, kind: SqlType) -> Drawing:
    values = pa.array([typed_value(node, kind) for node in given.values], arrow_type(kind))
    count = len(values)
    if given.weights is not None:
        table = AliasTable(given.weights)
        return lambda rng, n: taken(values, table.draw(rng, n))
    if distribution is not None and distribution.shape is c.Shape.ZIPF:
        exponent = c.DEFAULT_EXPONENT if distribution.exponent is None else distribution.exponent
        return lambda rng, n: taken(values, zipf_ranks(rng, n, count, exponent))
    return lambda rng, n: taken(values, rng.integers(0, count, n))


def _matching(expression: str, one: DataField) -> Drawing:
    def drawing(rng: np.random.Generator, n: int) -> pa.Array:
        try:
            return matching(rng, n, expression)
        except VeloError as error:
            place = one.constraints.place("pattern", one.location)
            raise VeloError(error.code, error.message, location=place, hint=error.hint) from None

    return drawing


def _faker(given: c.Faker, one: DataField, maker: ColumnMaker) -> Drawing:
    size = pool_size(maker.records, unique=one.constraints.unique)
    values = pa.array(pool(given.provider, size, one.constraints.place("faker", one.location)))
    return lambda rng, n: taken(values, rng.integers(0, len(values), n))


def _of_length(drawing: Drawing, one: DataField) -> Drawing:
    """The drawing, cut to texts of the field's length, where it has one."""
    length = one.constraints.length
    if length is None:
        return drawing
    place = next((p for k, p in one.constraints.locations.items() if "length" in k), one.location)
    return fitting(drawing, length, place)


def _characters(length: c.Length | None, kind: SqlType) -> Drawing:
    shortest, longest = characters.DEFAULT_LENGTHS
    if length is not None:
        shortest, longest = length.bounds(0, longest)
    shortest, longest = min(shortest, kind.length), min(longest, kind.length)
    make = characters.random_bytes if kind.name in BINARIES else characters.random_text
    return lambda rng, n: make(rng, n, shortest, longest)


def _now_units(kind: SqlType, maker: ColumnMaker) -> int | None:
    """Now in units of a type of dates or timestamps."""
    if kind.name not in (TypeName.TIMESTAMP, TypeName.TIMESTAMP_LTZ, TypeName.DATE):
        return None
    local = kind.name is not TypeName.TIMESTAMP_LTZ and maker.zone is not None
    moment = (maker.now.astimezone(maker.zone) if local else maker.now).replace(tzinfo=None)
    return unit_of(kind).of(moment.date() if kind.name is TypeName.DATE else moment)
