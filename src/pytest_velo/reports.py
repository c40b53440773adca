"""The reports of a pytest run (`--velo-report`): results travel on pytest's own reports, also from workers of xdist."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_velo import extensions, kafka

if TYPE_CHECKING:
    from pytest_velo.items import QueryItem
    from velo_engine.errors import VeloError
    from velo_harness.reports.outputs import Outputs
    from velo_harness.result import QueryResult, RunResult

_TRAVELLING = "velo_result"
"""The attribute of a test report with the query's result, as JSON text: its place among all items, and its values."""
_FILE_ERRORS = "velo_file_errors"
"""What a worker sends of specs that did not load."""

_AGAIN = "rerun"
"""Where plugins that repeat failing tests put the reports that do not count."""

_COLLECTED = pytest.StashKey["Collected"]()
_RESULT = pytest.StashKey["QueryResult"]()


@dataclass(slots=True)
class Collected:
    """What is known of the run so far."""

    wanted: Outputs
    earlier: RunResult | None
    earlier_name: str
    began: float = field(default_factory=time.perf_counter)
    file_errors: dict[str, dict[str, Any]] = field(default_factory=dict)
    """File → the error that kept it from loading, as values."""
    places: dict[str, int] = field(default_factory=dict)
    """Item id → its place among all items."""
    said: list[str] = field(default_factory=list)
    """What is to be printed at the end."""


def add_options(group: pytest.OptionGroup) -> None:
    """Declares the options."""
    text = "write a report to FILE; its ending says the format: .html, .json, .md, .txt, .xml (repeatable)"
    group.addoption("--velo-report", action="append", default=[], metavar="FILE", help=text)
    text = "say in reports what changed since the earlier JSON report FILE"
    group.addoption("--velo-compare-to", metavar="FILE", help=text)


def configure(config: pytest.Config) -> None:
    """Gets ready when reports are asked for. Raises UsageError for one that cannot be written or read."""
    files = [Path(name) for name in config.getoption("velo_report")]
    compared: str | None = config.getoption("velo_compare_to")
    if compared is not None and not files:
        raise pytest.UsageError("--velo-compare-to has no effect without --velo-report")
    if not files and not _annotates(config):
        return
    from velo_engine.errors import VeloError
    from velo_harness.reports.json_reading import read_report
    from velo_harness.reports.outputs import outputs

    try:
        extensions.load(config)
        earlier = None if compared is None or _is_worker(config) else read_report(Path(compared))
        config.stash[_COLLECTED] = Collected(outputs(None, files), earlier, compared or "")
    except VeloError as refused:
        raise pytest.UsageError(str(refused)) from None


def is_plotted(config: pytest.Config) -> bool:
    """Whether a report wants what is plotted: see `RunSettings.profile`."""
    return _COLLECTED in config.stash and config.stash[_COLLECTED].wanted.plotted


def remember(item: QueryItem, result: QueryResult) -> None:
    """Keeps the result of an item that ran, until pytest says how it counts."""
    item.stash[_RESULT] = result


def remember_file_error(config: pytest.Config, file: str, error: VeloError) -> None:
    """Keeps the error of a spec that does not load."""
    if _COLLECTED in config.stash:
        from velo_harness.reports.json_report import error_value

        config.stash[_COLLECTED].file_errors[file] = error_value(error)


