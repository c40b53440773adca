"""A table that the input does not declare, as the CREATE TABLE that its statements need.

A column of which nothing is said is a STRING; a number is a BIGINT, or a DOUBLE when it is called or used like one
with a fraction; one column that time goes by has the watermark; the columns by which rows are looked up are the key.
"""

from __future__ import annotations

from collections.abc import Iterator

from velo_engine.types import SqlType, TypeName, decimal
from velo_import.catalog import quoted
from velo_import.convert.inference.relations import OpenTable
from velo_import.convert.inference.variables import CANDIDATES, is_processing_time, kind_of

_MOMENT = frozenset({TypeName.TIMESTAMP, TypeName.TIMESTAMP_LTZ})
_WITHOUT_COLUMNS = "data"
_VERSION = "row_time"


def create_table(table: OpenTable) -> str:
    """`CREATE TABLE … (…)`, without options."""
    items = ",\n".join(f"    {item}" for item in _items(table))
    return f"CREATE TABLE {quoted(table.key[2])} (\n{items}\n)"


def _items(table: OpenTable) -> Iterator[str]:
    time = _event_time(table)
    names = _ordered(table)
    for name in names:
        variable = table.columns[name]
        if _is_processing_time(table, name):
            yield f"{quoted(name)} AS PROCTIME()"
        else:
            yield f"{quoted(name)} {variable.type()}"
    if not names:
        yield f"{_WITHOUT_COLUMNS} STRING"
    if table.is_versioned and time is None:
        time = _VERSION
        yield f"{_VERSION} TIMESTAMP(3)"
    if time is not None:
        yield f"WATERMARK FOR {quoted(time)} AS {quoted(time)}"
    keys = [name for name in table.lookup_keys if not _is_processing_time(table, name)]
    if keys:
        yield f"PRIMARY KEY ({', '.join(map(quoted, keys))}) NOT ENFORCED"


def _ordered(table: OpenTable) -> list[str]:
    """Its columns: as the first INSERT writes them, then as they are named."""
    return list(dict.fromkeys((*(table.written_columns or ()), *table.columns)))


def _event_time(table: OpenTable) -> str | None:
    """The column that time goes by most; of a table of versions one that looks like a time will do."""
    found = [
        name
        for name in table.event_times
        if not _is_processing_time(table, name) and table.columns[name].type().name in _MOMENT
    ]
    if not found and table.is_versioned:
        found = [name for name, own in table.columns.items() if own.type().name in _MOMENT]
    return max(found, key=lambda name: table.event_times.get(name, 0), default=None)


def _is_processing_time(table: OpenTable, name: str) -> bool:
    own = table.columns[name].root()
    return is_processing_time(name) and not own.known and not own.fields and table.written_columns is None


def generalized(found: SqlType) -> SqlType:
    """The type of a column that takes values like those of a query: not only those of its first rows."""
    if found.name is TypeName.DECIMAL:
        return decimal(38, max(found.scale, 6))
    kind = kind_of(found)
    if kind in ("string", "integer"):
        return CANDIDATES[kind]
    return found.as_nullable()
