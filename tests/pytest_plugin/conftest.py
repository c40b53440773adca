"""Small projects with specs, run by a pytest of their own."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

# A pytester run forgets what it imports, and extension modules must not be imported twice: load them before.
for name in (
    "pyarrow.compute",
    "pyarrow.csv",
    "velo_engine.engine",
    "velo_engine.plan.planner",
    "velo_engine.runtime.job",
    "velo_engine.runtime.open_connector",
    "velo_engine.sql.parser",
    "velo_harness.flink.asking",
    "velo_harness.generation.tables",
    "velo_harness.reports.text",
    "velo_harness.runner",
    "velo_harness.spec_loader",
    "duckdb",
):
    import_module(name)

SQL = """
CREATE STREAM large AS
SELECT id, amount FROM orders WHERE amount > 10
WITH ('orders.type' = 'kafka_source', 'orders.topic' = 'orders');

CREATE STREAM small AS
SELECT id, amount FROM orders WHERE amount <= 10
WITH ('orders.type' = 'kafka_source', 'orders.topic' = 'orders');
"""
SCHEMA = """
name: orders
fields:
  - { name: id, type: bigint, nullable: false }
  - { name: amount, type: decimal, precision: 10, scale: 2 }
"""
SPEC = """\
application: orders
queries:
  - name: large
    tags: [money]
    inputs:
      - source: orders
        rows: [{ id: 1, amount: 5.00 }, { id: 2, amount: 12.50 }, { id: 3, amount: 99.00 }]
    expect:
      rows: [{ id: 2, amount: 12.50 }, { id: 3, amount: 99.00 }]
  - name: small
    inputs:
      - source: orders
        rows: [{ id: 1, amount: 5.00 }, { id: 2, amount: 12.50 }]
    assertions:
      - type: record_count
        equals: 1
"""


ALONE = ("-p", "no:randomly", "-p", "no:hypothesispytest")
"""Without plugins that mind being loaded twice in one process."""


class Project:
    """A folder with `orders.sql`, its schema and its spec."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.root: Path = pytester.path
        self.write("specs/orders.sql", SQL)
        self.write("specs/schemas/orders.schema.yaml", SCHEMA)
        self.write("specs/orders.test.yaml", SPEC)

    def write(self, name: str, content: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def spec(self, old: str, new: str) -> None:
        """Changes the spec."""
        text = (self.root / "specs/orders.test.yaml").read_text()
        assert old in text
        self.write("specs/orders.test.yaml", text.replace(old, new))

    def run_with_cache(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess(*ALONE, *arguments)

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess(*ALONE, "-p", "no:cacheprovider", *arguments)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("COLUMNS", "200")
    return Project(pytester)
