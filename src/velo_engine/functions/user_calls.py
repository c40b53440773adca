"""How functions of one's own are called: by the kernel with vectors, by LATERAL TABLE with columns.

Whatever they raise becomes the reason why a row has no value, with the function's name before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.functions.python_function import PythonFunction
from velo_engine.functions.table_functions import TableRows
from velo_engine.functions.user_functions import by_plan_name, kernel_name
from velo_engine.schema import Column, RowSchema
from velo_engine.types import FLOATS, INTEGERS, STRINGS, SqlType, TypeName, arrow_type, kernel_type
from velo_engine.udf import FunctionKind, UserFunction

_ROUNDED = Context(prec=80, rounding=ROUND_HALF_UP)


def kernel_function(name: str) -> PythonFunction:
    """The function that the kernel calls. Its implementation is looked up at every call."""
    function = by_plan_name(name)
    fields = [f"a{i} {kernel_type(kind)}" for i, kind in enumerate(function.parameters)] or ["a0 TIMESTAMP"]
    returns = f"STRUCT(v {kernel_type(function.returns)}, e VARCHAR)"

    waiting: list[tuple[Any, Any]] = []

    def vector(arguments: Any) -> Any:
        """A function that varies is asked for the value and then for the reason: both must be of one call."""
        if waiting and waiting[0][0].equals(arguments):
            return waiting.pop()[1]
        current = by_plan_name(name)
        columns = arguments.flatten()[: len(current.parameters)]
        values, errors = _called(current, columns, len(arguments))
        result = pa.StructArray.from_arrays([values, pa.array(errors, pa.string())], ["v", "e"])
        waiting[:] = [] if current.deterministic else [(arguments, result)]
        return result

    parameters = (f"STRUCT({', '.join(fields)})",)
    return PythonFunction(kernel_name(name), parameters, returns, vector, varies=not function.deterministic)


def _called(function: UserFunction, columns: Sequence[Any], rows: int) -> tuple[Any, list[str | None]]:
    """A value and a reason per row."""
    if function.kind is FunctionKind.VECTORIZED:
        return _called_with_arrays(function, columns, rows)
    lists = [column.to_pylist() for column in columns]
    values: list[Any] = []
    errors: list[str | None] = []
    for row in zip(*lists, strict=True) if lists else iter([()] * rows):
        value, error = None, None
        if function.called_on_null or None not in row:
            try:
                value = function(*row)
            except (Exception, SystemExit) as problem:  # whatever a person's function raises fails its row
                error = failure(function, problem)
        values.append(value)
        errors.append(error)
    return typed_values(values, function.returns, function.name, errors), errors


def _called_with_arrays(function: UserFunction, columns: Sequence[Any], rows: int) -> tuple[Any, list[str | None]]:
    """One call for all rows; where that fails one for each, so that only the rows that are wrong fail."""
    try:
        return _whole(function, columns, rows), [None] * rows
    except (Exception, SystemExit) as problem:  # whatever a person's function raises fails its row
        if rows == 1:
            return pa.nulls(1, arrow_type(function.returns)), [failure(function, problem)]
    parts = [_called_with_arrays(function, [c.slice(i, 1) for c in columns], 1) for i in range(rows)]
    return pa.concat_arrays([values for values, _ in parts]), [errors[0] for _, errors in parts]


def _whole(function: UserFunction, columns: Sequence[Any], rows: int) -> Any:
    result = function(*columns)
    if isinstance(result, pa.ChunkedArray):
        result = result.combine_chunks()
    if isinstance(result, np.ndarray):
        result = pa.array(result)
    if not isinstance(result, pa.Array):
        raise TypeError(f"it gives a {type(result).__name__}, not an Arrow array")
    if len(result) != rows:
        raise ValueError(f"it gives {len(result)} values for {rows} rows")
    wanted = arrow_type(function.returns)
    return result if result.type == wanted else result.cast(wanted)


def failure(function: UserFunction, problem: BaseException) -> str:
    """Why a row failed, in words."""
    return f"{function.name}: {type(problem).__name__}: {problem}"


def typed_values(values: list[Any], kind: SqlType, name: str, errors: list[str | None]) -> Any:
    """Python values as an Arrow array of `kind`; where one does not fit NULL, and a reason in `errors`."""
    if kind.name is TypeName.DECIMAL:
        values = [_fitted(value, kind) for value in values]
    target = arrow_type(kind)
    fits = _FITTING.get(kind.name, object)
    try:
        if all(value is None or isinstance(value, fits) for value in values):
            return pa.array(values, target)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError, ValueError):
        pass
    for i, value in enumerate(values):
        try:
            wrong = not (value is None or isinstance(value, fits))
            pa.array([value], target)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError, ValueError):
            wrong = True
        if wrong:
            errors[i] = f"{name}: {value!r} is no {kind.as_nullable()}"
            values[i] = None
    return pa.array(values, target)


_WHOLE = (int, np.integer)
_FITTING: dict[TypeName, Any] = {
    **dict.fromkeys(INTEGERS, _WHOLE),
    **dict.fromkeys(FLOATS, (*_WHOLE, float, np.floating)),
    **dict.fromkeys(STRINGS, str),
    TypeName.BOOLEAN: (bool, np.bool_),
}
"""Of which Python types the values of a type are, where Arrow would take others, too."""


def _fitted(value: Any, kind: SqlType) -> Any:
    """A Decimal, int or str with the digits of `kind`, HALF_UP; anything else is left to fail."""
    if isinstance(value, Decimal) and value.is_finite():
        return value.quantize(Decimal(1).scaleb(-kind.scale), context=_ROUNDED)
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


@dataclass(frozen=True, slots=True)
class UserTableFunction:
    """A table function of one's own, as the plan's LATERAL TABLE has it."""

    function: str
    """Its name in plans."""

    @property
    def name(self) -> str:
        """As people write it."""
        return by_plan_name(self.function).name

    @property
    def schema(self) -> RowSchema:
        """The fields of its ROW; EXPR$0 for any other type."""
        returns = by_plan_name(self.function).returns
        if returns.name is not TypeName.ROW:
            return RowSchema((Column("EXPR$0", returns),))
        return RowSchema(tuple(Column(name, kind) for name, kind in returns.fields))

    def rows(self, arguments: Sequence[Any]) -> TableRows:
        """What it yields, row after row. VeloError JOB_FAILED where it raises or yields what does not fit."""
        function = by_plan_name(self.function)
        made: list[tuple[Any, ...]] = []
        parents: list[int] = []
        for i, row in enumerate(zip(*(a.to_pylist() for a in arguments), strict=True)):
            if not function.called_on_null and None in row:
                continue
            for item in _yielded(function, row):
                made.append(item if function.returns.name is TypeName.ROW else (item,))
                parents.append(i)
        return TableRows(_positions(parents), self._columns(function, made))

    def _columns(self, function: UserFunction, made: list[tuple[Any, ...]]) -> list[Any]:
        columns = []
        for i, column in enumerate(self.schema.columns):
            errors: list[str | None] = [None] * len(made)
            columns.append(typed_values([row[i] for row in made], column.type, function.name, errors))
            wrong = next((error for error in errors if error is not None), None)
            if wrong is not None:
                raise _job_failed(wrong)
        return columns


def _yielded(function: UserFunction, row: tuple[Any, ...]) -> list[Any]:
    try:
        items = list(function(*row))
    except (Exception, SystemExit) as problem:  # whatever a person's function raises
        raise _job_failed(failure(function, problem)) from None
    width = len(function.returns.fields)
    if function.returns.name is TypeName.ROW:
        for item in items:
            if not isinstance(item, tuple) or len(item) != width:
                raise _job_failed(f"{function.name}: it yields {item!r}, not a tuple of {width}")
    return items


def _positions(parents: list[int]) -> Int64s:
    return np.array(parents, np.int64)


def _job_failed(message: str) -> VeloError:
    return VeloError(ErrorCode.JOB_FAILED, message)
