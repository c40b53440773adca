"""What the debugger shows of a job: where it is, rows, state, watermarks, contents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from velo_engine.batch import INITIAL_WATERMARK, KIND_SYMBOLS
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.plan import nodes
from velo_engine.runtime.result import fold
from velo_harness.debugging.breakpoints import known_statement, rows_where
from velo_harness.debugging.screen import Screen
from velo_harness.debugging.session import DebugSession, GivenOut, shown_rows
from velo_harness.missing_rows.fates import shown_row, step_name
from velo_harness.missing_rows.recording import Edge, RecordedStep, is_shown
from velo_harness.missing_rows.window_fates import shown_time
from velo_harness.relation import Relation, python_value

SHOWN_CHANGES = 20


def position_lines(session: DebugSession) -> Iterator[str]:
    """Where the job is: the record, the step, watermarks, processing time."""
    total = f" of {session.total}" if session.total else ""
    if session.finished:
        yield f"all {session.done} records are read"
    elif session.at is None:
        yield f"before record 1{total}"
    else:
        records = "; ".join(session.present) or "an event without a record"
        yield f"record {session.record}{total}: {records}"
    if session.at is not None:
        yield f"statement {session.at.statement}, {step_name(session.at.node)}"
        yield from watermark_lines(session)
        yield f"processing time {shown_time(session.at.output.processing_time.closing)}"


def watermark_lines(session: DebugSession) -> Iterator[str]:
    """The watermark behind each step that makes one, else behind each source."""
    for step in session.recording.steps.values():
        if isinstance(step.node, nodes.AssignWatermark) and step.output.batches:
            name = step.node.input.schema.names[step.node.time_column]
            yield f"watermark of {_source_of(session, step)} ({step.statement}, {name}): {_watermark(step.output)}"


def _watermark(edge: Edge) -> str:
    found = edge.batches[-1].watermark.closing
    return "none yet" if found == INITIAL_WATERMARK else shown_time(found)


def _source_of(session: DebugSession, step: RecordedStep) -> str:
    while step.reads:
        step = session.recording.steps[step.reads[0]]
    return step.node.source.name if isinstance(step.node, nodes.Scan) else step.statement


def show_intermediate(session: DebugSession, screen: Screen) -> None:
    """What each step has made of the present event."""
    if session.at is None:
        return
    end = session.at.output.end_seq
    for step in session.recording.steps.values():
        batch = step.output.batches[-1] if step.output.batches else None
        if batch is not None and batch.end_seq == end and len(batch):
            rows = shown_rows(batch, step.node.schema.names)
            screen.table(f"step {step.at} {step.statement}, {step_name(step.node)}", rows)


def show_steps(session: DebugSession, screen: Screen) -> None:
    """All steps of the pipeline that have run, with how many rows each has given out."""
    rows = [
        {"step": s.at, "statement": s.statement, "what": step_name(s.node), "given out": s.output.rows.num_rows}
        for s in session.recording.steps.values()
    ]
    screen.table("steps", rows)


def show_step(session: DebugSession, screen: Screen, number: int) -> None:
    """The last rows that one step has read and given out. Errors: BAD_VALUE."""
    step = session.recording.steps.get(number)
    if step is None:
        hint = "inspect steps lists them"
        raise VeloError(ErrorCode.BAD_VALUE, f"no step {number} has run", hint=hint)
    for side, edge in enumerate(step.inputs):
        screen.table(
            f"step {number} reads ({side + 1})" if len(step.inputs) > 1 else f"step {number} reads", _rows(edge)
        )
    screen.table(f"step {number}, {step_name(step.node)}, gives out", _rows(step.output))


def _rows(edge: Edge) -> list[dict[str, Any]]:
    names = edge.schema.names
    return [
        {
            "op": KIND_SYMBOLS[int(kind)],
            **{n: python_value(edge.rows.column(c)[i]) for c, n in enumerate(names) if is_shown(n)},
        }
        for i, kind in enumerate(edge.kinds)
    ]


def show_state(session: DebugSession, screen: Screen, statement: str | None) -> None:
    """The state of the operators, as they would save it."""
    shown = 0
    for at, state in session.states.items():
        step = session.recording.steps[at]
        if statement not in (None, step.statement):
            continue
        for name, table in state().items():
            if table.num_rows:
                shown += 1
                screen.table(f"step {at} {step.statement}, {step_name(step.node)}: {name}", table.to_pylist())
    if not shown:
        screen.line("no operator holds anything")


def show_input(session: DebugSession, screen: Screen, source: str | None) -> None:
    """The records read so far, of one source or of all."""
    scans = [s for s in session.recording.steps.values() if isinstance(s.node, nodes.Scan)]
    by_source: dict[str, RecordedStep] = {}
    for scan in scans:
        assert isinstance(scan.node, nodes.Scan)
        by_source.setdefault(scan.node.source.name, scan)
    if source is not None and source not in by_source:
        hint = did_you_mean(source, by_source, noun="source")
        raise VeloError(ErrorCode.UNKNOWN_TABLE, f'no source "{source}" has been read', hint=hint)
    for name, scan in by_source.items():
        if source in (None, name):
            screen.table(f"input {name}", [_without_op(row) for row in _rows(scan.output)])


def _without_op(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "op"}


def contents(session: DebugSession, statement: str, up_to: int | None = None) -> Relation:
    """The rows of a statement's output that stand now, or stood behind record `up_to`. Errors: UNKNOWN_QUERY."""
    known_statement(statement, session.program)
    plan = session.program.statements[statement]
    schema = plan.plan.schema
    if statement not in session.seen:
        return Relation(statement, schema, schema.arrow().empty_table(), plan.aliases)
    rows = session.recording.root(statement).output.rows
    if up_to is not None:
        count = sum(1 for change in session.history if change.statement == statement and change.record <= up_to)
        rows = rows.slice(0, count)
    table = pa.table(fold(schema, rows).columns, schema=schema.arrow())
    return Relation(statement, schema, table, plan.aliases)


def show_output(session: DebugSession, screen: Screen, statement: str, up_to: int | None = None) -> None:
    """The contents of a statement's output."""
    found = contents(session, statement, up_to)
    when = "" if up_to is None else f" after record {up_to}"
    screen.table(f"{statement}{when}", [found.row(i) for i in range(len(found))])


def show_filtered(session: DebugSession, screen: Screen, statement: str, predicate: str) -> None:
    """The rows of a statement's output for which a predicate is true. Errors: those of SQL expressions."""
    found = contents(session, statement)
    rows = [found.row(i) for i in rows_where(found, predicate, session.time_zone)]
    screen.table(f"{statement} where {predicate}", rows)


def change_rows(changes: list[GivenOut]) -> list[dict[str, Any]]:
    """Changes as rows: those of one statement with its columns, those of several with their values in one."""
    if len({change.statement for change in changes}) == 1:
        return [{"record": c.record, "statement": c.statement, "op": c.op, **c.values} for c in changes]
    return [{"record": c.record, "statement": c.statement, "op": c.op, "row": shown_row(c.values)} for c in changes]
