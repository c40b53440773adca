"""The JSON format: one object a message.

Reads what Flink's JSON format reads, with the same value (tests/engine/formats/flink_2.3.0.jsonl). A field that is
missing is NULL, an unknown one is ignored. Known differences:

* text after the object, and a boolean column given an object, are failures here;
* of equal keys the last counts always;
* an array of objects is a failure (Flink makes several rows of it), and so is an empty message (Flink drops it);
* a column declared NOT NULL refuses a missing or null field;
* bytes that are not UTF-8 are noticed only in fields that are read;
* a fraction of a second is cut to the declared precision at once.

Options: `json.timestamp-format.standard` (SQL, the default, or ISO-8601: how timestamps are written; both are read),
`json.decimal` (number, the default, or string), `json.fail-on-missing-field`, `json.ignore-parse-errors` (a field that
cannot be read is NULL, and a message that is no object never stops a job), `json.encode.ignore-null-fields`,
`timestamp.format.<column>` (see `event_times`). Decimals are written plain, at their full scale, as Flink writes them
with `json.encode.decimal-as-plain-number`.

How it is decoded and why: docs/decisions/0002-json-decoding.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import MAX_RECORD_BYTES, Decoded, in_field, shown, without_failures
from velo_engine.formats.json_encoder import JsonEncoder
from velo_engine.formats.json_fields import RowField, field_decoder
from velo_engine.formats.text_columns import Failures
from velo_engine.schema import RowSchema

MAX_DEPTH = 200
"""Arrays and objects within each other; a deeper message is a failure. (Jackson's limit is 1000.)"""

_STRICT_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError)
"""What makes a batch be read message by message; TypeError is a message without value."""


class JsonFormat:
    """JSON objects to rows of `schema` and back."""

    def __init__(self, schema: RowSchema, options: Mapping[str, str], decoded: frozenset[int] | None = None) -> None:
        """`decoded`: the positions of the columns that are wanted (None: all); the others are NULL in every row."""
        self._schema = schema
        wanted = [i for i in range(len(schema)) if decoded is None or i in decoded]
        self._wanted = RowSchema(tuple(schema.columns[i] for i in wanted))
        self._position = {i: at for at, i in enumerate(wanted)}
        self._tolerant = _flag(options, "json.ignore-parse-errors")
        self._row = RowField(
            [(c.name, c.type, field_decoder(c, options, tolerant=self._tolerant)) for c in self._wanted.columns]
        )
        self._decode = msgspec.json.Decoder(self._row.struct).decode
        self._required = self._wanted.names if _flag(options, "json.fail-on-missing-field") else ()
        self._encoder = JsonEncoder(
            schema,
            iso_timestamps=_choice(options, "json.timestamp-format.standard", ("SQL", "ISO-8601")) == "ISO-8601",
            quoted_decimals=_choice(options, "json.decimal", ("number", "string")) == "string",
            omit_nulls=_flag(options, "json.encode.ignore-null-fields"),
        )

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """One row a message; each message stands alone, so a broken one cannot touch its neighbours."""
        failures: Failures = {}
        rows = self._strict(messages)
        if rows is None:
            rows = self._one_by_one(messages, failures)
        columns, refused = self._row.columns(rows)
        return without_failures(
            self._spread(columns, len(rows)), self._schema, len(rows), refused | failures, passed_over=self._tolerant
        )

    def encode(self, table: pa.Table) -> list[bytes]:
        """One JSON object a row, NULL fields included."""
        return self._encoder.encode(table)

    def _spread(self, columns: Sequence[Any], count: int) -> list[Any]:
        """All columns of the schema from those that were decoded."""
        if len(columns) == len(self._schema):
            return list(columns)
        return [
            columns[self._position[i]] if i in self._position else pa.nulls(count, field.type)
            for i, field in enumerate(self._schema.physical())
        ]

    def _strict(self, messages: Sequence[bytes | None]) -> list[Any] | None:
        """All messages at full speed, or None when one of them needs a closer look."""
        if self._required:
            return None
        try:
            longest = max(map(len, messages), default=0)  # type: ignore[arg-type]
            # Each level takes two bytes, so most batches cannot be too deep.
            if longest > 2 * MAX_DEPTH and (longest > MAX_RECORD_BYTES or any(map(_may_be_deep, messages))):
                return None
            return list(map(self._decode, messages))  # type: ignore[arg-type]
        except _STRICT_ERRORS:
            return None

    def _one_by_one(self, messages: Sequence[bytes | None], failures: Failures) -> list[Any]:
        """A row struct for each message, the blank one for each of `failures`."""
        rows = []
        for index, message in enumerate(messages):
            try:
                if not self._required and len(message) <= 2 * MAX_DEPTH:  # type: ignore[arg-type]
                    rows.append(self._decode(message))  # type: ignore[arg-type]
                    continue
            except _STRICT_ERRORS:
                pass
            rows.append(self._read(message, index, failures))
        return rows

    def _read(self, message: bytes | None, index: int, failures: Failures) -> Any:
        """One message as a row struct; the blank row and a reason when it cannot be read."""
        try:
            if message is None:
                raise ValueError("the record has no value (a tombstone)")
            return self._read_object(message)
        except UnicodeDecodeError:
            failures[index] = "not valid UTF-8"
        except msgspec.DecodeError as problem:
            failures[index] = _malformed(problem)
        except RecursionError:
            failures[index] = _TOO_DEEP
        except ValueError as problem:
            failures[index] = str(problem)
        return self._row.blank

    def _read_object(self, message: bytes) -> Any:
        if len(message) > MAX_RECORD_BYTES:
            raise ValueError(f"the record has {len(message)} bytes, more than {MAX_RECORD_BYTES}")
        if _may_be_deep(message) and _depth(message) > MAX_DEPTH:
            raise ValueError(_TOO_DEEP)
        if not message.strip():
            raise ValueError("the record is empty")
        self._check_required(message)
        try:
            return self._decode(message)
        except msgspec.ValidationError:
            return self._lenient(message)
        except msgspec.DecodeError:
            mended = _as_jackson_reads(message)
            if mended == message:
                raise
            return self._lenient(mended)

    def _lenient(self, message: bytes) -> Any:
        text = message.strip()
        if not text.startswith(b"{"):
            msgspec.json.decode(text)  # malformed JSON is the better reason
            raise ValueError(f"{shown(text.decode(errors='replace'))} is not a JSON object")
        return self._row.lenient(text)

    def _check_required(self, message: bytes) -> None:
        if self._required:
            members = msgspec.json.decode(message, type=dict[str, msgspec.Raw])
            for column in self._wanted.columns:
                if column.name not in members:
                    raise ValueError(in_field(column.name, column.type, "missing"))


