"""Commands run in this process: what they print, and the exit code they leave with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from velo_cli import velo, velo_test

SQL = """
CREATE STREAM large AS
SELECT id, amount FROM orders WHERE amount > 10
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
    inputs:
      - source: orders
        rows: [{ id: 1, amount: 5.00 }, { id: 2, amount: 12.50 }]
    expect:
      rows: [{ id: 2, amount: 12.50 }]
"""


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Ran]:
    """Runs `velo …` or `velo-test …` in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VELO_DEBUG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> Ran:
        name, *arguments = (str(word) for word in words)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            (velo_test if name == "velo-test" else velo).main()
        printed = capsys.readouterr()
        code = left.value.code
        return Ran(0 if code is None else int(code), printed.out, printed.err)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with `orders.sql`, its schema and its spec."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "orders.sql").write_text(SQL)
    (tmp_path / "schemas/orders.schema.yaml").write_text(SCHEMA)
    (tmp_path / "orders.test.yaml").write_text(SPEC)
    return tmp_path
