"""The command `velo` run in this process."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence
from unittest import mock


def velo(arguments: Sequence[str]) -> tuple[int, str]:
    """Exit code and output of a command, run in this process."""
    from velo_cli.velo import main

    output = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["velo", *arguments]),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0), output.getvalue()
    return 0, output.getvalue()
