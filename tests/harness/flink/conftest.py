"""Specs in a folder of their own, run query by query."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from velo_harness.kafka.session import KafkaSession
from velo_harness.result import QueryResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

Run = Callable[..., QueryResult]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the last query of the spec in a text."""
    (tmp_path / "pyproject.toml").write_text("")

    def run_last(text: str, kafka: KafkaSession | None = None, **settings: object) -> QueryResult:
        path = tmp_path / "app.test.yaml"
        path.write_text(text)
        spec = load_spec(path)
        chosen = RunSettings(debug=True, **settings)  # type: ignore[arg-type]
        return run_query(spec, spec.queries[-1], chosen, item="app.test.yaml::last", rerun="again", kafka=kafka)

    return run_last
