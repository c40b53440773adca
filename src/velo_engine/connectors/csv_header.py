"""The header line of a CSV file: whether there is one, and which column each field is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.formats.csv_format import CsvFormat
from velo_engine.schema import RowSchema

HEADER_OPTIONS = ("header", "has_headers", "has_header")


def over(options: Mapping[str, str], stronger: Mapping[str, str]) -> dict[str, str]:
    """Both option sets; where they disagree, under any of a header option's names, `stronger` counts."""
    weaker = dict(options)
    if any(name in stronger for name in HEADER_OPTIONS):
        weaker = {key: value for key, value in options.items() if key not in HEADER_OPTIONS}
    return weaker | dict(stronger)


def has_header(options: Mapping[str, str]) -> bool:
    """Whether the first record names the columns: option `header` (`has_headers`), by default true."""
    for name in HEADER_OPTIONS:
        if name in options:
            value = options[name].strip().casefold()
            if value not in ("true", "false"):
                raise VeloError(ErrorCode.BAD_PROPERTY, f'"{name}" is "{value}"', hint="it can be true or false")
            return value == "true"
    return True


def header_names(record: bytes, csv: CsvFormat, path: Path) -> list[str]:
    """The names in a header record. Raises VeloError when it is not UTF-8 text or names a column twice."""
    try:
        names = csv.fields_of(record)
    except UnicodeDecodeError as problem:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"{path} is not UTF-8 text", hint="save it as UTF-8") from problem
    names = [name.strip() for name in names]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise VeloError(
                ErrorCode.SCHEMA_MISMATCH,
                f'{path} has two columns "{name}"' if name else f"{path} has several columns without a name",
                location=Location(str(path), 1),
                hint='rename one in the first line, or read the file with "header" = "false"',
            )
    return names


def fields_of_header(record: bytes, csv: CsvFormat, schema: RowSchema, path: Path) -> tuple[int, ...]:
    """For each field of the file the column of `schema` with its name, or -1.

    Raises VeloError when a column of `schema` is not in the header.
    """
    names = header_names(record, csv, path)
    for column in schema.columns:
        if column.name not in names:
            raise VeloError(
                ErrorCode.SCHEMA_MISMATCH,
                f'{path} has no column "{column.name}"',
                location=Location(str(path), 1, 1, max(len(record), 1), record.decode(errors="replace")),
                hint=did_you_mean(column.name, names, noun="column")
                + '; a file without a header line needs "header" = "false"',
            )
    return tuple(-1 if (i := schema.index(name)) is None else i for name in names)
