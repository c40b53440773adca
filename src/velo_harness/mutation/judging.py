"""Judging mutants: the queries of the specs are run over a mutated program until one of them notices.

What does not depend on the program is made once: the specs are loaded, the original planned and run, the inputs
generated and encoded. A mutant costs a parse, a plan and the runs of the queries whose plan it changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_harness.execution import needed_sources, needed_statements
from velo_harness.inputs import RunInputs
from velo_harness.mutation.edits import Mutant, applied
from velo_harness.mutation.results import NOT_PASSING, Fate, Verdict
from velo_harness.mutation.work import PLANNING, Work, WorkLimit
from velo_harness.preparation import PreparedQuery
from velo_harness.programs import ProgramText, parsed, program_text
from velo_harness.query_run import QueryRun, expected_error
from velo_harness.refusals import refusal
from velo_harness.result import Outcome, QueryResult
from velo_harness.runner import blank_result, internal_error, run_query
from velo_harness.settings import RunSettings
from velo_harness.spec import Query, Spec
from velo_harness.suite import SuiteItem

SLOWER = 20
"""How many times longer than the original a query over a mutant may take."""
SHORTEST_MS = 5000
"""A mutant has at least this time."""
MEASURED = frozenset({"execution_time", "throughput", "memory_usage", "latency"})
"""Assertions about the machine, which may fail over any mutant: they judge none."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A query that passes over the original program, and what is known of it."""

    spec: Spec
    query: Query
    duration_ms: float
    records: int
    """Records that it reads; those with few judge first."""
    work: int
    """Of its run over the original."""
    prepared: PreparedQuery | None
    """None for a query that expects an error: all of it is run each time."""
    inputs: RunInputs | None
    """None when they depend on other statements of the program."""
    needs: frozenset[str]
    """The statements and sources it runs, views included."""

    @property
    def name(self) -> str:
        """How people know it."""
        return self.query.name


def judge_of(spec: Spec, query: Query, settings: RunSettings) -> Judge | str:
    """The query as a judge, or why it cannot be one."""
    if query.skip is not None:
        return f"skipped: {query.skip}"
    if any(mark.name in ("xfail", "skip", "skipif") for mark in (*spec.marks, *query.marks)):
        return "marked xfail or skip"
    query = _without_measures(query)
    if not _checks(query):
        return "it only measures time or memory"
    if expected_error(query) is not None:
        return _judge_by_error(spec, query, settings)
    if query.refusal is not None:
        return f"{NOT_PASSING}: {query.refusal.message}"
    began = time.perf_counter()
    run, work = _run(spec, query, settings), Work()
    try:
        prepared = run.prepared()
        inputs = run.inputs(prepared)
        with run.executed(prepared, inputs, replace(run.job_options(), on_step=work.take)) as execution:
            result = run.checked(prepared, inputs, execution)
    except VeloError as error:
        return f"{NOT_PASSING}: {error.message}"
    except Exception as defect:
        return f"{NOT_PASSING}: {(refusal(defect) or internal_error(defect)).message}"
    if result.outcome is not Outcome.PASSED:
        return _not_passing(result)
    took = (time.perf_counter() - began) * 1000
    records = sum(result.inputs.values())
    kept = None if _read_by_others(spec) else inputs
    return Judge(spec, query, took, records, work.done, prepared, kept, _needs(spec, prepared, settings))


def _judge_by_error(spec: Spec, query: Query, settings: RunSettings) -> Judge | str:
    began = time.perf_counter()
    result = run_query(spec, query, settings, item=query.name, rerun="")
    if result.outcome is not Outcome.PASSED:
        return _not_passing(result)
    took = (time.perf_counter() - began) * 1000
    return Judge(spec, query, took, 0, 0, None, None, _closure(spec, [query.name], settings))


def _not_passing(result: QueryResult) -> str:
    count = len(result.failures)
    failed = "1 check fails" if count == 1 else f"{count} checks fail"
    return f"{NOT_PASSING}: {failed if result.error is None else result.error.message}"


