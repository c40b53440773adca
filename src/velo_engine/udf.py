"""Functions of one's own: decorators that make SQL functions of Python functions.

    from velo_engine.udf import aggregate, scalar, table_function, vectorized

    @scalar
    def initials(name: str) -> str: ...

    @vectorized("DOUBLE", "DOUBLE", returns="DOUBLE")
    def distance(x, y): ...  # Arrow arrays

Types are SQL types as text, or come from the annotations: int is BIGINT, float DOUBLE, str STRING, bool BOOLEAN, bytes
BYTES, date DATE, datetime TIMESTAMP(6), time TIME(6), list[T] ARRAY<T>, dict[K, V] MAP<K, V>. Decimal needs its digits:
`returns="DECIMAL(12, 2)"`. A row whose argument is NULL gives NULL without a call (counts for nothing in an
aggregate, makes no rows in a table function), unless the function is declared with `called_on_null=True`.

`docs/udf.md` says how a program names such functions and how they are loaded.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, overload

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTERVALS,
    STRING,
    SqlType,
    TypeName,
    array,
    map_of,
)
from velo_engine.types import time as time_type
from velo_engine.types import timestamp as timestamp_type

F = TypeVar("F", bound=Callable[..., Any])


class FunctionKind(Enum):
    """What a function makes of its arguments."""

    SCALAR = "scalar"
    """One value of the values of one row."""
    VECTORIZED = "vectorized"
    """One Arrow array of as many Arrow arrays as there are arguments."""
    AGGREGATE = "aggregate"
    """One value of many rows: a class with `create`, `accumulate`, `get_value`, and perhaps `retract` and `merge`."""
    TABLE = "table"
    """Any number of rows of the values of one row."""


@dataclass(frozen=True)
class UserFunction:
    """A function with its types settled; calling it calls what was decorated."""

    kind: FunctionKind
    name: str
    """How SQL calls it, in any case."""
    parameters: tuple[SqlType, ...]
    returns: SqlType
    """Of a table function the ROW type of its rows."""
    implementation: Callable[..., Any] | None
    """What was decorated; None for a function that is only declared (`-- @udf: … RETURNS …`)."""
    deterministic: bool = True
    called_on_null: bool = False
    place: str = ""
    """`module:function`, where it is found."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the decorated function, so that it can be tested alone."""
        if self.implementation is None:
            raise TypeError(f"{self.name} is declared and not loaded")
        return self.implementation(*args, **kwargs)


@overload
def scalar(function: F, /) -> UserFunction: ...
@overload
def scalar(
    *types: str,
    returns: str | None = ...,
    name: str | None = ...,
    deterministic: bool = ...,
    called_on_null: bool = ...,
) -> Callable[[F], UserFunction]: ...
def scalar(*types: Any, **options: Any) -> Any:
    """A function of the values of one row. Values are Python's: int, Decimal, str, datetime, list, dict …"""
    return _decorated(FunctionKind.SCALAR, types, options)


def vectorized(
    *types: str, returns: str, name: str | None = None, deterministic: bool = True
) -> Callable[[F], UserFunction]:
    """A function of Arrow arrays, one per argument, to an Arrow array of the same length. It sees NULLs."""
    return _decorated(  # type: ignore[no-any-return]
        FunctionKind.VECTORIZED,
        types,
        {"returns": returns, "name": name, "deterministic": deterministic, "called_on_null": True},
    )


@overload
def aggregate(function: F, /) -> UserFunction: ...
@overload
def aggregate(
    *types: str,
    returns: str | None = ...,
    name: str | None = ...,
    deterministic: bool = ...,
    called_on_null: bool = ...,
) -> Callable[[F], UserFunction]: ...
def aggregate(*types: Any, **options: Any) -> Any:
    """A class with `create() -> state`, `accumulate(state, *values) -> state` and `get_value(state)`.

    With `retract(state, *values) -> state` it follows rows that are taken back; with `merge(state, other) -> state`
    windows share their slices. A state is made of None, bool, int, float, str, bytes, lists and dicts, so that it can
    be saved. Types without text are those of the annotations of `accumulate` and `get_value`.
    """
    return _decorated(FunctionKind.AGGREGATE, types, options)


def table_function(
    *types: str,
    returns: str,
    name: str | None = None,
    deterministic: bool = True,
    called_on_null: bool = False,
) -> Callable[[F], UserFunction]:
    """A function that yields rows: tuples of the fields of `returns`, a ROW; or values, for one of another type."""
    return _decorated(  # type: ignore[no-any-return]
        FunctionKind.TABLE,
        types,
        {"returns": returns, "name": name, "deterministic": deterministic, "called_on_null": called_on_null},
    )


