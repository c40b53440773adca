"""The hooks. Importing this module costs next to nothing: a project without specs must not notice the plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_velo import options, summary

if TYPE_CHECKING:
    from pytest_velo.items import SpecFile


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the `--velo-*` options and the ini setting `velo_paths`."""
    options.add_options(parser)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """Collects a file when it is a spec of ours; other people's YAML is left alone."""
    if not file_path.name.endswith((".yaml", ".yml")):
        return None
    from pytest_velo.items import SpecFile, is_ours

    return SpecFile.from_parent(parent, path=file_path) if is_ours(file_path, parent.config) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what people should know about queries that passed: warnings of assertions, notes."""
    summary.print_warnings(terminalreporter)
