"""Running specs without pytest: which files are meant by paths, and their queries one after the other."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_harness.discovery import SPEC_SUFFIXES, find_specs, find_sql, is_spec_name
from velo_harness.execution import ProgressHook
from velo_harness.kafka.providers import MEMORY
from velo_harness.marks import condition_holds
from velo_harness.plugin_files import load_conftests
from velo_harness.programs import shown_path
from velo_harness.refusals import walked
from velo_harness.rerun import rerun_options
from velo_harness.result import CheckFailure, FileError, Finding, Outcome, QueryResult, RunResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings, Update
from velo_harness.spec import Mark, Query, Spec
from velo_harness.spec_detection import Verdict, judge
from velo_harness.spec_loader import load_spec

if TYPE_CHECKING:
    from velo_harness.kafka.session import KafkaSession

QueryRunner: TypeAlias = Callable[..., QueryResult]
"""Runs one query: takes and gives what `runner.run_query` does."""

_PASSED_OVER = frozenset({"node_modules", "__pycache__", "build", "dist"})
"""Folders that hold no specs; hidden ones are passed over too."""


@dataclass(frozen=True, slots=True)
class SpecFile:
    """A spec to run, and the program it was asked for with."""

    path: Path
    sql: Path | None = None


@dataclass(frozen=True, slots=True)
class SuiteItem:
    """One query to run."""

    spec: Spec
    query: Query

    @property
    def names(self) -> set[str]:
        """What `--query` may call it."""
        return {self.query.name, self.spec.item_name(self.query)}


def find_spec_files(paths: Sequence[Path]) -> list[SpecFile]:
    """The specs that `paths` mean, each once: a spec itself, the spec of a SQL file, every spec below a folder.

    Errors: FILE_NOT_FOUND, NO_TESTS.
    """
    found: dict[Path, SpecFile] = {}
    for path in paths:
        for file in _meant_by(path):
            found.setdefault(file.path.resolve(), file)
    if not found:
        where = ", ".join(str(path) for path in paths)
        hint = f"a spec is called x{SPEC_SUFFIXES[0]} or x{SPEC_SUFFIXES[1]} and has application and queries"
        raise VeloError(ErrorCode.NO_TESTS, f"there is no spec in {where}", hint=hint)
    return list(found.values())


def _meant_by(path: Path) -> Iterator[SpecFile]:
    if path.is_dir():
        yield from (SpecFile(file) for file in _specs_below(path))
    elif not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, beside, noun=f"file in {path.parent}")
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no file or folder "{path}"', hint=hint)
    elif path.suffix == ".sql":
        specs = find_specs(path)
        if not specs:
            hint = f"write {path.stem}{SPEC_SUFFIXES[0]} beside it"
            raise VeloError(ErrorCode.NO_TESTS, f"there is no spec for {path}", hint=hint)
        yield from (SpecFile(spec, path) for spec in specs)
    else:
        yield SpecFile(path)


def _specs_below(folder: Path) -> Iterator[Path]:
    for place, folders, files in walked(folder):
        folders[:] = sorted(f for f in folders if f not in _PASSED_OVER and not f.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if is_spec_name(path) and judge(path) is not Verdict.FOREIGN:
                yield path


def load_items(
    files: Sequence[SpecFile], settings: RunSettings, wanted: Sequence[str]
) -> tuple[list[SuiteItem], list[FileError]]:
    """The queries of the specs, and the specs that do not load. `wanted` are names of queries; none means all.

    Plugins are loaded: what is loaded here is to be run. Errors: UNKNOWN_QUERY when no query is called as wanted,
    PLUGIN_FAILED.
    """
    load_conftests(file.path for file in files)
    items: list[SuiteItem] = []
    errors: list[FileError] = []
    for file in files:
        try:
            spec = _with_sql(load_shown(file.path, settings), file.sql)
        except VeloError as error:
            errors.append(FileError(shown_path(file.path), error))
            continue
        items += [SuiteItem(*run) for run in spec.runs()]
    names = {name for item in items for name in item.names}
    for name in wanted:
        if name not in names and not errors:
            hint = did_you_mean(name, names, noun="query")
            raise VeloError(ErrorCode.UNKNOWN_QUERY, f'no spec has a query "{name}"', hint=hint)
    return [item for item in items if not wanted or not item.names.isdisjoint(wanted)], errors


def one_query(path: Path, settings: RunSettings, name: str | None) -> SuiteItem:
    """The one query that a path and a name mean.

    Errors: those of loading, NO_TESTS, UNKNOWN_QUERY, BAD_VALUE when there are several and none is named.
    """
    items, errors = load_items(find_spec_files([path]), settings, [] if name is None else [name])
    for failed in errors:
        raise failed.error
    items = [item for item in items if item.spec.item_name(item.query) == name] or items
    specs = list(dict.fromkeys(shown_path(item.spec.file) for item in items))
    if len(specs) > 1:
        message = f"{shown_path(path)} has {len(items)} queries in {len(specs)} specs"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"give one of the specs: {', '.join(specs)}")
    if len(items) > 1:
        names = ", ".join(item.spec.item_name(item.query) for item in items)
        hint = f"name it with --query: {names}"
        raise VeloError(ErrorCode.BAD_VALUE, f"{shown_path(path)} has {len(items)} queries", hint=hint)
    return items[0]


def load_shown(path: Path, settings: RunSettings) -> Spec:
    """The spec in a file; its places say the file as people write it. Errors: as `spec_loader.load_spec`."""
    unfinished = settings.update is not Update.OFF
    spec = load_spec(Path(shown_path(path)), allowed=settings.allowed, unfinished=unfinished)
    return replace(spec, file=path.absolute())


def _with_sql(spec: Spec, sql: Path | None) -> Spec:
    """The spec with the program it was found for, when it neither names nor lies beside one."""
    if sql is None or spec.sql is not None or spec.sql_file is not None or find_sql(spec.file) is not None:
        return spec
    return replace(spec, sql_file=sql)


def run_items(
    items: Sequence[SuiteItem],
    settings: RunSettings,
    *,
    on_start: Callable[[int, SuiteItem], None] = lambda _number, _item: None,
    on_progress: ProgressHook | None = None,
    kafka: KafkaSession | None = None,
    run: QueryRunner = run_query,
) -> RunResult:
    """Runs the queries in order, each by `run`. `on_start` is told the number (from 0) of each before it runs.

    Topics are on the broker of `kafka`, without it in memory. Raises VeloError when that broker is not there.
    """
    if kafka is not None and items:
        kafka.start()
    began = time.perf_counter()
    results = []
    for number, item in enumerate(items):
        on_start(number, item)
        results.append(_run(item, settings, on_progress, kafka, run))
    place = MEMORY if kafka is None else kafka.provider.name
    return RunResult(tuple(results), (), (time.perf_counter() - began) * 1000, place)


def _run(
    item: SuiteItem,
    settings: RunSettings,
    on_progress: ProgressHook | None,
    kafka: KafkaSession | None,
    run: QueryRunner,
) -> QueryResult:
    """The result of one query, as its marks let it count."""
    marks = {mark.name: mark for mark in (*item.spec.marks, *item.query.marks)}
    spec = item.spec
    query = replace(item.query, skip=item.query.skip or _skip_reason(marks))
    name = f"{shown_path(spec.file)}::{spec.item_name(query)}"
    rerun = _rerun(spec, query, settings, kafka)
    result = run(spec, query, settings, item=name, rerun=rerun, on_progress=on_progress, kafka=kafka)
    return _with_expected_failure(result, marks["xfail"]) if "xfail" in marks else result


def _skip_reason(marks: dict[str, Mark]) -> str | None:
    if "skip" in marks:
        return marks["skip"].argument or "marked skip"
    if "skipif" in marks and condition_holds(marks["skipif"]):
        return marks["skipif"].argument
    return None


def _with_expected_failure(result: QueryResult, mark: Mark) -> QueryResult:
    """A query marked xfail is not counted when it fails, and fails when it passes."""
    reason = mark.argument or "marked xfail"
    if result.outcome is Outcome.FAILED:
        return replace(result, outcome=Outcome.SKIPPED, skip_reason=f"failed as expected: {reason}")
    if result.outcome is Outcome.PASSED:
        finding = Finding(f"a failure ({reason})", "the query passed", notes=("take the mark out",))
        return replace(result, outcome=Outcome.FAILED, failures=(CheckFailure("xfail", finding, mark.location),))
    return result


def _rerun(spec: Spec, query: Query, settings: RunSettings, kafka: KafkaSession | None) -> str:
    command = f"velo-test run {shlex.quote(shown_path(spec.file))} --query {shlex.quote(spec.item_name(query))}"
    return command + rerun_options(settings, kafka)
