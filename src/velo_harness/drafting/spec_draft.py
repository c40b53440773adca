"""A spec for a program, from its plan: generated inputs, assertions that hold now and that other programs break."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram, SourceKind, SourceTable
from velo_engine.types import TIMESTAMPS
from velo_harness.discovery import SCHEMA_SUFFIXES, PathPolicy, find_schema
from velo_harness.drafting.check_drafts import CheckDraft, check_drafts
from velo_harness.drafting.new_files import editor_files, editor_line, refuse_existing, write_files
from velo_harness.drafting.source_drafts import column_uses, schema_drafts
from velo_harness.drafting.yaml_text import scalar_text
from velo_harness.inputs import reads_own_file
from velo_harness.programs import ParsedProgram, ProgramText, Stand, parsed, planned, shown_path
from velo_harness.result import Outcome, QueryResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.source_schemas import load_cached
from velo_harness.spec import Spec
from velo_harness.spec_loader import spec_of
from velo_harness.yaml_source import parse_yaml, read_text

MOST_ROUNDS = 5
"""Of leaving out assertions that do not hold."""


@dataclass(slots=True)
class DraftedSpec:
    """What was drafted."""

    spec: Path
    files: dict[Path, str] = field(default_factory=dict)
    """All files, to be written: the spec, schemas, JSON Schemas for editors."""
    notes: list[str] = field(default_factory=list)
    """What a person should know: sources that were found, assertions that do not hold, queries without rows."""
    queries: int = 0
    assertions: int = 0


def draft_spec(sql: Path, target: Path | None, settings: RunSettings, *, force: bool = False) -> DraftedSpec:
    """Writes the spec of a program, and the data schemas that its sources lack; the spec passes.

    `target` is by default `x.test.yaml` beside `x.sql`. Errors: those of reading and planning the program, FILE_EXISTS
    before anything is written, and those of running it.
    """
    spec = target or sql.with_name(f"{sql.stem}.test.yaml")
    refuse_existing([spec], force=force)
    text = ProgramText(read_text(sql), shown_path(sql), sql.absolute().parent)
    folder = spec.absolute().parent
    policy = PathPolicy.for_file(spec, settings.allowed)
    stand = _stand(parsed(text, settings.variables), folder, policy)
    program = _planned(text, settings.variables, stand)
    if not program.statements:
        raise VeloError(ErrorCode.NO_TESTS, f"{text.file} has no query to test", hint="CREATE STREAM … AS SELECT …")
    draft = DraftedSpec(spec)
    known = {name for name, _ in stand.schemas}
    schemas = {
        spec.parent / "schemas" / f"{drafted.source}{SCHEMA_SUFFIXES[0]}": drafted.text
        for drafted in schema_drafts(program, column_uses(program), editor_line("data", depth=1))
        if drafted.source not in known and not reads_own_file(program.sources[drafted.source])
    }
    refuse_existing(schemas, force=force)
    draft.notes += [f"the data schema of {name} was there and is used" for name in sorted(known & set(program.sources))]
    drafting = _Drafting(sql, spec, text, program, settings, policy)
    made = [path for path in schemas if not path.exists()]
    write_files(schemas)
    try:
        spec_text = drafting.passing_text(draft)
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise
    draft.files = {spec: spec_text, **schemas, **editor_files(spec.parent)}
    write_files(draft.files)
    return draft


def _planned(text: ProgramText, variables: Mapping[str, str], stand: Stand) -> PlannedProgram:
    """The plan. Of sources whose columns nobody knows the error says how to tell them."""
    try:
        return planned(text, variables, stand)
    except VeloError as error:
        if error.code is not ErrorCode.UNKNOWN_TABLE:
            raise
        tell = "declare it with CREATE TABLE … (columns), or write its schema: velo-test infer-schema --help"
        hint = tell if error.hint is None else f"{error.hint}; {tell}"
        raise VeloError(error.code, error.message, location=error.location, hint=hint) from None


def _stand(program: ParsedProgram, folder: Path, policy: PathPolicy) -> Stand:
    found = {name: find_schema(name, folder, policy) for name in program.sources}
    return Stand(tuple((name, load_cached(path).row_schema()) for name, path in found.items() if path is not None))


@dataclass(slots=True)
class _Drafting:
    """One spec being drafted."""

    sql: Path
    spec: Path
    text: ProgramText
    program: PlannedProgram
    settings: RunSettings
    policy: PathPolicy
    checks: dict[str, list[CheckDraft]] = field(default_factory=dict)

    def passing_text(self, draft: DraftedSpec) -> str:
        """The text of a spec that passes. Errors: those of running a query."""
        self.checks = {name: check_drafts(s, self.program) for name, s in self.program.statements.items()}
        results = self._run()
        for name, result in results.items():
            count = CheckDraft(("type: record_count", f"equals: {result.output_rows}"), "with these inputs")
            if not any("type: record_count" in check.lines for check in self.checks[name]):
                self.checks[name].insert(0, count)
            if not result.output_rows:
                draft.notes.append(f"{name} gives out no rows for these inputs: change the constraints in schemas/")
        for _ in range(MOST_ROUNDS):
            failed = self._without_failing(results)
            draft.notes += [f"{name}: left out, for it does not hold: {check}" for name, check in failed]
            results = self._run()
            if all(result.outcome is Outcome.PASSED for result in results.values()):
                break
        else:
            raise VeloError(
                ErrorCode.JOB_FAILED,
                f"{self.text.file} gives other results in every run",
                hint="write its spec by hand: leave out columns of RAND() and UUID()",
            )
        draft.queries = len(self.checks)
        draft.assertions = sum(map(len, self.checks.values()))
        return self._text()[0]

    def _without_failing(self, results: Mapping[str, QueryResult]) -> list[tuple[str, str]]:
        """Takes out the assertions that failed."""
        lines = self._text()[1]
        out = []
        for name, result in results.items():
            wrong = [lines[failure.location.line] for failure in result.failures if failure.location.line in lines]
            for check in wrong:
                if check in self.checks[name]:
                    self.checks[name].remove(check)
                    out.append((name, ", ".join(check.lines)))
        return out

    def _run(self) -> dict[str, QueryResult]:
        """Runs every query. Errors: that of the first which has no result."""
        spec = self._spec(self._text()[0])
        results = {}
        for query in spec.queries:
            result = run_query(spec, query, self.settings, item=query.name, rerun="")
            if result.error is not None:
                raise result.error
            results[query.name] = result
        return results

    def _spec(self, text: str) -> Spec:
        loaded = spec_of(parse_yaml(text, shown_path(self.spec)), self.spec.absolute(), self.policy)
        return replace(loaded, file=self.spec.absolute())

    def _text(self) -> tuple[str, dict[int, CheckDraft]]:
        """The spec, and by line the assertions that begin there."""
        lines = list(self._head())
        places: dict[int, CheckDraft] = {}
        covered: set[str] = set()
        for name, statement in self.program.statements.items():
            lines.append(f"  - name: {scalar_text(name)}")
            sources = [s for s in statement.sources if s not in covered]
            lines += self._inputs(sources)
            covered.update(sources)
            lines.append("    assertions:")
            for check in self.checks[name]:
                lines.append(f"      # {check.reason}")
                places[len(lines) + 1] = check
                lines += [f"      {'- ' if at == 0 else '  '}{line}" for at, line in enumerate(check.lines)]
        return "\n".join(lines) + "\n", places

    def _head(self) -> Iterator[str]:
        yield editor_line("spec")
        yield f"# Drafted by velo-test init from the plan of {self.sql.name}. Every assertion holds now and can fail;"
        yield "# inputs are generated by schemas/*.schema.yaml. Add what you know: expect: { rows: [...] } is exact."
        annotated = dict(parsed(self.text, self.settings.variables).program.annotations).get("app")
        yield f"application: {scalar_text(self.sql.stem if annotated is None else annotated.value)}"
        path = os.path.relpath(self.sql.absolute(), self.spec.absolute().parent)
        yield f"sql_file: {scalar_text(Path(path).as_posix())}"
        if self.settings.variables:
            yield "variables:"
            for name, value in sorted(self.settings.variables.items()):
                yield f"  {scalar_text(name)}: {scalar_text(value)}"
        yield "queries:"

    def _inputs(self, sources: list[str]) -> Iterator[str]:
        given = [self.program.sources[name] for name in sources if not reads_own_file(self.program.sources[name])]
        if given:
            yield "    inputs:"
        for source in given:
            yield f"      - source: {scalar_text(source.name)}"
            if source.kind is SourceKind.STREAM and _has_times(source):
                start, end = ("-2h", "-1h") if source.primary_key else ("-1h", "now")
                yield f"        time_simulation: {{ start_time: {start}, end_time: {end} }}"


def _has_times(source: SourceTable) -> bool:
    return any(column.type.name in TIMESTAMPS for column in source.schema.columns)
