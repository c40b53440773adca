"""What is said at the end of a pytest run about queries that did not fail."""

from __future__ import annotations

import pytest

PROPERTY = "velo_warning"
"""The user property by which an item's warnings travel to the terminal, also from the workers of xdist."""

SHOWN_WARNINGS = 20


def print_warnings(reporter: pytest.TerminalReporter) -> None:
    """One section with the warnings of all items, each text once, capped."""
    found: dict[str, list[str]] = {}
    for reports in reporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                for name, text in report.user_properties:
                    if name == PROPERTY:
                        found.setdefault(str(text), []).append(report.nodeid)
    if not found:
        return
    reporter.section("velostream warnings", sep="-")
    for text, nodeids in list(found.items())[:SHOWN_WARNINGS]:
        more = f" and {len(nodeids) - 1} more" if len(nodeids) > 1 else ""
        reporter.write_line(nodeids[0] + more)
        reporter.write_line("\n".join(f"  {line}" for line in text.splitlines()))
    if len(found) > SHOWN_WARNINGS:
        reporter.write_line(f"and {len(found) - SHOWN_WARNINGS} more")
