"""How good rows on boundaries are: the share of mutants of programs whose output differs from the program's for them.

    python tools/boundary_score.py tiers/tier1 tiers/tier2 …

Each query of the specs gets `generate: boundaries` in place of its generated and literal inputs, and no checks: what counts is
whether the changelog of its statement changes. Mutants that nothing can tell from the program count as missed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from velo_engine.errors import VeloError
from velo_engine.sql.node_spans import spanned_statements
from velo_harness.execution import needed_sources, needed_statements
from velo_harness.inputs import RunInputs
from velo_harness.mutation.edits import applied, shown
from velo_harness.mutation.operators import OPERATORS, mutants_of
from velo_harness.programs import program_text
from velo_harness.query_run import QueryRun
from velo_harness.runner import blank_result
from velo_harness.settings import RunSettings
from velo_harness.spec import Input, Query, Spec
from velo_harness.spec_loader import load_spec

SETTINGS = RunSettings(timeout_ms=20_000)


def stages(spec: Spec, query: Query) -> QueryRun:
    return QueryRun(spec, query, SETTINGS, blank_result(spec, query, SETTINGS, item=query.name, rerun=""))


def on_boundaries(source: str, query: Query) -> Input:
    return Input(
        source=source,
        schema=None,
        records=None,
        seed=None,
        null_probability=None,
        overrides={},
        rows=None,
        data_file=None,
        from_previous=None,
        key_field=None,
        partitions=1,
        headers={},
        topic=None,
        time_simulation=None,
        location=query.location,
        key_locations={},
        boundaries=True,
    )


def changes(spec: Spec, query: Query, inputs: RunInputs) -> Counter[Any]:
    run = stages(spec, query)
    prepared = run.prepared()
    with run.executed(prepared, inputs) as execution:
        table = execution.result.statements[prepared.statement].changelog
    columns = ([repr(value) for value in column.to_pylist()] for column in table.columns)
    return Counter(zip(*columns, strict=True))


def with_boundaries(spec: Spec, query: Query) -> tuple[Spec, Query]:
    prepared = stages(spec, query).prepared()
    kept = {name: one for name, one in prepared.given.items() if one.data_file or one.from_previous}
    sources = needed_sources(prepared.program, prepared.targets)
    inputs = tuple(kept.get(name) or on_boundaries(name, query) for name in sources)
    bare = replace(query, inputs=inputs, expect=None, assertions=(), outputs=())
    return replace(spec, queries=tuple(bare if one is query else one for one in spec.queries)), bare


def judged(spec: Spec, query: Query) -> Iterator[tuple[str, bool]]:
    """Each mutant of the statements that the query runs, and whether the output changes."""
    spec, query = with_boundaries(spec, query)
    text = program_text(spec)
    prepared = stages(spec, query).prepared()
    inputs = stages(spec, query).inputs(prepared)
    expected = changes(spec, query, inputs)
    needed = needed_statements(prepared.program, prepared.targets)
    for statement in spanned_statements(text.text):
        for mutant in mutants_of(statement, text.text, tuple(OPERATORS)):
            if mutant.statement not in needed:
                continue
            wrong = replace(spec, sql_file=None, sql=applied(text.text, mutant.edits), sql_location=None)
            try:
                differs = changes(wrong, query, inputs) != expected
            except VeloError:
                differs = True
            yield shown(text.text, text.file, mutant).mutated, differs


def main(folders: list[str]) -> None:
    found = missed = 0
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*.test.yaml")):
        spec = load_spec(path)
        for query in spec.queries:
            try:
                results = list(judged(spec, query))
            except VeloError as error:
                print(f"{path}: {query.name}: {error.message}")
                continue
            found += sum(differs for _, differs in results)
            for text, differs in results:
                if not differs:
                    missed += 1
                    print(f"{path}: {query.name}: missed: {text.strip()}")
    print(f"{found} of {found + missed} mutants change what comes out: {found / max(found + missed, 1):.1%}")


if __name__ == "__main__":
    main(sys.argv[1:])
