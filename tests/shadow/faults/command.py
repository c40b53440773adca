"""A fault through the command `velo shadow`, as a user compares two files."""

from __future__ import annotations

from pathlib import Path

from tests.shadow.command import velo
from tests.shadow.faults.measuring import Case, files_of

from velo_shadow.config import FileStream


def measured_by_command(case: Case, folder: Path) -> bool:
    """Whether the command refuses: exit code 1, or 2 for files that cannot be compared."""
    left, right = files_of(case, folder)
    config = case.side.scenario.sink_config
    arguments = ["shadow", "--left", str(left), "--right", str(right), "--key", ",".join(config.key)]
    arguments += ["--time-column", config.time_column or ""]
    if isinstance(config.control, FileStream):
        arguments += ["--control", str(config.control.path)]
    for name, equality in config.equality.items():
        arguments += ["--equal", f"{name}={equality.rule.value}:{equality.tolerance}"]
    code, output = velo(arguments)
    return code == (2 if case.fault.as_texts else 1) and "SAFE" not in output.replace("NOT SAFE", "")
