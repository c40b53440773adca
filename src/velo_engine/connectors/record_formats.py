"""Which columns of a table are in a record's key, which in its value, and the formats of both.

Source: the options `key.format`, `key.fields`, `key.fields-prefix` and `value.fields-include` of Flink's Kafka
connector, and `upsert-kafka`, whose key is the primary key. With `value.fields-include` = ALL (the default) the value
has all columns and the key of a source is not read; with EXCEPT_KEY the key's columns come from the key alone, under
their names without the prefix. Flink drops a record whose key gives no row; here it is a failure.

Options of the formats are written after `key.` and `value.` as in Flink (`key.avro-confluent.subject`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.batch import Int8s, Int64s, RowKind
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.formats.base import Decoded, DecodeFailure, Format, open_format
from velo_engine.schema import Column, RowSchema
from velo_engine.types import BINARIES, STRINGS

KEY_FORMAT = "key.format"
KEY_FIELDS = "key.field"
KEY_PREFIX = "key.fields-prefix"
FIELDS_INCLUDE = "value.fields-include"

_KEY_OPTIONS, _VALUE_OPTIONS = "key.", "value."
_TEXTS = frozenset({"raw", "string", "text"})
"""Key formats that are the one column's text."""


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """Positions of a table's columns."""

    key: tuple[int, ...]
    value: tuple[int, ...]
    """In the order of the table."""
    prefix: str = ""
    """What the key's columns are called more than in the key."""

    def key_schema(self, schema: RowSchema) -> RowSchema:
        """The columns of the key, under their names there."""
        chosen = (schema.columns[i] for i in self.key)
        return RowSchema(tuple(Column(c.name.removeprefix(self.prefix), c.type) for c in chosen))


def key_layout(
    name: str, schema: RowSchema, properties: Mapping[str, str], primary_key: Sequence[int] = ()
) -> KeyLayout:
    """Where the columns of the source or sink `name` are. A `primary_key` is the key of a stream of upserts.

    Raises VeloError: a key field that the table does not have, options that contradict each other.
    """
    prefix = properties.get(KEY_PREFIX, "")
    key = tuple(primary_key) or _key_fields(name, schema, properties)
    included = properties.get(FIELDS_INCLUDE, "ALL").strip().upper().replace("-", "_")
    if included not in ("ALL", "EXCEPT_KEY"):
        raise _bad(name, f"{FIELDS_INCLUDE} is {included}", "it can be ALL or EXCEPT_KEY")
    if included == "ALL":
        if prefix:
            raise _bad(
                name, f"{KEY_PREFIX} is set while the value has all columns", f"set {FIELDS_INCLUDE} = EXCEPT_KEY"
            )
        return KeyLayout(key, tuple(range(len(schema))))
    if not key or properties.get(KEY_FORMAT) is None:
        raise _bad(name, f"{FIELDS_INCLUDE} = EXCEPT_KEY without a key", f"set {KEY_FORMAT} and key.fields")
    wrong = next((schema.names[i] for i in key if not schema.names[i].startswith(prefix)), None)
    if wrong is not None:
        raise _bad(name, f'the key field "{wrong}" does not begin with {KEY_PREFIX} ("{prefix}")', "rename the column")
    return KeyLayout(key, tuple(i for i in range(len(schema)) if i not in key), prefix)


def _bad(name: str, problem: str, hint: str) -> VeloError:
    return VeloError(ErrorCode.BAD_PROPERTY, f"{name}: {problem}", hint=hint)


def _key_fields(name: str, schema: RowSchema, properties: Mapping[str, str]) -> tuple[int, ...]:
    """The columns that `key.fields` names, in its order."""
    found = []
    for field in properties.get(KEY_FIELDS, "").replace(";", ",").split(","):
        if not field.strip():
            continue
        position = schema.index(field.strip())
        if position is None:
            raise VeloError(
                ErrorCode.UNKNOWN_COLUMN,
                f'{name} has no column "{field.strip()}" for its key',
                hint=did_you_mean(field.strip(), schema.names, noun="column"),
            )
        found.append(position)
    return tuple(found)


