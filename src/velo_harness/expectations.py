"""Exact expectations: final rows, the changelog, late rows.

An expected error is the runner's business: when it comes, there is nothing else to compare.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from velo_engine import types as t
from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.schema import Column, RowSchema
from velo_engine.types import NUMERICS, STRINGS, TEMPORALS, SqlType
from velo_harness.assertions.operands import resolved_row
from velo_harness.bags import ComparedColumn, compare_bags, near_rows
from velo_harness.counted import counted
from velo_harness.data_files import column_names, read_table
from velo_harness.relation import Relation, python_value
from velo_harness.result import SHOWN_ROWS, CheckFailure, Finding
from velo_harness.row_codes import codes_of, row_codes
from velo_harness.spec import ChangelogOrder, ColumnScope, DataFile, DataFormat, Expectation, RowLiteral, Tolerance
from velo_harness.templates import TemplateScope
from velo_harness.typed_values import table_of

DIFFERENCE = "difference"
"""The first column of an example row: `missing`, `unexpected`, `expected` or `actual`."""

LATE_BY = "late_by_ms"


@dataclass(frozen=True, slots=True)
class ActualOutput:
    """What a statement gave out, as expectations compare it."""

    final: Relation
    changelog: Relation
    """The changes in order; the last column `op` is `+I`, `-U`, `+U` or `-D`."""
    key: tuple[str, ...]
    """The upsert key, declared or proven."""
    late: Relation
    """Rows that came too late, and `late_by_ms`."""
    scope: TemplateScope
    zone: ZoneInfo | None


def check_expectation(expect: Expectation, actual: ActualOutput) -> Iterator[CheckFailure]:
    """The parts of an expectation that do not hold. Raises VeloError for what cannot be compared as written."""
    parts = (
        ("rows", expect.rows is not None or expect.rows_file is not None, _check_rows),
        ("changelog", expect.changelog is not None, _check_changelog),
        ("late", expect.late is not None, _check_late),
    )
    for name, given, check in parts:
        if given:
            finding = check(expect, actual)
            if finding is not None:
                place = "rows_file" if name == "rows" and expect.rows_file is not None else name
                yield CheckFailure(f"expect.{place}", finding, expect.key_locations.get(place, expect.location))


@dataclass(frozen=True, slots=True)
class Literals:
    """Expected rows typed by the actual columns they name."""

    names: tuple[str, ...]
    """The columns of the output, under its own names."""
    table: pa.Table


def typed_literals(rows: Sequence[RowLiteral], relation: Relation, actual: ActualOutput, noun: str = "row") -> Literals:
    """Literal rows as a table.

    Every row must name the same columns: a column that is left out is not the same as null.
    """
    if not rows:
        return Literals((), pa.table({}))
    first = tuple(rows[0].values)
    for row in rows:
        for name in row.values:
            _position(relation, name, row.place_of(name))
        for name in dict.fromkeys((*first, *row.values)):
            if name not in row.values or name not in first:
                less, more = (row, rows[0]) if name in first else (rows[0], row)
                message = f'this {noun} has no "{name}", which another one has'
                hint = f"write {name}: null, or leave it out everywhere"
                assert name in more.values
                raise VeloError(ErrorCode.BAD_VALUE, message, location=less.location, hint=hint)
    positions = [_position(relation, name, rows[0].values[name].location) for name in first]
    columns = [replace(relation.schema.columns[p], type=relation.type(p).as_nullable()) for p in positions]
    written = RowSchema(tuple(Column(name, c.type) for name, c in zip(first, columns, strict=True)))
    table = table_of([resolved_row(row, actual.scope) for row in rows], written, actual.zone)
    return Literals(tuple(c.name for c in columns), table)


def _position(relation: Relation, name: str, location: Location) -> int:
    position = relation.position(name)
    if position is None:
        hint = did_you_mean(name, relation.schema.names, noun="column")
        message = f'{relation.name} has no column "{name}"'
        raise VeloError(ErrorCode.UNKNOWN_COLUMN, message, location=location, hint=hint)
    return position


def literals_of_file(expect: Expectation, actual: ActualOutput) -> Literals:
    """The rows of `rows_file`, typed by the output. Errors: of data files, UNKNOWN_COLUMN."""
    assert expect.rows_file is not None
    location = expect.key_locations.get("rows_file", expect.location)
    file = DataFile(expect.rows_file, _format_of(expect.rows_file.name), location)
    output = actual.final
    written = column_names(file)
    positions = [_position(output, name, location) for name in written]
    types = [output.type(p).as_nullable() for p in positions]
    table = read_table(
        file, RowSchema(tuple(Column(n, kind) for n, kind in zip(written, types, strict=True))), actual.zone
    )
    return Literals(tuple(output.schema.names[p] for p in positions), table)


def _format_of(name: str) -> DataFormat:
    stem = name.removesuffix(".gz")
    endings = {
        ".csv": DataFormat.CSV,
        ".parquet": DataFormat.PARQUET,
        ".json": DataFormat.JSON,
        ".avro": DataFormat.AVRO,
    }
    return next((kind for ending, kind in endings.items() if stem.endswith(ending)), DataFormat.JSON_LINES)


def _check_rows(expect: Expectation, actual: ActualOutput) -> Finding | None:
    literals = (
        literals_of_file(expect, actual) if expect.rows is None else typed_literals(expect.rows, actual.final, actual)
    )
    problem = column_problem(expect, literals, actual.final)
    if problem is not None:
        return problem
    columns = compared_columns(expect, literals, actual.final)
    key = usable_key(expect, literals, actual)
    expected_rows, actual_rows = literals.table.num_rows, len(actual.final)
    if key:
        return _keyed_finding(columns, key, expected_rows, actual_rows)
    difference = compare_bags(columns, expected_rows, actual_rows)
    if not len(difference.missing) and not len(difference.unexpected):
        return None
    names = [c.name for c in columns] or list(actual.final.schema.names)
    examples = [
        *_marked("missing", _side(columns, "expected"), names, difference.missing),
        *_marked("unexpected", _side(columns, "actual") or _all(actual.final), names, difference.unexpected),
    ]
    return Finding(
        _rows_text(expected_rows),
        f"{_rows_text(actual_rows)}: {len(difference.missing)} missing, {len(difference.unexpected)} unexpected",
        len(difference.missing) + len(difference.unexpected),
        actual_rows,
        tuple(examples),
    )


def difference_of_rows(
    rows: tuple[RowLiteral, ...], relation: Relation, scope: TemplateScope, time_zone: str
) -> Finding | None:
    """How a relation differs from the rows expected, as a bag; None when it does not. Errors: of the literals."""
    place = rows[0].location if rows else Location("<rows>", 1)
    expect = Expectation(
        rows=rows,
        rows_file=None,
        changelog=None,
        late=None,
        error=None,
        key=(),
        order=ChangelogOrder.EXACT,
        tolerance={},
        ignore=(),
        columns=ColumnScope.LISTED,
        location=place,
        key_locations={},
    )
    return _check_rows(expect, ActualOutput(relation, relation, (), relation, scope, ZoneInfo(time_zone)))


def _rows_text(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def column_problem(expect: Expectation, literals: Literals, output: Relation) -> Finding | None:
    """With `columns: exact`, every column of the output is named or ignored."""
    _check_names(expect, output)
    if expect.columns is ColumnScope.LISTED or not literals.names:
        return None
    left_out = [n for n in output.schema.names if n not in literals.names and n not in expect.ignore]
    if not left_out:
        return None
    return Finding(f"the columns {', '.join(literals.names)}", f"{', '.join(left_out)} beside them")


def _check_names(expect: Expectation, relation: Relation) -> None:
    """The columns in key, ignore and tolerance exist."""
    for part, names in (("key", expect.key), ("ignore", expect.ignore), ("tolerance", tuple(expect.tolerance))):
        for name in names:
            place = expect.place_of(part, name)
            position = _position(relation, name, place)
            if part == "tolerance":
                _check_tolerance(name, relation.type(position), expect.tolerance[name], place)


def _check_tolerance(name: str, kind: SqlType, tolerance: Tolerance, location: Location) -> None:
    """A tolerance that says nothing about values of the column's type is an error."""
    numbers = tolerance.absolute is not None or tolerance.relative is not None
    parts = (
        ("abs and rel", numbers, NUMERICS),
        ("within", tolerance.within_ms is not None, TEMPORALS),
        ("case", tolerance.ignore_case, STRINGS),
    )
    for words, given, kinds in parts:
        if given and kind.name not in kinds:
            message = f"the tolerance of {name} has no effect: {words} is not for {kind.as_nullable()}"
            raise VeloError(ErrorCode.TYPE_MISMATCH, message, location=location)


