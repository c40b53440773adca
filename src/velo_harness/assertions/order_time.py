"""Assertions about order and event time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int64s
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import WindowKind
from velo_engine.types import INTEGERS, TIMESTAMPS
from velo_harness.assertions.context import CheckContext, column_called, missing_field, offending
from velo_harness.counted import counted
from velo_harness.relation import Relation
from velo_harness.result import Finding
from velo_harness.row_codes import TypedColumn, codes_of, columns_of
from velo_harness.spec import AssertionSpec

MICROS_PER_MS = 1000


def ordering(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """Records come in the order of the columns, within each value of `partition_by`. NULL comes before every value."""
    output, wanted = context.output, assertion.parameters
    for name in (*wanted["field"], *wanted["partition_by"]):
        if output.position(name) is None:
            return missing_field(output, name)
    descending = wanted["direction"] == "descending"
    ranks = [_ranks(column, assertion) for column in columns_of(output, wanted["field"])]
    wrong = _out_of_order(ranks, partitions_of(output, wanted["partition_by"]), descending, wanted["allow_equal"])
    if not wrong.any():
        return None
    count, examples = offending(output, wrong)
    order = f"{'' if wanted['allow_equal'] else 'strictly '}{wanted['direction']} {', '.join(wanted['field'])}"
    within = f" within each {', '.join(wanted['partition_by'])}" if wanted["partition_by"] else ""
    return Finding(
        order + within,
        counted(count, "row stands after one it should precede", "rows stand after one they should precede"),
        count,
        len(output),
        examples,
    )


def _ranks(typed: TypedColumn, assertion: AssertionSpec) -> Int64s:
    """Numbers in the order of the values; equal values have equal numbers, NULL has 0."""
    import pyarrow.compute as pc

    kind, column = typed
    try:
        ranks: Int64s = pc.rank(column, sort_keys="ascending", tiebreaker="dense").to_numpy().astype(np.int64)
    except pa.ArrowNotImplementedError:
        message = f"values of {kind} have no order"
        raise VeloError(ErrorCode.TYPE_MISMATCH, message, location=assertion.location) from None
    return np.where(column.is_null().to_numpy(), 0, ranks)


def partitions_of(relation: Relation, names: tuple[str, ...]) -> Int64s:
    """For each row a number of its partition: all rows are one without columns."""
    return codes_of(columns_of(relation, names)) if names else np.zeros(len(relation), np.int64)


def _out_of_order(ranks: list[Int64s], partition: Int64s, descending: bool, allow_equal: bool) -> Bools:
    """For each row whether it does not come after the row before it in its partition."""
    rows = np.argsort(partition, kind="stable")
    same = partition[rows][1:] == partition[rows][:-1]
    decided = np.zeros(len(same), bool)
    wrong = np.zeros(len(same), bool)
    for rank in ranks:
        step = np.diff(rank[rows])
        wrong |= ~decided & ((step > 0) if descending else (step < 0))
        decided |= step != 0
    if not allow_equal:
        wrong |= ~decided
    result = np.zeros(len(partition), bool)
    result[rows[1:]] = wrong & same
    return result


def event_ordering(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """Few enough records come after one that is later in their partition, and no gap is too long.

    A NULL has no place in the order and is a failure.
    """
    output, wanted = context.output, assertion.parameters
    name = wanted["timestamp_field"]
    for field in (name, *wanted["partition_field"]):
        if output.position(field) is None:
            return missing_field(output, field)
    nulls = column_called(output, name).is_null().to_numpy()
    if nulls.any():
        count, examples = offending(output, nulls)
        return Finding(f"{name} in every row", counted(count, "NULL"), count, len(output), examples)
    times = milliseconds(output, name, assertion)
    partition = partitions_of(output, wanted["partition_field"])
    late = _behind(times if wanted["direction"] == "ascending" else -times, partition)
    percent = 100 * float(late.mean())
    if percent > float(wanted["max_out_of_order_percent"]):
        count, examples = offending(output, late)
        allowed = wanted["max_out_of_order_percent"]
        expected = f"{wanted['direction']} {name}" + (f" but for {allowed} % of the rows" if allowed else "")
        return Finding(
            expected, f"{counted(count, 'row')} out of order ({percent:.2f} %)", count, len(output), examples
        )
    return _gap_finding(assertion, output, times, partition) if wanted["max_gap_ms"] is not None else None


def _behind(times: Int64s, partition: Int64s) -> Bools:
    """For each row whether one before it in its partition has a greater time."""
    order = np.argsort(partition, kind="stable")
    ordered, group = times[order], partition[order]
    starts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    behind = np.zeros(len(times), bool)
    for start, end in zip(starts, [*starts[1:], len(times)], strict=True):
        behind[order[start:end]] = ordered[start:end] < np.maximum.accumulate(ordered[start:end])
    return behind


def _gap_finding(assertion: AssertionSpec, output: Relation, times: Int64s, partition: Int64s) -> Finding | None:
    limit = assertion.parameters["max_gap_ms"]
    order = np.lexsort((times, partition))
    same = partition[order][1:] == partition[order][:-1]
    gaps = np.where(same, np.diff(times[order]), 0)
    wide = np.zeros(len(times), bool)
    wide[order[1:]] = gaps > limit
    if not wide.any():
        return None
    count, examples = offending(output, wide)
    actual = f"{count} gaps, the longest {int(gaps.max())} ms; the rows after them"
    return Finding(f"no gap longer than {limit} ms", actual, count, len(output), examples)


def window_boundary(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """Every window has its size, starts where windows start, and holds the row's time; its end is exclusive."""
    output, wanted = context.output, assertion.parameters
    names = [wanted["window_start_field"], wanted["window_end_field"]]
    if wanted["timestamp_field"] is not None:
        names.append(wanted["timestamp_field"])
    for name in names:
        if output.position(name) is None:
            return missing_field(output, name)
    for name in names:
        nulls = column_called(output, name).is_null().to_numpy()
        if nulls.any():
            count, examples = offending(output, nulls)
            return Finding(f"{name} in every row", counted(count, "NULL"), count, len(output), examples)
    start, end, *time = (milliseconds(output, name, assertion) for name in names)
    for wrong, expected in _window_rules(assertion, context, start, end, time[0] if time else None):
        if wrong.any():
            count, examples = offending(output, wrong)
            return Finding(expected, f"{count} of {len(output)} rows differ", count, len(output), examples)
    return None


