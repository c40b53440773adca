"""The hooks. Importing this module costs next to nothing: a project without specs must not notice the plugin."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_velo import coverage, extensions, kafka, options, reports, summary, updates

if TYPE_CHECKING:
    from pytest_velo.items import SpecFile


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the `--velo-*` options and the ini setting `velo_paths`."""
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Refuses options that contradict each other, and looks at what reports are asked for."""
    updates.refuse_both(config)
    reports.configure(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Says where topics are, when they are not in memory."""
    return kafka.header(config)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Generator[None]:
    """Declares the plain aliases of options once every other plugin and conftest.py has declared its own."""
    yield
    kafka.add_plain_aliases(parser)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """Collects a file when it is a spec of ours; other people's YAML is left alone."""
    if not file_path.name.endswith((".yaml", ".yml")):
        return None
    from pytest_velo.items import SpecFile, is_ours

    return SpecFile.from_parent(parent, path=file_path) if is_ours(file_path, parent.config) else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],  # noqa: ARG001 - the hook's
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets the reports of queries carry their results, and the expectations that are to be written."""
    report = yield
    updates.put_on_report(item, report)
    reports.put_on_report(item, report)
    coverage.put_on_report(item, report)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes expectations and reports, once for all workers."""
    updates.finish(session)
    reports.finish(session)
    coverage.finish(session)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Remembers the order of the items, in which reports show them."""
    reports.number_items(config, items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes what a worker of xdist sends when it ends."""
    reports.receive(node.config, getattr(node, "workeroutput", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what people should know about queries that passed (warnings of assertions, notes), and what is left."""
    summary.print_warnings(terminalreporter)
    coverage.print_lines(terminalreporter)
    updates.print_lines(terminalreporter)
    kafka.say_what_stays(terminalreporter)
    reports.say_where(terminalreporter)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Gives back the broker of the session, and takes back what its conftest.py files added."""
    kafka.close(config)
    extensions.unload(config)
