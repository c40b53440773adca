"""The commands of docs/ do what the pages show: ```console session blocks, in the order of their page, in one folder.

`file=` blocks of such a page are written when they are reached, so that a page may change a file. `session=1` says that the
last command leaves with 1. Shown lines must come in the output, in this order; `…` stands for any lines. Times and
the blanks between words do not count.

Commands of `velo` and `velo-test` run in this process, but for those of the tutorial, since a process that imports them
takes a second; all others are given to a shell.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import DOCS, PAGES, blocks
from velo_cli import velo, velo_test

WITH_COMMANDS = [page for page in PAGES if blocks(page, "session")]
_DURATION = re.compile(r"\b\d+(\.\d+)? ?(ms|s)\b")


def plain(line: str) -> str:
    return " ".join(_DURATION.sub("(time)", line).split())


MAINS = {"velo": velo.main, "velo-test": velo_test.main}


def ran(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """The exit code and the output of a command."""
    words = shlex.split(command)
    if words[0] not in MAINS or re.search(r"[|<>&;$`]", command):
        done = run(command, folder)
        return done.returncode, done.stdout
    printed = io.StringIO()
    with monkeypatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("COLUMNS", "160")
        patched.setattr(sys, "argv", words)
        streams = contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed)
        with streams[0], streams[1], pytest.raises(SystemExit) as left:
            MAINS[words[0]]()
    code = left.value.code
    return 0 if code is None else int(code), printed.getvalue()


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "COLUMNS": "160",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
    )


def shown_commands(text: str) -> list[tuple[str, list[str]]]:
    """Each command of a block with the lines below it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip() not in ("", "…"):
            found[-1][1].append(line)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_the_commands_of_the_page_do_what_it_shows(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = ['-p', 'no:randomly']\n")
    for block in blocks(page):
        if block.role == "file":
            path = tmp_path / block.argument
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        if block.role != "session":
            continue
        commands = shown_commands(block.text)
        for number, (command, lines) in enumerate(commands, 1):
            if page.stem == "tutorial":
                done = run(command, tmp_path)
                code, printed = done.returncode, done.stdout
            else:
                code, printed = ran(command, tmp_path, monkeypatch)
            wanted = int(block.argument or 0) if number == len(commands) else 0
            assert code == wanted, f"{block}: {command}\n{printed}"
            output = iter([plain(line) for line in printed.splitlines()])
            for line in lines:
                assert plain(line) in output, f"{block}: {command}: {line!r} is not in\n{printed}"


def test_the_workflows_of_the_pages_run_commands_that_work(tmp_path: Path) -> None:
    """Every option in the `run:` lines of a workflow is known to the command."""
    for page in PAGES:
        for block in blocks(page, "file"):
            if ".github/" not in block.argument:
                continue
            for job in yaml.safe_load(block.text)["jobs"].values():
                for command in (step["run"] for step in job["steps"] if "run" in step):
                    tool, *words = command.split()
                    if tool not in ("velo", "velo-test"):
                        continue
                    helped = run(f"{tool} {words[0]} --help", tmp_path)
                    assert helped.returncode == 0, command
                    for word in words[1:]:
                        assert not word.startswith("--") or word.split("=")[0] in helped.stdout, command


def test_the_tutorial_is_run() -> None:
    assert DOCS / "tutorial.md" in WITH_COMMANDS
