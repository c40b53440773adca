"""Colour is for terminals only."""

from __future__ import annotations

import io

import pytest

from velo_cli.colours import coloured

TEXT = "error[VELO1001]: no error here\n  hint: ok then\nok       python  3.11\n  FAILED      it"


class Terminal(io.StringIO):
    """A stream that shows colours."""

    def isatty(self) -> bool:
        return True


def test_the_words_that_begin_lines_are_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert coloured(TEXT, Terminal()) == (
        "\033[1;31merror\033[0m[VELO1001]: no error here\n  \033[36mhint\033[0m: ok then\n"
        "\033[32mok\033[0m       python  3.11\n  \033[1;31mFAILED\033[0m      it"
    )


def test_files_and_terminals_without_colour_get_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured(TEXT, io.StringIO()) == TEXT
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured(TEXT, Terminal()) == TEXT
