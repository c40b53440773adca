"""A failure names a command that runs just its query again, with the options of its run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from velo_cli.velo_test import app
from velo_harness.rerun import rerun_options
from velo_harness.settings import RunSettings

SPEC = """\
application: again
sql: |
  CREATE TABLE things (id BIGINT, kind STRING);
  CREATE STREAM kinds AS SELECT id, kind FROM things WHERE kind <> '${KIND:none}';
  CREATE STREAM ids AS SELECT id FROM things;
queries:
  - name: kinds
    inputs: [{ source: things, records: 20, overrides: { kind: { enum: [a, b] } } }]
    assertions: [{ type: record_count, equals: 1000 }]
  - name: ids
    inputs: [{ source: things, records: 20 }]
    assertions: [{ type: record_count, equals: 1000 }]
"""
OPTIONS = ["--seed", "7", "--var", "KIND=a", "--batch-size", "5", "--strict"]


def test_the_options_say_what_the_settings_say() -> None:
    settings = RunSettings(
        seed=7, timeout_ms=500, batch_size=3, variables={"A": "it's"}, permute=4, realtime=True, strict=True
    )
    text = """ --seed 7 --timeout-ms 500 --batch-size 3 --var 'A=it'"'"'s' --permute 4 --realtime --strict"""
    assert rerun_options(settings, None) == text
    assert rerun_options(RunSettings(), None) == ""
    assert rerun_options(RunSettings(seed=1, strict=True), None, "--velo-") == " --velo-seed 1 --velo-strict"


def test_the_command_gives_the_same_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "again.test.yaml").write_text(SPEC)

    first = CliRunner().invoke(app, ["run", "again.test.yaml", *OPTIONS, "--kafka", "embedded"])
    commands = re.findall(r"^run it again: (.+)$", first.output, re.MULTILINE)
    again = CliRunner().invoke(app, shlex.split(commands[0])[1:])

    assert commands[0].endswith("--query kinds --seed 7 --batch-size 5 --var KIND=a --strict --kafka embedded")
    assert again.exit_code == first.exit_code == 1
    assert re.findall(r"^run it again: .+$", again.output, re.MULTILINE) == [f"run it again: {commands[0]}"]
    found = re.findall(r"^  actual: .+$", first.output, re.MULTILINE)
    assert re.findall(r"^  actual: .+$", again.output, re.MULTILINE) == found[:1]
