"""Expectations that a pytest run writes: gathered from all workers, written once at the end, and said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from velo_harness.settings import Update

ATTRIBUTE = "velo_updates"
"""What a test report calls the updates of its item; plain values, so that they travel from the workers of xdist."""

SHOWN_LINES = 50

_SAID = pytest.StashKey[list[str]]()


def add_options(group: pytest.OptionGroup) -> None:
    """Declares the options."""
    group.addoption(
        "--velo-update",
        action="store_true",
        help="write expectations that do not hold, and missing ones, from what came out",
    )
    group.addoption(
        "--velo-update-new-only",
        action="store_true",
        help="write the expectations of queries that have none; leave all others alone",
    )


def refuse_both(config: pytest.Config) -> None:
    """Raises UsageError when both options are given."""
    if config.getoption("velo_update") and config.getoption("velo_update_new_only"):
        raise pytest.UsageError("give --velo-update or --velo-update-new-only, not both")


def wanted(config: pytest.Config) -> Update:
    """What the command line says."""
    from velo_harness.settings import Update

    if config.getoption("velo_update"):
        return Update.ALL
    return Update.NEW_ONLY if config.getoption("velo_update_new_only") else Update.OFF


def put_on_report(item: pytest.Item, report: pytest.TestReport) -> None:
    """Lets a report carry what its item wants to be written."""
    found = getattr(item, ATTRIBUTE, ())
    if found and report.when == "call":
        setattr(report, ATTRIBUTE, [update.plain() for update in found])


def finish(session: pytest.Session) -> None:
    """Writes what all reports carry; a file of expected rows that no spec names fails the session."""
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(config, "workerinput") or reporter is None:
        return
    reports = [r for found in reporter.stats.values() for r in found if isinstance(r, pytest.TestReport)]
    asked = [values for report in reports for values in getattr(report, ATTRIBUTE, ())]
    lines, failed = _written(asked) if asked else ([], False)
    unused = _unused(_specs_of(config, reports))
    config.stash[_SAID] = [*lines, *unused]
    if (failed or unused) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _specs_of(config: pytest.Config, reports: list[pytest.TestReport]) -> list[Path]:
    paths = dict.fromkeys(report.nodeid.split("::")[0] for report in reports)
    return [config.rootpath / path for path in paths if path.endswith((".yaml", ".yml"))]


def _unused(specs: list[Path]) -> list[str]:
    if not any((spec.parent / "expected").is_dir() for spec in specs):
        return []
    from velo_harness.updating.rows_files import unused_files

    return [str(error) for error in unused_files(specs, also=specs)]


def _written(asked: list[dict[str, Any]]) -> tuple[list[str], bool]:
    from velo_engine.errors import VeloError
    from velo_harness.updating.written import ExpectationUpdate, write_updates

    try:
        lines = write_updates([ExpectationUpdate.of_plain(values) for values in asked])
    except VeloError as error:
        return [str(error)], True
    return [f"updated {line}" for line in lines], False


def print_lines(reporter: pytest.TerminalReporter) -> None:
    """Says what was written, and what nothing names."""
    lines = reporter.config.stash.get(_SAID, [])
    if not lines:
        return
    reporter.section("velostream expectations", sep="-")
    for line in lines[:SHOWN_LINES]:
        reporter.write_line(line)
    if len(lines) > SHOWN_LINES:
        reporter.write_line(f"and {len(lines) - SHOWN_LINES} more")
