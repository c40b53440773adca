"""Specs as pytest sees them: a spec file is a collector, each of its queries an item."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_velo import coverage, extensions, kafka, options, reports, summary
from velo_harness.discovery import is_spec_name
from velo_harness.spec_detection import Verdict, judge

if TYPE_CHECKING:
    from velo_harness.result import QueryResult
    from velo_harness.spec import Mark, Query, Spec


def is_ours(path: Path, config: pytest.Config) -> bool:
    """Whether pytest should collect `path`: a spec by name and content, or by name and the ini setting `velo_paths`."""
    if not is_spec_name(path):
        return False
    if any(path.is_relative_to(listed) for listed in options.listed_paths(config)):
        return True
    return judge(path) is not Verdict.FOREIGN


class SpecFile(pytest.File):
    """One spec. A spec that does not load is a collection error with the place of the mistake."""

    def collect(self) -> Iterator[QueryItem]:
        """One item a query, in the order of the file."""
        from velo_harness.suite import load_shown

        extensions.load(self.config)
        wanted = self.config.getoption("velo_query")
        spec = load_shown(self.path, options.run_settings(self.config))
        for run, query in spec.runs():
            name = run.item_name(query)
            if not wanted or query.name in wanted or name in wanted:
                yield QueryItem.from_parent(self, name=name, spec=run, query=query)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """The error as a person reads it, without traceback."""
        from velo_engine.errors import VeloError
        from velo_harness.reports.shown_values import printable_lines

        if isinstance(excinfo.value, VeloError):
            reports.remember_file_error(self.config, self.nodeid, excinfo.value)
            return printable_lines(str(excinfo.value))
        return super().repr_failure(excinfo, *args, **kwargs)


class QueryFailed(Exception):  # noqa: N818 - an outcome, not a defect
    """A query that did not pass; carries its result."""

    def __init__(self, result: QueryResult) -> None:
        super().__init__(result.item)
        self.result = result


class QueryItem(pytest.Item):
    """One query of a spec."""

    def __init__(self, *, spec: Spec, query: Query, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.spec = spec
        self.query = query
        self.extra_keyword_matches.update((*spec.tags, *query.tags))
        if query.skip is not None:
            self.add_marker(pytest.mark.skip(reason=query.skip))
        for mark in (*spec.marks, *query.marks):
            self._add(mark)

    def runtest(self) -> None:
        """Runs the query; raises QueryFailed unless it passes."""
        from velo_harness.reports.text import check_text
        from velo_harness.result import Outcome
        from velo_harness.runner import run_query

        result = run_query(
            self.spec,
            self.query,
            options.run_settings(self.config),
            item=self.nodeid,
            rerun=self._rerun_command(),
            kafka=kafka.session(self.config),
        )
        reports.remember(self, result)
        coverage.remember(self, result)
        self.user_properties.append(("velo_seed", result.seed))
        self.velo_updates = result.updates
        for warning in result.warnings:
            self.user_properties.append((summary.PROPERTY, check_text(warning)))
        for note in result.notes:
            self.user_properties.append((summary.PROPERTY, note))
        if result.outcome is Outcome.SKIPPED:
            pytest.skip(result.skip_reason or "")
        if result.outcome is not Outcome.PASSED:
            raise QueryFailed(result)

    def blank_result(self) -> QueryResult:
        """The result of the query before it ran."""
        from velo_harness.runner import blank_result

        settings = options.run_settings(self.config)
        return blank_result(self.spec, self.query, settings, item=self.nodeid, rerun=self._rerun_command())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """What failed and why, in the harness's words; a traceback only for what is not ours."""
        from velo_engine.errors import VeloError
        from velo_harness.reports.shown_values import printable_lines
        from velo_harness.reports.text import query_text

        match excinfo.value:
            case QueryFailed(result=result):
                return query_text(result)
            case VeloError() as error:
                return printable_lines(str(error))
            case _:
                return super().repr_failure(excinfo, *args, **kwargs)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The place of the query in its file, for IDEs."""
        return self.path, self.query.location.line - 1, self.name

    def _add(self, mark: Mark) -> None:
        """Adds a mark of the spec; one that pytest refuses (unregistered, strict markers) is an error at its place."""
        from velo_engine.errors import ErrorCode, VeloError
        from velo_harness.marks import condition_holds

        if mark.name == "skipif":
            if condition_holds(mark):
                self.add_marker(pytest.mark.skip(reason=mark.argument or "skipif"))
            return
        if mark.name.startswith("_"):  # pytest would refuse it with a traceback
            raise VeloError(ErrorCode.BAD_VALUE, f'"{mark.name}" is not a mark', location=mark.location)
        try:
            marker = getattr(pytest.mark, mark.name)
        except (pytest.fail.Exception, pytest.PytestUnknownMarkWarning) as refused:
            raise VeloError(ErrorCode.BAD_VALUE, str(refused), location=mark.location) from None
        if mark.name in ("skip", "xfail"):
            self.add_marker(marker(reason=mark.argument or ""))
        else:
            self.add_marker(marker(mark.argument) if mark.argument else marker)

    def _rerun_command(self) -> str:
        from velo_harness.rerun import rerun_options

        chosen, place = options.run_settings(self.config), kafka.session(self.config)
        return f"pytest {shlex.quote(self.nodeid)}" + rerun_options(chosen, place, "--velo-")
