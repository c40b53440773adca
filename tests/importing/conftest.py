"""Commands run in this process: what they print, and the exit code they leave with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from velo_cli import velo


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def velo_import(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs `velo import …`."""
    monkeypatch.delenv("VELO_DEBUG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["velo", "import", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            velo.main()
        printed = capsys.readouterr()
        return Ran(int(left.value.code or 0), printed.out, printed.err)

    return run
