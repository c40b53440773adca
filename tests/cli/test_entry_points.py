"""The console scripts."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from velo_engine.errors import ExitCode

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
INTERRUPTED_IMPORT = """
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from velo_cli.entry_points import {name}
{name}()
"""


@pytest.mark.parametrize("name", ["velo", "velo_test"])
def test_an_interrupt_during_imports_ends_quietly(name: str) -> None:
    code = INTERRUPTED_IMPORT.format(name=name)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (ExitCode.INTERRUPTED, "", "interrupted\n")


@pytest.mark.parametrize("script", ["velo", "velo-test"])
def test_the_scripts_begin_where_interrupts_are_caught(script: str) -> None:
    module, _, function = tomllib.loads(PROJECT.read_text())["project"]["scripts"][script].partition(":")
    assert module == "velo_cli.entry_points"
    assert callable(getattr(import_module(module), function))
