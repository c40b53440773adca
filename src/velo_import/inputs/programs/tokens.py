"""A program in Java, Scala or Python as tokens: string literals, names, numbers, marks; comments are left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum


class Language(StrEnum):
    """Of a program."""

    JAVA = "Java"
    SCALA = "Scala"
    PYTHON = "Python"


_BRACED = r"//[^\r\n]*|/\*.*?\*/|'(?:\\[^'\r\n]*|[^'\\\r\n])'"
"""Comments, and single characters, which are no strings."""
_LITERALS = {
    Language.JAVA: (_BRACED, r'"""(?:\\.|(?!""").)*+"""|"(?:\\.|[^"\\\r\n])*+"'),
    Language.SCALA: (_BRACED, r'(?:[^\W\d]\w*)?(?:""".*?"""(?!")|"(?:\\.|[^"\\\r\n])*+")'),
    Language.PYTHON: (
        r"#[^\r\n]*",
        r'(?:(?<!\w)[fFrRbBuU]{1,2})?(?:"""(?:\\.|(?!""").)*+"""|'
        r"'''(?:\\.|(?!''').)*+'''"
        r'|"(?:\\.|[^"\\\r\n])*+"'
        r"|'(?:\\.|[^'\\\r\n])*+')",
    ),
}
_REST = r"(?P<number>\d[\w.]*)|(?P<name>[^\W\d]\w*)|(?P<mark>\+=|[=!<>]=|=>|[^\s\w])"
_PATTERNS = {
    language: re.compile(rf"(?P<comment>{comment})|(?P<literal>{literal})|{_REST}", re.DOTALL)
    for language, (comment, literal) in _LITERALS.items()
}
_OPENING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a program, from `start` to `end` (exclusive)."""

    kind: str
    """literal, name, number or mark."""
    text: str
    start: int
    end: int
    depth: int
    """How many round and square brackets are open before it."""
    prefix: str = ""
    """Of a literal: what stands before its quote."""
    quote: str = ""
    closing: int | None = None
    """Of an opening bracket: the index of the token that closes it."""

    @property
    def body(self) -> tuple[int, int]:
        """Where a literal's text starts and ends."""
        return self.start + len(self.prefix) + len(self.quote), self.end - len(self.quote)


def tokens_of(text: str, language: Language) -> list[Token]:
    """The tokens of a program. What is no program gives some, too."""
    found: list[Token] = []
    opened: list[int] = []
    depth = 0
    for match in _PATTERNS[language].finditer(text):
        kind, written = match.lastgroup or "", match.group()
        if kind == "comment":
            continue
        token = Token(kind, written, match.start(), match.end(), depth)
        if kind == "literal":
            token = _literal(token)
        elif kind == "mark" and written in _OPENING:
            opened.append(len(found))
            depth += written != "{"
        elif kind == "mark" and opened and written in _OPENING.values():
            at = opened.pop()
            depth = found[at].depth
            found[at] = replace(found[at], closing=len(found))
        found.append(token)
    return found


def _literal(token: Token) -> Token:
    prefix = re.split("[\"']", token.text, maxsplit=1)[0]
    quoted = token.text[len(prefix) :]
    triple = len(quoted) >= 6 and quoted[:3] in ('"""', "'''")
    return replace(token, prefix=prefix, quote=quoted[: 3 if triple else 1])
