"""Colour for the words that tell how things stand, on terminals that show it."""

from __future__ import annotations

import os
import re
from typing import TextIO

_COLOURS = {
    **dict.fromkeys(("error", "wrong", "FAILED"), "1;31"),
    **dict.fromkeys(("warning", "missing"), "33"),
    **dict.fromkeys(("note", "hint"), "36"),
    **dict.fromkeys(("ok", "✓"), "32"),
    "✗": "31",
    **dict.fromkeys(("!", "not converted"), "33"),
}
_WORD = re.compile(rf"^(?P<indent> *)(?P<word>{'|'.join(_COLOURS)})(?=\[|:| |$)", re.MULTILINE)


def coloured(text: str, stream: TextIO) -> str:
    """`text` with the words that begin its lines in colour, when `stream` is a terminal and NO_COLOR is not set."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return _WORD.sub(lambda m: f"{m['indent']}\033[{_COLOURS[m['word']]}m{m['word']}\033[0m", text)
