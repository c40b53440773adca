"""The console scripts. Ctrl-C ends them quietly from the first moment, also while the commands are imported."""

from __future__ import annotations

import sys
from importlib import import_module

_INTERRUPTED = 130
"""ExitCode.INTERRUPTED, which cannot be imported before an interrupt is caught."""


def velo() -> None:
    """Entry point of `velo`."""
    _run("velo_cli.velo")


def velo_test() -> None:
    """Entry point of `velo-test`."""
    _run("velo_cli.velo_test")


def _run(module: str) -> None:
    """Imports the commands and runs them. Leaves the process with the exit code of the command."""
    try:
        import_module(module).main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
