"""Whether the columns that checks of a spec name are columns of the output that they look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.plan.nodes import PlannedStatement
from velo_engine.sql.parser import parse_expression
from velo_harness.preparation import PreparedQuery
from velo_harness.programs import sink_statement
from velo_harness.spec import AssertionSpec, Expectation, Query, RowLiteral

_COLUMN_PARAMETERS = (
    "field",
    "fields",
    "key_fields",
    "partition_by",
    "partition_field",
    "required_fields",
    "timestamp_field",
    "window_start_field",
    "window_end_field",
)
_OF_OTHER_THINGS = ("file_", "metric_", "schema_contains", "join_coverage")
"""Beginnings of assertion types whose parameters name no columns of the output, or are about which there are."""


def column_problems(query: Query, prepared: PreparedQuery) -> Iterator[VeloError]:
    """Errors of the checks of a query, each at its place. UNKNOWN_COLUMN, SQL_SYNTAX."""
    program = prepared.program
    yield from _problems(program.statements[prepared.statement], query.assertions, query.expect)
    for output in query.outputs:
        name = sink_statement(output.sink, program, output.location)
        yield from _problems(program.statements[name], output.assertions, output.expect)
    for given in query.inputs:
        if given.rows is not None and given.source in program.sources:
            yield from _row_problems(given.rows, program.sources[given.source].schema.names, given.source)


def _problems(
    statement: PlannedStatement, assertions: Iterable[AssertionSpec], expect: Expectation | None
) -> Iterator[VeloError]:
    names = (*statement.plan.schema.names, *statement.aliases)
    for assertion in assertions:
        yield from _assertion_problems(assertion, names, statement.name)
    if expect is not None:
        yield from _expectation_problems(expect, names, statement.name)


def _assertion_problems(assertion: AssertionSpec, names: tuple[str, ...], output: str) -> Iterator[VeloError]:
    place = assertion.parameter_locations
    if assertion.where is not None:
        try:
            parse_expression(assertion.where)
        except VeloError as error:
            yield VeloError(
                error.code, f"where: {error.message}", location=place.get("where", assertion.location), hint=error.hint
            )
    if assertion.type.startswith(_OF_OTHER_THINGS):
        return
    for parameter in _COLUMN_PARAMETERS:
        value = assertion.parameters.get(parameter)
        if parameter not in place or value is None:
            continue
        for name in (value,) if isinstance(value, str) else value:
            if name not in names:
                yield _unknown(name, names, output, place[parameter])


def _expectation_problems(expect: Expectation, names: tuple[str, ...], output: str) -> Iterator[VeloError]:
    yield from _row_problems(expect.rows or (), names, output)
    yield from _row_problems((change.row for change in expect.changelog or ()), names, output)
    for key, columns in (("key", expect.key), ("ignore", expect.ignore), ("tolerance", expect.tolerance)):
        for name in columns:
            if name not in names:
                yield _unknown(name, names, output, expect.key_locations.get(key, expect.location))


def _row_problems(rows: Iterable[RowLiteral], names: tuple[str, ...], of: str) -> Iterator[VeloError]:
    """Columns that rows name and `of` does not have, each once."""
    told: set[str] = set()
    for row in rows:
        for name in row.values:
            if name not in names and name not in told:
                told.add(name)
                yield _unknown(name, names, of, row.location)


def _unknown(name: str, names: tuple[str, ...], of: str, location: Location) -> VeloError:
    hint = did_you_mean(name, names, noun="column")
    return VeloError(ErrorCode.UNKNOWN_COLUMN, f'{of} has no column "{name}"', location=location, hint=hint)
