"""`.pre-commit-hooks.yaml`: its entries, run the way pre-commit runs them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}


def run_hook(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The entry with the files that the hook's pattern takes, as pre-commit calls it."""
    hook = HOOKS[name]
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    taken = [file for file in names if re.search(hook["files"], file)]
    assert taken == ["orders.sql", "orders.test.yaml", "schemas/orders.schema.yaml"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [*shlex.split(hook["entry"]), *hook.get("args", []), *taken]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )


def test_there_are_two_hooks_that_install_by_themselves() -> None:
    assert set(HOOKS) == {"velo-fmt", "velo-validate"}
    assert {hook["language"] for hook in HOOKS.values()} == {"python"}


@pytest.mark.parametrize("name", ["velo-fmt", "velo-validate"])
def test_a_clean_project_passes(name: str, project: Path) -> None:
    run_hook("velo-fmt", project)
    done = run_hook(name, project)
    assert done.returncode == 0, done.stderr


def test_the_formatter_changes_files_which_pre_commit_takes_for_a_failure(project: Path) -> None:
    sql = project / "orders.sql"
    sql.write_text(sql.read_text().replace("SELECT id, amount", "select   id,amount"))
    before = sql.read_text()
    run_hook("velo-fmt", project)
    assert sql.read_text() != before


def test_a_wrong_spec_is_not_let_through(project: Path) -> None:
    spec = project / "orders.test.yaml"
    spec.write_text(spec.read_text().replace("expect:", "expct:"))
    done = run_hook("velo-validate", project)
    assert done.returncode == 2
    assert 'did you mean "expect"?' in done.stderr
