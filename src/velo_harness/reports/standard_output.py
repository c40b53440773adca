"""Writing to stdout, whose reader may have enough before all is written (`| head -1`)."""

from __future__ import annotations

import os
import sys


def print_out(text: str) -> None:
    """Writes `text` to stdout. A reader that has gone is no error: the command keeps the exit code of its verdict."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        leave_stdout()


def leave_stdout() -> None:
    """Nothing more is written: the interpreter would complain when it flushes a closed pipe at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