_TOO_DEEP = f"arrays and objects are nested more than {MAX_DEPTH} deep"


def _may_be_deep(message: bytes | None) -> bool:
    return message is not None and message.count(b"[") + message.count(b"{") > MAX_DEPTH


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def _depth(message: bytes) -> int:
    """How deep brackets are nested, those in strings left out."""
    characters = np.frombuffer(_STRING.sub(b"", message), np.uint8)
    opening = (characters == ord("[")) | (characters == ord("{"))
    closing = (characters == ord("]")) | (characters == ord("}"))
    return int(np.cumsum(opening.astype(np.int64) - closing).max(initial=0))


_CONTROL = re.compile(rb"[\x00-\x1f]")
_ESCAPE = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)"
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _as_jackson_reads(message: bytes) -> bytes:
    """The message with what Flink's parser accepts beyond JSON made JSON.

    That is a byte order mark, control characters in strings, and half a surrogate pair (which becomes `?`).
    """
    text = message.removeprefix(_BYTE_ORDER_MARK)
    return _STRING.sub(lambda string: _ESCAPE.sub(_whole_pair, _CONTROL.sub(_escaped, string[0])), text)


def _escaped(control: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % control[0][0]


def _whole_pair(escape: re.Match[bytes]) -> bytes:
    return b"?" if escape[1] is None and len(escape[0]) == 6 else escape[0]


def _malformed(problem: msgspec.DecodeError) -> str:
    text = str(problem)
    if text == "Input data was truncated":
        return "malformed JSON: it ends too early"
    return "malformed JSON: " + text.removeprefix("JSON is malformed: ")


def _flag(options: Mapping[str, str], key: str) -> bool:
    return _choice(options, key, ("false", "true")) == "true"


def _choice(options: Mapping[str, str], key: str, values: tuple[str, ...]) -> str:
    """The option's value among `values`, whatever its case; the first when it is not given."""
    written = options.get(key, values[0])
    for value in values:
        if value.casefold() == written.strip().casefold():
            return value
    raise VeloError(ErrorCode.BAD_PROPERTY, f'"{key}" is "{written}"', hint=f"it can be {' or '.join(values)}")
