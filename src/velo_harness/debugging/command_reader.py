"""Where the debugger's commands come from: a person at a terminal, or a script."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TextIO

from velo_harness.debugging.screen import Screen

PROMPT = "velo> "

_REPEATED = frozenset({"step", "s", "next", "n", "into", "i", "continue", "c"})
"""Commands that an empty line repeats."""


class CommandReader(Protocol):
    """Gives one command after the other."""

    def read(self) -> str | None:
        """The next command; None when there are no more."""

    def confirmed(self, question: str) -> bool:
        """Whether a person says yes; nobody does in a script."""


class ScriptReader:
    """Commands of a file or a pipe, one a line; each is echoed, so that the output reads like a session."""

    def __init__(self, lines: TextIO | Sequence[str], screen: Screen) -> None:
        self._lines: Iterator[str] = iter(lines)
        self._screen = screen

    def read(self) -> str | None:
        """The next line that is no comment."""
        for line in self._lines:
            command = line.strip()
            if command and not command.startswith("#"):
                self._screen.line(PROMPT + command)
                return command
        return None

    def confirmed(self, question: str) -> bool:
        """No."""
        self._screen.line(f"{question} no: say -y")
        return False


class TerminalReader:
    """A person: with editing, history and completion where readline is there."""

    def __init__(self, screen: Screen) -> None:
        self.words: Callable[[], Sequence[str]] = list
        """What may be completed now."""
        self._screen = screen
        self._last = ""
        try:
            import readline
        except ImportError:  # Windows
            return
        readline.set_completer(self._completed)
        readline.set_completer_delims(" \t\n:")
        readline.parse_and_bind("tab: complete")

    def read(self) -> str | None:
        """What is typed; an empty line repeats the last command."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            typed = input(PROMPT).strip()
        except EOFError:
            self._screen.line()
            return None
        except KeyboardInterrupt:
            self._screen.line("\n(quit leaves)")
            return ""
        finally:
            signal.signal(signal.SIGINT, before)
        if typed.split(" ")[0] in _REPEATED or not typed:
            self._last = typed or self._last
            return self._last
        self._last = ""
        return typed

    def confirmed(self, question: str) -> bool:
        """What the person says."""
        try:
            return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
        except (EOFError, KeyboardInterrupt):
            return False

    def _completed(self, text: str, state: int) -> Any:
        found = [f"{word} " for word in self.words() if word.startswith(text)]
        return found[state] if state < len(found) else None