def compared_columns(expect: Expectation, literals: Literals, output: Relation) -> list[ComparedColumn]:
    """The columns that both sides have and that are not ignored."""
    ignored = {output.position(name) for name in expect.ignore}
    tolerances = {output.position(name): tolerance for name, tolerance in expect.tolerance.items()}
    columns = []
    for i, name in enumerate(literals.names):
        position = output.position(name)
        if position is None or position in ignored:
            continue
        kind = output.type(position)
        given = (kind, literals.table.column(i))
        columns.append(ComparedColumn(name, given, (kind, output.column(position)), tolerances.get(position)))
    return columns


def usable_key(expect: Expectation, literals: Literals, actual: ActualOutput) -> tuple[str, ...]:
    """The key to match rows by: the one the spec states, else the plan's where the expected rows have it."""
    output = actual.final
    stated = tuple(output.schema.names[p] for name in expect.key if (p := output.position(name)) is not None)
    for name in stated:
        if literals.table.num_rows and name not in literals.names:
            message = f'the expected rows have no key column "{name}"'
            raise VeloError(ErrorCode.BAD_VALUE, message, location=expect.key_locations.get("key", expect.location))
    key = stated or actual.key
    usable = set(key) <= set(literals.names) and not any(name in expect.tolerance for name in key)
    if not key or not usable or any(name in expect.ignore for name in key):
        return ()
    positions = [literals.names.index(name) for name in key]
    codes = codes_of(
        [(output.type(output.position(n) or 0), literals.table.column(i)) for n, i in zip(key, positions, strict=True)]
    )
    unique = len(np.unique(codes)) == len(codes)
    if stated and not unique:
        message = f"two expected rows have the same key ({', '.join(stated)})"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=expect.key_locations.get("key", expect.location))
    return key if unique else ()


