"""SQL coverage of a pytest run (`--velo-cov`): what an item covered travels on its report, also from xdist workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from velo_harness.coverage.points import CoverPoint
    from velo_harness.result import QueryResult

_TRAVELLING = "velo_coverage"
"""The attribute of a test report with the points of the query, as JSON text."""
_POINTS = pytest.StashKey[tuple["CoverPoint", ...]]()


def add_options(group: pytest.OptionGroup) -> None:
    """Declares the options."""
    group.addoption("--velo-cov", action="store_true", help="say which ways through the SQL no row has taken")
    text = "fail below this SQL coverage in percent (with --velo-cov)"
    group.addoption("--velo-cov-fail-under", type=float, metavar="PERCENT", help=text)
    text = "write the SQL with a mark beside each line to FILE (with --velo-cov)"
    group.addoption("--velo-cov-annotate", metavar="FILE", help=text)


def wanted(config: pytest.Config) -> bool:
    """Whether the run collects coverage."""
    options = ("velo_cov", "velo_cov_fail_under", "velo_cov_annotate")
    return any(config.getoption(name) not in (None, False) for name in options)


def remember(item: pytest.Item, result: QueryResult) -> None:
    """Keeps what an item covered until its report is made."""
    if result.coverage:
        item.stash[_POINTS] = result.coverage


def put_on_report(item: pytest.Item, report: pytest.TestReport) -> None:
    """Puts what an item covered onto its report."""
    points = item.stash.get(_POINTS, None)
    if points is not None and report.when == "call":
        from velo_harness.coverage.report import point_value

        setattr(report, _TRAVELLING, json.dumps([point_value(point) for point in points]))


def finish(session: pytest.Session) -> None:
    """Makes pytest fail below the threshold, and writes the annotated text; once for all workers."""
    config = session.config
    if not wanted(config) or hasattr(config, "workerinput"):
        return
    from velo_harness.coverage.report import annotated_text, reaches

    points = list(_points(config))
    threshold = config.getoption("velo_cov_fail_under")
    if threshold is not None and not reaches(points, threshold) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    file = config.getoption("velo_cov_annotate")
    if file is not None:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(annotated_text(points), encoding="utf-8")


def print_lines(reporter: pytest.TerminalReporter) -> None:
    """One section with the coverage of all items."""
    if not wanted(reporter.config):
        return
    from velo_harness.coverage.report import coverage_text

    text = coverage_text(list(_points(reporter.config)), reporter.config.getoption("velo_cov_fail_under"))
    title, *lines = text.splitlines()
    reporter.section(title, sep="-")
    for line in lines:
        reporter.write_line(line)


def _points(config: pytest.Config) -> Iterator[CoverPoint]:
    """The points of all items that ran, from whichever worker; of an item that ran twice, of both runs."""
    from velo_harness.coverage.report import point_of

    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter is not None else {}
    for reports in stats.values():
        for report in reports:
            text = getattr(report, _TRAVELLING, None)
            if text is not None:
                yield from (point_of(value) for value in json.loads(text))
