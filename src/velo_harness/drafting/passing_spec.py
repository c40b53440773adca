"""A spec that passes: drafted assertions are tried over generated inputs, and those that do not hold are left out."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram, SourceKind, SourceTable, WindowAggregate
from velo_engine.types import TIMESTAMPS
from velo_harness.discovery import PathPolicy
from velo_harness.drafting.check_drafts import RECOMPUTED, CheckDraft, check_drafts
from velo_harness.drafting.lineage import nodes
from velo_harness.drafting.yaml_text import scalar_text
from velo_harness.programs import shown_path
from velo_harness.result import Finding, Outcome, QueryResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec import Spec
from velo_harness.spec_loader import spec_of
from velo_harness.yaml_source import parse_yaml

LONGEST_DIFFERENCE = 160
"""Characters of what a note says of a difference."""
MOST_ROUNDS = 5
"""Of leaving out assertions that do not hold."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of one query."""

    result: QueryResult
    wrong: Mapping[CheckDraft, Finding]
    """The assertions that did not hold, and what differed."""


@dataclass(slots=True)
class PassingSpec:
    """One spec being drafted: its program and the data schemas of its sources are there already."""

    file: Path
    program: PlannedProgram
    settings: RunSettings
    policy: PathPolicy
    head: Sequence[str]
    """The lines above `queries:`."""
    generated: frozenset[str]
    """The sources whose rows are generated; the others read their own files."""
    untimed: frozenset[str] = frozenset()
    """Those of them whose data schemas may not say over which time rows are spread."""
    records: int | None = None
    """How many rows are generated of each source; None: as the data schemas say."""
    null_probability: str | None = None
    """How often nullable columns of generated rows are NULL; None: as the data schemas say."""
    boundaries: frozenset[str] = frozenset()
    """Those of them whose rows lie on the boundaries that the program draws; none is late, as in one batch."""
    foot: Sequence[str] = ()
    """Lines behind the queries: further entries of the list."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """What queries are for."""
    proposed: Mapping[str, Sequence[CheckDraft]] = field(default_factory=dict)
    """Further assertions by query; those that do not hold are left out as any other."""
    checks: dict[str, list[CheckDraft]] = field(default_factory=dict)
    """By query; only those that hold once `text` is made."""
    notes: list[str] = field(default_factory=list)
    """What a person should know: assertions that do not hold, queries without rows."""
    errors: dict[str, VeloError] = field(default_factory=dict)
    """Queries that do not run over generated rows: the spec skips them with the reason."""
    _loaded: tuple[str, Spec] | None = None

    def text(self) -> str:
        """The text of the spec. Errors: JOB_FAILED for a program that gives other results in every run."""
        self.checks = {
            name: [*check_drafts(s, self.program), *self.proposed.get(name, ())]
            for name, s in self.program.statements.items()
        }
        runs = self._run(self.program.statements)
        again = []
        for name, run in runs.items():
            counts = self._counts(name, run)
            self.checks[name][:0] = counts
            if counts or run.result.outcome is not Outcome.PASSED:
                again.append(name)
            if not run.result.output_rows:
                self.notes.append(f"{name} gives out no rows for these inputs: {self._remedy(name)}")
        for _ in range(MOST_ROUNDS):
            for name in again:
                self._leave_out(name, runs[name])
            runs = self._run(again)
            again = [name for name, run in runs.items() if run.result.outcome is not Outcome.PASSED]
            if not again:
                break
        else:
            raise VeloError(
                ErrorCode.JOB_FAILED,
                f"{shown_path(self.file)} gives other results in every run",
                hint="write its spec by hand: leave out columns of RAND() and UUID()",
            )
        return self._text()[0]

    def _remedy(self, name: str) -> str:
        """What a person may do for rows."""
        plan = self.program.statements[name].plan
        if any(isinstance(node, WindowAggregate) and not node.by_event_time for node in nodes(plan)):
            return "windows of processing time close when the clock moves, give its input a timeline (docs/time.md)"
        return "change the constraints in schemas/"

    def _counts(self, name: str, run: _Run) -> list[CheckDraft]:
        """What the number of rows is: how many there are now, where nothing else says how many there must be."""
        held = [check for check in self.checks[name] if check not in run.wrong]
        if any("type: record_count" in check.lines or check.reason == RECOMPUTED for check in held):
            return []
        return [CheckDraft(("type: record_count", f"equals: {run.result.output_rows}"), "regression: as many as now")]

    def _leave_out(self, name: str, run: _Run) -> None:
        """Takes out the assertions that failed."""
        for check, finding in run.wrong.items():
            self.checks[name].remove(check)
            self.notes.append(left_out(name, check, finding, run.result))

    def _run(self, names: Collection[str]) -> dict[str, _Run]:
        """Runs these queries; those without a result go to `errors`, unless one assertion was to blame: it goes."""
        runs = {}
        queries = self._spec(self._text()[0]).queries if names else ()
        for query in queries:
            if query.name not in names or query.skip is not None or query.refusal is not None:
                continue
            text, lines = self._text()
            result = self._result(text, query.name)
            while result.error is not None and (check := self._to_blame(query.name, result.error, lines)) is not None:
                self.checks[query.name].remove(check)
                told = f"left out, for it cannot be judged: {result.error.message}"
                self.notes.append(f"{query.name}: {told}: {check.shown}")
                text, lines = self._text()
                result = self._result(text, query.name)
            if result.error is not None:
                self.errors[query.name] = result.error
                continue
            own = self.checks[query.name]
            failed = {lines[f.location.line]: f.finding for f in result.failures if f.location.line in lines}
            runs[query.name] = _Run(result, {check: finding for check, finding in failed.items() if check in own})
        return runs

    def _result(self, text: str, name: str) -> QueryResult:
        spec = self._spec(text)
        query = next(query for query in spec.queries if query.name == name)
        return run_query(spec, query, self.settings, item=name, rerun="")

    def _to_blame(self, name: str, error: VeloError, lines: Mapping[int, CheckDraft]) -> CheckDraft | None:
        """The assertion that an error is about: the one whose lines hold its place, else the one that recomputes."""
        place = error.location
        if place is not None and place.file == shown_path(self.file):
            before = [line for line in lines if line <= place.line]
            found = lines[max(before)] if before else None
            if found is not None and found in self.checks[name] and place.line <= max(before) + len(found.lines):
                return found
        if error.code is not ErrorCode.INTERNAL:
            return None
        return next((check for check in self.checks[name] if check.reason == RECOMPUTED), None)

    def _spec(self, text: str) -> Spec:
        """The spec of a text; that of the last one is kept, since every query of it is asked for."""
        if self._loaded is None or self._loaded[0] != text:
            loaded = spec_of(parse_yaml(text, shown_path(self.file)), self.file.absolute(), self.policy)
            self._loaded = (text, replace(loaded, file=self.file.absolute()))
        return self._loaded[1]

    def _text(self) -> tuple[str, dict[int, CheckDraft]]:
        """The spec, and by line the assertions that begin there."""
        lines = [*self.head, "queries:"]
        places: dict[int, CheckDraft] = {}
        covered: set[str] = set()
        for name, statement in self.program.statements.items():
            lines.append(f"  - name: {scalar_text(name)}")
            if name in self.descriptions:
                lines.append(f"    description: {scalar_text(self.descriptions[name])}")
            if name in self.errors:
                lines.append(f"    skip: {scalar_text(_reason(self.errors[name]))}")
                continue
            sources = [s for s in statement.sources if s not in covered]
            lines += self._inputs(sources)
            covered.update(sources)
            lines.append("    assertions:")
            for check in self.checks[name]:
                places[len(lines) + 1] = check
                written = (*check.lines, f"reason: {scalar_text(check.reason)}")
                lines += [f"      {'- ' if at == 0 else '  '}{line}" for at, line in enumerate(written)]
        return "\n".join([*lines, *self.foot]) + "\n", places

    def _inputs(self, sources: list[str]) -> Iterator[str]:
        given = [self.program.sources[name] for name in sources if name in self.generated]
        if given:
            yield "    inputs:"
        for source in given:
            yield f"      - source: {scalar_text(source.name)}"
            if self.records is not None:
                yield f"        records: {self.records}"
            if self.null_probability is not None and any(c.type.nullable for c in source.schema.columns):
                yield f"        null_probability: {self.null_probability}"
            if source.name in self.boundaries:
                yield "        generate: boundaries_in_time"
            if source.name in self.untimed and source.kind is SourceKind.STREAM and _has_times(source):
                start, end = ("-2h", "-1h") if source.primary_key else ("-1h", "now")
                yield f"        time_simulation: {{ start_time: {start}, end_time: {end} }}"


def _has_times(source: SourceTable) -> bool:
    """Whether a source has a column that can be the time of its rows."""
    return any(column.type.name in TIMESTAMPS for column in source.schema.columns)


def left_out(name: str, check: CheckDraft, finding: Finding, result: QueryResult) -> str:
    """The note on an assertion that does not hold: what differed, and late rows, of which a batch knows nothing."""
    late = result.numbers.late if result.numbers is not None else 0
    rows = f" ({late} row{'' if late == 1 else 's'} came late)" if late else ""
    told = f"expected {finding.expected}, not {finding.actual}"
    return f"{name}: left out, for it does not hold: {check.shown}: {_shortened(told)}{rows}"


def _shortened(text: str) -> str:
    return textwrap.shorten(text, LONGEST_DIFFERENCE, placeholder=" …")


def _reason(error: VeloError) -> str:
    return f"it does not run over generated rows: {error.message}"
