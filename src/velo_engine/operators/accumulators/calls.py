"""All aggregate calls of an operator: which accumulator each one has, and how rows become its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from velo_engine.batch import Bools, Int64s
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.functions.user_functions import PREFIX, by_plan_name
from velo_engine.operators.accumulators.base import Accumulator, Argument
from velo_engine.operators.accumulators.co_moments import CoMoments
from velo_engine.operators.accumulators.counts import Count
from velo_engine.operators.accumulators.distinct import DistinctValues
from velo_engine.operators.accumulators.extremes import Extreme
from velo_engine.operators.accumulators.held_calls import HELD, held_accumulator
from velo_engine.operators.accumulators.moments import Moments
from velo_engine.operators.accumulators.multisets import RetractableExtreme
from velo_engine.operators.accumulators.positions import Delta, FirstValue, LastValue
from velo_engine.operators.accumulators.reduction import MOMENTS, is_reduced
from velo_engine.operators.accumulators.sums import average_of, sum_of
from velo_engine.operators.accumulators.user_aggregate import UserAggregate
from velo_engine.operators.runs import Runs
from velo_engine.operators.vectors import Vector, from_arrow, single_array, validity
from velo_engine.plan.expressions import AggregateCall
from velo_engine.schema import RowSchema
from velo_engine.type_rules.aggregates import AGGREGATES, PAIRED
from velo_engine.types import NUMERICS

Weights = npt.NDArray[np.int8]

_DISTINCT_ANYWAY = frozenset({"min", "max", "first_value", "last_value"})
"""Functions whose result is the same over distinct values, as long as none is taken back."""

_Distinct: TypeAlias = "tuple[tuple[int, ...], int | None, bool]"
"""Argument columns, filter column, and whether NULL counts: what calls with DISTINCT share."""


class AggregateCalls:
    """The accumulators of `calls` over rows of `schema`, all indexed by the same slots."""

    def __init__(
        self,
        calls: Sequence[AggregateCall],
        schema: RowSchema,
        *,
        retracting: bool,
        unretracted: frozenset[int] = frozenset(),
        reduced: Sequence[bool] | None = None,
    ) -> None:
        """`retracting`: rows may be taken back, which the calls at positions `unretracted` ignore. `reduced`: for each
        call whether it is computed from shared totals (see `reduction`); None: as in a group aggregate.

        Raises VeloError for a call that cannot be computed.
        """
        self._calls = tuple(calls)
        self._schema = schema
        if reduced is None:
            reduced = [is_reduced(calls, schema)] * len(calls)
        self._unretracted = unretracted
        self._accumulators = [
            _accumulator(call, schema, retracting=retracting and i not in unretracted, reduced=reduced[i])
            for i, call in enumerate(calls)
        ]
        self._deduplicated = [call.distinct and (retracting or call.function not in _DISTINCT_ANYWAY) for call in calls]
        self._distinct: dict[_Distinct, DistinctValues] = {}
        for call, deduplicated in zip(calls, self._deduplicated, strict=True):
            if deduplicated:
                types = [schema.types[i] for i in call.args]
                self._distinct.setdefault(_distinct_key(call), DistinctValues(types))

    @property
    def always_change(self) -> bool:
        """Whether every row changes some result: there is a COUNT(*) without filter."""
        return any(c.function == "count" and not c.args and c.filter is None for c in self._calls)

    def refuse_retraction(self) -> None:
        """Raise when some call cannot take rows back."""
        for i, (call, accumulator) in enumerate(zip(self._calls, self._accumulators, strict=True)):
            if not accumulator.retractable and i not in self._unretracted:
                raise _unsupported(call, "cannot take rows back, and its input retracts rows")

    def reserve(self, slots: int) -> None:
        """Make room for slots below `slots`."""
        for accumulator in self._accumulators:
            accumulator.reserve(slots)
        for values in self._distinct.values():
            values.reserve(slots)

    def clear(self, slots: Int64s) -> None:
        """Back to the initial state."""
        for accumulator in self._accumulators:
            accumulator.clear(slots)
        for values in self._distinct.values():
            values.clear(slots)

    def run(self, runs: Runs, rows: pa.Table, positions: Int64s | None, sign: Weights | None) -> list[Vector]:
        """Per call the result at every element of `runs`; moves the slots on.

        Row *i* of the runs' input is row `positions[i]` of `rows` (None: row *i*); `sign` is per row of `rows`, -1 for
        rows that take back, None when none does.
        """
        at = runs.order if positions is None else positions[runs.order]
        inputs = _Inputs(rows, self._schema, sign)
        distinct = {
            key: values.run(runs, values.encode(inputs.columns(key[0]))[at], _taken(inputs.weight(*key), at))
            for key, values in self._distinct.items()
        }
        return [a.run(runs, g) for a, g in zip(self._accumulators, self._arguments(inputs, at, distinct), strict=True)]

    def fold(self, slots: Int64s, rows: pa.Table, positions: Int64s | None, sign: Weights | None = None) -> None:
        """Move `slots[i]` on by row `positions[i]` of `rows` (None: row *i*), in that order; `sign` as in `run`."""
        inputs = _Inputs(rows, self._schema, sign)
        distinct = {}
        for key, values in self._distinct.items():
            codes = values.encode(inputs.columns(key[0]))
            weight = inputs.weight(*key)
            if positions is not None:
                codes, weight = codes[positions], _taken(weight, positions)
            distinct[key] = values.fold(slots, codes, weight)
        arguments = self._arguments(inputs, positions, distinct)
        for accumulator, argument in zip(self._accumulators, arguments, strict=True):
            accumulator.fold(slots, argument)

    def values(self, slots: Int64s) -> list[Vector]:
        """Per call the result in each of `slots`."""
        return [a.values(slots) for a in self._accumulators]

    @property
    def mergeable(self) -> bool:
        """Whether the results of several slots can be put together."""
        return not self._distinct and all(a.mergeable for a in self._accumulators)

    def merged(self, slots: Int64s) -> list[Vector]:
        """Per call the result of the slots of each row of a matrix taken together, from left to right."""
        return [a.merged(slots) for a in self._accumulators]

    def snapshot(self, slots: Int64s) -> dict[str, pa.Table]:
        """The state of `slots`."""
        columns = {"slot": pa.array(slots)}
        for i, accumulator in enumerate(self._accumulators):
            columns |= {f"a{i}.{name}": array for name, array in accumulator.snapshot(slots).items()}
        tables = {"accumulators": pa.table(columns)}
        return tables | {f"distinct{i}": d.snapshot(slots) for i, d in enumerate(self._distinct.values())}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Take over a snapshot; this object is new."""
        table = state["accumulators"]
        slots = table.column("slot").to_numpy()
        self.reserve(int(slots.max()) + 1 if len(slots) else 1)
        for i, accumulator in enumerate(self._accumulators):
            prefix = f"a{i}."
            own = {n.removeprefix(prefix): table.column(n) for n in table.column_names if n.startswith(prefix)}
            accumulator.restore(slots, own)
        for i, values in enumerate(self._distinct.values()):
            values.restore(state[f"distinct{i}"])

    def _arguments(self, inputs: _Inputs, at: Int64s | None, distinct: Mapping[_Distinct, Weights]) -> list[Argument]:
        out = []
        for i, call in enumerate(self._calls):
            argument = inputs.argument(call) if at is None else inputs.argument(call).take(at)
            if self._deduplicated[i]:
                argument = replace(argument, weight=distinct[_distinct_key(call)])
            if i in self._unretracted and argument.weight is not None:
                argument = replace(argument, weight=np.maximum(argument.weight, 0))
            out.append(argument)
        return out


