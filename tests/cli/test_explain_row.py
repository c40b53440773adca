"""`velo-test explain`, and the command that a failed expectation names."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from velo_cli.velo_test import app
from velo_engine.errors import VeloError

SQL = """CREATE STREAM large AS
SELECT id, amount FROM orders WHERE amount > 10
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
    expect: {rows: [{id: 1, amount: 5.00}, {id: 2, amount: 12.50}]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (
        ("pyproject.toml", ""),
        ("large.sql", SQL),
        ("schemas/orders.schema.yaml", SCHEMA),
        ("large.test.yaml", SPEC),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_answer_for_people(folder: Path) -> None:
    result = CliRunner().invoke(app, ["explain", "large.test.yaml", "--row", '{"id": 1}'])
    assert result.exit_code == 0, result.output
    assert "filtered: amount > 10 is false (amount = 5.00)" in result.stdout
    assert "--> large.sql:2:37" in result.stdout


def test_the_answer_for_machines(folder: Path) -> None:
    result = CliRunner().invoke(app, ["explain", "large.sql", "--row", '{"id": 1}', "--output", "json"])
    assert json.loads(result.stdout)["fate"] == "filtered"


def test_the_command_in_a_failure_explains_it(folder: Path) -> None:
    failed = CliRunner().invoke(app, ["run", "large.test.yaml"])
    assert failed.exit_code == 1
    command = next(line for line in failed.stderr.splitlines() if "why it is missing: " in line)
    words = shlex.split(command.partition("why it is missing: ")[2])
    assert words == [
        "velo-test",
        "explain",
        "large.test.yaml",
        "--query",
        "large",
        "--row",
        '{"id": 1, "amount": "5.00"}',
    ]
    answer = CliRunner().invoke(app, words[1:])
    assert "filtered: amount > 10 is false" in answer.stdout


def test_an_unknown_format_is_refused(folder: Path) -> None:
    result = CliRunner().invoke(app, ["explain", "large.sql", "--row", "{}", "--output", "xml"])
    assert result.exit_code == 2


def test_of_several_specs_one_is_to_be_given(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        for file in ("large.sql", "large.test.yaml"):
            (folder / name / file).write_text((folder / file).read_text())
    for file in ("large.sql", "large.test.yaml"):
        (folder / file).unlink()
    for more in ([], ["--query", "large"]):
        result = CliRunner().invoke(app, ["explain", ".", "--row", '{"id": 1}', *more])
        assert isinstance(result.exception, VeloError)
        assert result.exception.message == ". has 2 queries in 2 specs"
        assert result.exception.hint == "give one of the specs: one/large.test.yaml, two/large.test.yaml"


@pytest.mark.parametrize("row", ["", " \n"])
def test_an_empty_row_is_called_so(folder: Path, row: str) -> None:
    result = CliRunner().invoke(app, ["explain", "large.sql", "--row", row])
    assert isinstance(result.exception, VeloError)
    assert result.exception.message == "the row is empty"
    assert result.exception.hint == """write --row '{"id": 7}'"""
