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
    (re.compile(r"(?<= )[\d,]+ ms(?=  )"), "dim"),
    (re.compile(r"^── .*$", re.MULTILINE), "bold"),
    (re.compile(r"^[\w.]+(?=(: .*)?\n  --> )", re.MULTILINE), "bold"),
    (re.compile(r"^ +-->.*$", re.MULTILINE), "dim"),
    (re.compile(r"^ *\d+ \| .*$", re.MULTILINE), "dim"),
    (re.compile(r"^ *\| *\^+$", re.MULTILINE), "red"),
    (re.compile(r"^  expected: .*$", re.MULTILINE), "green"),
    (re.compile(r"^  actual: .*$", re.MULTILINE), "red"),
    (re.compile(r"^    (expected|missing) .*$", re.MULTILINE), "green"),
    (re.compile(r"^    (actual|unexpected|repeated) .*$", re.MULTILINE), "red"),
    (re.compile(r"^error\[VELO\d+\]", re.MULTILINE), "bold red"),
    (re.compile(r"^ *(hint|note|warning|run it again|the same error|records):", re.MULTILINE), "cyan"),
    (re.compile(r"^  \d+ (newly failing|still failing|slower)$", re.MULTILINE), "red"),
    (re.compile(r"^  \d+ (fixed|faster)$", re.MULTILINE), "green"),
    (re.compile(r"\b[1-9]\d* (failed|errors?|files? not loaded)(?=[^\n]* in [\d.]+ s[^\n]*\Z)"), "bold red"),
    (re.compile(r"\b\d+ passed(?=[^\n]* in [\d.]+ s[^\n]*\Z)"), "bold green"),
)


def print_run(run: RunResult, console: Console, *, verbose: bool = False) -> None:
    """Prints the text report; long lines are the terminal's to wrap."""
    text = Text(run_text(run, verbose=verbose))
    for pattern, style in _STYLES:
        text.highlight_regex(pattern, style)
    console.print(text, soft_wrap=True)