def _without_measures(query: Query) -> Query:
    """The query without assertions about the machine."""
    outputs = tuple(
        replace(output, assertions=tuple(a for a in output.assertions if a.type not in MEASURED))
        for output in query.outputs
    )
    return replace(query, assertions=tuple(a for a in query.assertions if a.type not in MEASURED), outputs=outputs)


def _checks(query: Query) -> bool:
    """Whether a query checks anything."""
    own = bool(query.assertions) or query.expect is not None
    return own or any(output.assertions or output.expect is not None for output in query.outputs)


def _run(spec: Spec, query: Query, settings: RunSettings) -> QueryRun:
    return QueryRun(spec, query, settings, blank_result(spec, query, settings, item=query.name, rerun=""))


def _read_by_others(spec: Spec) -> list[str]:
    """The statements whose output some query of the spec takes as an input (`from_previous`)."""
    queries = {query.name: query for query in spec.queries}
    names = (one.from_previous for query in spec.queries for one in query.inputs)
    return [name for name in dict.fromkeys(names) if name is not None and name in queries]


def _needs(spec: Spec, prepared: PreparedQuery, settings: RunSettings) -> frozenset[str]:
    """Every relation of the program on the way to what the query checks."""
    names = [*needed_statements(prepared.program, prepared.targets)]
    names += needed_sources(prepared.program, prepared.targets)
    names += _read_by_others(spec)
    return _closure(spec, names, settings)


def _closure(spec: Spec, names: list[str], settings: RunSettings) -> frozenset[str]:
    """The relations called so and all they read, views included; those names alone when the program does not parse."""
    try:
        reads = parsed(program_text(spec), variables_of(spec, settings)).reads
    except VeloError:
        return frozenset(names)
    waiting, found = [*names], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(reads.get(name, ()))
    return frozenset(found)


def variables_of(spec: Spec, settings: RunSettings) -> dict[str, str]:
    """The values of `${NAME}` in the program of a spec, beside those of the environment."""
    return {**spec.variables, **settings.variables}


