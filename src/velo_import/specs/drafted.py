"""`test_spec.yaml`: a query for every converted statement, and a skipped one for everything that is not converted.

A job without statements that make rows is tested by its tables: each gives out rows of its data schema as a statement
would read them. A job whose statements all failed to convert has a spec that fails: nothing of it is tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from velo_engine.plan.nodes import PlannedProgram, PlanNode, Scan, SourceKind, Upstream
from velo_harness.discovery import PathPolicy
from velo_harness.drafting.check_drafts import CheckDraft
from velo_harness.drafting.column_uses import column_uses
from velo_harness.drafting.lineage import JOINS, nodes
from velo_harness.drafting.new_files import editor_line
from velo_harness.drafting.passing_spec import PassingSpec
from velo_harness.drafting.yaml_text import scalar_text
from velo_harness.programs import ProgramText, Stand, parsed, planned, with_reading
from velo_harness.settings import RunSettings
from velo_harness.source_schemas import load_cached
from velo_import.convert.connectors import REGISTRY_VARIABLE
from velo_import.model import Construct, ConvertedJob, Outcome

SPEC = "test_spec.yaml"
NULLS = "0.05"
"""How often nullable columns are NULL."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """The spec of a job."""

    text: str
    queries: int
    """Those that run."""
    assertions: int
    skipped: tuple[str, ...]
    """Names of queries that do not run: what is not converted, and what fails over generated rows."""
    notes: tuple[str, ...]
    """What a person should know."""


def drafted_spec(
    job: ConvertedJob,
    folder: Path,
    program: str,
    descriptions: Mapping[str, str] | None = None,
    proposed: Mapping[str, Sequence[CheckDraft]] | None = None,
) -> JobSpec | None:
    """The spec of the job whose `program` and data schemas lie in `folder`; None when there is nothing to say.

    `descriptions` and `proposed`, further assertions, are of queries; what of these does not hold is left out.

    Errors: JOB_FAILED for a program that gives other results in every run.
    """
    file = folder / SPEC
    text = ProgramText((folder / program).read_text(encoding="utf-8"), program, folder)
    plan = _plan(job, text)
    missing = list(_missing(job, set(plan.statements)))
    if not plan.statements and not missing:
        return None
    spec = PassingSpec(
        file,
        plan,
        RunSettings(),
        PathPolicy(folder),
        list(_head(job, program)),
        frozenset(plan.sources),
        null_probability=NULLS,
        boundaries=_on_boundaries(plan),
        descriptions=descriptions or {},
        proposed=proposed or {},
        foot=[line for name, construct in missing for line in _skipped(name, construct)],
    )
    made = spec.text()
    if spec.errors:  # a sink that takes no NULL, say: rows without
        spec = replace(spec, null_probability=None, checks={}, notes=[], errors={})
        made = spec.text()
    if spec.errors and spec.boundaries:  # rows on boundaries have NULLs, too
        spec = replace(spec, boundaries=frozenset(), checks={}, notes=[], errors={})
        made = spec.text()
    if len(spec.errors) == len(plan.statements) > 0:  # a subquery for one value that has several, say: one row each
        spec = replace(spec, records=1, checks={}, notes=[], errors={})
        made = spec.text()
        spec.notes.insert(0, "no statement runs over several rows of each source: the tests have one row of each")
    run = [name for name in plan.statements if name not in spec.errors]
    skipped = (*spec.errors, *(name for name, _ in missing))
    count = sum(len(spec.checks[name]) for name in run)
    notes = (*spec.notes, *(f"{name} does not run over generated rows: {e.message}" for name, e in spec.errors.items()))
    return JobSpec(made, len(run), count, skipped, notes)


def _plan(job: ConvertedJob, text: ProgramText) -> PlannedProgram:
    """The plan of the program; for a job without statements with a reading of each table, called like the table."""
    files = {path.name.partition(".")[0]: path for path in sorted((text.base_dir / "schemas").glob("*.schema.yaml"))}
    program = parsed(text, {})
    schemas = tuple((name, load_cached(files[name]).row_schema()) for name in program.sources if name in files)
    if program.statements or job.statements:
        return planned(text, {}, Stand(schemas))
    names = {}
    for table in program.sources:
        text, statement = with_reading(text, table, {})
        names[statement] = table
    plan = planned(text, {}, Stand(schemas))
    return replace(plan, statements={names[name]: replace(s, name=names[name]) for name, s in plan.statements.items()})


def _on_boundaries(plan: PlannedProgram) -> frozenset[str]:
    """The streams whose rows should lie on both sides of constants; those of a join need partners before that."""
    compared = {of.source for of, use in column_uses(plan).items() if use.compared}
    joined = {name for s in plan.statements.values() if _joins(s.plan, plan) for name in _sources(s.plan, plan)}
    streams = (name for name, source in plan.sources.items() if source.kind is SourceKind.STREAM)
    return frozenset(name for name in streams if name in compared and name not in joined)


def _joins(node: PlanNode, plan: PlannedProgram) -> bool:
    return any(isinstance(one, JOINS) for one in _all_nodes(node, plan))


def _sources(node: PlanNode, plan: PlannedProgram) -> set[str]:
    return {one.source.name for one in _all_nodes(node, plan) if isinstance(one, Scan)}


def _all_nodes(node: PlanNode, plan: PlannedProgram) -> Iterator[PlanNode]:
    """The nodes of a plan and of the statements that it reads."""
    for one in nodes(node):
        yield one
        if isinstance(one, Upstream):
            yield from _all_nodes(plan.statements[one.statement].plan, plan)


def _head(job: ConvertedJob, program: str) -> Iterator[str]:
    yield editor_line("spec")
    yield "# Written by velo import. Every assertion says why it must hold, and holds for the rows of schemas/."
    yield "test_suite:"
    yield f"  name: {scalar_text(f'{job.name} (imported)')}"
    yield "  source_system: flink"
    yield f"  original_file: {scalar_text(job.scripts[-1].file)}"
    yield "  require_executed: true"
    yield f"sql_file: {program}"
    if f"${{{REGISTRY_VARIABLE}" in job.app_sql:
        yield f"variables: {{ {REGISTRY_VARIABLE}: mock://registry }}  # inside the process: tests need no network"


def _missing(job: ConvertedJob, taken: set[str]) -> Iterator[tuple[str, Construct]]:
    """What is not converted, under names that no statement has."""
    names = {id(c): s.name for s in job.unconverted for c in s.constructs}
    for construct in job.constructs:
        if construct.outcome is Outcome.NOT_CONVERTED:
            place = f"{construct.location.file}:{construct.location.line}"
            wanted = names.get(id(construct), construct.feature)
            name = wanted if id(construct) in names and wanted not in taken else f"{wanted} ({place})"
            while name in taken:
                name += "'"
            taken.add(name)
            yield name, construct


def _skipped(name: str, construct: Construct) -> Iterator[str]:
    place = f"{construct.location.file}:{construct.location.line}"
    reason = f"{place} is not converted: {construct.reason or construct.feature}"
    if construct.alternative:
        reason += f"; {construct.alternative}"
    yield f"  - name: {scalar_text(name)}"
    yield f"    skip: {scalar_text(' '.join(reason.split()))}"