def _window_rules(
    assertion: AssertionSpec, context: CheckContext, start: Int64s, end: Int64s, time: Int64s | None
) -> list[tuple[Bools, str]]:
    """For each rule the rows that break it, and the rule in words."""
    wanted = assertion.parameters
    size = wanted["window_size_ms"]
    rules: list[tuple[Bools, str]] = [(end <= start, "windows that end after they start")]
    if size is not None:
        rules.append((end - start != size, f"windows of {size} ms"))
    window = context.window
    if wanted["verify_alignment"] and not (window is not None and window.kind is WindowKind.SESSION):
        hop = window is not None and window.kind is WindowKind.HOP
        unit: Any = (
            window.slide_ms if window is not None and hop else size if size is not None else np.maximum(end - start, 1)
        )
        offset = window.offset_ms if window is not None else 0
        what = "their advance" if hop else "their size"
        rules.append(((start - offset) % unit != 0, f"windows that start at multiples of {what}"))
    if time is not None and wanted["verify_containment"] is not False:
        slack = wanted["tolerance_ms"]
        inside = (time >= start - slack) & (time < end + slack)
        text = f"{wanted['timestamp_field']} in its window [start, end)" + (f" within {slack} ms" if slack else "")
        rules.append((~inside, text))
    return rules


def milliseconds(relation: Relation, name: str, assertion: AssertionSpec) -> Int64s:
    """A column of times, or of whole numbers of epoch milliseconds, as milliseconds."""
    position = relation.position(name)
    assert position is not None
    kind = relation.type(position)
    if kind.name not in TIMESTAMPS | INTEGERS:
        raise VeloError(
            ErrorCode.TYPE_MISMATCH,
            f"{name} is {kind}, not a time (TIMESTAMP, or BIGINT of epoch milliseconds)",
            location=assertion.location,
        )
    values: Int64s = relation.column(position).cast("int64").to_numpy()
    # Flooring keeps a time before 1970 in the right millisecond.
    return values // MICROS_PER_MS if kind.name in TIMESTAMPS else values
