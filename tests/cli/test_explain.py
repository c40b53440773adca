"""`velo explain` as a person runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Ran

from velo_engine.explain.advice import AdviceCode

SQL = """
CREATE TABLE t (k STRING, v INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
CREATE TABLE counts AS SELECT k, COUNT(*) AS n FROM t GROUP BY k;
"""
PAGE = Path(__file__).parents[2] / "docs" / "explain.md"


def test_the_plan_goes_to_standard_output(command: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "app.sql").write_text(SQL)

    done = command("velo", "explain", str(tmp_path / "app.sql"))

    assert done.code == 0
    assert "stream t: reads k; not decoded: v" in done.out
    assert "GroupAggregate keys=(k)" in done.out
    assert "warning[VELO8001]" in done.out


def test_json_is_alone_on_standard_output(command: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "app.sql").write_text(SQL)

    done = command("velo", "explain", str(tmp_path / "app.sql"), "--output", "json")

    assert json.loads(done.out)["statements"][0]["name"] == "counts"


def test_a_program_that_does_not_plan_is_an_error(command: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "app.sql").write_text(SQL.replace("COUNT(*)", "COUNT(nothing)"))

    done = command("velo", "explain", str(tmp_path / "app.sql"))

    assert done.code == 2
    assert "error[VELO1003]" in done.err


def test_every_code_of_advice_is_documented() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert all(f"| `{code.code}` |" in text for code in AdviceCode)
