"""Assertions about how far event time lies behind the run's clock."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.types import TypeName
from velo_harness.assertion_tables.order_time import LATENCIES
from velo_harness.assertions.context import CheckContext, column_called, missing_field, offending
from velo_harness.assertions.order_time import MICROS_PER_MS, milliseconds
from velo_harness.counted import counted
from velo_harness.relation import Relation
from velo_harness.result import Finding
from velo_harness.spec import AssertionSpec

_PER_MILLE = {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999, "max": 1000}


def table_freshness(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The newest time of the table is at most so old, and not after now."""
    wanted = assertion.parameters
    table, name = _table(assertion, context), wanted["timestamp_field"]
    if table.position(name) is None:
        return missing_field(table, name)
    known = column_called(table, name).is_valid().to_numpy()
    times = _instants(table.filtered(_arrow(known)), name, assertion, context)
    if not len(times):
        actual = f"{table.name} has no row" if not len(table) else f"every {name} is NULL"
        return None if assertion.allow_empty else Finding("a newest row", actual)
    now, newest = context.run.now_ms, int(times.max())
    future = np.zeros(len(table), bool)
    future[np.flatnonzero(known)[times > now]] = True
    if future.any() and not wanted["allow_future"]:
        count, examples = offending(table, future)
        return Finding(f"no {name} after now ({_moment(now)})", counted(count, "row"), count, len(table), examples)
    age = now - newest
    if age <= wanted["max_age"]:
        return None
    expected = f"{name} at most {wanted['max_age']} ms before now ({_moment(now)})"
    return Finding(expected, f"the newest is {_moment(newest)}, {age} ms before", total=len(table))


def _table(assertion: AssertionSpec, context: CheckContext) -> Relation:
    name = assertion.parameters["table"]
    if name is None or name == context.output.name:
        return context.output
    for relations in (context.inputs, context.outputs):
        if name in relations:
            return relations[name]
    known = [*context.inputs, *context.outputs]
    place = assertion.parameter_locations.get("table", assertion.location)
    message, hint = f'the run has no table "{name}"', did_you_mean(name, known, noun="table")
    raise VeloError(ErrorCode.BAD_VALUE, message, location=place, hint=hint)


def latency(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """From a row's event time until it was processed, at most so long at each of the percentiles stated.

    The percentile is the smallest latency that at least so many rows do not exceed (nearest rank).
    """
    output, wanted = context.output, assertion.parameters
    start, end = wanted["event_time_field"], wanted["processing_time_field"]
    for name in (start, end) if end is not None else (start,):
        if output.position(name) is None:
            return missing_field(output, name)
        nulls = column_called(output, name).is_null().to_numpy()
        if nulls.any():
            count, examples = offending(output, nulls)
            return Finding(f"{name} in every row", counted(count, "NULL"), count, len(output), examples)
    if end is not None:
        processed = _instants(output, end, assertion, context)
    else:
        assert context.run.given_out_ms is not None
        processed = context.run.given_out_ms[context.rows]
    latencies = processed - _instants(output, start, assertion, context)
    for name, text in LATENCIES.items():
        limit = wanted[f"{name}_latency_ms"]
        if limit is not None and (found := _statistic(name, latencies)) > limit:
            count, examples = offending(output, latencies > limit)
            label = text.lower()
            return Finding(f"{label} latency of at most {limit} ms", f"{found:g} ms", count, len(output), examples)
    return None


def _instants(relation: Relation, name: str, assertion: AssertionSpec, context: CheckContext) -> Int64s:
    """A column of times as milliseconds since the epoch; a TIMESTAMP is one of the run's time zone."""
    position = relation.position(name)
    assert position is not None
    if relation.type(position).name is TypeName.TIMESTAMP and context.time_zone != "UTC":
        import pyarrow.compute as pc

        zoned = pc.assume_timezone(
            relation.column(position), context.time_zone, ambiguous="earliest", nonexistent="earliest"
        )
        micros: Int64s = zoned.cast("int64").to_numpy()
        return micros // MICROS_PER_MS
    return milliseconds(relation, name, assertion)


def _statistic(name: str, latencies: Int64s) -> float:
    if name == "avg":
        return float(latencies.mean())
    ordered = np.sort(latencies)
    return float(ordered[math.ceil(_PER_MILLE[name] * len(ordered) / 1000) - 1])


def _moment(milliseconds_: int) -> str:
    return str(np.datetime64(milliseconds_, "ms"))


def _arrow(mask: Any) -> Any:
    import pyarrow as pa

    return pa.array(mask)
