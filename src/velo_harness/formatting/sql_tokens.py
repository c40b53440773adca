"""SQL text as tokens that know how they stood in the text: what a formatter needs to lay them out anew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
_RELATIONS = frozenset({"STREAM", "TABLE", "VIEW"})
_OPERAND_ENDS = frozenset({")", "]", "END", "NULL", "TRUE", "FALSE"})
_UNITS = frozenset({"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"})

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
    code = [token.text for token in tokens if not token.is_comment]
    at = 0
    for token in tokens:
        if token.kind is TokenKind.WORD and _is_keyword(code, at):
            yield SqlToken(TokenKind.KEYWORD, token.text, token.breaks, token.spaced)
        else:
            yield token
        at += not token.is_comment


def _is_keyword(code: Sequence[str], at: int) -> bool:
    """Whether the word at a place is no name: it never is one, or cannot be one where it stands."""
    before2, before, word, after, after2 = _around(code, at)
    if "." in (before, after):
        return False
    match word:
        case _ if word in KEYWORDS:
            return True
        case "BY":
            return before in _BEFORE_BY
        case _ if word in _BEFORE_BY:
            return after == "BY"
        case "STREAM" | "VIEW":
            return before == "CREATE"
        case "IF":
            return before in _RELATIONS and (after, after2) == ("NOT", "EXISTS")
        case "WATERMARK":
            return before in ("(", ",") and after == "FOR" and after2 != "SYSTEM_TIME"
        case "EMIT":
            return after in ("CHANGES", "FINAL") and _ends_query(before, after2)
        case "CHANGES" | "FINAL":
            return before == "EMIT" and _ends_query(before2, after)
        case "PRIMARY":
            return after == "KEY"
        case "KEY":
            return before == "PRIMARY"
        case "ENFORCED":
            return before == "NOT" and before2 in (")", "KEY")
        case "INTERVAL":
            return after.startswith("'")
        case _ if word in _UNITS:
            return before2 == "INTERVAL" and before.startswith("'") and after not in ("(", "TO")
    return False


def _around(code: Sequence[str], at: int) -> tuple[str, ...]:
    """The text at a place with the two before and the two after it, upper-cased; "" where there is none."""
    return tuple(code[i].upper() if 0 <= i < len(code) else "" for i in range(at - 2, at + 3))


def _ends_query(before: str, after: str) -> bool:
    """Whether EMIT CHANGES between these two stands where a query ends: no column or relation called `emit`."""
    operand = before in _OPERAND_ENDS or (before not in KEYWORDS and re.fullmatch(r".*[\w'\"`]", before, re.DOTALL))
    return bool(operand) and after in ("", ";", "WITH")