def value_options(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties as the format of the value reads them: those after `value.` without it, none of the key."""
    own = {k.removeprefix(_VALUE_OPTIONS): v for k, v in properties.items() if k.startswith(_VALUE_OPTIONS)}
    return {k: v for k, v in properties.items() if not k.startswith((_KEY_OPTIONS, _VALUE_OPTIONS))} | own


def key_options(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties as the format of the key reads them: its own ones, and what is not about a format."""
    own = {k.removeprefix(_KEY_OPTIONS): v for k, v in properties.items() if k.startswith(_KEY_OPTIONS)}
    shared = {k: v for k, v in properties.items() if k == "topic" or k.startswith("schema.registry.")}
    url = own.get("avro-confluent.url") or own.get("protobuf-confluent.url")
    return shared | own | ({"schema.registry.url": url} if url else {})


def open_key_format(schema: RowSchema, layout: KeyLayout, properties: Mapping[str, str]) -> Format | None:
    """The format of the keys; None where a key is its one column's text, or where nothing says what it is.

    Raises VeloError: an unknown format, more columns than it carries.
    """
    form = properties.get(KEY_FORMAT, "").strip()
    if not form or not layout.key or (form.casefold() in _TEXTS and len(layout.key) == 1):
        return None
    return open_format(form, layout.key_schema(schema), key_options(properties), is_key=True)


def open_decoder(
    name: str,
    schema: RowSchema,
    properties: Mapping[str, str],
    decoded: frozenset[int] | None,
    primary_key: Sequence[int] = (),
) -> Format | KeyedFormat:
    """What decodes the records of the source `name`.

    Raises VeloError: as `key_layout`, `open_format`; upserts whose keys have no format.
    """
    layout = key_layout(name, schema, properties, primary_key)
    form = properties.get("format", "json")
    options = value_options(properties)
    # Upserts in JSON have a reader of their own (`TombstoneReader`), which also takes keys that are plain texts.
    if len(layout.value) == len(schema) and (not primary_key or form.casefold() == "json"):
        return open_format(form, schema, options, decoded)
    keys = open_key_format(schema, layout, properties)
    if keys is None and properties.get(KEY_FORMAT):
        keys = _text_format(layout.key_schema(schema))
    if keys is None:
        raise _bad(name, f'upserts in the format "{form}" need to know the format of their keys', f"set {KEY_FORMAT}")
    wanted = None if decoded is None else frozenset(at for at, i in enumerate(layout.value) if i in decoded)
    values = open_format(form, schema.select(layout.value), options, wanted)
    return KeyedFormat(schema, layout, keys, values, upserts=bool(primary_key))


def _text_format(key: RowSchema) -> Format:
    """Of keys that are the text of their one column."""
    return open_format("raw" if key.types[0].name in STRINGS | BINARIES else "csv", key, {})


class KeyedFormat:
    """Decodes records of which both the key and the value are columns."""

    def __init__(self, schema: RowSchema, layout: KeyLayout, keys: Format, values: Format, *, upserts: bool) -> None:
        """With `upserts` a record without value takes the row of its key away."""
        self._schema = schema
        self._layout = layout
        self._keys = keys
        self._values = values
        self._upserts = upserts

    def decode_records(self, values: Sequence[bytes | None], keys: Sequence[bytes | None]) -> Decoded:
        """The rows of records; the reason of a key that does not decode begins with `key: `."""
        present = [i for i, value in enumerate(values) if value is not None or not self._upserts]
        gone = [i for i, value in enumerate(values) if value is None] if self._upserts else []
        decoded = self._values.decode([values[i] for i in present])
        failures = {present[f.index]: replace(f, index=present[f.index]) for f in decoded.failures}
        of_keys = self._keys.decode(keys)
        failures.update({f.index: replace(f, reason=f"key: {_of_key(keys[f.index], f)}") for f in of_keys.failures})
        key_row = np.full(len(values), -1, np.int64)
        key_row[of_keys.positions] = np.arange(len(of_keys.positions))
        records = np.concatenate([np.array(present, np.int64)[decoded.positions], np.array(gone, np.int64)])
        value_row = np.concatenate([np.arange(len(decoded.positions)), np.full(len(gone), -1)])
        kinds = self._kinds(decoded, len(gone))
        order = np.argsort(records, kind="stable")
        order = order[key_row[records[order]] >= 0]
        records, value_row = records[order], value_row[order]
        return Decoded(
            self._rows(decoded.table, of_keys.table, value_row, key_row[records]),
            records,
            tuple(failures[i] for i in sorted(failures)),
            None if kinds is None else kinds[order],
        )

    def _kinds(self, decoded: Decoded, gone: int) -> Int8s | None:
        if not self._upserts:
            return decoded.kinds
        changed = np.full(len(decoded.positions), RowKind.UPDATE_AFTER, np.int8)
        return np.concatenate([changed, np.full(gone, RowKind.DELETE, np.int8)])

    def _rows(self, values: pa.Table, keys: pa.Table, value_row: Int64s, key_row: Int64s) -> pa.Table:
        """Rows of the table; columns that are in both come from the value, but of a tombstone from the key."""
        at_value = pa.array(value_row, mask=value_row < 0)
        columns: dict[int, pa.ChunkedArray] = {
            position: values.column(at).take(at_value) for at, position in enumerate(self._layout.value)
        }
        for at, position in enumerate(self._layout.key):
            from_key = keys.column(at).take(pa.array(key_row))
            known = columns.get(position)
            columns[position] = from_key if known is None else _where_gone(from_key, known, value_row)
        return pa.table([columns[i] for i in range(len(self._schema))], schema=self._schema.physical())


def _where_gone(from_key: pa.ChunkedArray, from_value: pa.ChunkedArray, value_row: Int64s) -> pa.Array:
    return pc.if_else(pa.array(value_row < 0), from_key, from_value)


def _of_key(key: bytes | None, failure: DecodeFailure) -> str:
    return "the record has no key" if key is None else failure.reason


class _ValueEncoder:
    """Writes the columns of the value, when the key has others."""

    def __init__(self, values: Format, layout: KeyLayout) -> None:
        self._values = values
        self._layout = layout

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """The columns of the value alone."""
        return self._values.decode(messages)

    def encode(self, table: pa.Table) -> list[bytes]:
        """One value a row."""
        names = [f"c{i}" for i in range(len(self._layout.value))]
        columns = [table.column(f"c{i}") for i in self._layout.value]
        if "kind" in table.column_names:
            names, columns = [*names, "kind"], [*columns, table.column("kind")]
        return self._values.encode(pa.table(columns, names=names))


@dataclass(frozen=True, slots=True)
class Encoders:
    """How the rows of a sink become records."""

    values: Format
    keys: Format | None
    """Of the key's columns; None: a key is one column's text, or a JSON object of several."""
    key_columns: tuple[int, ...]


def open_encoders(
    name: str, schema: RowSchema, properties: Mapping[str, str], primary_key: Sequence[int] = ()
) -> Encoders:
    """What encodes the rows of the sink `name`. Raises VeloError as `key_layout` and `open_format`."""
    layout = key_layout(name, schema, properties, primary_key)
    keys = open_key_format(schema, layout, properties)
    form, options = properties.get("format", "json"), value_options(properties)
    values = open_format(form, schema.select(layout.value), options)
    if len(layout.value) < len(schema):
        values = _ValueEncoder(values, layout)
    return Encoders(values, keys, layout.key)
