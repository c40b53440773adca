"""What the system refuses: closed pipes, closed and full streams, folders without permission. Said, with its own code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.refusals import refusal, walked

FULL = Path("/dev/full")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of bash in which `velo` and `velo-test` are the commands of this interpreter."""
    commands = "".join(
        f'{name}() {{ "{sys.executable}" -c "from velo_cli.{module} import main; main()" "$@"; }}\n'
        for name, module in (("velo", "velo"), ("velo-test", "velo_test"))
    )
    environment = {**os.environ, "COLUMNS": "200"}
    words: Sequence[str] = ["bash", "-c", commands + line]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_reader_that_has_enough_changes_no_verdict(project: Path) -> None:
    ran = shell('velo schema | head -1; echo "${PIPESTATUS[0]}"', project)
    assert ran.stdout == "{\n0\n"
    assert ran.stderr == ""


def test_closed_streams_are_no_defect(project: Path) -> None:
    assert shell("velo-test run . 2>&-", project).returncode == 0
    assert shell("velo-test run . >&- 2>&- <&-", project).returncode == 0
    assert shell("velo-test validate nope 2>&-", project).returncode == 2


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_said_and_is_no_defect(project: Path) -> None:
    ran = shell("velo-test validate --output json . > /dev/full", project)
    assert ran.returncode == 2
    assert "No space left on device" in ran.stderr
    assert "VELO9001" not in ran.stderr


@pytest.mark.parametrize("words", [("velo-test", "run"), ("velo-test", "validate"), ("velo", "fmt", "--check")])
def test_a_folder_that_cannot_be_read_is_never_left_out_unseen(command, project: Path, monkeypatch, words) -> None:
    """Its specs would not run, and all would seem well."""
    secret = project / "secret"
    secret.mkdir()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path) == Path("secret") or Path(path) == secret:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    ran = command(*words, ".")
    assert ran.code == 2
    assert 'the folder "secret" cannot be read: Permission denied' in ran.err.replace("./", "")


def test_a_file_without_permission_is_wrong_input_not_a_defect(command, project: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "schemas")

    monkeypatch.setattr("velo_harness.query_run.QueryRun.result", refuse)
    ran = command("velo-test", "run", ".")
    assert ran.code == 2
    assert 'error[VELO3002]: "schemas" cannot be used: Permission denied' in ran.err


def test_only_refusals_of_the_system_are_refusals() -> None:
    assert refusal(ValueError("x")) is None
    assert refusal(FileNotFoundError(2, "No such file or directory", "x")) is None
    found = refusal(OSError(28, "No space left on device"))
    assert found is not None
    assert found.code is ErrorCode.FILE_UNREADABLE


def test_walking_a_folder_that_went_away_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VeloError, match="cannot be read: No such file"):
        list(walked(tmp_path / "nope"))