class Bench:
    """The judges of one program. `limit` is how much a mutant may work."""

    def __init__(
        self, text: ProgramText, items: Sequence[SuiteItem], settings: RunSettings, limit: WorkLimit | None = None
    ) -> None:
        self._limit = WorkLimit() if limit is None else limit
        self.work = 0
        """Of all verdicts so far."""
        self.text = text
        self.variables = variables_of(items[0].spec, settings)
        self._settings = settings
        self.unusable: list[str] = []
        """Queries that are no judges, of those that were asked so far, and why."""
        self._items = items
        self._made: dict[int, Judge | None] = {}

    @cached_property
    def judges(self) -> list[Judge]:
        """All judges, those with few records first. Each query is run for that."""
        return self._judges_of(range(len(self._items)))

    @cached_property
    def _reaches(self) -> list[frozenset[str]]:
        """The relations that each query is about by its name alone; nothing is run for that."""
        return [_closure(item.spec, [item.query.name], self._settings) for item in self._items]

    def _judges_of(self, numbers: Iterable[int]) -> list[Judge]:
        for number in numbers:
            if number not in self._made:
                self._made[number] = self._judge(self._items[number])
        made = (self._made[number] for number in numbers)
        return sorted((judge for judge in made if judge is not None), key=lambda judge: judge.records)

    def _judge(self, item: SuiteItem) -> Judge | None:
        judge = judge_of(item.spec, item.query, self._settings)
        if isinstance(judge, str):
            self.unusable.append(f"{item.query.name}: {judge}")
            return None
        return judge

    def checked(self, statement: str) -> bool:
        """Whether some query's result depends on the statement."""
        return any(statement in judge.needs for judge in self.judges)

    def may_check(self, statement: str) -> bool:
        """As `checked`, by the names of the queries: none is run to find out."""
        return any(statement in names for names in self._reaches)

    def verdict_of_few(self, mutant: Mutant) -> Verdict:
        """The fate of a mutant by the queries that are about its statement by their names; these alone are run."""
        few = [number for number, names in enumerate(self._reaches) if mutant.statement in names]
        return self._verdict(mutant, self._judges_of(few))

    def verdict(self, mutant: Mutant) -> Verdict:
        """The fate of a mutant."""
        return self._verdict(mutant, self.judges)

    def _verdict(self, mutant: Mutant, judges: Sequence[Judge]) -> Verdict:
        text = applied(self.text.text, mutant.edits)
        changed = False
        for judge in judges:
            verdict = self._judged(judge, text)
            if isinstance(verdict, Verdict):
                return verdict
            changed = changed or verdict
        if not changed:
            return Verdict(Fate.EQUIVALENT, "every query has the same plan as over the original")
        return Verdict(Fate.SURVIVED, "")

    def _judged(self, judge: Judge, text: str) -> Verdict | bool:
        """The verdict of one judge; else whether it had anything to look at."""
        spec = replace(judge.spec, replaced_sql=text)
        self.work += PLANNING * len(text)
        limit = int(max(SHORTEST_MS, SLOWER * judge.duration_ms))
        settings = replace(self._settings, timeout_ms=limit)
        run = _run(spec, judge.query, settings)
        if judge.prepared is None:
            return self._judged_by_error(judge, run)
        try:
            prepared = run.prepared()
        except VeloError as error:
            return Verdict(Fate.INVALID, error.message)
        except RecursionError:
            return Verdict(Fate.INVALID, "the statement is nested too deeply")
        if judge.inputs is not None and _same(judge.prepared, prepared):
            return False
        work = Work(self._limit.of(judge.work))
        try:
            inputs = judge.inputs if _same_sources(judge, prepared) else None
            inputs = run.inputs(prepared) if inputs is None else inputs
            with run.executed(prepared, inputs, replace(run.job_options(), on_step=work.take)) as execution:
                result = run.checked(prepared, inputs, execution)
        except VeloError as error:
            if error.code is ErrorCode.TIMEOUT:
                return Verdict(Fate.TIMEOUT, f"{judge.name}: {error.message}")
            return Verdict(Fate.KILLED, f"{judge.name}: the run failed: {error.message}")
        except Exception as defect:
            return Verdict(Fate.INVALID, f"a defect of velostream: {type(defect).__name__}: {defect}")
        finally:
            self.work += work.done
        return _killed(judge, result) or True

    def _judged_by_error(self, judge: Judge, run: QueryRun) -> Verdict | bool:
        """A query that expects an error must still get that one."""
        try:
            result = run.result()
        except VeloError as error:
            return Verdict(Fate.KILLED, f"{judge.name}: {error.message}")
        except Exception as defect:
            return Verdict(Fate.INVALID, f"a defect of velostream: {type(defect).__name__}: {defect}")
        return _killed(judge, result) or True


def _killed(judge: Judge, result: QueryResult) -> Verdict | None:
    if result.outcome is Outcome.PASSED:
        return None
    check = result.failures[0].check if result.failures else result.outcome.value
    return Verdict(Fate.KILLED, f"{judge.name}: {check}")


def _same_sources(judge: Judge, prepared: PreparedQuery) -> bool:
    assert judge.prepared is not None
    before = needed_sources(judge.prepared.program, judge.prepared.targets)
    return [*before] == [*needed_sources(prepared.program, prepared.targets)]


def _same(one: PreparedQuery, other: PreparedQuery) -> bool:
    """Whether two prepared queries run the same plan."""
    return [*_parts(one.program, one.targets)] == [*_parts(other.program, other.targets)]


def _parts(program: PlannedProgram, targets: tuple[str, ...]) -> Iterator[object]:
    """All of a program that decides what its targets give out."""
    yield targets
    yield dict(program.properties), program.state_ttl_ms, program.functions
    yield from (program.statements[name] for name in needed_statements(program, targets))
    yield from needed_sources(program, targets).items()
