"""Aggregates of one's own (`velo_engine.udf.aggregate`): a Python state per slot."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.functions.user_calls import failure, typed_values
from velo_engine.functions.user_functions import by_plan_name
from velo_engine.operators.accumulators.held import Held, HeldPerSlot
from velo_engine.operators.runs import EMPTY_SLOT
from velo_engine.operators.vectors import Vector, from_arrow, single_array
from velo_engine.types import SqlType
from velo_engine.udf import UserFunction


class UserAggregate(HeldPerSlot):
    """Calls the methods of the decorated class; an exception fails the job and says which function raised it."""

    def __init__(self, name: str, arguments: Sequence[SqlType], result: SqlType, location: Location | None) -> None:
        self._function = by_plan_name(name)
        self._location = location
        implementation: Any = self._function.implementation
        self._methods = self._guarded(implementation)()
        super().__init__(
            arguments,
            result,
            lambda: _State(self._methods, self._guarded, single=len(arguments) == 1),
            retractable=callable(getattr(self._methods, "retract", None)),
            mergeable=callable(getattr(self._methods, "merge", None)),
        )

    def merged(self, slots: Int64s) -> Vector:
        """The result of the states of each row of slots, from left to right."""
        results = []
        for row in slots.tolist():
            joined = _State(self._methods, self._guarded, single=len(self._arguments) == 1)
            for slot in row:
                held = self._slots[slot]
                if slot != EMPTY_SLOT and isinstance(held, _State):
                    joined.state = self._guarded(self._methods.merge)(joined.state, copy.deepcopy(held.state))
            results.append(joined.result())
        return self._vector(results)

    def snapshot(self, slots: Int64s) -> dict[str, Any]:
        """The states of `slots` as bytes."""
        states = [self._slots[slot] for slot in slots.tolist()]
        return {"state": pa.array([_saved(self._function, s) for s in states], pa.binary())}

    def restore(self, slots: Int64s, state: Mapping[str, Any]) -> None:
        """Takes over a snapshot."""
        for slot, saved in zip(slots.tolist(), single_array(state["state"]).to_pylist(), strict=True):
            if saved is not None:
                held = self._new()
                assert isinstance(held, _State)
                held.state = msgspec.msgpack.decode(saved)
                self._slots[slot] = held

    def _vector(self, results: list[Any]) -> Vector:
        errors: list[str | None] = [None] * len(results)
        values = typed_values(results, self._kind, self._function.name, errors)
        wrong = next((error for error in errors if error is not None), None)
        if wrong is not None:
            raise VeloError(ErrorCode.JOB_FAILED, wrong, location=self._location)
        return from_arrow(values, self._kind)

    def _guarded(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            try:
                return method(*args)
            except (Exception, SystemExit) as problem:  # whatever a person's function raises
                message = failure(self._function, problem)
                raise VeloError(ErrorCode.JOB_FAILED, message, location=self._location) from None

        return call


class _State(Held):
    """The state of one slot."""

    def __init__(self, methods: Any, guarded: Callable[..., Any], *, single: bool) -> None:
        self._methods = methods
        self._guarded = guarded
        self._single = single
        self.state = guarded(methods.create)()

    def change(self, item: Any, weight: int) -> None:
        """Accumulate or retract."""
        method = self._guarded(self._methods.accumulate if weight > 0 else self._methods.retract)
        self.state = method(self.state, item) if self._single else method(self.state, *item)

    def result(self) -> Any:
        """What get_value makes of the state."""
        return self._guarded(self._methods.get_value)(self.state)

    def entries(self) -> list[tuple[Any, int]]:
        """States are saved and merged as they are."""
        raise NotImplementedError


def _saved(function: UserFunction, held: Held | None) -> bytes | None:
    if not isinstance(held, _State):
        return None
    wrong = _unsaveable(held.state)
    if wrong is not None:
        message = f"the state of {function.name} holds a {wrong}, which cannot be saved"
        hint = "make it of None, bool, int, float, str, bytes, lists and dicts"
        raise VeloError(ErrorCode.JOB_FAILED, message, hint=hint)
    return msgspec.msgpack.encode(held.state)


def _unsaveable(value: Any) -> str | None:
    """The name of the first type in a state that would not come back as it is."""
    if value is None or type(value) in (bool, int, float, str, bytes):
        return None
    if type(value) is list:
        return next((wrong for item in value if (wrong := _unsaveable(item)) is not None), None)
    if type(value) is dict:
        return next((w for pair in value.items() for item in pair if (w := _unsaveable(item)) is not None), None)
    return type(value).__name__
