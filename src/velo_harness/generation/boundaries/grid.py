"""Rows in which one column decides: of all combinations of boundary values those where a change of one shows.

Condition coverage alone would miss it: in `a > 1 OR b = 2` no value of `a` matters while `b` is 2. So for every column
a context is looked for, values of the other columns, in which the outcome depends on the column (the idea of MC/DC, the
modified condition/decision coverage of RTCA DO-178C).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.compile_expression import compile_expression
from velo_engine.errors import VeloError
from velo_engine.kernel import Kernel
from velo_engine.plan.expressions import Expression, Literal, columns_of
from velo_engine.types import SqlType, arrow_type

MOST_COMBINATIONS = 8192
"""Combinations that are looked at; columns with more values are thinned out."""
CONTEXTS = 2
"""Contexts that are kept for each column."""
FAILS = -1
"""The outcome of a row whose computation fails."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided about rows of one source: filters first, then conditions that choose among values."""

    filters: tuple[Expression, ...]
    tests: tuple[Expression, ...]
    computed: tuple[Expression, ...]

    @property
    def leaves(self) -> list[int]:
        """The leaves that it reads."""
        return sorted(columns_of(*self.filters, *self.tests, *self.computed))


@dataclass(frozen=True, slots=True)
class Setting:
    """What the expressions are evaluated with."""

    types: Mapping[int, SqlType]
    time_zone: str
    now: str
    """The instant as SQL text."""


def outcomes(decision: Decision, rows: Sequence[Mapping[int, Any]], setting: Setting) -> Any:
    """A code per row: 0 does not pass, `FAILS`, else 1 and which of the conditions hold."""
    leaves = decision.leaves
    count = len(rows)
    table = pa.table(
        {f"c{i}": pa.array([row.get(i) for row in rows], arrow_type(setting.types[i])) for i in leaves}
        | {"row": pa.array(range(count), pa.int64())}
    )
    passes, failed, code = np.ones(count, bool), np.zeros(count, bool), np.zeros(count, np.int64)
    with Kernel() as kernel:
        for number, expression in enumerate((*decision.filters, *decision.tests, *decision.computed)):
            value, error = _evaluated(kernel, expression, table, setting)
            if value is None:
                continue
            failed |= error & passes  # what does not get through is computed no further
            if number < len(decision.filters):
                passes &= value
            elif number < len(decision.filters) + len(decision.tests):
                code = code * 2 % (2**53) + value
    return np.where(failed, FAILS, np.where(passes, 1 + code, 0))


def constant(expression: Expression, setting: Setting) -> Any:
    """The value of an expression without columns; None when it has none, or fails."""
    if isinstance(expression, Literal):
        return expression.value
    try:
        compiled = compile_expression(expression, lambda i: f"c{i}", time_zone=setting.time_zone, now=setting.now)
        with Kernel() as kernel:
            sql = f"SELECT {compiled.value} AS v, {compiled.error or 'NULL'} AS e"
            (found,) = kernel.query(sql).to_pylist()
    except VeloError:
        return None
    return None if found["e"] is not None else found["v"]


def _evaluated(kernel: Kernel, expression: Expression, table: pa.Table, setting: Setting) -> tuple[Any, Any]:
    """Where a condition is true, and where the computation fails; nothing when the kernel does not take it."""
    try:
        compiled = compile_expression(expression, lambda i: f"c{i}", time_zone=setting.time_zone, now=setting.now)
        value = f"({compiled.value})" if str(expression.type.name) == "BOOLEAN" else "NULL"
        error = f"({compiled.error or 'NULL'}) IS NOT NULL"
        found = kernel.query(f"SELECT COALESCE({value}, FALSE) AS v, {error} AS e FROM rows ORDER BY row", rows=table)
    except VeloError:
        return None, None
    return (found.column(name).to_numpy().astype(bool) for name in ("v", "e"))  # type: ignore[return-value]


