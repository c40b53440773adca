"""`--velo-permute` in pytest."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest
from tests.pytest_plugin.conftest import Project

SCHEMA = json.loads((files("velo_harness") / "schemas/report.schema.json").read_text())

LAST = """
CREATE TABLE t (k BIGINT, v BIGINT);
CREATE TABLE q AS SELECT k, LAST_VALUE(v) AS v FROM t GROUP BY k;
CREATE TABLE s AS SELECT k, SUM(v) AS v FROM t GROUP BY k;
"""
SPEC = """\
application: orders
queries:
  - name: q
    inputs: [{ source: t, rows: [{ k: 1, v: 1 }, { k: 1, v: 2 }] }]
    expect: { rows: [{ k: 1, v: 2 }] }
  - name: s
    inputs: [{ source: t, rows: [{ k: 1, v: 1 }, { k: 1, v: 2 }] }]
    expect: { rows: [{ k: 1, v: 3 }] }
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_only_what_depends_on_the_order_fails(project: Project, workers: tuple[str, ...]) -> None:
    project.write("specs/last.sql", LAST)
    project.write("specs/last.test.yaml", SPEC)
    ran = project.run("--velo-permute=5", "--velo-report=r.json", "specs/last.test.yaml", *workers)

    ran.assert_outcomes(passed=1, failed=1)
    ran.stdout.fnmatch_lines(["*another result after 1 swap among 2 records", "*description: in another order"])
    found = json.loads((project.root / "r.json").read_text())
    jsonschema.validate(found, SCHEMA)
    permutations = {q["query"]: q["permutations"] for q in found["queries"]}
    # Two records have one other order
    same = {"seed": 42, "orders": 1, "discarded": 0, "skipped": None}
    assert permutations == {"q": {**same, "failing": 0}, "s": {**same, "failing": None}}


def test_without_the_option_the_order_is_that_of_the_spec(project: Project) -> None:
    project.write("specs/last.sql", LAST)
    project.write("specs/last.test.yaml", SPEC)

    project.run("specs/last.test.yaml").assert_outcomes(passed=2)
