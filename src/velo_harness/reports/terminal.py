"""The text report in colours, for a terminal."""

from __future__ import annotations

import re

from rich.console import Console
from rich.text import Text

from velo_harness.reports.text import run_text
from velo_harness.result import RunResult

_STYLES = (
    (re.compile(r"^  ✓ \S+", re.MULTILINE), "green"),
    (re.compile(r"^  [✗!] \S+", re.MULTILINE), "bold red"),
    (re.compile(r"^  - \S+", re.MULTILINE), "yellow"),
    (re.compile(r"^── .*$", re.MULTILINE), "bold"),
    (re.compile(r"^  expected: .*$", re.MULTILINE), "green"),
    (re.compile(r"^  actual: .*$", re.MULTILINE), "red"),
    (re.compile(r"^error\[VELO\d+\]", re.MULTILINE), "bold red"),
    (re.compile(r"^ *(hint|note|warning|run it again):", re.MULTILINE), "cyan"),
)


def print_run(run: RunResult, console: Console, *, verbose: bool = False) -> None:
    """Prints the text report; long lines are the terminal's to wrap."""
    text = Text(run_text(run, verbose=verbose))
    for pattern, style in _STYLES:
        text.highlight_regex(pattern, style)
    console.print(text, soft_wrap=True)
