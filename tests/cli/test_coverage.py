"""`velo-test run --cov`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Ran


@pytest.mark.parametrize(("percent", "code"), [("60", 0), ("70", 1)])
def test_the_threshold_decides_the_exit_code(
    project: Path, command: Callable[..., Ran], tmp_path: Path, percent: str, code: int
) -> None:
    annotated = tmp_path / "out/cov.txt"
    ran = command("velo-test", "run", str(project), "--cov-fail-under", percent, "--cov-annotate", str(annotated))

    # amount > 10 is false for 5.00 and true for 12.50, never NULL: 2 of 3
    assert ran.code == code
    assert "2 of 3 outcomes" in ran.err
    assert ("SQL coverage is below 70 %" in ran.err) == bool(code)
    assert "no row was NULL" in annotated.read_text()