def deciding_rows(
    decision: Decision, base: Sequence[Mapping[int, Any]], axes: Mapping[int, Sequence[Any]], setting: Setting
) -> list[list[dict[int, Any]]]:
    """For every column of `axes` the rows of its contexts, all its values in order; first, if any, one row that passes.

    `base` are whole rows, of which the first that passes gives the values of all columns without an axis.
    """
    start = _start(decision, base, axes, setting)
    axes = {index: values for index, values in axes.items() if index in decision.leaves}
    alone = [[{**start, index: value} for value in values] for index, values in axes.items()]
    columns, axes = list(axes), _thinned(axes)
    indices = list(axes)
    rows = [{**start, **dict(zip(indices, values, strict=True))} for values in product(*axes.values())]
    found = outcomes(decision, rows, setting)
    if not indices:
        return [[dict(start)], *alone] if found[0] > 0 else alone
    grid = found.reshape([len(axes[index]) for index in indices])
    places = np.arange(len(rows)).reshape(grid.shape)
    passing = np.flatnonzero(found > 0)
    chosen = [[rows[int(passing[0])]]] if len(passing) else []
    for axis in range(len(indices)):
        lines = np.moveaxis(grid, axis, -1).reshape(-1, grid.shape[axis])
        numbers = np.moveaxis(places, axis, -1).reshape(lines.shape)
        chosen += [[rows[int(p)] for p in numbers[line] if found[p] != FAILS] for line in _telling(lines)]
    return chosen + [line for index, line in zip(columns, alone, strict=True) if index not in axes]


def _telling(lines: Any) -> list[int]:
    """The contexts (rows of `lines`) in which the outcome changes along the column, no two alike; at least one.

    Preferred are those in which most of the values pass and fewest fail.
    """
    changes = (lines[:, 1:] != lines[:, :-1]).sum(axis=1)
    passing = (lines > 0).sum(axis=1)
    failing = (lines == FAILS).sum(axis=1)
    order = np.lexsort((-passing, failing, -changes))
    kept: list[int] = []
    seen: set[tuple[int, ...]] = set()
    for line in order.tolist():
        pattern = tuple(lines[line].tolist())
        if pattern in seen or (kept and changes[line] == 0):
            continue
        seen.add(pattern)
        kept.append(line)
        if len(kept) == CONTEXTS:
            break
    return kept


def _start(
    decision: Decision, base: Sequence[Mapping[int, Any]], axes: Mapping[int, Sequence[Any]], setting: Setting
) -> dict[int, Any]:
    """The first whole row that passes, with boundary values in turn where none does by itself."""
    if not decision.filters:
        return dict(base[0])
    found = outcomes(decision, base, setting)
    passing = np.flatnonzero(found > 0)
    if len(passing):
        return dict(base[int(passing[0])])
    mixed = [
        {
            **row,
            **{
                index: values[(number // (place + 1)) % len(values)]
                for place, (index, values) in enumerate(axes.items())
            },
        }
        for number, row in enumerate(base)
    ]
    passing = np.flatnonzero(outcomes(decision, mixed, setting) > 0)
    return mixed[int(passing[0])] if len(passing) else dict(base[0])


def _combination(axes: Mapping[int, Sequence[Any]], number: int) -> dict[int, Any]:
    """The combination of that number, the first column's values in turn."""
    found = {}
    for index, values in axes.items():
        number, place = divmod(number, len(values))
        found[index] = values[place]
    return found


def _thinned(axes: Mapping[int, Sequence[Any]]) -> dict[int, list[Any]]:
    """The values of all columns, so few that their combinations can be looked at."""
    kept = {index: list(values) for index, values in axes.items()}
    while kept and np.prod([float(len(values)) for values in kept.values()]) > MOST_COMBINATIONS:
        longest = max(kept, key=lambda index: (len(kept[index]), index))
        values = kept[longest]
        if len(values) <= 3:
            kept.pop(next(reversed(kept)))
        else:
            kept[longest] = [value for place, value in enumerate(values) if place != len(values) // 2]
    return kept
