"""Rows on boundaries can be made for whatever the engine plans: the recorded cases of a real Flink have all its operators."""

from __future__ import annotations

import pytest
from tests.oracle.case import load, recorded_paths
from tests.oracle.engine_runner import program_text

from velo_engine import Engine
from velo_engine.errors import Location, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_harness.data_hints import DataHints, hinted_schema
from velo_harness.generation import generate
from velo_harness.generation.boundaries import boundary_tables
from velo_harness.relation import Relation
from velo_harness.spec import DEFAULT_NOW

EVERY = 17
"""Of the recorded cases one in so many."""


def natural_rows(program: PlannedProgram) -> dict[str, Relation]:
    found = {}
    for name, source in program.sources.items():
        schema = hinted_schema(name, source.schema, DataHints(), Location("case.sql", 1))
        table = generate(schema, records=600, seed=1, now=DEFAULT_NOW)
        found[name] = Relation(name, source.schema, table)
    return found


@pytest.mark.parametrize("path", recorded_paths()[::EVERY], ids=lambda path: path.stem)
def test_a_recorded_case(path):
    try:
        program = Engine().plan(program_text(load(path).definition))
    except VeloError:
        pytest.skip("refused by the engine, as the case says")
    rows = natural_rows(program)

    tables = boundary_tables(program, list(program.statements), rows, list(program.sources), DEFAULT_NOW, "UTC")

    assert list(tables) == list(program.sources)
    for name, table in tables.items():
        assert table.schema == rows[name].table.schema
        assert 10 <= table.num_rows <= 500
