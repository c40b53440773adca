"""A first project: files that are written once, and their tests run at once."""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from pathlib import Path

from velo_engine.errors import ErrorCode, ExitCode, VeloError

PROJECT_FILES = (
    "orders.sql",
    "orders.test.yaml",
    "data/orders.csv",
    "data/customers.csv",
    "schemas/orders.schema.yaml",
)
"""Relative to the project; the same under `quickstart_project` in this package."""


def write_project(folder: Path) -> list[Path]:
    """Writes the project's files. Errors: FILE_EXISTS before anything is written, FILE_UNREADABLE."""
    targets = [folder / name for name in PROJECT_FILES]
    existing = [target for target in targets if target.exists() or target.is_symlink()]
    if existing:
        raise VeloError(
            ErrorCode.FILE_EXISTS,
            f'"{existing[0]}" exists; nothing was written',
            hint="name a folder for the project: velo quickstart my-project",
        )
    template = files("velo_cli") / "quickstart_project"
    try:
        for name, target in zip(PROJECT_FILES, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as stream:
                stream.write((template / name).read_bytes())
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{folder}" cannot be written: {reason}') from None
    return targets


def run_project(folder: Path, written: list[Path]) -> ExitCode:
    """Runs the project's tests and says what to try next."""
    from velo_harness.reports.text import run_text
    from velo_harness.settings import RunSettings
    from velo_harness.suite import find_spec_files, load_items, run_items

    print("Written:", file=sys.stderr)
    for path in written:
        print(f"  {path}", file=sys.stderr)
    settings = RunSettings()
    items, _ = load_items(find_spec_files([folder / "orders.test.yaml"]), settings, ())
    result = run_items(items, settings)
    print(f"\n{run_text(result)}\n\n{_next_steps(folder)}", file=sys.stderr)
    return result.exit_code


def _next_steps(folder: Path) -> str:
    enter = "" if folder == Path() else f"  cd {folder}\n"
    return (
        "Next:\n"
        f"{enter}"
        "  velo run orders.sql            the program over data/orders.csv\n"
        "  velo-test run .                the tests again\n"
        "  pytest -v                      the same tests, as pytest items\n"
        "Change a number under expect: in orders.test.yaml and see how a failure reads."
    )