class _Inputs:
    """The rows of one batch as arguments; each column is converted once."""

    def __init__(self, rows: pa.Table, schema: RowSchema, sign: Weights | None) -> None:
        self._rows = rows
        self._schema = schema
        self._sign = sign
        self._vectors: dict[int, Vector] = {}

    def columns(self, positions: tuple[int, ...]) -> list[Any]:
        """The Arrow columns at `positions`."""
        return [self._rows.column(i) for i in positions]

    def argument(self, call: AggregateCall) -> Argument:
        """Values and weights of a call, before DISTINCT."""
        weight = self.weight(*_distinct_key(call))
        if call.function == "count":
            return Argument(np.zeros(self._rows.num_rows, np.int8), weight)
        first, *others = (self._vector(i) for i in call.args)
        return Argument(first.values, weight, first.valid if _counts_nulls(call) else None, tuple(others))

    def weight(self, args: tuple[int, ...], filter_: int | None, counts_nulls: bool) -> Weights | None:
        """Which rows count: those that pass the filter, with all arguments not NULL unless those count too."""
        weight = self._sign
        for i in () if counts_nulls else args:
            weight = _restricted(weight, validity(single_array(self._rows.column(i))))
        if filter_ is not None:
            passes = self._vector(filter_)
            weight = _restricted(weight, passes.values if passes.valid is None else passes.values & passes.valid)
        return weight

    def _vector(self, column: int) -> Vector:
        if column not in self._vectors:
            self._vectors[column] = from_arrow(self._rows.column(column), self._schema.types[column])
        return self._vectors[column]