def _decorated(kind: FunctionKind, given: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """`@decorator` itself or `@decorator(…)`."""
    if len(given) == 1 and callable(given[0]) and not options:
        return _made(kind, given[0], (), {})
    if not all(isinstance(t, str) for t in given):
        raise _wrong(f"@{kind.value} takes SQL types as text")
    return lambda function: _made(kind, function, given, options)


def _made(kind: FunctionKind, function: Callable[..., Any], given: tuple[str, ...], options: dict[str, Any]) -> Any:
    name = str(options.get("name") or getattr(function, "__name__", ""))
    if not name.isidentifier():
        raise _wrong(f"a function needs a name that is an identifier, not {name!r}")
    if kind is FunctionKind.AGGREGATE:
        missing = [m for m in ("create", "accumulate", "get_value") if not callable(getattr(function, m, None))]
        if missing:
            raise _wrong(f"the aggregate {name} has no method {', '.join(missing)}")
    parameters, returns = _types(kind, name, function, given, options.get("returns"))
    return UserFunction(
        kind=kind,
        name=name,
        parameters=parameters,
        returns=returns,
        implementation=function,
        deterministic=bool(options.get("deterministic", True)),
        called_on_null=bool(options.get("called_on_null", False)),
        place=f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', name)}",
    )


def _types(
    kind: FunctionKind, name: str, function: Any, given: tuple[str, ...], returns: str | None
) -> tuple[tuple[SqlType, ...], SqlType]:
    """Types of the parameters and of the result, from text or from annotations."""
    called = function.accumulate if kind is FunctionKind.AGGREGATE else function
    answers = function.get_value if kind is FunctionKind.AGGREGATE else function
    parameters = _positional(called)
    if kind is FunctionKind.AGGREGATE:
        parameters = parameters[2:]  # self and the state
    result = sql_type(returns, name) if returns is not None else _annotated(answers, "return", name)
    if given:
        types_ = tuple(sql_type(text, name) for text in given)
        variadic = any(
            p.kind is inspect.Parameter.VAR_POSITIONAL for p in inspect.signature(called).parameters.values()
        )
        if len(types_) != len(parameters) and not variadic:
            raise _wrong(f"{name} takes {len(parameters)} arguments, and {len(types_)} types are given")
    else:
        types_ = tuple(_annotated(called, parameter, name) for parameter in parameters)
    return types_, result


def _positional(function: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]


def sql_type(text: str, function: str) -> SqlType:
    """The type that `text` names. VeloError TYPE_MISMATCH, also for a type that functions cannot have."""
    from velo_engine.type_rules.spelling import parse_type

    try:
        found = parse_type(text)
    except VeloError as problem:
        raise VeloError(problem.code, f"{function}: {problem.message}", hint=problem.hint) from None
    if found.name in INTERVALS or found.name is TypeName.NULL:
        raise _wrong(f"{function}: functions in Python have no {found}")
    return found


_OF_PYTHON: Mapping[Any, SqlType] = {
    int: BIGINT,
    float: DOUBLE,
    str: STRING,
    bool: BOOLEAN,
    bytes: BYTES,
    date: DATE,
    datetime: timestamp_type(6),
    time: time_type(6),
}


def _annotated(function: Any, name: str, owner: str) -> SqlType:
    hints = typing.get_type_hints(function)
    what = "its result" if name == "return" else f'"{name}"'
    if name not in hints:
        raise _wrong(f"{owner} does not say the type of {what}; annotate it, or give SQL types to the decorator")
    found = _of_annotation(hints[name])
    if found is None:
        if hints[name] is Decimal:
            raise _wrong(f"{owner}: a Decimal needs its digits; give SQL types such as DECIMAL(12, 2) to the decorator")
        raise _wrong(f"{owner}: {hints[name]!r} is no SQL type; give SQL types to the decorator")
    return found


def _of_annotation(hint: Any) -> SqlType | None:
    if hint in _OF_PYTHON:
        return _OF_PYTHON[hint]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        some = [a for a in args if a is not type(None)]
        return _of_annotation(some[0]) if len(some) == 1 else None
    parts = [_of_annotation(a) for a in args]
    if origin is list and len(parts) == 1 and parts[0] is not None:
        return array(parts[0])
    if origin is dict and len(parts) == 2 and parts[0] is not None and parts[1] is not None:
        return map_of(parts[0], parts[1])
    return None


def functions_of(names: Iterable[Any]) -> list[UserFunction]:
    """Those of `names` that are functions for SQL."""
    return [item for item in names if isinstance(item, UserFunction)]


def _wrong(message: str) -> VeloError:
    return VeloError(ErrorCode.TYPE_MISMATCH, message)
