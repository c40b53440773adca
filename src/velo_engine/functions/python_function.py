"""Kernel functions computed in Python, for what the kernel's SQL cannot say exactly.

The kernel calls them with vectors of up to 2048 rows. Such a function gives NULL where it has no value and never
raises. Every argument that is NULL makes the result NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

Row: TypeAlias = Callable[..., Any]
"""One row's values, none of them NULL, to its result or None."""


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """A function to be registered with the kernel."""

    name: str
    """Lower case, with the prefix `velo_`, so that no function of the kernel is meant by accident."""
    parameters: tuple[str, ...]
    """Kernel types."""
    returns: str
    vector: Callable[..., pa.Array]
    """Arrow arrays of equal length to an Arrow array of that length."""
    varies: bool = False
    """Whether it may give different results for equal arguments."""


def row_function(name: str, parameters: tuple[str, ...], returns: str, arrow: pa.DataType, row: Row) -> PythonFunction:
    """A kernel function that computes one row at a time."""

    def results(*columns: pa.Array) -> pa.Array:
        lists = [column.to_pylist() for column in columns]
        return pa.array([None if None in values else row(*values) for values in zip(*lists, strict=True)], arrow)

    def one(column: pa.Array) -> pa.Array:
        return pa.array([None if v is None else row(v) for v in column.to_pylist()], arrow)

    # The kernel counts the parameters that a function declares.
    def two(a: pa.Array, b: pa.Array) -> pa.Array:
        return results(a, b)

    def three(a: pa.Array, b: pa.Array, c: pa.Array) -> pa.Array:
        return results(a, b, c)

    def four(a: pa.Array, b: pa.Array, c: pa.Array, d: pa.Array) -> pa.Array:
        return results(a, b, c, d)

    return PythonFunction(name, parameters, returns, (one, two, three, four)[len(parameters) - 1])
