"""Reading exact expectations (`expect`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.discovery import PathPolicy, find_data
from velo_harness.keys import Fields, bad_value, shown
from velo_harness.kinds import Duration
from velo_harness.parameter_rules import check_error_code
from velo_harness.spec import (
    ChangeLiteral,
    ChangelogOrder,
    Expectation,
    ExpectedError,
    LateLiteral,
    RowLiteral,
    Tolerance,
)
from velo_harness.yaml_source import YamlScalar

CHANGES = ("+I", "-U", "+U", "-D")
_CONTENTS = ("rows", "rows_file", "changelog", "late", "error")


def expectation(fields: Fields, folder: Path, policy: PathPolicy, *, unfinished: bool = False) -> Expectation:
    """The expectation as the model has it. In an `unfinished` one the file of rows need not be there.

    Errors: NOTHING_CHECKED, BAD_VALUE, MISSING_KEY, FILE_NOT_FOUND, PATH_OUTSIDE_PROJECT.
    """
    if not any(fields.has(name) for name in _CONTENTS):
        message = "this expectation checks nothing"
        hint = f"give one of {', '.join(_CONTENTS)}"
        raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=fields.location, hint=hint)
    _check_combinations(fields)
    _check_columns(fields)
    rows_file = fields["rows_file"]
    return Expectation(
        rows=fields["rows"],
        rows_file=None if rows_file is None else _rows_file(rows_file, folder, policy, fields, unfinished=unfinished),
        changelog=None if fields["changelog"] is None else tuple(_changes(fields["changelog"])),
        late=None if fields["late"] is None else tuple(_late(row) for row in fields["late"]),
        error=_error(fields["error"]),
        key=fields["key"],
        order=fields["order"],
        tolerance={name: _tolerance(given) for name, given in fields["tolerance"].items()},
        ignore=fields["ignore"],
        columns=fields["columns"],
        location=fields.location,
        key_locations=fields.locations,
        column_locations={
            (part, name): fields.place_within(part, name)
            for part in ("key", "tolerance", "ignore")
            for name in fields[part]
        },
    )


def _rows_file(text: str, folder: Path, policy: PathPolicy, fields: Fields, *, unfinished: bool) -> Path:
    place = fields.at("rows_file")
    try:
        return find_data(text, folder, policy, place)
    except VeloError as error:
        if not unfinished or error.code is not ErrorCode.FILE_NOT_FOUND:
            raise
        return policy.resolve(text, folder, place)


def _check_combinations(fields: Fields) -> None:
    if fields.has("rows") and fields.has("rows_file"):
        raise bad_value("give rows or rows_file, not both", fields.key_locations["rows_file"])
    if fields.has("error"):
        for name in fields.locations:
            if name != "error":
                raise bad_value(f"{name} has no effect on a query that ends with an error", fields.key_locations[name])
    if fields["order"] is ChangelogOrder.CONTAINS and fields["changelog"] == ():
        message = "every changelog contains no changes"
        raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=fields.at("changelog"))
    if fields.has("order") and not fields.has("changelog"):
        raise bad_value("order has no effect without changelog", fields.key_locations["order"])
    compares = any(fields.has(name) for name in ("rows", "rows_file", "changelog"))
    for name in ("key", "tolerance", "ignore", "columns"):
        if fields.has(name) and not compares and not (fields.has("late") and name != "key"):
            raise bad_value(f"{name} has no effect without rows or changelog", fields.key_locations[name])
    for name in fields["ignore"]:
        if name in fields["key"]:
            raise bad_value(f'the key column "{name}" cannot be ignored', fields.at("ignore"))


def _check_columns(fields: Fields) -> None:
    """Rows have columns that are compared: without, they could only be counted."""
    for row in fields["rows"] or ():
        compared = [name for name in row.values if name not in fields["ignore"]]
        if not compared:
            message = "every column of this row is ignored" if row.values else "this row has no columns"
            hint = "an assertion of the type record_count counts rows"
            raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=row.location, hint=hint)


def _changes(rows: tuple[RowLiteral, ...]) -> Iterator[ChangeLiteral]:
    for row in rows:
        op = row.values.get("op")
        if op is None:
            message = 'a change needs the key "op"'
            raise VeloError(ErrorCode.MISSING_KEY, message, location=row.location, hint=f"one of {', '.join(CHANGES)}")
        if not isinstance(op, YamlScalar) or op.text not in CHANGES:
            raise bad_value(f"op must be one of {', '.join(CHANGES)}, not {shown(op)}", op.location)
        yield ChangeLiteral(op.text, _without(row, "op"))


def _late(row: RowLiteral) -> LateLiteral:
    given = row.values.get("late_by")
    return LateLiteral(_without(row, "late_by"), None if given is None else Duration().read(given))


def _without(row: RowLiteral, name: str) -> RowLiteral:
    return replace(row, values={key: node for key, node in row.values.items() if key != name})


def _error(fields: Fields | None) -> ExpectedError | None:
    if fields is None:
        return None
    if fields["code"] is None and fields["matches"] is None:
        message = "this expected error checks nothing"
        raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=fields.location, hint="give code or matches")
    check_error_code(fields["code"], fields.at("code"))
    return ExpectedError(fields["code"], fields["matches"], fields.location)


def _tolerance(fields: Fields) -> Tolerance:
    if not fields.locations:
        raise bad_value("a tolerance needs one of abs, rel, within, case", fields.location)
    return Tolerance(fields["abs"], fields["rel"], fields["within"], fields["case"] == "ignore")
