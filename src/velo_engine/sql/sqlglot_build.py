"""Refuses the compiled build of sqlglot, whose parser and nodes cannot be subclassed."""

from __future__ import annotations

import sqlglot.parser

from velo_engine.errors import ErrorCode, VeloError


def require_pure_python() -> None:
    """Raise a clear VeloError when `sqlglotc` replaced sqlglot's Python modules by compiled ones.

    Modules that subclass sqlglot call this before their first class statement; without it the reader would see a
    TypeError about layouts.
    """
    origin = sqlglot.parser.__file__ or ""
    if not origin.endswith(".py"):
        raise VeloError(
            ErrorCode.INFRASTRUCTURE_MISSING,
            "the compiled build of sqlglot is installed, and a dialect cannot be built on it",
            hint="run `pip uninstall sqlglotc`, then `pip install --force-reinstall --no-deps sqlglot`",
        )