def _keyed_finding(
    columns: Sequence[ComparedColumn], key: tuple[str, ...], expected_rows: int, actual_rows: int
) -> Finding | None:
    keys = [c for c in columns if c.name in key]
    expected, actual = row_codes([c.expected for c in keys], [c.actual for c in keys])
    names = [c.name for c in columns]
    repeated = np.ones(len(actual), bool)
    repeated[np.unique(actual, return_index=True)[1]] = False
    if repeated.any():
        rows = np.flatnonzero(repeated)
        examples = _marked("repeated", _side(columns, "actual"), names, rows)
        text = f"one row per key ({', '.join(key)})"
        return Finding(
            text, counted(len(rows), "row repeats a key", "rows repeat a key"), len(rows), actual_rows, tuple(examples)
        )
    at = np.full(int(max(expected.max(initial=-1), actual.max(initial=-1))) + 1, -1, np.int64)
    at[actual] = np.arange(len(actual))
    partner = at[expected]
    missing = np.flatnonzero(partner < 0)
    unexpected = np.flatnonzero(~np.isin(actual, expected))
    found = np.flatnonzero(partner >= 0)
    different = _different_pairs(columns, found, partner[found])
    if not len(missing) and not len(unexpected) and not different:
        return None
    examples = [
        *(row for pair in different[:SHOWN_ROWS] for row in _pair_rows(columns, key, *pair)),
        *_marked("missing", _side(columns, "expected"), names, missing),
        *_marked("unexpected", _side(columns, "actual"), names, unexpected),
    ]
    counts = f"{len(different)} different, {len(missing)} missing, {len(unexpected)} unexpected"
    return Finding(
        f"{_rows_text(expected_rows)}, by key ({', '.join(key)})",
        f"{_rows_text(actual_rows)}: {counts}",
        len(different) + len(missing) + len(unexpected),
        actual_rows,
        tuple(examples),
    )


def _different_pairs(columns: Sequence[ComparedColumn], rows: Int64s, partners: Int64s) -> list[tuple[int, int]]:
    """The pairs that are not equal within the tolerances."""
    if not len(rows):
        return []
    expected, actual = row_codes([c.expected for c in columns], [c.actual for c in columns])
    candidates = np.flatnonzero(expected[rows] != actual[partners])
    return [
        (int(rows[i]), int(partners[i]))
        for i in candidates
        if not near_rows(columns, [int(rows[i])], [int(partners[i])])[0, 0]
    ]


