"""`velo-test run-all`: every spec below a folder, with the options of `run`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

_FOLDER = Annotated[Path, typer.Argument(help="where specs are looked for, in all folders below", show_default=True)]


def run_all_of(run: Callable[..., None]) -> Callable[..., None]:
    """The command `run-all`, which has every option of `run`, so that the two never differ."""

    def run_all(folder: Path, **options: Any) -> None:
        """Run every spec below a folder, and sum up by folder. All options of `run` hold."""
        run([folder], by_folder=True, **options)

    taken = ("paths", "by_folder")
    given = [p for name, p in inspect.signature(run, eval_str=True).parameters.items() if name not in taken]
    first = inspect.Parameter("folder", inspect.Parameter.KEYWORD_ONLY, default=Path(), annotation=_FOLDER)
    options = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in given]
    run_all.__signature__ = inspect.Signature([first, *options])  # type: ignore[attr-defined]
    run_all.__annotations__ = {p.name: p.annotation for p in (first, *options)}
    return run_all
