"""The example of the README works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from velo_harness.result import Outcome
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

README = Path(__file__).resolve().parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_example_of_the_readme_passes(tmp_path: Path) -> None:
    for text in (*blocks("sql"), *blocks("yaml")):
        (tmp_path / text.split()[1].rstrip(":")).write_text(text)
    spec_file = tmp_path / "orders.test.yaml"

    spec = load_spec(spec_file)
    (result,) = [run_query(spec, query, RunSettings(), item=query.name, rerun="") for query in spec.queries]

    assert result.outcome is Outcome.PASSED, (result.error, result.failures)
    assert result.checks == 2
