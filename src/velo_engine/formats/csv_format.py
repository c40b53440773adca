"""The CSV format: one record a message, RFC 4180.

Values are read by the rules of Flink's CSV format (tests/engine/formats/flink_2.3.0.jsonl), except:

* an empty unquoted field is NULL (Flink: an empty string, or an error for numbers) while `""` is an empty string;
* both the SQL and the ISO-8601 form of a timestamp are read, and white space around all values but strings is ignored;
* dates are of the Gregorian calendar (Flink's CSV shifts those before 1582) and days that do not exist are failures;
* a TIME keeps its milliseconds (Flink's CSV cuts them);
* text between a closing quote and the delimiter is a failure (Flink ignores white space there).

Options: `csv.field-delimiter` or `delimiter` (one ASCII character, default a comma; `\\t` is a tab),
`csv.quote-character`, `csv.disable-quote-character`, `csv.null-literal` (then only that text is NULL),
`csv.timestamp-format.standard` (SQL, the default, or ISO-8601: how timestamps are written),
`csv.ignore-parse-errors` (a field that cannot be read is NULL, and a record that is none never stops a job),
`timestamp.format.<column>`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import MAX_RECORD_BYTES, Decoded, in_field, without_failures
from velo_engine.formats.cells import JAVA_WHITESPACE
from velo_engine.formats.csv_records import MALFORMED, CsvRecords
from velo_engine.formats.event_times import event_time_reader
from velo_engine.formats.scalar_text import scalar_text
from velo_engine.formats.text_columns import Failures, TextReader, text_reader
from velo_engine.schema import Column, RowSchema
from velo_engine.types import STRING, STRINGS, SqlType, TypeName, arrow_type

_NESTED = frozenset({TypeName.ARRAY, TypeName.MAP, TypeName.MULTISET, TypeName.ROW, TypeName.NULL})


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How CSV text is written."""

    delimiter: str = ","
    quote: str | None = '"'
    null_literal: str | None = None
    """The unquoted text of NULL; None: an empty unquoted field."""


def csv_dialect(options: Mapping[str, str]) -> CsvDialect:
    """The dialect that `options` describe. Raises VeloError unless delimiter and quote are single ASCII characters."""
    delimiter = options.get("csv.field-delimiter", options.get("delimiter", ",")).replace("\\t", "\t")
    quote: str | None = options.get("csv.quote-character", '"')
    if options.get("csv.disable-quote-character", "false").casefold() == "true":
        quote = None
    for name, character in (("field-delimiter", delimiter), ("quote-character", quote or '"')):
        if len(character) != 1 or not character.isascii() or character in "\r\n":
            raise VeloError(ErrorCode.BAD_PROPERTY, f'"csv.{name}" must be one ASCII character, not "{character}"')
    return CsvDialect(delimiter, quote, options.get("csv.null-literal"))


