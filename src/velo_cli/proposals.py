"""`velo import --ai`: who is asked for proposals, and what earlier imports were answered."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from velo_harness.reports.shown_values import printable_lines
from velo_import.enrichment.asking import Asking, ai_settings
from velo_import.enrichment.enrich import FILE, kept_answers


def asking(output: Path, model: str | None, budget: int) -> Asking:
    """For an import into `output`, whose answers of earlier imports hold."""
    texts = []
    for path in sorted(output.rglob(FILE)) if output.is_dir() else ():
        try:
            texts.append(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
    return Asking(ai_settings(model, budget, os.environ), kept_answers(texts), _say)


def _say(text: str) -> None:
    print(printable_lines(text), file=sys.stderr, flush=True)
