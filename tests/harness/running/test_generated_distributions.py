"""What the generator says it draws from, the assertion finds, for every shape; a little beside it is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from velo_harness.result import QueryResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

SCHEMA = """\
name: s
fields:
  - { name: z, type: bigint, constraints: { min: 1, max: 100, distribution: { type: zipf, exponent: 1.1 } } }
  - { name: n, type: double, constraints: { min: -999, max: 999, distribution: { type: normal, mean: 5, std_dev: 3 } } }
  - { name: i, type: int, constraints: { min: -999, max: 999, distribution: { type: normal, mean: 50, std_dev: 9 } } }
  - { name: e, type: double, constraints: { min: 0, max: 99999, distribution: { type: exponential, mean: 7 } } }
  - { name: l, type: double, constraints: { min: 0, max: 99999, distribution: { type: log_normal, mu: 1, sigma: 0.5 } } }
  - { name: u, type: decimal, precision: 10, scale: 2, constraints: { min: 0, max: 100 } }
  - { name: w, type: int, constraints: { min: 1, max: 6 } }
  - { name: c, type: string, constraints: { enum: { values: [a, b, c], weights: [5, 3, 2] } } }
"""
SPEC = """\
application: distributions
sql: CREATE STREAM o AS SELECT * FROM s;
queries:
  - name: o
    inputs: [{ source: s, records: 20000 }]
    assertions:
"""
DRAWN = """\
{ field: z, distribution: { type: zipf, exponent: 1.1 }, min: 1, max: 100 }
{ field: n, distribution: { type: normal, mean: 5, std_dev: 3 } }
{ field: n, distribution: { type: normal, mean: 5, std_dev: 3 }, test: chi_square }
{ field: i, distribution: { type: normal, mean: 50, std_dev: 9 } }
{ field: e, distribution: { type: exponential, mean: 7 } }
{ field: l, distribution: { type: log_normal, mu: 1, sigma: 0.5 } }
{ field: u, distribution: uniform, min: 0, max: 100 }
{ field: w, distribution: uniform, min: 1, max: 6 }
{ field: c, shares: { a: 0.5, b: 0.3, c: 0.2 } }
"""
BESIDE = """\
{ field: z, distribution: { type: zipf, exponent: 1.2 }, min: 1, max: 100 }
{ field: n, distribution: { type: normal, mean: 5.2, std_dev: 3 } }
{ field: n, distribution: { type: normal, mean: 5, std_dev: 3.3 }, test: chi_square }
{ field: i, distribution: { type: normal, mean: 51, std_dev: 9 } }
{ field: e, distribution: { type: exponential, mean: 7.5 } }
{ field: l, distribution: { type: log_normal, mu: 1.05, sigma: 0.5 } }
{ field: u, distribution: uniform, min: 0, max: 105 }
{ field: w, distribution: uniform, min: 1, max: 7 }
{ field: c, shares: { a: 0.52, b: 0.3, c: 0.18 } }
"""


@pytest.fixture
def run(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/s.schema.yaml").write_text(SCHEMA)

    def go(assertions: str) -> QueryResult:
        lines = (line.replace("{ field", "{ type: distribution, field") for line in assertions.splitlines())
        file = tmp_path / "x.test.yaml"
        file.write_text(SPEC + "".join(f"      - {line}\n" for line in lines))
        spec = load_spec(file)
        return run_query(spec, spec.queries[0], RunSettings(), item="x", rerun="")

    return go


def test_every_shape_is_found(run) -> None:
    result = run(DRAWN)
    assert result.error is None
    assert result.failures == ()


def test_what_lies_a_little_beside_is_not(run) -> None:
    result = run(BESIDE)
    assert result.error is None
    assert len(result.failures) == len(BESIDE.splitlines())