class CsvFormat:
    """CSV records to rows of `schema` and back. Fields are matched by position."""

    def __init__(self, schema: RowSchema, options: Mapping[str, str]) -> None:
        self.dialect = csv_dialect(options)
        self.records = CsvRecords(self.dialect.delimiter, self.dialect.quote)
        self._schema = schema
        self._readers = [_reader(column, options) for column in schema.columns]
        self._tolerant = options.get("csv.ignore-parse-errors", "false").casefold() == "true"
        self._iso_timestamps = options.get("csv.timestamp-format.standard", "SQL").casefold() == "iso-8601"

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """One row a message; a message may end in a line ending."""
        failures: Failures = {}
        records = []
        for i, message in enumerate(messages):
            record = b"" if message is None else message.rstrip(b"\r\n")
            if message is None:
                failures[i] = "the record has no value (a tombstone)"
            elif not record:
                failures[i] = "the record is empty"
            elif len(record) > MAX_RECORD_BYTES:
                failures[i] = f"the record has {len(record)} bytes, more than {MAX_RECORD_BYTES}"
            records.append(record)
        return self.decode_records(records, range(len(self._schema)), failures)

    def decode_records(self, records: Sequence[bytes], fields: Sequence[int], failures: Failures) -> Decoded:
        """Rows from single records without line ending. `failures` (by record) are already known, and not read.

        `fields` says which column of the schema each field is (-1: none); every record must have that many fields.
        """
        failures = dict(failures)
        joined = b"\n".join(records)
        if self._needs_checking(joined, len(records)):
            for i, record in enumerate(records):
                if i not in failures and not self.records.is_one_record(record):
                    failures[i] = MALFORMED
        if not joined.isascii():
            _refuse_invalid_text(joined, records, failures)
        good: Sequence[int] = range(len(records))
        if failures:
            good = [i for i in good if i not in failures]
            joined = b"\n".join([records[i] for i in good])
        texts = self._texts(joined, fields, good, failures)
        if len(texts) != len(records):
            # The columns hold only the readable records: spread them out again, NULL in between.
            kept = np.setdiff1d(np.arange(len(records)), np.fromiter(failures, np.int64, len(failures)))
            spread = np.full(len(records), -1, np.int64)
            spread[kept] = np.arange(len(kept))
            texts = texts.take(pa.array(spread, mask=spread < 0))
        columns, refused = self._columns(texts, fields)
        return without_failures(columns, self._schema, len(records), refused | failures, passed_over=self._tolerant)

    def encode(self, table: pa.Table) -> list[bytes]:
        """One record a row, without line ending; fields are quoted where they must be."""
        if table.num_rows == 0:
            return []
        parts: list[object] = []
        for i, t in enumerate(self._schema.types):
            parts.append(self._fields(table.column(f"c{i}").combine_chunks(), t))
        records = pc.binary_join_element_wise(
            *parts, self.dialect.delimiter, null_handling="replace", null_replacement=self.dialect.null_literal or ""
        )
        messages: list[bytes] = records.cast(pa.binary()).to_pylist()
        return messages

    def header(self) -> bytes:
        """The column names as a record."""
        names = self._fields(pa.array(self._schema.names, pa.string()), STRING)
        return self.dialect.delimiter.join(names.to_pylist()).encode()

    def fields_of(self, record: bytes) -> list[str]:
        """The fields of one record as text. Raises UnicodeDecodeError."""
        quote = self.dialect.quote
        fields = csv.reader(
            io.StringIO(record.decode(), newline=""),
            delimiter=self.dialect.delimiter,
            quotechar=quote,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        )
        return next(fields, [""])

    def text_columns(self, records: Sequence[bytes], count: int) -> list[list[str | None]]:
        """`count` fields of each record as text, NULLs as None; records with another number of fields are left out."""
        good = [record for record in records if self.records.is_one_record(record) and _is_text(record)]
        texts = self._texts(b"\n".join(good), range(count), range(len(good)), {})
        return [column.to_pylist() for column in texts.columns]

    def _needs_checking(self, joined: bytes, count: int) -> bool:
        """Whether a record could be more or less than one record."""
        quote = self.dialect.quote
        return b"\r" in joined or joined.count(b"\n") != max(count - 1, 0) or (quote or "\n").encode() in joined

    def _texts(self, joined: bytes, fields: Sequence[int], good: Sequence[int], failures: Failures) -> pa.Table:
        """The fields as text columns; records with another number of fields go to `failures`."""
        wrong: Failures = {}

        def refuse(row: pa_csv.InvalidRow) -> str:
            wrong[good[row.number - 1]] = f"{row.actual_columns} fields, expected {row.expected_columns}"
            return "skip"

        names = [f"f{i}" for i in range(len(fields))]
        null = self.dialect.null_literal
        table = pa_csv.read_csv(
            pa.BufferReader(joined + b"\n"),  # without a line ending a last empty field counts as quoted
            read_options=pa_csv.ReadOptions(
                use_threads=False, block_size=max(len(joined) + 2, 1024), column_names=names
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=self.dialect.delimiter,
                quote_char=self.dialect.quote or False,
                newlines_in_values=True,
                invalid_row_handler=refuse,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=["" if null is None else null],
                check_utf8=False,
            ),
        )
        assert table.num_rows + len(wrong) == len(good), "records and parsed rows must correspond"
        failures.update(wrong)
        return table

    def _columns(self, texts: pa.Table, fields: Sequence[int]) -> tuple[list[pa.Array], Failures]:
        failures: Failures = {}
        columns = []
        for i, column in enumerate(self._schema.columns):
            if i not in fields:
                columns.append(pa.nulls(texts.num_rows, arrow_type(column.type)))
                continue
            text = texts.column(fields.index(i)).combine_chunks()
            values, reasons = self._readers[i](text)
            for at, reason in () if self._tolerant else reasons.items():
                failures.setdefault(at, in_field(column.name, column.type, reason))
            if not column.type.nullable and values.null_count:
                for at in np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False)).tolist():
                    failures.setdefault(at, in_field(column.name, column.type, "missing or null"))
            columns.append(values)
        return columns, failures

    def _fields(self, column: pa.Array, t: SqlType) -> pa.Array:
        text = scalar_text(column, t, iso_timestamps=self._iso_timestamps)
        if t.name not in STRINGS:
            return text
        null = self.dialect.null_literal
        special = pc.match_substring_regex(
            text, f"[{_in_class(self.dialect.delimiter + (self.dialect.quote or ''))}\r\n]"
        )
        needs = pc.or_(special, pc.equal(text, "" if null is None else null)).fill_null(False)
        return self._quoted(text, needs.to_numpy(zero_copy_only=False)) if pc.any(needs).as_py() else text

    def _quoted(self, text: pa.Array, needs: np.typing.NDArray[np.bool_]) -> pa.Array:
        quote = self.dialect.quote
        if quote is None:
            return text
        doubled = pc.replace_substring(text, quote, quote * 2)
        return pc.if_else(pa.array(needs), pc.binary_join_element_wise(quote, doubled, quote, ""), text)


def _reader(column: Column, options: Mapping[str, str]) -> TextReader:
    if column.type.name in _NESTED:
        raise VeloError(ErrorCode.BAD_PROPERTY, f'the csv format cannot carry "{column.name}" ({column.type})')
    reader = event_time_reader(column, options) or text_reader(column.type)
    if column.type.name in STRINGS:
        return reader
    return lambda text: reader(_trimmed(text))


def _trimmed(text: pa.Array) -> pa.Array:
    return pc.utf8_trim(text, JAVA_WHITESPACE)


def _in_class(characters: str) -> str:
    """The characters as part of a regular expression's class."""
    return "".join("\\" + c if not c.isalnum() and c != "\t" else c for c in characters)


def _refuse_invalid_text(joined: bytes, records: Sequence[bytes], failures: Failures) -> None:
    if not _is_text(joined):
        for i, record in enumerate(records):
            if not _is_text(record):
                failures.setdefault(i, "not valid UTF-8")


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