def number_items(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Remembers the order of all items."""
    if _COLLECTED in config.stash:
        config.stash[_COLLECTED].places = {item.nodeid: place for place, item in enumerate(items)}


def put_on_report(item: pytest.Item, report: pytest.TestReport) -> None:
    """Puts the result of an item onto the report that says how it counts."""
    from pytest_velo.items import QueryItem

    if _COLLECTED not in item.config.stash or not isinstance(item, QueryItem):
        return
    if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
        from velo_harness.reports.json_report import query_value

        place = item.config.stash[_COLLECTED].places.get(item.nodeid, 0)
        values = query_value(_counted(item, report))
        setattr(report, _TRAVELLING, json.dumps([place, values]))


def receive(config: pytest.Config, output: dict[str, Any]) -> None:
    """What a worker sent when it ended; nothing when it crashed."""
    if _COLLECTED in config.stash and _FILE_ERRORS in output:
        config.stash[_COLLECTED].file_errors |= json.loads(output[_FILE_ERRORS])


def finish(session: pytest.Session) -> None:
    """Writes the reports when all tests have run; a worker sends what only it knows.

    A report that cannot be written makes pytest fail.
    """
    collected = session.config.stash.get(_COLLECTED, None)
    if collected is None:
        return
    if _is_worker(session.config):
        session.config.workeroutput[_FILE_ERRORS] = json.dumps(collected.file_errors)  # type: ignore[attr-defined]
        return
    from velo_engine.errors import VeloError
    from velo_harness.reports.github import run_annotations
    from velo_harness.reports.outputs import write_reports

    run = _run(collected, session.config)
    if _annotates(session.config):
        collected.said.append(run_annotations(run).rstrip("\n"))
    try:
        write_reports(run, collected.wanted)
    except VeloError as refused:
        collected.said.append(str(refused))
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    else:
        collected.said += [f"velostream: report in {file}" for file, _ in collected.wanted.files]


def say_where(reporter: pytest.TerminalReporter) -> None:
    """Says where the reports are."""
    collected = reporter.config.stash.get(_COLLECTED, None)
    for text in collected.said if collected is not None else ():
        if text:
            reporter.write_line(text)


def _run(collected: Collected, config: pytest.Config) -> RunResult:
    """The whole run, in the order of files and of the queries in them."""
    from dataclasses import replace

    from velo_harness.reports.json_reading import error_of, query_of
    from velo_harness.reports.trends import trend
    from velo_harness.result import FileError, RunResult

    run = RunResult(
        queries=tuple(query_of(values) for values in _results(config)),
        file_errors=tuple(FileError(file, error_of(values)) for file, values in sorted(collected.file_errors.items())),
        duration_ms=(time.perf_counter() - collected.began) * 1000,
        kafka=kafka.place(config),
    )
    if collected.earlier is None:
        return run
    return replace(run, trend=trend(collected.earlier, run, collected.earlier_name))


def _results(config: pytest.Config) -> list[dict[str, Any]]:
    """The values of all queries, from whichever worker, in their order."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter is not None else {}
    found: dict[str, tuple[int, str, dict[str, Any]]] = {}
    for category, reports in stats.items():
        for report in reports if category != _AGAIN else ():
            text = getattr(report, _TRAVELLING, None)
            if text is not None:
                place, values = json.loads(text)
                found[report.nodeid] = (place, report.nodeid, values)
    return [values for _, _, values in sorted(found.values(), key=lambda one: one[:2])]


def _counted(item: QueryItem, report: pytest.TestReport) -> QueryResult:
    """The result of an item as pytest counts it: marks and other plugins have their say."""
    from dataclasses import replace

    from velo_engine.errors import ErrorCode, VeloError
    from velo_harness.result import Outcome

    result = item.stash.get(_RESULT, None)
    if result is None:
        result = item.blank_result()
    if report.outcome == "skipped":
        reason = f"failed as expected: {report.wasxfail}" if hasattr(report, "wasxfail") else _skip_reason(report)
        return replace(result, outcome=Outcome.SKIPPED, skip_reason=reason)
    if report.outcome == "failed" and result.outcome in (Outcome.PASSED, Outcome.SKIPPED):
        error = VeloError(ErrorCode.JOB_FAILED, f"pytest counts it as failed: {report.longreprtext}")
        return replace(result, outcome=Outcome.FAILED, error=error)
    return result


def _skip_reason(report: pytest.TestReport) -> str:
    """Why pytest skipped an item."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def _is_worker(config: pytest.Config) -> bool:
    """Whether this is a worker of xdist, whose reports travel to the process that writes."""
    return hasattr(config, "workerinput")


def _annotates(config: pytest.Config) -> bool:
    """Whether failures are annotated: in GitHub Actions, unless the plugin that does it for all tests is there."""
    others = config.pluginmanager.hasplugin("pytest_github_actions_annotate_failures")
    return os.environ.get("GITHUB_ACTIONS") == "true" and not others
