"""The `sql` assertion: a batch query over what came out and what went in.

The kernel runs it, whose dialect it is (DuckDB's). Only what is listed here reaches the kernel: SELECT, over relations
of the run and the query's own WITH, with functions that depend on nothing but the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pyarrow as pa

from velo_engine import types as t
from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.schema import Column, RowSchema
from velo_engine.types import SqlType
from velo_harness.assertions.comparison import column_holds, described
from velo_harness.assertions.context import CheckContext
from velo_harness.counted import counted
from velo_harness.expectations import difference_of_rows
from velo_harness.relation import Relation, python_value
from velo_harness.result import SHOWN_ROWS, Finding
from velo_harness.spec import AssertionSpec, Comparison, Operator
from velo_harness.templates import as_text

OUTPUT = "output"
"""The name of the output in the query."""

MAX_LENGTH = 20_000
"""Characters of a query."""

ALLOWED_FUNCTIONS = frozenset(
    """
    Abs And Any AnyValue ApproxDistinct ArgMax ArgMin Array ArrayAgg ArrayConcat ArrayContains ArraySize
    ArrayToString Avg BitwiseAndAgg BitwiseOrAgg Case Cast CastToStrType Ceil Coalesce Concat ConcatWs
    Contains Corr Count CountIf CovarPop CovarSamp CumeDist DateAdd DateDiff DateSub DateTrunc Day DayOfMonth
    DayOfWeek DayOfYear DenseRank EndsWith Exists Exp Extract First FirstValue Floor Greatest GroupConcat If
    IsInf IsNan JSONExtract JSONExtractScalar Lag Last LastDay LastValue Lead Least Left Length Ln Log
    LogicalAnd LogicalOr Lower Map Max MD5 Median Min Mod Mode Month NthValue Ntile Nullif Or PercentRank
    PercentileCont PercentileDisc Pow Quantile Quarter Rank RegexpCount RegexpExtract RegexpLike RegexpReplace
    Replace Reverse Right Round RowNumber Sign SplitPart Sqrt StartsWith Stddev StddevPop StddevSamp
    StrPosition Struct StructExtract Substring Sum TimeToStr TimestampDiff TimestampTrunc Trim Trunc TryCast
    UnixToTime Upper Variance VariancePop Week Xor Year
    """.split()  # noqa: SIM905 - a list of words is read more easily
)
"""Functions by the names of sqlglot's nodes."""

ALLOWED_NAMES = frozenset(
    """
    list_sum list_min list_max list_avg list_sort list_distinct len strlen epoch epoch_ms hour minute second
    product kurtosis skewness entropy regr_slope regr_intercept regr_r2 isfinite even factorial gcd lcm
    map_keys map_values
    """.split()  # noqa: SIM905 - a list of words is read more easily
)
"""Functions that sqlglot knows by their names only."""


