"""Comparing the sinks of a config: files to their end, topics as they go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from velo_shadow.compared import Compared
from velo_shadow.config import FileStream, ShadowConfig, ShadowSink, Stream
from velo_shadow.control import ignorable_columns, subtract, without_columns
from velo_shadow.judgement import judged
from velo_shadow.model import ComparisonPlan, ComparisonResult, Decision, Side
from velo_shadow.offline import SideFile, compare_files, read_side
from velo_shadow.planning import PlannedSide, plan_for
from velo_shadow.reports.document import SinkResult
from velo_shadow.reports.wording import seconds_text
from velo_shadow.waivers import Waiver


def compare_ended(
    config: ShadowConfig, outputs: Mapping[str, SideFile], waivers: Mapping[str, tuple[Waiver, ...]], today: date
) -> list[SinkResult]:
    """The results of all sinks, whose sides are files, or `outputs` of our program by the sink's name.

    Errors: of reading the files; SCHEMA_MISMATCH, BAD_VALUE when they cannot be compared.
    """
    return [_ended_sink(config, sink, outputs.get(sink.name), waivers[sink.name], today) for sink in config.sinks]


def _ended_sink(
    config: ShadowConfig, sink: ShadowSink, output: SideFile | None, waivers: tuple[Waiver, ...], today: date
) -> SinkResult:
    left = _side(sink.left, Side.LEFT)
    if output is None:
        assert sink.right is not None
        output = _side(sink.right, Side.RIGHT)
    plan = sink_plan(sink, left, output)
    if sink.control is None:
        compared = _compared(left, output, plan, config)
    else:
        control = _side(sink.control, Side.RIGHT)
        beside = _compared(left, control, plan, config)
        compared = _subtracted(left, output, control, plan, beside, config)
    result = judged_sink(config, compared, waivers, today)
    return SinkResult(sink.name, str(left.path), str(output.path), result)


def _subtracted(
    left: SideFile, right: SideFile, control: SideFile, plan: ComparisonPlan, beside: Compared, config: ShadowConfig
) -> Compared:
    """What is left of the differences, once those of the control are taken off.

    Columns in which most rows of the control differ are not compared at all: so rows that differ elsewhere are counted
    and shown exactly.
    """
    ignorable = ignorable_columns(beside)
    if not ignorable:
        return subtract(_compared(left, right, plan, config), beside)
    smaller = without_columns(plan, ignorable)
    compared, beside = (_compared(left, one, smaller, config) for one in (right, control))
    return subtract(compared, beside, left_out=ignorable)


def _side(stream: Stream, side: Side) -> SideFile:
    assert isinstance(stream, FileStream)
    return read_side(shown_path(stream.path), side, stream.changelog)


def shown_path(path: Path) -> Path:
    """The path from here where the file lies below, so that messages and reports are short."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


def sink_plan(sink: ShadowSink, left: PlannedSide, right: PlannedSide) -> ComparisonPlan:
    """What the sink is compared in. Errors: as `plan_for`."""
    return plan_for(
        left,
        right,
        key=sink.key,
        equality=sink.equality,
        ignored=sink.ignored,
        time_column=sink.time_column,
        grace_ms=sink.grace_ms,
    )


def _compared(left: SideFile, right: SideFile, plan: ComparisonPlan, config: ShadowConfig) -> Compared:
    return compare_files(left, right, plan, memory_limit=config.memory_limit)


def judged_sink(
    config: ShadowConfig,
    compared: Compared,
    waivers: tuple[Waiver, ...],
    today: date,
    *,
    ran_ms: int | None = None,
) -> ComparisonResult:
    """The verdict on a sink, which is not SAFE before as much was compared, for as long, as the config asks for.

    `ran_ms`: how long a comparison that goes on has; None for one that came to its end.
    """
    result = judged(compared, waivers=waivers, today=today, required=config.bound)
    verdict = result.verdict
    reasons = []
    if verdict.compared < config.least_rows:
        reasons.append(f"{verdict.compared} rows were compared, and at least {config.least_rows} are asked for")
    if ran_ms is not None and config.duration_ms is not None and ran_ms < config.duration_ms:
        ran, asked = seconds_text(ran_ms / 1000), seconds_text(config.duration_ms / 1000)
        reasons.append(f"it went on for {ran}, and {asked} are asked for")
    if verdict.decision is not Decision.SAFE or not reasons:
        return result
    return replace(result, verdict=replace(verdict, decision=Decision.INCONCLUSIVE, reasons=tuple(reasons)))
