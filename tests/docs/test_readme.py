"""The example of the README works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from velo_harness.result import Outcome
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

README = Path(__file__).resolve().parents[2] / "README.md"
SCHEMA = """\
name: orders
fields:
  - { name: country, type: string }
  - { name: amount, type: decimal, precision: 10, scale: 2 }
  - { name: ordered_at, type: timestamp }
"""


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found.group(1)


def test_the_example_of_the_readme_passes(tmp_path: Path) -> None:
    (tmp_path / "orders.schema.yaml").write_text(SCHEMA)
    (tmp_path / "orders.sql").write_text(block("sql"))
    spec_file = tmp_path / "orders.test.yaml"
    spec_file.write_text(block("yaml"))

    spec = load_spec(spec_file)
    (result,) = [run_query(spec, query, RunSettings(), item=query.name, rerun="") for query in spec.queries]

    assert result.outcome is Outcome.PASSED, (result.error, result.failures)
    assert result.checks == 2
