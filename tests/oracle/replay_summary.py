"""What a test run says at its end: how the engine stands against the recorded answers of Flink."""

from __future__ import annotations

import re
from collections import Counter

import pytest

REPLAYED = re.compile(r"tests/oracle/test_replay\.py::test_the_engine_answers_as_flink\[(\w+)/")


def write_replay_summary(reporter: pytest.TerminalReporter) -> None:
    """Lines for the terminal, one a group; nothing when no case was replayed."""
    groups = {
        outcome: Counter(
            found[1] for report in reporter.getreports(outcome) if (found := REPLAYED.search(report.nodeid))
        )
        for outcome in ("passed", "xfailed", "failed")
    }
    total = sum(groups.values(), Counter[str]())
    if not total:
        return
    reporter.section("cases that Flink answered, replayed")
    for group in sorted(total):
        known, failed = groups["xfailed"][group], groups["failed"][group]
        notes = (f", {known} known to differ" if known else "") + (f", {failed} FAILED" if failed else "")
        reporter.line(f"{group:<16} {groups['passed'][group]:>3} of {total[group]} equal{notes}")
