"""The pages of docs/ as the tests see them: their headings and their fenced blocks.

The word behind a block's language says what is done with it; nothing behind it: nothing.

* ```yaml test: a whole spec; all its queries must pass, in a folder that holds the `file=` blocks of the page.
* ```yaml file=NAME (any language): a file of that folder.
* ```yaml key: an example of the key that the heading above names; the key's table must accept it.
* ```yaml assertions or assertions=QUERY: assertions that must hold for a query (by default the first) of the page's
  first spec.
* ```sql plan: statements that must plan, and run over empty input, with the sources that the page declares in
  ```sql sources.
* ```sql refused: statements that must be refused; the comment line above each is part of the message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))

_FENCE = re.compile(r"^```(?P<language>\w*)[ \t]*(?P<role>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(?P<level>#{1,6}) (?P<text>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    role: str
    """The word behind the language: `test`, `plan`, …"""
    argument: str
    """What stands behind its `=`."""
    text: str
    section: str
    """The second-level heading above."""
    heading: str
    """The nearest heading above."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Heading:
    """One heading, with the paragraph below it."""

    level: int
    text: str
    paragraph: str


def blocks(page: Path, role: str | None = None) -> list[Block]:
    """The fenced blocks of a page, those of one role or all."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        above = list(_HEADING.finditer(_without_blocks(text[: match.start()])))
        sections = [h["text"] for h in above if h["level"] == "##"]
        name, _, argument = match["role"].strip().partition("=")
        line = text.count("\n", 0, match.start()) + 1
        heading = above[-1]["text"] if above else ""
        section = sections[-1] if sections else ""
        found.append(Block(page.name, line, name, argument, match["text"], section, heading))
    return [block for block in found if role is None or block.role == role]


def headings(page: Path) -> list[Heading]:
    """The headings of a page, those in blocks left out."""
    text = _without_blocks(page.read_text(encoding="utf-8"))
    found = []
    for match in _HEADING.finditer(text):
        paragraph = text[match.end() :].lstrip("\n").split("\n\n", 1)[0]
        found.append(Heading(len(match["level"]), match["text"], paragraph.strip()))
    return found


def _without_blocks(text: str) -> str:
    """`text` with the contents of blocks blanked, so that comments in them are no headings."""
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
