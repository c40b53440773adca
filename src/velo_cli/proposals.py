"""`velo import --ai`: who is asked for proposals, and what earlier imports were answered."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from velo_import.enrichment.asking import Asking


def refuse_without_ai(model: str | None, budget: int | None, timeout_s: float | None) -> None:
    """Errors: typer.BadParameter for an option of `--ai` that is given without it."""
    given = {"--ai-model": model, "--ai-budget": budget, "--ai-timeout": timeout_s}
    for option, value in given.items():
        if value is not None:
            raise typer.BadParameter(f"{option} needs --ai")


def asking(output: Path, model: str | None, budget: int | None = None, timeout_s: float | None = None) -> Asking:
    """For an import into `output`, whose answers of earlier imports hold."""
    from velo_import.enrichment.asking import Asking, ai_settings
    from velo_import.enrichment.enrich import FILE, kept_answers

    texts = []
    for path in sorted(output.rglob(FILE)) if output.is_dir() else ():
        try:
            texts.append(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
    return Asking(ai_settings(model, budget, timeout_s, os.environ), kept_answers(texts), _say)


def _say(text: str) -> None:
    from velo_harness.reports.shown_values import printable_lines

    print(printable_lines(text), file=sys.stderr, flush=True)
