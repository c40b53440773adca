"""What all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.oracle.replay_summary import write_replay_summary

# A property is about results, not about how busy the machine is. In CI the examples are the same every time.
settings.register_profile("local", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many recorded answers of Flink the engine gives."""
    write_replay_summary(terminalreporter)
