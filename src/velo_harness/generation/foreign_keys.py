"""Foreign keys: values that really exist in the rows of another schema of the same run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean, nearest
from velo_engine.types import STRINGS, SqlType, arrow_type
from velo_harness.constraints import Reference
from velo_harness.generation.choices import Drawing, taken
from velo_harness.generation.units import is_ordered, unit_of

UNMATCHED_PREFIX = "unmatched-"
"""What texts start with that exist in no row."""


def referenced(
    given: Reference, tables: Mapping[str, pa.Table], kind: SqlType, place: Location, *, unique: bool
) -> Drawing:
    """What draws keys: every row of the other table is as likely as any other, or, for `unique`, every value.

    Errors: UNKNOWN_SCHEMA, UNKNOWN_COLUMN, EMPTY_INPUT, BAD_VALUE.
    """
    keys = _keys(given, tables, kind, place)
    if unique:
        keys = keys.unique()
    if given.match_rate >= 1:
        return lambda rng, n: taken(keys, rng.integers(0, len(keys), n))
    absent = _absent(keys, kind, place)

    def drawing(rng: np.random.Generator, n: int) -> pa.Array:
        matched = rng.random(n) < given.match_rate
        codes = np.where(matched, rng.integers(0, len(keys), n), len(keys) + rng.integers(0, len(absent), n))
        return taken(pa.concat_arrays([keys, absent]), codes)

    return drawing


def _keys(given: Reference, tables: Mapping[str, pa.Table], kind: SqlType, place: Location) -> pa.Array:
    """The values of the other field, without nulls, as this field's type."""
    table = tables.get(given.schema)
    if table is None:
        close = nearest(given.schema, tables)
        add = f'give the query an input "{given.schema}", or override the field with values of its own'
        hint = add if close is None else f'did you mean "{close}"?'
        message = f'the foreign key points into "{given.schema}", which is no input of this run'
        raise VeloError(ErrorCode.UNKNOWN_SCHEMA, message, location=place, hint=hint)
    if given.field not in table.column_names:
        hint = did_you_mean(given.field, table.column_names, noun="field")
        message = f'"{given.schema}" has no field "{given.field}"'
        raise VeloError(ErrorCode.UNKNOWN_COLUMN, message, location=place, hint=hint)
    keys = table.column(given.field).combine_chunks().drop_null()
    if len(keys) == 0:
        message = f'the foreign key points into "{given.schema}.{given.field}", which has no values'
        raise VeloError(ErrorCode.EMPTY_INPUT, message, location=place)
    try:
        return keys.cast(arrow_type(kind))
    except pa.ArrowInvalid:
        message = f'the values of "{given.schema}.{given.field}" do not fit a field of type {kind.as_nullable()}'
        raise VeloError(ErrorCode.BAD_VALUE, message, location=place) from None


def _absent(keys: pa.Array, kind: SqlType, place: Location) -> pa.Array:
    """As many values again that no row has. Errors: BAD_VALUE for types that have no such values at hand."""
    if kind.name in STRINGS:
        texts = [f"{UNMATCHED_PREFIX}{i}" for i in range(1, len(keys) + 1)]
        held = set(keys.to_pylist())
        return pa.array([text for text in texts if text not in held], pa.string())
    if is_ordered(kind):
        values = keys.to_pylist()
        unit = unit_of(kind, min(values), max(values))
        top, most = max(unit.of(value) for value in values), unit.limits()[1]
        if top + len(keys) <= most:
            return unit.array(top + np.arange(1, len(keys) + 1))
    message = f"there are no values of type {kind.as_nullable()} that no row has, as match_rate below 1 needs"
    raise VeloError(ErrorCode.BAD_VALUE, message, location=place)
