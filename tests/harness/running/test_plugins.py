"""An installed package adds an assertion type and a report format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = """
from velo_harness.assertion_types import AssertionType
from velo_harness.assertions.context import AssertionKind, View
from velo_harness.keys import Key
from velo_harness.kinds import Integer
from velo_harness.plugins import NewAssertionType, hookimpl
from velo_harness.result import Finding

def check(assertion, context):
    wanted = assertion.parameters["rows"]
    return None if len(context.output) == wanted else Finding(f"{wanted} rows", f"{len(context.output)} rows")

@hookimpl
def velo_assertion_types():
    parameters = (Key("rows", Integer(), "How many.", required=True),)
    return [NewAssertionType(AssertionType("exactly", "So many rows.", parameters), AssertionKind("exactly", check, View.FINAL))]

@hookimpl
def velo_reporters():
    return {"count": lambda run: f"{len(run.queries)} queries"}
"""
SPEC = """
application: x
sql: |
  CREATE STREAM s AS SELECT id FROM f WITH ('f.type' = 'file_source', 'f.path' = 'f.csv', 'f.format' = 'csv');
queries:
  - name: s
    assertions: [{ type: exactly, rows: 2 }]
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with an installed distribution that has the plugin, and a spec that uses it."""
    (tmp_path / "site/velo_demo-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "site/velo_demo-1.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: velo-demo\nVersion: 1.0\n"
    )
    (tmp_path / "site/velo_demo-1.0.dist-info/entry_points.txt").write_text("[velo]\ndemo = velo_demo\n")
    (tmp_path / "site/velo_demo.py").write_text(PLUGIN)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "f.csv").write_text("id\n1\n2\n")
    (tmp_path / "x.test.yaml").write_text(SPEC)
    return tmp_path


def velo_test(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.path.insert(0, 'site'); from velo_cli.velo_test import main; main()"
    command = [sys.executable, "-c", code, "run", "x.test.yaml", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_its_assertion_type_and_its_report_are_used(installed: Path) -> None:
    ran = velo_test(installed, "--output", "count")
    assert (ran.returncode, ran.stdout) == (0, "1 queries\n"), ran.stderr


def test_a_plugin_that_does_not_load_is_named(installed: Path) -> None:
    (installed / "site/velo_demo.py").write_text("import nothing_like_it\n")
    ran = velo_test(installed)
    assert ran.returncode == 2
    assert "plugin" in ran.stderr
    assert "nothing_like_it" in ran.stderr
    assert "Traceback" not in ran.stderr
