"""Running one query of a spec: from its text to its result. Never raises for what a spec or a program can do wrong."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from velo_engine.errors import ErrorCode, ExitCode, VeloError
from velo_harness.execution import ProgressHook
from velo_harness.programs import shown_path
from velo_harness.refusals import refusal
from velo_harness.result import Outcome, QueryResult
from velo_harness.runners import result_by_runners
from velo_harness.settings import RunSettings
from velo_harness.spec import Query, Spec

if TYPE_CHECKING:
    from velo_harness.kafka.session import KafkaSession


def run_query(
    spec: Spec,
    query: Query,
    settings: RunSettings,
    *,
    item: str,
    rerun: str,
    on_progress: ProgressHook | None = None,
    kafka: KafkaSession | None = None,
) -> QueryResult:
    """The result of one query. `item` is its id in reports, `rerun` the command that runs just it again.

    Topics are on the broker of `kafka`; without it they are in memory.
    """
    began = time.perf_counter()
    blank = blank_result(spec, query, settings, item=item, rerun=rerun)
    if query.skip is not None:
        return replace(blank, skip_reason=query.skip)
    if query.refusal is not None:
        return replace(blank, outcome=Outcome.FAILED, error=query.refusal)
    try:
        result = result_by_runners(spec, query, settings, blank, on_progress, kafka)
        if spec.stress_test.enabled and result.outcome is Outcome.PASSED:
            result = _stressed(spec, query, settings, result, on_progress)
    except VeloError as error:
        failed = error.exit_code is ExitCode.FAILED and error.code is not ErrorCode.INTERNAL
        result = replace(blank, outcome=Outcome.FAILED if failed else Outcome.ERROR, error=error)
    except Exception as defect:
        if settings.debug:
            raise
        result = replace(blank, outcome=Outcome.ERROR, error=refusal(defect) or internal_error(defect))
    return replace(result, duration_ms=(time.perf_counter() - began) * 1000)


def _stressed(
    spec: Spec, query: Query, settings: RunSettings, result: QueryResult, on_progress: ProgressHook | None
) -> QueryResult:
    """The result of a query that was run again at volume: what was measured is a note, an error fails it."""
    from velo_harness.stress.stress_report import stress_line
    from velo_harness.stress.stress_run import stress_query

    measured = stress_query(spec, query, settings, spec.stress_test, result, on_progress)
    if measured.error is not None:
        raise measured.error
    return replace(result, notes=(*result.notes, f"stress test: {stress_line(measured)}"))


def blank_result(spec: Spec, query: Query, settings: RunSettings, *, item: str, rerun: str) -> QueryResult:
    """The result of a query before it ran."""
    return QueryResult(
        item=item,
        spec_file=shown_path(spec.file),
        spec_name=spec.name,
        query=spec.item_name(query),
        outcome=Outcome.SKIPPED,
        seed=spec.seed if settings.seed is None else settings.seed,
        rerun=rerun,
        description=query.description,
        tags=(*spec.tags, *query.tags),
    )


def internal_error(defect: Exception) -> VeloError:
    """A defect of ours, as people see it."""
    return VeloError(
        ErrorCode.INTERNAL,
        f"{type(defect).__name__}: {defect}",
        hint="a defect of velostream: please report it, with the traceback of --debug (in pytest: --velo-debug)",
    )
