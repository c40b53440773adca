"""`velo-test run-all`, `velo test` and completion."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from velo_cli.test_run_all import run_all_of
from velo_cli.velo_test import run


@pytest.fixture
def folders(project: Path) -> Path:
    for name in ("a", "b/c"):
        folder = project / name
        folder.mkdir(parents=True)
        for file in ("orders.sql", "orders.test.yaml"):
            (folder / file).write_text((project / file).read_text())
        (folder / "schemas").symlink_to(project / "schemas")
    spec = project / "b/c/orders.test.yaml"
    spec.write_text(spec.read_text().replace("rows: [{ id: 2, amount: 12.50 }]", "rows: []"))
    (project / "a/broken.test.yaml").write_text("application: x\nqueries: 5\n")
    return project


def test_every_folder_is_summed_up(command, folders: Path) -> None:
    ran = command("velo-test", "run-all", folders)

    assert ran.code == 2, "a spec that does not load"
    table = ran.err[ran.err.index("FOLDER") :].splitlines()
    cells = [line.split()[:6] for line in table]
    assert cells == [
        ["FOLDER", "QUERIES", "PASSED", "FAILED", "ERRORS", "SKIPPED"],
        [".", "1", "1", "0", "0", "0"],
        ["a", "1", "1", "0", "1", "0"],
        ["b/c", "1", "0", "1", "0", "0"],
        ["all", "3", "2", "1", "1", "0"],
    ]


def test_it_starts_in_the_working_directory(command, project: Path) -> None:
    ran = command("velo-test", "run-all")
    assert ran.code == 0
    assert ". " in ran.err[ran.err.index("FOLDER") :]


def test_it_has_the_options_of_run(command, folders: Path) -> None:
    ran = command("velo-test", "run-all", folders / "a", "--query", "large", "--output", "json", "--seed", "7")
    assert ran.code == 2
    assert '"schema_version": 1' in ran.out
    of_run = set(inspect.signature(run).parameters) - {"paths", "by_folder"}
    assert set(inspect.signature(run_all_of(run)).parameters) == of_run | {"folder"}


def test_velo_test_is_the_same_application(command, project: Path) -> None:
    assert command("velo", "test", "run", ".").code == 0
    assert command("velo", "test", "validate", ".").code == 0


@pytest.mark.parametrize("name", [("velo", "test"), ("velo-test",)])
def test_a_path_without_a_command_is_run(command, project: Path, name: tuple[str, ...]) -> None:
    ran = command(*name, "orders.sql", "--query", "large")
    assert ran.code == 0
    assert "1 passed" in ran.err
    ran = command(*name, "ordres")
    assert ran.code == 2
    assert "No such command 'ordres'" in ran.err


@pytest.mark.parametrize(
    ("name", "typed", "offered"),
    [("velo", "velo te", "test"), ("velo-test", "velo-test val", "validate"), ("velo", "velo test he", "health")],
)
def test_the_shell_completes(name: str, typed: str, offered: str) -> None:
    environment = {
        **os.environ,
        f"_{name.upper().replace('-', '_')}_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    module = {"velo": "velo", "velo-test": "velo_test"}[name]
    code = f"import sys; sys.argv = ['{name}']; from velo_cli.{module} import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert offered in done.stdout.split()


@pytest.mark.parametrize("name", ["velo", "velo-test"])
def test_completion_can_be_shown(command, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    ran = command(name, "--show-completion", "bash")
    assert ran.code == 0
    assert "complete_bash" in ran.out
