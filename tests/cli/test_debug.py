"""`velo-test debug` and `velo-test run --step` at the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from velo_cli.velo_test import app

SQL = """CREATE STREAM large AS
SELECT id, amount FROM orders WHERE amount > 10
WITH ('orders.type' = 'kafka_source', 'orders.topic' = 'orders');
CREATE STREAM small AS
SELECT id, amount FROM orders WHERE amount <= 10
WITH ('orders.type' = 'kafka_source', 'orders.topic' = 'orders');
"""
SCHEMA = """name: orders
fields:
  - { name: id, type: bigint, nullable: false }
  - { name: amount, type: decimal, precision: 10, scale: 2 }
"""
SPEC = """application: orders
queries:
  - name: large
    inputs: [{source: orders, rows: [{id: 1, amount: 5.00}, {id: 2, amount: 12.50}]}]
    expect: {rows: [{id: 2, amount: 12.50}]}
  - name: small
    inputs: [{source: orders, rows: [{id: 1, amount: 5.00}]}]
    expect: {rows: [{id: 7, amount: 5.00}]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (
        ("pyproject.toml", ""),
        ("app.sql", SQL),
        ("schemas/orders.schema.yaml", SCHEMA),
        ("app.test.yaml", SPEC),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_of_a_file(folder: Path) -> None:
    (folder / "commands").write_text("step 2\ninspect\nquit\n")
    result = CliRunner().invoke(app, ["debug", "app.sql", "--query", "large", "--commands", "commands"])
    assert result.exit_code == 0, result.output
    assert "large: 1 row\n  id  amount\n  --  ------\n  2   12.50\n" in result.stdout


def test_commands_of_a_pipe(folder: Path) -> None:
    result = CliRunner().invoke(app, ["debug", "app.test.yaml", "--query", "large"], input="continue\n")
    assert result.exit_code == 0, result.output
    assert "large: 1 check holds" in result.stdout


def test_a_wrong_command_in_a_script_tells_the_shell(folder: Path) -> None:
    result = CliRunner().invoke(app, ["debug", "app.test.yaml", "--query", "large"], input="frobnicate\n")
    assert result.exit_code == 2
    assert 'there is no command "frobnicate"' in result.stdout


def test_several_queries_need_a_name(folder: Path) -> None:
    command = [sys.executable, "-c", "from velo_cli.velo_test import main; main()", "debug", "app.test.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "app.test.yaml has 2 queries" in done.stderr
    assert "name it with --query: large, small" in done.stderr


def test_run_step_debugs_every_query_and_reports_them(folder: Path) -> None:
    result = CliRunner().invoke(app, ["run", "app.test.yaml", "--step"], input="continue\nquit\nstep\nc\n")
    assert result.exit_code == 1
    assert "large: 1 check holds" in result.stdout
    assert "1 row: 1 missing, 1 unexpected" in result.stderr


def test_a_query_that_is_left_in_run_step_is_skipped(folder: Path) -> None:
    result = CliRunner().invoke(app, ["run", "app.test.yaml", "--step"], input="quit\nquit\n")
    assert "left in the debugger" in result.stderr


def test_a_plain_run_says_once_that_debug_is_ignored(folder: Path) -> None:
    spec = SPEC.replace("queries:", "debug: {enabled: true}\nqueries:", 1)
    (folder / "app.test.yaml").write_text(spec)
    result = CliRunner().invoke(app, ["run", "app.test.yaml", "-v"])
    assert result.stderr.count("debug is ignored here: velo-test debug app.test.yaml") == 1