def sql(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The query gives the rows expected, or one value that compares as stated."""
    result = _result(assertion, context)
    expected = assertion.parameters["expect"]
    if isinstance(expected, tuple):
        return difference_of_rows(expected, result, context.scope, context.time_zone)
    if len(result) != 1 or len(result.schema) != 1:
        rows, columns = len(result), len(result.schema)
        examples = tuple(result.row(i) for i in range(min(rows, SHOWN_ROWS)))
        return Finding(
            "one value (one row with one column)",
            f"{counted(rows, 'row')} with {counted(columns, 'column')}",
            0,
            None,
            examples,
        )
    value = python_value(result.column(0)[0])
    label = result.schema.names[0]
    comparisons = list(assertion.comparisons)
    if expected is not None:
        comparisons.append(Comparison(Operator.EQUALS, (expected,), expected.location))
    for comparison in comparisons:
        if not column_holds(result, 0, comparison, context.scope, context.time_zone).all():
            return Finding(f"{label} {described(comparison, context.scope)}", f"{label} = {as_text(value)}")
    return None


def _result(assertion: AssertionSpec, context: CheckContext) -> Relation:
    from velo_engine.kernel import Kernel

    place = assertion.parameter_locations["query"]
    known = tuple(dict.fromkeys((*context.outputs, *context.inputs, OUTPUT)))
    text, used = checked_query(assertion.parameters["query"], known, place)
    tables = {name: _relation(name, context).table for name in used}  # inputs are made, or read, when asked for
    with Kernel() as kernel:
        try:
            table = kernel.query_written(text, tables)
        except VeloError as error:
            raise VeloError(error.code, error.message, location=place, hint=error.hint) from None
    return _typed(table)


def _relation(name: str, context: CheckContext) -> Relation:
    """The relation that the query calls so: the output itself, an input, the output of another statement."""
    if name == OUTPUT:
        return context.output
    return context.inputs[name] if name in context.inputs else context.outputs[name]


@lru_cache(maxsize=256)
def checked_query(text: str, known: tuple[str, ...], place: Location) -> tuple[str, tuple[str, ...]]:
    """The query as the kernel gets it, and the relations of `known` that it reads.

    Kept, for the same query is asked of many runs: of changed programs, of other orders of rows.

    Errors: SQL_SYNTAX, SQL_UNSUPPORTED for what is no SELECT, UNKNOWN_TABLE, UNKNOWN_FUNCTION.
    """
    import sqlglot
    from sqlglot import exp

    if len(text) > MAX_LENGTH:
        raise VeloError(ErrorCode.BAD_VALUE, f"a query of more than {MAX_LENGTH} characters", location=place)
    try:
        statements = [one for one in sqlglot.parse(text, read="duckdb") if one is not None]
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise VeloError(ErrorCode.SQL_SYNTAX, f"the query does not parse: {reason}", location=place) from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise VeloError(ErrorCode.SQL_UNSUPPORTED, "the query must be one SELECT", location=place)
    (query,) = statements
    for node in query.walk():
        _check_node(node, place)
    return query.sql("duckdb"), tuple(dict.fromkeys(_relations(query, known, place)))


def _check_node(node: Any, place: Location) -> None:
    from sqlglot import exp

    if isinstance(node, exp.Command | exp.DDL | exp.DML | exp.Into | exp.Parameter | exp.Placeholder | exp.Columns):
        if not isinstance(node, exp.Query):
            raise VeloError(ErrorCode.SQL_UNSUPPORTED, f'"{node.sql("duckdb")}" cannot stand here', location=place)
    elif isinstance(node, exp.TableSample) or (isinstance(node, exp.With) and node.args.get("recursive")):
        # A sample depends on chance, and a recursion need not end.
        raise VeloError(ErrorCode.SQL_UNSUPPORTED, f'"{node.sql("duckdb")}" cannot stand here', location=place)
    elif isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        name = str(node.this).lower()
        if name not in ALLOWED_NAMES:
            raise _function_refused(name, place)
    elif isinstance(node, exp.Func) and type(node).__name__ not in ALLOWED_FUNCTIONS:
        raise _function_refused(node.sql_name().lower(), place)


def _function_refused(name: str, place: Location) -> VeloError:
    message = f'the function "{name}" cannot be used in a query over results'
    hint = "functions of text, numbers and times, aggregates and window functions can, unless they depend on the clock"
    return VeloError(ErrorCode.UNKNOWN_FUNCTION, message, location=place, hint=hint)


def _relations(query: Any, known: Collection[str], place: Location) -> Iterator[str]:
    from sqlglot import exp

    own = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    by_name = {name.lower(): name for name in known}
    for table in query.find_all(exp.Table):
        name = table.name
        if not isinstance(table.this, exp.Identifier) or table.args.get("db") or table.args.get("catalog"):
            message = f'"{table.sql("duckdb")}" is no relation of this run'
            raise VeloError(ErrorCode.UNKNOWN_TABLE, message, location=place)
        if name.lower() in own:
            continue
        if name.lower() not in by_name:
            hint = did_you_mean(name, known, noun="relation")
            raise VeloError(ErrorCode.UNKNOWN_TABLE, f'this run has no relation "{name}"', location=place, hint=hint)
        yield by_name[name.lower()]


def _typed(table: pa.Table) -> Relation:
    """The kernel's result as a relation; a column of a type that SQL here does not have becomes its text."""
    columns, arrays = [], []
    names: list[str] = []
    for field, array in zip(table.schema, table.columns, strict=True):
        kind = _sql_type(field.type)
        name = field.name if field.name not in names else f"{field.name}_{len(names)}"
        names.append(name)
        columns.append(Column(name, kind))
        arrays.append(array.cast(t.arrow_type(kind)))
    schema = RowSchema(tuple(columns))
    return Relation("the query's result", schema, pa.table(arrays, schema=schema.arrow()))


def _sql_type(kind: pa.DataType) -> SqlType:
    if pa.types.is_boolean(kind):
        return t.BOOLEAN
    if pa.types.is_integer(kind):
        return t.BIGINT if kind != pa.uint64() else t.decimal(20, 0)
    if pa.types.is_decimal(kind):
        return t.decimal(38, kind.scale)
    if pa.types.is_floating(kind):
        return t.DOUBLE
    if pa.types.is_date(kind):
        return t.DATE
    if pa.types.is_timestamp(kind):
        return t.timestamp(6)
    if pa.types.is_list(kind):
        return replace(t.array(_sql_type(kind.value_type)))
    return t.STRING
