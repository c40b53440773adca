"""Assertions about files that the run wrote."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from velo_engine import types as t
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.types import SqlType, TypeName
from velo_harness.assertions.comparison import described, value_holds
from velo_harness.assertions.context import CheckContext
from velo_harness.assertions.operands import plain_operand
from velo_harness.bags import ComparedColumn, compare_bags, near_rows
from velo_harness.counted import counted
from velo_harness.data_files import text_columns
from velo_harness.relation import python_value
from velo_harness.result import SHOWN_ROWS, Finding
from velo_harness.scalars import decimal_of
from velo_harness.spec import AssertionSpec, DataFile, DataFormat, Tolerance
from velo_harness.templates import as_text

_ENDINGS = {
    ".csv": DataFormat.CSV,
    ".json": DataFormat.JSON,
    ".jsonl": DataFormat.JSON_LINES,
    ".ndjson": DataFormat.JSON_LINES,
    ".parquet": DataFormat.PARQUET,
    ".avro": DataFormat.AVRO,
}
_WIDEST = 38


def file_exists(assertion: AssertionSpec, _: CheckContext) -> Finding | None:
    """The file is there, and its size is within the bounds."""
    path: Path = assertion.parameters["path"]
    if not path.is_file():
        return _absent(path)
    size = path.stat().st_size
    low, high = assertion.parameters["min_size_bytes"], assertion.parameters["max_size_bytes"]
    if low is not None and size < low:
        return Finding(f"{path.name} of at least {low} bytes", f"{size} bytes")
    if high is not None and size > high:
        return Finding(f"{path.name} of at most {high} bytes", f"{size} bytes")
    return None


def file_row_count(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The number of rows in the file compares as stated."""
    path: Path = assertion.parameters["path"]
    if not path.is_file():
        return _absent(path)
    count = text_columns(_data_file(assertion, path)).num_rows
    for comparison in assertion.comparisons:
        if not value_holds(count, comparison, context.scope):
            return Finding(
                f"a row count {described(comparison, context.scope)}", f"{counted(count, 'row')} in {path.name}"
            )
    return None


