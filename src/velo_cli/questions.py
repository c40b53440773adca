"""Questions on a terminal. Where nobody can answer, the default is the answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def confirmed(question: str, *, yes: bool, default: bool = True) -> bool:
    """Whether a person agrees. With `yes`, or without a terminal, it is the default."""
    if yes or not _can_ask():
        return default
    answer = _asked(f"{question} [{'Y/n' if default else 'y/N'}] ").lower()
    return default if not answer else answer.startswith("y")


def answered(question: str, default: str, *, yes: bool, choices: Sequence[str] = ()) -> str:
    """A word from a person; one of `choices` when there are some."""
    if yes or not _can_ask():
        return default
    offered = f" ({', '.join(choices)})" if choices else ""
    while True:
        shown = f" [{default}]" if default else ""
        answer = _asked(f"{question}{offered}{shown} ") or default
        if not choices or answer in choices:
            return answer
        print(f'"{answer}" is not one of {", ".join(choices)}', file=sys.stderr)


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _asked(prompt: str) -> str:
    """What is typed; nothing at the end of the input."""
    print(prompt, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise KeyboardInterrupt
    return line.strip()
