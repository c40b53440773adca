"""A spec that is updated, and run again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from velo_harness.result import QueryResult, RunResult
from velo_harness.settings import RunSettings, Update
from velo_harness.suite import find_spec_files, load_items, run_items
from velo_harness.updating.written import write_updates

SQL = """
CREATE STREAM large AS
SELECT id, amount FROM orders WHERE amount > 10
WITH ('orders.type' = 'kafka_source', 'orders.topic' = 'orders');

CREATE TABLE per_kind AS
SELECT kind, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY kind
WITH ('orders.type' = 'kafka_source', 'orders.topic' = 'orders')
EMIT CHANGES;
"""
SCHEMA = """
name: orders
fields:
  - { name: id, type: bigint, nullable: false }
  - { name: kind, type: string }
  - { name: amount, type: decimal, precision: 10, scale: 2 }
"""


@dataclass(frozen=True)
class Project:
    root: Path

    def write(self, name: str, content: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
        return path

    @property
    def spec(self) -> Path:
        return self.root / "app.test.yaml"

    def text(self) -> str:
        return self.spec.read_bytes().decode()

    def run(self, update: Update = Update.OFF) -> RunResult:
        settings = RunSettings(update=update)
        items, errors = load_items(find_spec_files([self.spec]), settings, [])
        assert not errors, str(errors[0].error)
        return run_items(items, settings)

    def update(self, update: Update = Update.ALL) -> list[str]:
        """Runs with `update` and writes what is to be written; the lines that say so."""
        return write_updates([u for query in self.run(update).queries for u in query.updates])

    def updated(self, text: str, update: Update = Update.ALL) -> str:
        """The spec after an update; afterwards a run must pass, and another update must find nothing to do."""
        self.write(self.spec.name, text)
        self.update(update)
        after = self.text()
        result = self.run()
        assert all(q.outcome == "passed" for q in result.queries), [why(q) for q in result.queries]
        assert self.update(update) == []
        assert self.text() == after
        return after


def why(query: QueryResult) -> str:
    return f"{query.query}: {query.outcome} {query.error} {query.failures}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write("pyproject.toml", "")
    made.write("app.sql", SQL)
    made.write("schemas/orders.schema.yaml", SCHEMA)
    return made
