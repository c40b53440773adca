"""Where the report of a command goes: stdout, or a file."""

from __future__ import annotations

import os
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.reports.standard_output import print_out


def write_report(text: str, path: Path | None) -> None:
    """Write a report to a file, or to stdout without one. Raises VeloError FILE_UNREADABLE."""
    content = text.rstrip("\n") + "\n"
    if path is None:
        print_out(content)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'the report "{path}" cannot be written: {reason}') from None
