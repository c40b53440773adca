"""Programs of tiers/ and specs/, exported and imported again: their specs still pass.

`python -m tests.importing.roundtrip` counts them. With `--flink` a real Flink plans every exported statement instead, with
the Kafka connector of `make kafka`; it runs nothing.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from velo_engine.engine import Engine
from velo_engine.errors import VeloError
from velo_engine.schema import RowSchema
from velo_engine.sql.flink.script import parse_script
from velo_harness.discovery import PathPolicy
from velo_harness.preparation import QueryPreparation
from velo_harness.programs import program_text
from velo_harness.relation import Relation
from velo_harness.result import Outcome
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.source_schemas import SchemaFinder
from velo_harness.spec import Spec
from velo_harness.spec_loader import load_spec
from velo_import.convert.job import convert_job
from velo_import.export.model import ExportedProgram, Form, NoteKind
from velo_import.export.program import export_program
from velo_import.gateway import GatewaySession, StatementFailedError

ROOT = Path(__file__).parents[2]


def exported_spec(spec: Spec) -> ExportedProgram:
    """The program of a spec in Flink SQL. VeloError of what cannot be planned."""
    text = program_text(spec)
    engine = Engine(base_dir=text.base_dir, udf_paths=[text.base_dir], load_functions=True)
    return export_program(text.text, text.file, engine=engine, environment=os.environ, schemas=_schemas(spec))


def again(spec: Spec) -> tuple[Spec, ExportedProgram]:
    """The spec over what an import makes of its exported program, and that."""
    exported = exported_spec(spec)
    job = convert_job(spec.file.stem, [parse_script(exported.sql, file="exported.sql")])
    return replace(spec, replaced_sql=job.app_sql), exported


def _schemas(spec: Spec) -> dict[str, RowSchema]:
    """The columns of the sources, as the spec gives them."""
    found: dict[str, RowSchema] = {}

    def previous(name: str) -> Relation:
        raise LookupError(name)

    for query in spec.queries:
        finder = SchemaFinder(spec, PathPolicy.for_file(spec.file, ()))
        try:
            prepared = QueryPreparation(spec, query, RunSettings(), finder, previous).prepared()
        except (VeloError, LookupError):
            continue
        found |= {name: source.schema for name, source in prepared.program.sources.items()}
    return found


def results(path: Path) -> Iterator[tuple[str, str, str]]:
    """Of each query of a spec: its name, what became of it (`same`, `not exported`, …), and why."""
    spec = load_spec(path)
    other, exported = again(spec)
    lost = {note.message for note in exported.refused}
    for query in spec.queries:
        if run_query(spec, query, RunSettings(), item="", rerun="").outcome is not Outcome.PASSED:
            continue
        try:
            result = run_query(other, query, RunSettings(), item="", rerun="")
        except VeloError as error:
            yield query.name, "not exported" if lost else "differs", error.message
            continue
        if result.outcome is Outcome.PASSED:
            yield query.name, "same", ""
        else:
            why = result.failures[0].finding.actual if result.failures else str(result.error or result.skip_reason)
            noted = any(note.kind is NoteKind.DIFFERS for note in exported.notes)
            yield query.name, "not exported" if lost else "differs, as noted" if noted else "differs", str(why)


def main() -> None:
    """Print how many queries of the specs give the same again."""
    counts: Counter[str] = Counter()
    for path in sorted([*ROOT.glob("tiers/*/*.test.yaml"), *ROOT.glob("specs/*/*.test.yaml")]):
        try:
            for name, became, why in results(path):
                counts[became] += 1
                if became != "same":
                    print(f"{became}: {path.relative_to(ROOT)} {name}: {' '.join(why.split())[:150]}", flush=True)
        except VeloError as error:
            counts["not planned"] += 1
            print(f"not planned: {path.relative_to(ROOT)}: {error.message}")
    print(", ".join(f"{count} {name}" for name, count in counts.items()))


def ask_flink() -> None:
    """Print what of the exported programs Flink's planner does not take."""
    from tools.flink.gateway import Gateway
    from tools.kafka import installation

    counts: Counter[str] = Counter()
    with Gateway(jars=[installation.installation().flink_connector]) as gateway:
        for path in sorted([*ROOT.glob("tiers/*/*.test.yaml"), *ROOT.glob("specs/*/*.test.yaml")]):
            with GatewaySession(gateway.url) as session:
                for one in exported_spec(load_spec(path)).statements:
                    explained = one.form in (Form.INSERT, Form.QUERY)
                    try:
                        session.execute(f"EXPLAIN {one.sql}" if explained else one.sql)
                        counts["planned"] += 1
                    except StatementFailedError as problem:
                        counts["refused"] += 1
                        print(f"{path.relative_to(ROOT)}: {one.form} {one.name}: {problem}")
    print(", ".join(f"{count} {name}" for name, count in counts.items()))


if __name__ == "__main__":
    ask_flink() if "--flink" in sys.argv else main()
