"""Hypothesis strategies for column types with their values, for tests of formats."""

import datetime
from decimal import Decimal

import pyarrow as pa
from hypothesis import strategies as st

from velo_engine import types
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType, TypeName, arrow_type

EPOCH = datetime.datetime(1970, 1, 1)
INT_BITS = {TypeName.TINYINT: 8, TypeName.SMALLINT: 16, TypeName.INT: 32, TypeName.BIGINT: 64}

SCALARS = [
    types.BOOLEAN,
    types.TINYINT,
    types.SMALLINT,
    types.INT,
    types.BIGINT,
    types.FLOAT,
    types.DOUBLE,
    types.STRING,
    types.BYTES,
    types.DATE,
    types.time(3),
    types.timestamp(3),
    types.timestamp(6),
    types.timestamp_ltz(3),
    types.timestamp_ltz(6),
]


def scalar_types() -> st.SearchStrategy[SqlType]:
    decimals = st.integers(1, 38).flatmap(lambda p: st.integers(0, p).map(lambda s: types.decimal(p, s)))
    return st.one_of(st.sampled_from(SCALARS), decimals)


def sql_types(scalars: st.SearchStrategy[SqlType], *, null_items: bool = True) -> st.SearchStrategy[SqlType]:
    """Types up to a few levels deep; with `null_items` what is inside may be NULL."""

    def nested(inner: st.SearchStrategy[SqlType]) -> st.SearchStrategy[SqlType]:
        items = st.tuples(inner, st.booleans()).map(lambda x: x[0].as_nullable(x[1] and null_items))
        return st.one_of(
            items.map(types.array),
            items.map(lambda t: types.map_of(types.STRING.as_nullable(False), t)),
            st.lists(items, min_size=1, max_size=3).map(
                lambda ts: types.row(*[(f"f{i}", t) for i, t in enumerate(ts)])
            ),
        )

    return st.recursive(scalars, nested, max_leaves=4)


def values(t: SqlType) -> st.SearchStrategy[object]:
    """Values of `t` as pyarrow takes and gives them."""
    some = _values(t)
    return st.none() | some if t.nullable else some


def _values(t: SqlType) -> st.SearchStrategy[object]:
    match t.name:
        case name if name in INT_BITS:
            limit = 1 << (INT_BITS[name] - 1)
            return st.integers(-limit, limit - 1) | st.integers(-3, 3)
        case TypeName.BOOLEAN:
            return st.booleans()
        case TypeName.FLOAT:
            return st.floats(width=32, allow_nan=False)
        case TypeName.DOUBLE:
            return st.floats(allow_nan=False)
        case TypeName.VARCHAR:
            return st.text(st.characters(codec="utf-8"), max_size=8)
        case TypeName.VARBINARY:
            return st.binary(max_size=8)
        case TypeName.DECIMAL:
            limit = 10**t.precision - 1
            # scaleb rounds to the context's 28 digits; a text does not.
            return (st.integers(-limit, limit) | st.integers(-min(300, limit), min(300, limit))).map(
                lambda n: Decimal(f"{n}E{-t.scale}")
            )
        case TypeName.DATE:
            return st.dates()
        case TypeName.TIME:
            return st.integers(0, 86_399_999).map(lambda ms: (EPOCH + datetime.timedelta(milliseconds=ms)).time())
        case TypeName.TIMESTAMP | TypeName.TIMESTAMP_LTZ:
            unit = 10 ** (6 - t.precision)
            moments = st.integers(-62_135_596_800 * 10**t.precision, 253_402_300_799 * 10**t.precision)
            return moments.map(lambda n: EPOCH + datetime.timedelta(microseconds=n * unit))
        case TypeName.ARRAY:
            return st.lists(values(t.element), max_size=4)
        case TypeName.MAP:
            return st.dictionaries(st.text("abc", max_size=3), values(t.element), max_size=3).map(
                lambda m: list(m.items())
            )
        case TypeName.ROW:
            return st.fixed_dictionaries({name: values(child) for name, child in t.fields})
        case _:
            raise NotImplementedError(t)


@st.composite
def tables(draw, kinds: st.SearchStrategy[SqlType], max_rows: int = 12) -> tuple[RowSchema, list[dict[str, object]]]:
    """A schema and rows of it."""
    columns = draw(st.lists(st.tuples(kinds, st.booleans()), min_size=1, max_size=4))
    schema = RowSchema.of(*[(f"col{i}", t.as_nullable(nullable)) for i, (t, nullable) in enumerate(columns)])
    row = st.fixed_dictionaries({c.name: values(c.type) for c in schema.columns})
    return schema, draw(st.lists(row, max_size=max_rows))


def physical(schema: RowSchema, rows: list[dict[str, object]]) -> pa.Table:
    """The rows as the engine holds them."""
    columns = [pa.array([row[c.name] for row in rows], arrow_type(c.type)) for c in schema.columns]
    return pa.table(columns, schema=schema.physical())


def rows_of(schema: RowSchema, table: pa.Table) -> list[dict[str, object]]:
    return [dict(zip(schema.names, row.values(), strict=True)) for row in table.to_pylist()]