def file_contains(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The column of the file has all of the values, any of them, or exactly these."""
    path: Path = assertion.parameters["path"]
    if not path.is_file():
        return _absent(path)
    rows = text_columns(_data_file(assertion, path))
    name = assertion.parameters["field"]
    if name not in rows.column_names:
        hint = did_you_mean(name, rows.column_names, noun="column")
        return Finding(f'a column "{name}" in {path.name}', f"columns {', '.join(rows.column_names)}", notes=(hint,))
    held = {_canonical(text) for text in rows.column(name).to_pylist()}
    operands = [plain_operand(node, context.scope) for node in assertion.parameters["expected_values"]]
    wanted = {_canonical(None if value is None else as_text(value)): value for value in operands}
    lost = [as_text(value) for key, value in wanted.items() if key not in held]
    extra = sorted(str(key) for key in held if key not in wanted)
    mode = assertion.parameters["mode"]
    if (mode == "any" and len(lost) < len(wanted)) or (mode != "any" and not lost and not (mode == "exact" and extra)):
        return None
    expected = f"{name} in {path.name} with {mode} of {', '.join(as_text(v) for v in wanted.values())}"
    problems = [f"{', '.join(lost)} not found"] if lost else []
    if mode == "exact" and extra:
        more = f", and {len(extra) - SHOWN_ROWS} more" if len(extra) > SHOWN_ROWS else ""
        problems.append(f"{', '.join(extra[:SHOWN_ROWS])}{more} beside them")
    return Finding(expected, "; ".join(problems), total=rows.num_rows)


def file_matches(assertion: AssertionSpec, _: CheckContext) -> Finding | None:
    """Both files hold the same rows: columns count, how often a row stands counts, and the order when it must."""
    wanted = assertion.parameters
    paths: tuple[Path, Path] = (wanted["actual_path"], wanted["expected_path"])
    for path in paths:
        if not path.is_file():
            return _absent(path)
    actual, expected = (text_columns(_data_file(assertion, path)) for path in paths)
    names, problem = _compared_names(assertion, actual, expected)
    if problem is not None:
        return problem
    tolerance = wanted["numeric_tolerance"]
    columns = [_column(name, expected, actual, tolerance) for name in names]
    if not wanted["ignore_order"]:
        return _sequence_finding(columns, expected.num_rows, actual.num_rows)
    difference = compare_bags(columns, expected.num_rows, actual.num_rows)
    missing, unexpected = difference.missing, difference.unexpected
    if not len(missing) and not len(unexpected):
        return None
    examples = [
        *({"difference": "missing", **_row(expected, names, int(i))} for i in missing[:SHOWN_ROWS]),
        *({"difference": "unexpected", **_row(actual, names, int(i))} for i in unexpected[:SHOWN_ROWS]),
    ]
    return Finding(
        f"the {expected.num_rows} rows of {paths[1].name}",
        f"{counted(actual.num_rows, 'row')}: {len(missing)} missing, {len(unexpected)} unexpected",
        len(missing) + len(unexpected),
        actual.num_rows,
        tuple(examples),
    )


def _absent(path: Path) -> Finding:
    near = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
    return Finding(f"a file {path.name}", "no such file", notes=(did_you_mean(path.name, near, noun="file there"),))


def _data_file(assertion: AssertionSpec, path: Path) -> DataFile:
    kind = assertion.parameters["format"] or _ENDINGS.get(Path(path.name.removesuffix(".gz")).suffix.lower())
    if kind is None:
        message = f'the ending of "{path.name}" does not tell its format'
        raise VeloError(ErrorCode.MISSING_KEY, message, location=assertion.location, hint="give format")
    return DataFile(path, kind, assertion.location)


def _compared_names(assertion: AssertionSpec, actual: pa.Table, expected: pa.Table) -> tuple[list[str], Finding | None]:
    """The columns to compare, and what is wrong with the columns."""
    only, ignored = assertion.parameters["compare_fields"], assertion.parameters["ignore_fields"]
    for name in (*only, *ignored):
        if name not in expected.column_names:
            hint = did_you_mean(name, expected.column_names, noun="column")
            message = f'the expected file has no column "{name}"'
            raise VeloError(ErrorCode.UNKNOWN_COLUMN, message, location=assertion.location, hint=hint)
    names = list(only) or [n for n in expected.column_names if n not in ignored]
    if not names:
        message = "no column is left to compare"
        raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=assertion.location)
    lost = [n for n in names if n not in actual.column_names]
    extra = [] if only else [n for n in actual.column_names if n not in names and n not in ignored]
    if lost or extra:
        return names, Finding(f"columns {', '.join(names)}", f"columns {', '.join(actual.column_names)}")
    return names, None


def _column(name: str, expected: pa.Table, actual: pa.Table, tolerance: Decimal) -> ComparedColumn:
    """Numbers when every value on both sides is one, so that 1.50 equals 1.5; else text."""
    sides = [expected.column(name).to_pylist(), actual.column(name).to_pylist()]
    numbers = [[None if text is None else decimal_of(text) for text in side] for side in sides]
    texts_left = any(
        n is None and text is not None
        for ns, side in zip(numbers, sides, strict=True)
        for n, text in zip(ns, side, strict=True)
    )
    values: list[Decimal] = [n for ns in numbers for n in ns if n is not None]
    scale = max((max(0, -int(n.as_tuple().exponent)) for n in values), default=0)
    wide = texts_left or not values or any(n.adjusted() + 1 + scale > _WIDEST for n in values)
    kind: SqlType = t.STRING if wide else t.decimal(_WIDEST, scale)
    typed: list[Any] = sides if wide else numbers
    arrays = [pa.chunked_array([pa.array(side, t.arrow_type(kind))]) for side in typed]
    near = Tolerance(absolute=tolerance) if tolerance and kind.name is TypeName.DECIMAL else None
    return ComparedColumn(name, (kind, arrays[0]), (kind, arrays[1]), near)


def _sequence_finding(columns: list[ComparedColumn], expected_rows: int, actual_rows: int) -> Finding | None:
    common = min(expected_rows, actual_rows)
    at = next((i for i in range(common) if not near_rows(columns, [i], [i])[0, 0]), common)
    if at == common and expected_rows == actual_rows:
        return None
    examples = []
    for mark, side, count in (("expected", "expected", expected_rows), ("actual", "actual", actual_rows)):
        if at < count:
            examples.append({"difference": mark, **{c.name: python_value(getattr(c, side)[1][at]) for c in columns}})
    return Finding(
        f"{counted(expected_rows, 'row')} in this order",
        f"{counted(actual_rows, 'row')}, the first difference in row {at + 1}",
        1,
        actual_rows,
        tuple(examples),
    )


def _canonical(text: str | None) -> Any:
    """A number by value, so that 1.50 is 1.5; other text as it is."""
    number = None if text is None else decimal_of(text)
    return text if number is None else number


def _row(table: pa.Table, names: list[str], index: int) -> dict[str, Any]:
    return {name: python_value(table.column(name)[index]) for name in names}