def _counts_nulls(call: AggregateCall) -> bool:
    if call.function.startswith(PREFIX):
        return by_plan_name(call.function).called_on_null
    function = AGGREGATES.get(call.function)
    return function is not None and function.counts_nulls


def _distinct_key(call: AggregateCall) -> _Distinct:
    return call.args, call.filter, _counts_nulls(call)


def _restricted(weight: Weights | None, counts: Bools | None) -> Weights | None:
    if counts is None:
        return weight
    return counts.astype(np.int8) if weight is None else weight * counts


def _taken(weight: Weights | None, positions: Int64s) -> Weights | None:
    return None if weight is None else weight[positions]


def _accumulator(call: AggregateCall, schema: RowSchema, *, retracting: bool, reduced: bool) -> Accumulator:
    types = [schema.types[i] for i in call.args]
    if call.function == "count":
        return Count()
    accumulator: Accumulator
    match call.function:
        case "sum" if types[0].name in NUMERICS:
            accumulator = sum_of(types[0], call.type, reduced=reduced)
        case "avg" if types[0].name in NUMERICS:
            accumulator = average_of(types[0], call.type, reduced=reduced)
        case "min" | "max":
            extreme = RetractableExtreme if retracting else Extreme
            accumulator = extreme(types[0], largest=call.function == "max")
        case "first_value" if not retracting:
            accumulator = FirstValue(types[0])
        case "last_value" if not retracting:
            accumulator = LastValue(types[0])
        case function if function.startswith(PREFIX):
            accumulator = UserAggregate(function, types, call.type, call.location)
        case "delta":
            accumulator = Delta(types[0], call.type)
        case function if function in PAIRED:
            accumulator = CoMoments((types[0], types[1]), function)
        case function if function in HELD:
            accumulator = held_accumulator(call, types, retracting=retracting)
        case function if function in MOMENTS and types[0].name in NUMERICS:
            sample, root = MOMENTS[function]
            accumulator = Moments(types[0], call.type, sample=sample, root=root)
        case _:
            raise _unsupported(call, f"is not an aggregate over {types[0]}")
    if retracting and not accumulator.retractable:
        raise _unsupported(call, "cannot take rows back, and its input retracts rows")
    return accumulator


def _unsupported(call: AggregateCall, why: str) -> VeloError:
    return VeloError(ErrorCode.SQL_UNSUPPORTED, f"{call.function.upper()} {why}", location=call.location)
