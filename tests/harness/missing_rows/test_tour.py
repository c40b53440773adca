"""Fates agree with outputs, over the specs of the tour: what is said to be there is there, and nothing is lost unsaid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from velo_engine.plan import nodes
from velo_harness.missing_rows.explanation import RowTracer
from velo_harness.missing_rows.fates import FateKind, Surroundings
from velo_harness.missing_rows.recording import Recording, is_shown
from velo_harness.query_run import QueryRun
from velo_harness.runner import blank_result
from velo_harness.settings import RunSettings
from velo_harness.suite import SuiteItem, find_spec_files, load_items

TOUR = Path(__file__).parents[3] / "specs" / "tour"
FILES = ["chains", "comparing", "dead_letters", "grouping", "joins", "keys", "windows"]
RECORDS = 12
"""Records of each source that are followed."""


def items_of(name: str) -> list[SuiteItem]:
    items, errors = load_items(find_spec_files([TOUR / f"{name}.test.yaml"]), RunSettings(), [])
    assert not errors
    return [item for item in items if item.query.skip is None and not (item.query.expect and item.query.expect.error)]


@pytest.mark.parametrize("name", FILES)
def test_fates_agree_with_the_output(name: str) -> None:
    followed = 0
    for item in items_of(name):
        run = QueryRun(
            item.spec,
            item.query,
            RunSettings(),
            blank_result(item.spec, item.query, RunSettings(), item=item.query.name, rerun=""),
        )
        prepared = run.prepared()
        recording = Recording(prepared.program)
        options = replace(run.job_options(), on_step=recording.take, on_late=recording.take_late)
        with run.executed(prepared, run.inputs(prepared), options) as execution:
            results = execution.result.statements
        zone = item.spec.config.get("time_zone") or prepared.program.properties.get("time.zone", "UTC")
        late = {statement: result.late for statement, result in results.items()}
        around = Surroundings(recording, late, execution.result.dead_letters, zone, 0)
        tracer = RowTracer(around, prepared.statement, tuple(results))
        final = results[prepared.statement].final.to_pylist()
        for row in final[:RECORDS]:
            assert tracer.missing(dict(enumerate(row.values()))).fate.kind is FateKind.PRESENT, item.query.name
        for step in recording.steps.values():
            if not isinstance(step.node, nodes.Scan):
                continue
            shown = [i for i, column in enumerate(step.output.schema.names) if is_shown(column)]
            for position in range(min(RECORDS, step.output.rows.num_rows)):
                values = step.output.row(position)
                found = tracer.followed(step.node.source.name, {i: values[i] for i in shown})
                followed += 1
                assert found.fate.kind is not FateKind.LOST, (item.query.name, values, found.fate.text)
                if found.fate.kind is FateKind.PRESENT:
                    assert found.fate.facts["row"] in final, (item.query.name, values)
    assert followed
