"""The rules of the stateful operators once more, a row at a time in plain Python, to hold the array kernels to.

Nothing here is shared with the kernels. A result is computed anew from a group's whole history, so nothing incremental
can go wrong: `history` is a list of (sign, row) since the group began.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from tests.engine.operators.changelogs import Event, OutputRow

from velo_engine.plan.expressions import AggregateCall
from velo_engine.plan.nodes import Emit, WindowKind, WindowSpec
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType, TypeName

History = list[tuple[int, tuple[Any, ...]]]

WIDE = Context(prec=200, rounding=ROUND_HALF_UP)
DIGITS_38 = Context(prec=38, rounding=ROUND_HALF_UP)
BITS = {TypeName.TINYINT: 8, TypeName.SMALLINT: 16, TypeName.INT: 32, TypeName.BIGINT: 64}
EPOCH = datetime(1970, 1, 1)


def group_by(
    events: Sequence[Event],
    schema: RowSchema,
    keys: Sequence[int],
    calls: Sequence[AggregateCall],
    *,
    emit_unchanged: bool = False,
    reduced: bool = False,
) -> list[OutputRow]:
    groups: dict[str, History] = {}
    out = []
    for seq, event in enumerate(events):
        for kind, row in event.rows:
            key = tuple(row[i] for i in keys)
            sign = 1 if kind in ("+I", "+U") else -1
            history = groups.get(repr(key), [])
            if sign < 0 and not history:
                continue
            old = results(calls, schema, history, reduced)
            history = [*history, (sign, row)]
            new = results(calls, schema, history, reduced)
            if sum(s for s, _ in history) == 0:
                del groups[repr(key)]
                out.append(OutputRow(seq, "-D", key + old))
                continue
            if len(history) == 1:
                out.append(OutputRow(seq, "+I", key + new))
            elif emit_unchanged or any(java_differs(a, b) for a, b in zip(old, new, strict=True)):
                out += [OutputRow(seq, "-U", key + old), OutputRow(seq, "+U", key + new)]
            groups[repr(key)] = history
    return out


@dataclass
class Windowed:
    changes: list[OutputRow] = field(default_factory=list)
    late: list[tuple[int, int]] = field(default_factory=list)
    partly_late: int = 0


def windows(
    events: Sequence[Event],
    schema: RowSchema,
    spec: WindowSpec,
    time_column: int,
    keys: Sequence[int],
    calls: Sequence[AggregateCall],
    *,
    emit: Emit = Emit.FINAL,
    lateness: int = 0,
    emit_unchanged: bool = False,
) -> Windowed:
    out = Windowed()
    open_: dict[tuple[int, str], tuple[tuple[Any, ...], tuple[int, int], History]] = {}
    watermark = -(2**63)

    def result(slot: tuple[int, str]) -> tuple[Any, ...]:
        key, (start, end), history = open_[slot]
        times = tuple(EPOCH + timedelta(milliseconds=ms) for ms in (start, end, end - 1))
        return key + results(calls, schema, history) + times

    for seq, event in enumerate(events):
        for _, row in event.rows:
            key = tuple(row[i] for i in keys)
            mine = sorted(windows_of(spec, (row[time_column] - EPOCH) // timedelta(milliseconds=1)), key=lambda w: w[1])
            taking = [w for w in mine if watermark < w[1] - 1 + lateness]
            if not taking:
                out.late.append((seq, watermark - (mine[-1][1] - 1 + lateness)))
            elif len(taking) < len(mine):
                out.partly_late += 1
            for window in taking:
                slot = (window[1], repr(key))
                is_new = slot not in open_
                old = None if is_new else result(slot)
                open_.setdefault(slot, (key, window, []))[2].append((1, row))
                if emit is Emit.CHANGES or watermark >= window[1] - 1:
                    new = result(slot)
                    if old is None:
                        out.changes.append(OutputRow(seq, "+I", new))
                    elif emit is Emit.CHANGES or emit_unchanged or any(map(java_differs, old, new)):
                        out.changes += [OutputRow(seq, "-U", old), OutputRow(seq, "+U", new)]
        if event.watermark is not None and event.watermark > watermark:
            if emit is Emit.FINAL:
                due = [s for s in open_ if watermark < s[0] - 1 <= event.watermark]
                out.changes += [OutputRow(seq, "+I", result(s)) for s in sorted(due, key=lambda s: s[0])]
            watermark = event.watermark
            open_ = {s: v for s, v in open_.items() if watermark < s[0] - 1 + lateness}
    return out


def windows_of(spec: WindowSpec, time: int) -> Iterator[tuple[int, int]]:
    """All windows with start <= time < end, found by trying them."""
    match spec.kind:
        case WindowKind.TUMBLE | WindowKind.HOP:
            for start in starts_near(time, spec.size_ms, spec.slide_ms, spec.offset_ms):
                if start <= time < start + spec.size_ms:
                    yield start, start + spec.size_ms
        case _:
            for start in starts_near(time, spec.size_ms, spec.size_ms, spec.offset_ms):
                for end in range(start + spec.slide_ms, start + spec.size_ms + 1, spec.slide_ms):
                    if start <= time < end:
                        yield start, end


def starts_near(time: int, size: int, slide: int, offset: int) -> range:
    about = math.floor((time - size - offset) / slide)
    return range((about - 1) * slide + offset, time + slide, slide)


def table_join(
    events: Sequence[Event],
    table: Sequence[tuple[Any, ...]],
    left_keys: Sequence[int],
    right_keys: Sequence[int],
    width: int,
    *,
    outer: bool,
) -> list[OutputRow]:
    out = []
    for seq, event in enumerate(events):
        for kind, row in event.rows:
            wanted = [row[i] for i in left_keys]
            matches = [t for t in table if None not in wanted and [t[i] for i in right_keys] == wanted]
            if not matches and outer:
                matches = [(None,) * width]
            out += [OutputRow(seq, kind, row + tuple(match)) for match in matches]
    return out


def results(
    calls: Sequence[AggregateCall], schema: RowSchema, history: History, reduced: bool = False
) -> tuple[Any, ...]:
    return tuple(result_of(call, schema, history, reduced) for call in calls)


def result_of(call: AggregateCall, schema: RowSchema, history: History, reduced: bool) -> Any:
    """`reduced`: SUM and AVG are computed from a shared $SUM0, as Flink does beside certain other calls."""
    counted = [
        (sign, tuple(row[i] for i in call.args))
        for sign, row in history
        if (call.filter is None or row[call.filter]) and all(row[i] is not None for i in call.args)
    ]
    if call.distinct:
        counted = list(without_duplicates(counted))
    if call.function == "count":
        return sum(sign for sign, _ in counted)
    values = [(sign, args[0]) for sign, args in counted]
    kind = schema.types[call.args[0]]
    match call.function:
        case "sum":
            return total(values, call.type, sticky=reduced)
        case "avg":
            return quotient(values, kind, call.type) if reduced else average(values, kind, call.type)
        case "min" | "max":
            return extreme(values, call.function == "max")
        case "first_value":
            return values[0][1] if values else None
        case "last_value":
            return values[-1][1] if values else None
        case _:
            return deviation(values, call)


def without_duplicates(counted: list[tuple[int, tuple[Any, ...]]]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    held: Counter[str] = Counter()
    for sign, args in counted:
        held[repr(args)] += sign
        if held[repr(args)] == (1 if sign > 0 else 0):
            yield sign, args


def total(values: list[tuple[int, Any]], kind: SqlType, *, sticky: bool) -> Any:
    if sum(sign for sign, _ in values) == 0:
        return None
    out: Any = 0.0 if sticky and kind.name in (TypeName.FLOAT, TypeName.DOUBLE) else None
    lost = False
    for sign, value in values:
        if lost and sticky:
            continue
        lost = False
        if kind.name is TypeName.DECIMAL:
            out = WIDE.add(out or Decimal(0), WIDE.multiply(sign, value))
            if WIDE.abs(out) >= Decimal(10) ** (38 - kind.scale):
                out, lost = None, True
        elif kind.name in BITS:
            out = wrapped((out or 0) + sign * value, BITS[kind.name])
        elif kind.name is TypeName.FLOAT:
            out = float32(sign * value if out is None else out + sign * value)
        else:
            out = sign * value if out is None else out + sign * value
    return None if lost else out


def average(values: list[tuple[int, Any]], kind: SqlType, result: SqlType) -> Any:
    count = sum(sign for sign, _ in values)
    if count == 0:
        return None
    if kind.name in BITS:
        added = wrapped(sum(sign * value for sign, value in values), 64)
        quotient = abs(added) // abs(count)
        return wrapped(-quotient if (added < 0) != (count < 0) else quotient, BITS[result.name])
    if kind.name in (TypeName.FLOAT, TypeName.DOUBLE):
        added = 0.0
        for sign, value in values:
            added += sign * value
        return float32(added / count) if result.name is TypeName.FLOAT else added / count
    added = total(values, SqlType(TypeName.DECIMAL, precision=38, scale=kind.scale), sticky=True)
    if added is None:
        return None
    rounded = DIGITS_38.divide(added, Decimal(count)).quantize(Decimal(1).scaleb(-result.scale), context=WIDE)
    return rounded if WIDE.abs(rounded) < Decimal(10) ** (38 - result.scale) else None


def quotient(values: list[tuple[int, Any]], kind: SqlType, result: SqlType) -> Any:
    """AVG as SUM / COUNT, the sum in its own type."""
    count = sum(sign for sign, _ in values)
    if kind.name is not TypeName.DECIMAL:
        added = total(values, kind, sticky=True)
        if added is None or kind.name is TypeName.DOUBLE:
            return None if added is None else added / count
        if kind.name is TypeName.FLOAT:
            return float32(added / count)
        whole = abs(added) // abs(count)
        return wrapped(-whole if (added < 0) != (count < 0) else whole, BITS[result.name])
    added = total(values, SqlType(TypeName.DECIMAL, precision=38, scale=kind.scale), sticky=True)
    if added is None or WIDE.abs(added) >= Decimal(10) ** (38 - result.scale):
        return None
    return average(values, kind, result)


def extreme(values: list[tuple[int, Any]], largest: bool) -> Any:
    if any(sign < 0 for sign, _ in values):
        held = Counter[Any]()
        for sign, value in values:
            held[value] += sign
        left = [v for v, count in held.items() if count > 0]
        return (max(left) if largest else min(left)) if left else None
    best = None
    for _, value in values:
        if best is None or (value > best if largest else value < best):
            best = value
    return best


def deviation(values: list[tuple[int, Any]], call: AggregateCall) -> Any:
    count, mean, squares = 0, 0.0, 0.0
    for sign, value in values:
        count += sign
        if count <= 0:
            mean = squares = 0.0
            continue
        x = float(value)
        if sign > 0:
            delta = x - mean
            mean += delta / count
            squares += delta * (x - mean)
        else:
            delta2 = x - mean
            mean -= delta2 / count
            squares -= (x - mean) * delta2
    divisor = count - 1 if call.function.endswith("samp") else count
    if divisor <= 0 or squares < 0:
        return None
    variance = squares / divisor
    out = math.sqrt(variance) if call.function.startswith("stddev") else variance
    if call.type.name in BITS:
        bits = max(BITS[call.type.name], 32)
        return wrapped(max(-(2 ** (bits - 1)), min(int(out), 2 ** (bits - 1) - 1)), BITS[call.type.name])
    return float32(out) if call.type.name is TypeName.FLOAT else out


def java_differs(a: Any, b: Any) -> bool:
    return bool(a != b)


def wrapped(value: int, bits: int) -> int:
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])