def _pair_rows(columns: Sequence[ComparedColumn], key: Sequence[str], row: int, partner: int) -> list[dict[str, Any]]:
    """Expected and actual row under each other, with the key and the columns that differ."""
    shown = [c for c in columns if c.name in key or not near_rows([c], [row], [partner])[0, 0]]
    return [
        {DIFFERENCE: "expected", **{c.name: python_value(c.expected[1][row]) for c in shown}},
        {DIFFERENCE: "actual", **{c.name: python_value(c.actual[1][partner]) for c in shown}},
    ]


def _side(columns: Sequence[ComparedColumn], side: str) -> list[Any]:
    return [getattr(c, side)[1] for c in columns]


def _all(relation: Relation) -> list[Any]:
    return list(relation.table.columns)


def _marked(mark: str, columns: Sequence[Any], names: Sequence[str], rows: Int64s) -> list[dict[str, Any]]:
    return [
        {DIFFERENCE: mark, **{n: python_value(c[int(row)]) for n, c in zip(names, columns, strict=True)}}
        for row in rows[:SHOWN_ROWS]
    ]


def _check_changelog(expect: Expectation, actual: ActualOutput) -> Finding | None:
    assert expect.changelog is not None
    changes = expect.changelog
    literals = typed_literals([change.row for change in changes], actual.changelog, actual, "change")
    problem = column_problem(expect, literals, without_op(actual.changelog))
    if problem is not None:
        return problem
    ops = (t.STRING, pa.chunked_array([pa.array([change.op for change in changes], pa.string())]))
    columns = [
        ComparedColumn("op", ops, (t.STRING, actual.changelog.table.column("op"))),
        *compared_columns(expect, literals, actual.changelog),
    ]
    expected_rows, actual_rows = len(changes), len(actual.changelog)
    match expect.order:
        case ChangelogOrder.EXACT:
            return _sequence_finding(columns, np.arange(expected_rows), np.arange(actual_rows))
        case ChangelogOrder.PER_KEY:
            return _per_key_finding(expect, columns, actual)
        case ChangelogOrder.CONTAINS:
            return _contained_finding(columns, expected_rows, actual_rows)


def without_op(changelog: Relation) -> Relation:
    """A changelog's columns that the statement gives out."""
    n = len(changelog.schema) - 1
    return replace(changelog, schema=changelog.schema.select(range(n)), table=changelog.table.select(range(n)))


def _sequence_finding(
    columns: Sequence[ComparedColumn], expected: Int64s, actual: Int64s, what: str = "changelog"
) -> Finding | None:
    """The first place at which two sequences of rows differ."""
    codes, other = row_codes([c.expected for c in columns], [c.actual for c in columns])
    common = min(len(expected), len(actual))
    suspects = np.flatnonzero(codes[expected[:common]] != other[actual[:common]])
    first = next((int(i) for i in suspects if not near_rows(columns, [int(expected[i])], [int(actual[i])])[0, 0]), None)
    if first is None and len(expected) == len(actual):
        return None
    at = common if first is None else first
    names = [c.name for c in columns]
    examples = [
        *_marked("expected", _side(columns, "expected"), names, expected[at : at + 1]),
        *_marked("actual", _side(columns, "actual"), names, actual[at : at + 1]),
    ]
    expected_text = f"{what} of {counted(len(expected), 'change')}"
    actual_text = f"{counted(len(actual), 'change')}, the first difference at change {at + 1}"
    return Finding(expected_text, actual_text, 1, len(actual), tuple(examples))


