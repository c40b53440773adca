"""The plugins of docs/extending.md work as a conftest.py, with and without pytest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, Block, blocks

PAGE = DOCS / "extending.md"
EXTENSIONS = blocks(PAGE, "extension")
IN_BOTH = pytest.mark.parametrize("extension", EXTENSIONS, ids=lambda block: block.section)


def project(extension: Block, folder: Path) -> tuple[Path, list[str]]:
    """A folder with the files of the extension's section, without the plugin; and the options of its example."""
    roles = [block for block in blocks(PAGE) if block.section == extension.section]
    (folder / "pyproject.toml").write_text("")
    (spec,) = [block for block in roles if block.role.startswith("spec")]
    (folder / "x.test.yaml").write_text(spec.text)
    for block in roles:
        if block.role == "with":
            (folder / block.argument).write_text(block.text)
    return folder, [spec.argument] if spec.argument else []


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", command[0], *command[1:]], cwd=folder, capture_output=True, text=True, check=False
    )


VELO_TEST = "from velo_cli.velo_test import main; main()"
PYTEST = "import sys, pytest; sys.exit(pytest.main())"


def test_every_hook_has_an_example() -> None:
    from velo_harness.plugins import HOOKS

    assert sorted(hook for block in EXTENSIONS for hook in re.findall(r"def (velo_\w+)", block.text)) == sorted(HOOKS)


@pytest.mark.slow
@IN_BOTH
def test_a_conftest_extends_velo_test(extension: Block, tmp_path: Path) -> None:
    folder, options = project(extension, tmp_path)
    (folder / "conftest.py").write_text(extension.text)
    ran = run(folder, VELO_TEST, "run", "x.test.yaml", *options)
    assert ran.returncode == 0, ran.stderr
    check_report(folder, options)


@pytest.mark.slow
@IN_BOTH
def test_a_conftest_extends_pytest(extension: Block, tmp_path: Path) -> None:
    folder, options = project(extension, tmp_path)
    options = [option.replace("--", "--velo-", 1) for option in options]
    (folder / "conftest.py").write_text(extension.text)
    ran = run(folder, PYTEST, "-p", "no:cacheprovider", *options)
    assert ran.returncode == 0, ran.stdout
    assert "1 passed" in ran.stdout
    check_report(folder, options)


def check_report(folder: Path, options: list[str]) -> None:
    if any("run.slack" in option for option in options):
        assert (folder / "run.slack").read_text() == "1 queries, 0 failed: none\n"
