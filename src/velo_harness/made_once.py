"""Generated tables, files and encoded records, made once per process: queries of a spec often share their inputs.

Keys are the content that decides the result; where content is an object, the cache holds it, so that its identity stays
its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import pyarrow as pa

from velo_engine.errors import Location
from velo_engine.schema import RowSchema
from velo_harness.constraints import FieldConstraints
from velo_harness.data_files import read_table
from velo_harness.data_schema import DataSchema
from velo_harness.spec import DataFile
from velo_harness.topic_inputs import RecordLayout, encoded

_T = TypeVar("_T")

KEPT_TABLES = 64
LARGEST_KEPT = 100_000
"""Rows of a table; larger ones are made again rather than kept in memory."""


class _Kept(Generic[_T]):
    """The results used last."""

    def __init__(self) -> None:
        self._results: OrderedDict[Hashable, tuple[object, _T]] = OrderedDict()

    def get(self, key: Hashable, holds: object, make: Callable[[], _T], rows: Callable[[_T], int]) -> _T:
        """The result for `key`. `holds` are the objects whose identity is part of the key."""
        found = self._results.get(key)
        if found is not None:
            self._results.move_to_end(key)
            return found[1]
        result = make()
        if rows(result) <= LARGEST_KEPT:
            self._results[key] = (holds, result)
            if len(self._results) > KEPT_TABLES:
                self._results.popitem(last=False)
        return result


_generated: _Kept[pa.Table] = _Kept()
_files: _Kept[pa.Table] = _Kept()
_records: _Kept[list[bytes]] = _Kept()


def _table_rows(table: pa.Table) -> int:
    return int(table.num_rows)


def generated_once(
    schema: DataSchema,
    *,
    records: int,
    seed: int,
    now: datetime,
    name: str,
    overrides: Mapping[str, FieldConstraints],
    null_probability: float | None,
    references: Mapping[str, pa.Table],
    event_times: Any,
    zone: ZoneInfo | None,
    location: Location,
) -> pa.Table:
    """As `generation.tables.generate`."""
    from velo_harness.generation.tables import generate

    parts = (records, seed, now, name, repr(dict(overrides)), null_probability, repr(event_times), str(zone))
    key = (id(schema), *parts, tuple((other, id(table)) for other, table in references.items()))
    return _generated.get(
        key,
        (schema, *references.values()),
        lambda: generate(
            schema,
            records=records,
            seed=seed,
            now=now,
            name=name,
            overrides=overrides,
            null_probability=null_probability,
            references=references,
            event_times=event_times,
            zone=zone,
            location=location,
        ),
        _table_rows,
    )


def read_once(file: DataFile, schema: RowSchema, zone: ZoneInfo | None) -> pa.Table:
    """As `data_files.read_table`; read again when the file has changed."""
    try:
        status = file.path.stat()
    except OSError:
        return read_table(file, schema, zone)
    key = (file.path, status.st_mtime_ns, status.st_size, file.format, schema, str(zone))
    return _files.get(key, None, lambda: read_table(file, schema, zone), _table_rows)


def encoded_once(table: pa.Table, schema: RowSchema, layout: RecordLayout) -> list[bytes]:
    """As `topic_inputs.encoded`. The list is shared: do not change it."""
    key = (id(table), schema, layout.format, tuple(sorted(layout.properties.items())))
    return _records.get(key, table, lambda: encoded(table, schema, layout), len)
