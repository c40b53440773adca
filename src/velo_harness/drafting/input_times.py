"""Over which time the generated rows of a spec are spread: so that windows, sessions and joins have several rows each.

Rows come out of order where a watermark waits for them, as far as it does.
"""

from __future__ import annotations

from collections.abc import Iterator

from velo_engine.plan.nodes import (
    AssignWatermark,
    IntervalJoin,
    OverAggregate,
    PlannedProgram,
    SourceTable,
    WindowAggregate,
    WindowKind,
    WindowSpec,
    WindowTable,
)
from velo_engine.types import TIMESTAMPS
from velo_harness.drafting.lineage import SourceColumn, nodes, origin

SHORTEST_SPAN_MS = 1_000
LONGEST_SPAN_MS = 30 * 86_400_000
USUAL_SPAN_MS = 3_600_000
"""Where no operator of the program has a length of time."""
WINDOWS = 8
"""Of the shortest kind, over the whole time."""
ROWS = 200
"""About so many are generated of a stream."""
ROWS_OF_A_KEY = 40


def has_times(source: SourceTable) -> bool:
    """Whether a source has a column that can be the time of its rows."""
    return any(column.type.name in TIMESTAMPS for column in source.schema.columns)


def input_times(source: SourceTable, program: PlannedProgram) -> Iterator[str]:
    """The keys of `time_simulation` of a source; rows with a primary key come before those that look them up."""
    span = _span_ms(program)
    if source.primary_key:
        yield f"start_time: -{2 * span // 1000}s"
        yield f"end_time: -{span // 1000}s"
    else:
        yield f"start_time: -{span // 1000}s"
        yield "end_time: now"
    delay = _delay_ms(source, program)
    if delay * ROWS >= span:
        yield f"jitter_ms: {min(delay, span)}"


def _span_ms(program: PlannedProgram) -> int:
    lengths = sorted(_lengths(program))
    if not lengths:
        return USUAL_SPAN_MS
    span = max(lengths[0] * WINDOWS, lengths[-1] * 2, SHORTEST_SPAN_MS)
    return min(span, LONGEST_SPAN_MS) // 1000 * 1000


def _lengths(program: PlannedProgram) -> Iterator[int]:
    """What is a window's length to the operators: for sessions and joins, that of several rows of one key."""
    some_rows = ROWS_OF_A_KEY // WINDOWS
    for statement in program.statements.values():
        for node in nodes(statement.plan):
            match node:
                case WindowAggregate() | WindowTable():
                    yield from _of_window(node.window, some_rows)
                case IntervalJoin() if node.left_time is not None and node.lower_ms < node.upper_ms:
                    yield (node.upper_ms - node.lower_ms) * some_rows
                case OverAggregate() if not node.frame.rows and node.frame.preceding:
                    yield node.frame.preceding


def _of_window(window: WindowSpec, some_rows: int) -> Iterator[int]:
    if window.kind is WindowKind.SESSION:
        yield window.size_ms * some_rows
    elif window.kind is not WindowKind.ATTACHED:
        yield window.size_ms


def _delay_ms(source: SourceTable, program: PlannedProgram) -> int:
    """How far rows of a source may be out of order without being late."""
    found = []
    for statement in program.statements.values():
        for node in nodes(statement.plan):
            if isinstance(node, AssignWatermark):
                time = origin(node.input, node.time_column, program.statements)
                if isinstance(time, SourceColumn) and time.source == source.name:
                    found.append(node.delay_ms)
    return min(found, default=0)
