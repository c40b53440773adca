"""A spec for a program, from its plan: generated inputs, assertions that hold now and that other programs break."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_harness.discovery import SCHEMA_SUFFIXES, PathPolicy, find_schema
from velo_harness.drafting.new_files import editor_files, editor_line, refuse_existing, write_files
from velo_harness.drafting.passing_spec import PassingSpec
from velo_harness.drafting.source_drafts import column_uses, schema_drafts
from velo_harness.drafting.yaml_text import scalar_text
from velo_harness.inputs import reads_own_file
from velo_harness.programs import ParsedProgram, ProgramText, Stand, parsed, planned, shown_path
from velo_harness.settings import RunSettings
from velo_harness.source_schemas import load_cached
from velo_harness.yaml_source import read_text


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
    made = [path for path in schemas if not path.exists()]
    write_files(schemas)
    try:
        drafting = PassingSpec(
            spec,
            program,
            settings,
            policy,
            list(_head(sql, spec, text, settings)),
            frozenset(name for name, source in program.sources.items() if not reads_own_file(source)),
            frozenset(known),
        )
        spec_text = drafting.text()
        for error in drafting.errors.values():
            raise error
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise
    draft.notes += drafting.notes
    draft.queries = len(drafting.checks)
    draft.assertions = sum(map(len, drafting.checks.values()))
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


def _head(sql: Path, spec: Path, text: ProgramText, settings: RunSettings) -> Iterator[str]:
    yield editor_line("spec")
    yield f"# Drafted by velo-test init from the plan of {sql.name}. Every assertion holds now and can fail;"
    yield "# inputs are generated by schemas/*.schema.yaml. Add what you know: expect: { rows: [...] } is exact."
    annotated = dict(parsed(text, settings.variables).program.annotations).get("app")
    yield f"application: {scalar_text(sql.stem if annotated is None else annotated.value)}"
    path = os.path.relpath(sql.absolute(), spec.absolute().parent)
    yield f"sql_file: {scalar_text(Path(path).as_posix())}"
    if settings.variables:
        yield "variables:"
        for name, value in sorted(settings.variables.items()):
            yield f"  {scalar_text(name)}: {scalar_text(value)}"
