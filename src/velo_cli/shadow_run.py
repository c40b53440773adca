"""Comparing the sinks of a config: files to their end, topics as they go on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Protocol

from velo_engine.errors import ErrorCode, VeloError
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


class Files(Protocol):
    """Reads and compares sides that have ended."""

    def read(self, stream: FileStream, side: Side) -> SideFile:
        """A side. Errors: of reading the file."""

    def compare(self, left: SideFile, right: SideFile, plan: ComparisonPlan) -> Compared:
        """Two sides, compared. Errors: EXPRESSION_FAILED for a value that does not fit its type."""


@dataclass(frozen=True, slots=True)
class KernelFiles:
    """By the kernel of this process."""

    memory_limit: str

    def read(self, stream: FileStream, side: Side) -> SideFile:
        """A side. Errors: of reading the file; BAD_VALUE for what only Spark reads."""
        if stream.address:
            hint = "give --engine spark, or a file"
            raise VeloError(ErrorCode.BAD_VALUE, f'"{stream.address}" is read by Spark only', hint=hint)
        return read_side(stream.path, side, stream.changelog)

    def compare(self, left: SideFile, right: SideFile, plan: ComparisonPlan) -> Compared:
        """Two sides, compared. Errors: as `compare_files`."""
        return compare_files(left, right, plan, memory_limit=self.memory_limit)


def compare_ended(
    config: ShadowConfig,
    files: Files,
    outputs: Mapping[str, SideFile],
    waivers: Mapping[str, tuple[Waiver, ...]],
    today: date,
) -> list[SinkResult]:
    """The results of all sinks, whose sides are files, or `outputs` of our program by the sink's name.

    Errors: of reading the files; SCHEMA_MISMATCH, BAD_VALUE when they cannot be compared.
    """
    return [
        _ended_sink(config, files, sink, outputs.get(sink.name), waivers[sink.name], today) for sink in config.sinks
    ]


def _ended_sink(
    config: ShadowConfig,
    files: Files,
    sink: ShadowSink,
    output: SideFile | None,
    waivers: tuple[Waiver, ...],
    today: date,
) -> SinkResult:
    left = _side(files, sink.left, Side.LEFT)
    if output is None:
        assert sink.right is not None
        output = _side(files, sink.right, Side.RIGHT)
    plan = sink_plan(sink, left, output)
    if sink.control is None:
        compared = files.compare(left, output, plan)
    else:
        compared = _subtracted(files, sink.control, left, output, plan)
    result = judged_sink(config, compared, waivers, today)
    return SinkResult(sink.name, _shown(sink.left, left), _shown(sink.right, output), result)


def _subtracted(
    files: Files, control_stream: Stream, left: SideFile, right: SideFile, plan: ComparisonPlan
) -> Compared:
    """What is left of the differences, once those of the control are taken off.

    Columns in which most rows of the control differ are not compared at all: so rows that differ elsewhere are counted
    and shown exactly.
    """
    control = _side(files, control_stream, Side.RIGHT)
    beside = files.compare(left, control, plan)
    ignorable = ignorable_columns(beside)
    if not ignorable:
        return subtract(files.compare(left, right, plan), beside)
    smaller = without_columns(plan, ignorable)
    compared, beside = (files.compare(left, one, smaller) for one in (right, control))
    return subtract(compared, beside, left_out=ignorable)


def _side(files: Files, stream: Stream, side: Side) -> SideFile:
    assert isinstance(stream, FileStream)
    return files.read(replace(stream, path=shown_path(stream.path)), side)


def _shown(stream: Stream | None, file: SideFile) -> str:
    return (isinstance(stream, FileStream) and stream.address) or str(file.path)


def shown_path(path: Path) -> Path:
    """The path from here where the file lies below, so that messages and reports are short, without `..` on its way."""
    here = Path.cwd()
    straight = Path(os.path.normpath(path))
    if straight.exists() and path.exists() and straight.samefile(path):  # a `..` behind a link leads elsewhere
        path = straight
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
