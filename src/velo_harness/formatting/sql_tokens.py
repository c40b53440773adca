"""SQL text as tokens that know how they stood in the text: what a formatter needs to lay them out anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from velo_engine.sql.dialect import RESERVED_WORDS
from velo_engine.sql.source_text import SegmentKind, SourceText, segments


class TokenKind(Enum):
    """What a token is."""

    WORD = "word"
    KEYWORD = "keyword"
    LITERAL = "literal"
    """A string, a number, a quoted name, a `${reference}`, a URI."""
    SYMBOL = "symbol"
    LINE_COMMENT = "line comment"
    BLOCK_COMMENT = "block comment"


@dataclass(frozen=True, slots=True)
class SqlToken:
    """One token. `text` is as written; keywords are upper-cased when they are laid out."""

    kind: TokenKind
    text: str
    breaks: int
    """Line breaks between it and the token before."""
    spaced: bool
    """Whether anything stood between it and the token before."""

    @property
    def word(self) -> str:
        """The upper-cased text of a keyword or word, "" of everything else."""
        return self.text.upper() if self.kind in (TokenKind.WORD, TokenKind.KEYWORD) else ""

    @property
    def shown(self) -> str:
        """The text that is written."""
        return self.text.upper() if self.kind is TokenKind.KEYWORD else self.text

    @property
    def is_comment(self) -> bool:
        """Whether it has no meaning for the engine (except for annotations and hints)."""
        return self.kind in (TokenKind.LINE_COMMENT, TokenKind.BLOCK_COMMENT)


_MAY_BE_NAMES = frozenset("JSON OFFSET UNKNOWN ORDINALITY RECURSIVE WINDOW SOME ANY FETCH REGEXP RLIKE".split())  # noqa: SIM905
KEYWORDS = RESERVED_WORDS - _MAY_BE_NAMES
"""Words that are never names, and are written in upper case."""
_BEFORE_BY = frozenset({"GROUP", "ORDER", "PARTITION"})

_PARTS = re.compile(
    r"""
    (?P<word>[^\W\d][\w$]*)
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\w*|\.\d+(?:[eE][+-]?\d+)?)
    | (?P<symbol>::|\|\||>=|<=|<>|!=|=>|->|:=|[^\s\w])
    """,
    re.VERBOSE,
)


def sql_tokens(text: str, file: str) -> list[SqlToken]:
    """The tokens of a text, comments among them. VeloError SQL_SYNTAX for what is never closed."""
    return list(_with_keywords(list(_raw(SourceText(file, text)))))


def _raw(source: SourceText) -> Iterator[SqlToken]:
    text, end = source.text, 0
    for kind, start, stop in _pieces(source):
        between = text[end:start]
        breaks = len(re.findall(r"\r\n|\n|\r", between))
        yield SqlToken(kind, text[start:stop], breaks, start > end)
        end = stop


def _pieces(source: SourceText) -> Iterator[tuple[TokenKind, int, int]]:
    for segment in segments(source):
        match segment.kind:
            case SegmentKind.CODE:
                for found in _PARTS.finditer(source.text, segment.start, segment.end):
                    kind = {"word": TokenKind.WORD, "number": TokenKind.LITERAL, "symbol": TokenKind.SYMBOL}
                    yield kind[found.lastgroup or "symbol"], found.start(), found.end()
            case SegmentKind.LINE_COMMENT:
                yield TokenKind.LINE_COMMENT, segment.start, segment.end
            case SegmentKind.BLOCK_COMMENT:
                yield TokenKind.BLOCK_COMMENT, segment.start, segment.end
            case _:
                yield TokenKind.LITERAL, segment.start, segment.end


def _with_keywords(tokens: list[SqlToken]) -> Iterator[SqlToken]:
    for at, token in enumerate(tokens):
        before = tokens[at - 1].text if at else ""
        after = tokens[at + 1].text.upper() if at + 1 < len(tokens) else ""
        named = before == "." or after == "."
        word = token.text.upper()
        phrase = (word in _BEFORE_BY and after == "BY") or (word == "BY" and before.upper() in _BEFORE_BY)
        if token.kind is TokenKind.WORD and not named and (word in KEYWORDS or phrase):
            yield SqlToken(TokenKind.KEYWORD, token.text, token.breaks, token.spaced)
        else:
            yield token
