"""The commands of the pages about coverage, mutation and permutation print what the pages say.

* ```sh run=CODE: commands that are run in a folder with the `file=` blocks of the page, and leave with CODE.
* ```text prints: lines that the commands before print, in this order; `…` stands for anything.
* ```text file-has=NAME: lines that stand in a file that they wrote.

`mutants.yaml` is only there for a block that says `with=mutants.yaml`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, Block, blocks

PAGES = ("coverage.md", "mutation.md", "permutation.md")
ONLY_WITH = "mutants.yaml"


def runs() -> list[tuple[Block, list[Block]]]:
    """Each block of commands with the blocks of what they print or write."""
    found: list[tuple[Block, list[Block]]] = []
    for page in PAGES:
        for block in blocks(DOCS / page):
            if block.role == "run":
                found.append((block, []))
            elif block.role in ("prints", "file-has"):
                found[-1][1].append(block)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("commands", "shown"), runs(), ids=lambda one: str(one) if isinstance(one, Block) else "")
def test_commands_print_what_the_page_says(commands: Block, shown: list[Block], tmp_path: Path) -> None:
    code, _, extra = commands.argument.partition(" with=")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    for file in blocks(DOCS / commands.page, "file"):
        if file.argument != ONLY_WITH or extra == ONLY_WITH:
            (tmp_path / file.argument).write_text(file.text)

    printed = ""
    for line in commands.text.splitlines():
        ran = run(line.split(), tmp_path)
        printed += ran.stdout + ran.stderr
        assert ran.returncode == int(code), printed

    assert shown, "a command without anything that it prints is not tested"
    for block in shown:
        found = printed if block.role == "prints" else (tmp_path / block.argument).read_text(encoding="utf-8")
        assert in_order(block.text, found), f"{block.text}\nis not in\n{found}"


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    main = {
        "velo-test": ["-c", "from velo_cli.velo_test import main; main()"],
        "pytest": ["-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly"],
    }[words[0]]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    environment.pop("GITHUB_ACTIONS", None)
    return subprocess.run(
        [sys.executable, *main, *words[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def in_order(wanted: str, found: str) -> bool:
    """Whether the lines that are wanted stand in `found` in this order, others between them allowed."""
    lines = iter(line.rstrip() for line in found.splitlines())
    return all(any(matches(line, other) for other in lines) for line in wanted.splitlines() if line.strip())


def matches(wanted: str, line: str) -> bool:
    """Whether a line is what is wanted, pytest's own decoration aside."""
    pattern = ".*".join(re.escape(part) for part in wanted.rstrip().split("…"))
    return re.fullmatch(pattern, line) is not None


def test_a_line_that_is_missing_or_in_another_order_is_noticed() -> None:
    assert in_order("a\nb … s", "x\na\ny\nb 12 s\n")
    assert not in_order("b\na", "a\nb\n")
    assert not in_order("a b", "a\nb\n")
