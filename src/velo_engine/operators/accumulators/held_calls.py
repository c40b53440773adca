"""Which held state each aggregate call has (see `held`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from velo_engine.operators.accumulators.held import Held, HeldPerSlot
from velo_engine.operators.accumulators.held_counts import (
    HeldFrequencies,
    HeldMultiset,
    HeldNumbers,
    HeldObject,
    HeldSingle,
    percentile,
    percentile_disc,
)
from velo_engine.operators.accumulators.held_lists import (
    HeldBag,
    HeldFirst,
    HeldLast,
    HeldList,
    HeldText,
    as_array,
    as_json_array,
    as_text,
)
from velo_engine.plan.expressions import AggregateCall
from velo_engine.types import SqlType

_JSON_ARRAYS = frozenset({"json_arrayagg_null_on_null", "json_arrayagg_absent_on_null"})
_JSON_OBJECTS = frozenset({"json_objectagg_null_on_null", "json_objectagg_absent_on_null"})
_NOT_MERGED = frozenset({"first_value", "last_value", "single_value", *_JSON_ARRAYS, *_JSON_OBJECTS})
"""Functions without a merge in Flink."""

HELD = frozenset(
    {"array_agg", "array_agg_ignore_nulls", "listagg", "collect", "percentile", "percentile_cont", "percentile_disc"}
    | {"median", "first_value", "last_value", "single_value"}
    | _JSON_ARRAYS
    | _JSON_OBJECTS
)
"""The functions that are computed here; FIRST_VALUE and LAST_VALUE only over rows that are taken back."""


def held_accumulator(call: AggregateCall, types: Sequence[SqlType], *, retracting: bool) -> HeldPerSlot:
    """The accumulator of a call of a function of HELD."""
    new, retractable = _state(call, types, retracting=retracting)
    mergeable = call.function not in _NOT_MERGED
    return HeldPerSlot(types, call.type, new, retractable=retractable, mergeable=mergeable)


def _state(call: AggregateCall, types: Sequence[SqlType], *, retracting: bool) -> tuple[Callable[[], Held], bool]:
    """What makes the state of a slot, and whether it follows rows that are taken back."""
    location = call.location
    match call.function:
        case "array_agg" | "array_agg_ignore_nulls":
            return (lambda: HeldBag(as_array) if retracting else HeldList(as_array)), retracting
        case "listagg":
            separator = str(call.constants[0]) if call.constants else ","
            shape = as_text(separator)
            return (lambda: HeldBag(shape) if retracting else HeldText(separator, lambda text: text)), retracting
        case function if function in _JSON_ARRAYS:
            if retracting:
                return (lambda: HeldBag(as_json_array)), True
            if function == "json_arrayagg_null_on_null":
                return (lambda: HeldList(as_json_array)), False
            return (lambda: HeldText(",", lambda text: f"[{text or ''}]")), False
        case function if function in _JSON_OBJECTS:
            absent = function == "json_objectagg_absent_on_null"
            return (lambda: HeldObject(location, absent_on_null=absent)), True
        case "collect":
            return HeldMultiset, True
        case "first_value":
            return HeldFirst, True
        case "last_value":
            return HeldLast, True
        case "single_value":
            return (lambda: HeldSingle(location)), True
        case "percentile_disc":
            chosen = percentile_disc(_shares(call)[0])
            return (lambda: HeldNumbers(chosen, as_double=False)), True
        case _:
            finish = percentile(_shares(call), many=bool(call.constants) and isinstance(call.constants[0], tuple))
            kind = HeldFrequencies if len(types) > 1 else HeldNumbers
            return (lambda: kind(finish, as_double=True)), True


def _shares(call: AggregateCall) -> tuple[float, ...]:
    """The shares of a percentile; MEDIAN's is a half."""
    if not call.constants:
        return (0.5,)
    given = call.constants[0]
    return tuple(float(share) for share in (given if isinstance(given, tuple) else (given,)))  # type: ignore[arg-type]
