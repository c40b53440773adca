"""TIMESTAMP columns in other forms than the standard ones: epochs, patterns, whatever comes.

Option `timestamp.format.<column>` (the program's `event.time.format`):

| value | a text or number is read as |
|---|---|
| `iso8601`, `sql` | the standard forms (both are always read) |
| `epoch_millis`, `epoch_seconds` | milliseconds or seconds since the epoch, fractions allowed |
| `epoch_micros`, `epoch_nanos` | micro- or nanoseconds since the epoch |
| `auto` | a standard form, or a number by its size: seconds below 10^11, millis below 10^14, micros below 10^17 |
| a pattern | with `%` as in strftime, else letters as in Java's DateTimeFormatter (`dd/MM/yyyy HH:mm:ss.SSS`) |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.cells import CellParser, cell_parser, parse_decimal
from velo_engine.formats.temporal_cells import MICROS, MICROS_A_DAY, days_from_civil
from velo_engine.formats.text_columns import Failures, TextReader, read_values, text_reader, with_nulls
from velo_engine.formats.text_columns import precision_unit as unit_of
from velo_engine.schema import Column
from velo_engine.types import TIMESTAMPS, SqlType, arrow_type

OPTION_PREFIX = "timestamp.format."

_STANDARD = frozenset({"iso8601", "iso-8601", "sql"})
_EPOCHS = {
    "epoch_seconds": Decimal(MICROS),
    "epoch_millis": Decimal(1000),
    "epoch_micros": Decimal(1),
    "epoch_nanos": Decimal("0.001"),
}
"""Microseconds in one unit."""

_LARGEST_MICROS = 2**63 - 1


def event_time_reader(column: Column, options: Mapping[str, str]) -> TextReader | None:
    """The reader for a timestamp column with a format of its own, or None where the standard forms hold.

    Raises VeloError: a format for a column that is not a timestamp, or a pattern with an unknown letter.
    """
    written = options.get(OPTION_PREFIX + column.name)
    if written is None or written.casefold() in _STANDARD:
        return None
    if column.type.name not in TIMESTAMPS:
        raise VeloError(
            ErrorCode.BAD_PROPERTY,
            f'"{OPTION_PREFIX}{column.name}" needs a TIMESTAMP column, but "{column.name}" is {column.type}',
        )
    name = written.casefold()
    if name in _EPOCHS:
        return partial(_read_epochs, t=column.type, micros=_EPOCHS[name])
    if name == "auto":
        return partial(_read_any, t=column.type, standard=text_reader(column.type), parse=_any_parser(column.type))
    parse = _pattern_parser(written)
    return lambda text: read_values(text.to_pylist(), parse, column.type)


def _read_epochs(text: pa.Array, t: SqlType, micros: Decimal) -> tuple[pa.Array, Failures]:
    if micros >= 1:
        try:
            return _scaled(text.cast(pa.int64()), t, int(micros)), {}
        except pa.ArrowInvalid:
            pass
    return read_values(text.to_pylist(), partial(_parse_epoch, micros=micros), t)


def _scaled(numbers: pa.Array, t: SqlType, micros: int) -> pa.Array:
    values = numbers.fill_null(0).to_numpy()
    if len(values) and max(abs(int(values.min())), abs(int(values.max()))) > _LARGEST_MICROS // micros:
        raise pa.ArrowInvalid("beyond the range of timestamps")
    scaled = values * micros
    return with_nulls(scaled - scaled % unit_of(t), numbers).cast(arrow_type(t))


def _parse_epoch(text: str, micros: Decimal) -> int:
    value = parse_decimal(text, 38, 9)
    if value is None or abs(value * micros) > _LARGEST_MICROS:
        raise ValueError("is beyond the range of timestamps")
    return int((value * micros).to_integral_value(rounding="ROUND_FLOOR"))


def _read_any(text: pa.Array, t: SqlType, standard: TextReader, parse: CellParser) -> tuple[pa.Array, Failures]:
    found, failures = standard(text)
    if not failures:
        return found, failures
    return read_values(text.to_pylist(), parse, t)


def _any_parser(t: SqlType) -> CellParser:
    standard = cell_parser(t)

    def parse(text: str) -> int:
        try:
            return int(standard(text))
        except ValueError:
            try:
                number = parse_decimal(text, 38, 9)
            except ValueError:
                raise ValueError("is neither a timestamp nor an epoch") from None
        size = abs(number) if number is not None else Decimal("inf")
        for below, unit in ((11, "epoch_seconds"), (14, "epoch_millis"), (17, "epoch_micros")):
            if size < 10**below:
                return _parse_epoch(text, _EPOCHS[unit])
        return _parse_epoch(text, _EPOCHS["epoch_nanos"])

    return parse


_JAVA_LETTERS = {
    "yyyy": "%Y",
    "uuuu": "%Y",
    "yy": "%y",
    "MM": "%m",
    "MMM": "%b",
    "MMMM": "%B",
    "dd": "%d",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "a": "%p",
    "E": "%a",
    "EEE": "%a",
    "EEEE": "%A",
    "Z": "%z",
    "X": "%z",
    "XX": "%z",
    "XXX": "%z",
    "z": "%Z",
} | {"S" * n: "%f" for n in range(1, 7)}

_JAVA_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|.", re.DOTALL)


def _pattern_parser(pattern: str) -> CellParser:
    form = pattern if "%" in pattern else _from_java(pattern)

    def parse(text: str) -> int:
        try:
            moment = datetime.strptime(text, form)
        except ValueError:
            raise ValueError(f'does not match the pattern "{pattern}"') from None
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
        seconds = (moment.hour * 60 + moment.minute) * 60 + moment.second
        days = days_from_civil(moment.year, moment.month, moment.day)
        return days * MICROS_A_DAY + seconds * MICROS + moment.microsecond

    return parse


def _from_java(pattern: str) -> str:
    parts = []
    for token in _JAVA_TOKEN.finditer(pattern):
        if token[1] is not None:
            parts.append(token[1].replace("''", "'").replace("%", "%%") or "'")
        elif token[2] is None:
            parts.append(token[0])
        elif token[0] in _JAVA_LETTERS:
            parts.append(_JAVA_LETTERS[token[0]])
        else:
            raise VeloError(
                ErrorCode.BAD_PROPERTY,
                f'the timestamp pattern "{pattern}" has "{token[0]}", which is not supported',
                hint="use a strftime pattern (%Y-%m-%d %H:%M:%S), epoch_millis, epoch_seconds, iso8601 or auto",
            )
    return "".join(parts)