def _per_key_finding(expect: Expectation, columns: Sequence[ComparedColumn], actual: ActualOutput) -> Finding | None:
    names = [c.name for c in columns]
    stated = {actual.final.schema.names[p] for n in expect.key if (p := actual.final.position(n)) is not None}
    key = [n for n in names if n in (stated or set(actual.key))]
    if not key:
        location = expect.key_locations.get("order", expect.location)
        hint = "give key: [columns], and name these columns in the changes"
        raise VeloError(ErrorCode.MISSING_KEY, "order: per_key needs a key", location=location, hint=hint)
    keys = [c for c in columns if c.name in key]
    expected, found = row_codes([c.expected for c in keys], [c.actual for c in keys])
    for code in dict.fromkeys([*expected.tolist(), *found.tolist()]):
        rows, others = np.flatnonzero(expected == code), np.flatnonzero(found == code)
        side, row = ("expected", rows[0]) if len(rows) else ("actual", others[0])
        value = ", ".join(f"{c.name} = {python_value(getattr(c, side)[1][int(row)])}" for c in keys)
        finding = _sequence_finding(columns, rows, others, f"changelog of {value}:")
        if finding is not None:
            return finding
    return None


def _contained_finding(columns: Sequence[ComparedColumn], expected_rows: int, actual_rows: int) -> Finding | None:
    """Every listed change occurs, in the order listed; others may stand between."""
    codes, other = row_codes([c.expected for c in columns], [c.actual for c in columns])
    tolerant = any(c.tolerance is not None for c in columns)
    at = 0
    for i in range(expected_rows):
        if tolerant:
            near = near_rows(columns, [i], range(at, actual_rows))[0]
            later = np.flatnonzero(near)
        else:
            later = np.flatnonzero(other[at:] == codes[i])
        if not len(later):
            example = _marked("missing", _side(columns, "expected"), [c.name for c in columns], np.array([i]))
            text = f"change {i + 1} does not occur" + (f" after change {at} of the output" if at else "")
            return Finding(f"{counted(expected_rows, 'change')} in this order", text, 1, actual_rows, tuple(example))
        at += int(later[0]) + 1
    return None


def _check_late(expect: Expectation, actual: ActualOutput) -> Finding | None:
    assert expect.late is not None
    late = actual.late
    literals = typed_literals([row.row for row in expect.late], late, actual, "late row")
    own = _about_late(expect, late)
    problem = column_problem(own, literals, _without(late, LATE_BY))
    if problem is not None:
        return problem
    columns = compared_columns(own, literals, late)
    stated = [row.late_by_ms for row in expect.late]
    if any(ms is not None for ms in stated):
        if None in stated:
            message = "say of every late row by how much it was late, or of none"
            raise VeloError(ErrorCode.BAD_VALUE, message, location=expect.late[stated.index(None)].row.location)
        position = late.position(LATE_BY)
        assert position is not None
        given = (t.BIGINT, pa.chunked_array([pa.array(stated, pa.int64())]))
        columns.append(ComparedColumn(LATE_BY, given, (t.BIGINT, late.column(position).cast(pa.int64()))))
    difference = compare_bags(columns, len(expect.late), len(late))
    if not len(difference.missing) and not len(difference.unexpected):
        return None
    names = [c.name for c in columns] or list(late.schema.names)
    examples = [
        *_marked("missing", _side(columns, "expected"), names, difference.missing),
        *_marked("unexpected", _side(columns, "actual") or _all(late), names, difference.unexpected),
    ]
    return Finding(
        counted(len(expect.late), "late row"),
        f"{counted(len(late), 'late row')}: {len(difference.missing)} missing, {len(difference.unexpected)} unexpected",
        len(difference.missing) + len(difference.unexpected),
        len(late),
        tuple(examples),
    )


def _about_late(expect: Expectation, late: Relation) -> Expectation:
    """The expectation as it is about late rows.

    They have the columns of the input. Where the output is compared as well, `columns` is about that, and so is what is
    said of columns that late rows do not have; else that is an error.
    """
    compared = expect.rows is not None or expect.rows_file is not None or expect.changelog is not None
    if not compared:
        return replace(expect, key=())
    ignore = tuple(name for name in expect.ignore if late.position(name) is not None)
    tolerance = tolerances_of(expect.tolerance, late)
    return replace(expect, key=(), ignore=ignore, tolerance=tolerance, columns=ColumnScope.LISTED)


def tolerances_of(tolerance: Mapping[str, Any], relation: Relation) -> dict[str, Any]:
    """Those of columns that the relation has."""
    return {name: value for name, value in tolerance.items() if relation.position(name) is not None}


def _without(relation: Relation, name: str) -> Relation:
    kept = [i for i, other in enumerate(relation.schema.names) if other != name]
    return replace(relation, schema=relation.schema.select(kept), table=relation.table.select(kept))
