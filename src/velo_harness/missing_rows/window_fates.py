"""Rows at windows: late, still waiting, or counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from velo_engine.batch import FINAL_WATERMARK
from velo_engine.plan import nodes
from velo_engine.plan.nodes import WindowKind, WindowSpec
from velo_engine.schema import RowSchema
from velo_engine.types import TypeName
from velo_harness.expectations import LATE_BY
from velo_harness.missing_rows.fates import Fate, FateKind, Surroundings, descendants, passed, shown_key, step_name
from velo_harness.missing_rows.recording import RecordedStep
from velo_harness.missing_rows.row_search import matching
from velo_harness.reports.shown_values import text_of

EPOCH = datetime(1970, 1, 1)

_SHOWN_OUTPUTS = 3


def shown_time(milliseconds: int) -> str:
    """A moment for people."""
    if milliseconds >= FINAL_WATERMARK:
        return "the end of the input"
    try:
        return (EPOCH + timedelta(milliseconds=milliseconds)).isoformat(sep=" ", timespec="milliseconds")
    except OverflowError:
        return f"{milliseconds} ms"


def shown_span(milliseconds: int) -> str:
    """A length of time for people."""
    units = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))
    for size, name in units:
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size} {name}"
    return f"{milliseconds} ms"


def late_fate(step: RecordedStep, side: int, position: int, around: Surroundings) -> Fate | None:
    """The fate of a row that the step dropped because it was late; None when it was not."""
    edge = step.inputs[side]
    seq = int(edge.seqs[position])
    if seq not in around.recording.late.get(step.statement, ()) or not isinstance(step.node, _DROP_LATE):
        return None
    watermark = edge.watermark_before(seq)
    time_column = getattr(step.node, "time_column", None)
    time = None if time_column is None else _local_time(step, side, position, time_column, around)
    window = _last_window(step.node, time)
    if watermark is None or (window is not None and not _has_closed(step.node, window[1], watermark, around)):
        return None
    late_by = _late_by(edge.named(position), around.late.get(step.statement))
    how = "" if late_by is None else f"it came {shown_span(late_by)} too late; "
    text = f"late: {how}the watermark stood at {shown_time(watermark)}"
    facts: dict[str, Any] = {"late_by_ms": late_by, "watermark": shown_time(watermark)}
    if time is not None:
        text += f", its time is {text_of(time)}"
        facts["time"] = text_of(time)
    if window is not None:
        text += f" and its last window [{text_of(window[0])}, {text_of(window[1])}) had closed"
        facts["window"] = [text_of(window[0]), text_of(window[1])]
    return Fate(FateKind.LATE, text, facts=facts)


def _late_by(row: dict[str, Any], late: pa.Table | None) -> int | None:
    """By how much a row was late, as the job says when it has ended."""
    if late is None:
        return None
    wanted = {late.schema.get_field_index(name): value for name, value in row.items() if name in late.column_names}
    found = matching(late, wanted) if wanted else []
    return int(late.column(LATE_BY)[found[0]].as_py()) if found else None


_DROP_LATE = (
    nodes.WindowAggregate,
    nodes.WindowTopN,
    nodes.WindowDeduplicate,
    nodes.WindowJoin,
    nodes.WindowTable,
    nodes.OverAggregate,
    nodes.TemporalSort,
    nodes.IntervalJoin,
    nodes.MatchRecognize,
)


def _has_closed(node: Any, end: datetime, watermark: int, around: Surroundings) -> bool:
    """Whether the watermark had reached the last millisecond of a window. In other zones than UTC: not told here."""
    lateness = getattr(node, "allowed_lateness_ms", 0)
    return around.time_zone != "UTC" or (end - EPOCH) // timedelta(milliseconds=1) - 1 + lateness <= watermark


def _local_time(step: RecordedStep, side: int, position: int, column: int, around: Surroundings) -> Any:
    """The event time of a row as windows cut it: of an instant, the wall clock of the session's zone."""
    edge = step.inputs[side]
    time = edge.row(position)[column]
    if not isinstance(time, datetime) or edge.schema.types[column].name is not TypeName.TIMESTAMP_LTZ:
        return time
    return time.replace(tzinfo=UTC).astimezone(ZoneInfo(around.time_zone)).replace(tzinfo=None)


def _last_window(node: Any, time: Any) -> tuple[datetime, datetime] | None:
    """The last aligned window that takes a row of this time."""
    window = getattr(node, "window", None)
    if not isinstance(window, WindowSpec) or not isinstance(time, datetime):
        return None
    if window.kind not in (WindowKind.TUMBLE, WindowKind.HOP, WindowKind.CUMULATE):
        return None
    step_ms = window.size_ms if window.kind is WindowKind.CUMULATE else window.slide_ms
    ms = (time - EPOCH) // timedelta(milliseconds=1)
    start = (ms - window.offset_ms) // step_ms * step_ms + window.offset_ms
    return EPOCH + timedelta(milliseconds=start), EPOCH + timedelta(milliseconds=start + window.size_ms)


def aggregated(step: RecordedStep, position: int, around: Surroundings) -> Fate:
    """A row of a window aggregation is counted in its windows, which may not have closed."""
    node = step.node
    assert isinstance(node, nodes.WindowAggregate)
    edge = step.inputs[0]
    row, names = edge.row(position), edge.schema.names
    time = _local_time(step, 0, position, node.time_column, around) if node.by_event_time else None
    rows = [i for i in _of_group(step, position) if _takes(step.output.schema, step.output.row(i), time)]
    key = shown_key([names[i] for i in node.keys], [row[i] for i in node.keys])
    group = f"the group {key}" if key else "all rows"
    if rows:
        windows = [_window_text(step.output.schema, step.output.row(i)) for i in rows]
        return passed(rows, f"counted in {group}, window {', '.join(windows[:_SHOWN_OUTPUTS])}")
    watermark = edge.batches[-1].watermark.closing if edge.batches else 0
    if watermark < FINAL_WATERMARK:
        text = f"still in state of {group}: its window has not closed, the watermark stands at {shown_time(watermark)}"
        return Fate(FateKind.IN_STATE, text, facts={"watermark": shown_time(watermark)})
    return Fate(FateKind.LOST, f"{step_name(node)} gave out nothing for {group}")


def _of_group(step: RecordedStep, position: int) -> list[int]:
    assert isinstance(step.node, nodes.WindowAggregate)
    if step.node.keys:
        return descendants(step, 0, position)
    seq = int(step.inputs[0].seqs[position])
    return [i for i in step.output.added() if step.output.seqs[i] >= seq]


def _takes(schema: RowSchema, output: tuple[Any, ...], time: Any) -> bool:
    """Whether the window of an output row holds a time; true when that cannot be told."""
    start, end = _bounds(schema, output)
    if not isinstance(time, datetime) or start is None or end is None:
        return True
    return bool(start <= time < end)


def _bounds(schema: RowSchema, output: tuple[Any, ...]) -> tuple[Any, Any]:
    start, end = len(schema) - 3, len(schema) - 2
    return output[start], output[end]


def _window_text(schema: RowSchema, output: tuple[Any, ...]) -> str:
    start, end = _bounds(schema, output)
    return f"[{text_of(start)}, {text_of(end)})"
