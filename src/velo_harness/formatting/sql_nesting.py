"""Tokens of SQL as a tree: what stands in parentheses, or between CASE and END, belongs together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from velo_harness.formatting.sql_tokens import SqlToken, TokenKind


@dataclass(slots=True)
class Parens:
    """A pair of parentheses, or of CASE and END, and what is in it."""

    opening: SqlToken
    inside: list[Part] = field(default_factory=list)
    closing: SqlToken | None = None

    @property
    def is_case(self) -> bool:
        """Whether it is CASE … END."""
        return self.opening.word == "CASE"


Part: TypeAlias = "SqlToken | Parens"


def statements(tokens: Sequence[SqlToken]) -> Iterator[list[SqlToken]]:
    """The tokens of each statement with its semicolon, comments before it, and those behind it on its last line."""
    current: list[SqlToken] = []
    ended = False
    for token in tokens:
        if ended and not (token.is_comment and not token.breaks):
            yield current
            current, ended = [], False
        current.append(token)
        ended = ended or (token.text == ";" and token.kind is TokenKind.SYMBOL)
    if current:
        yield current


def nested(tokens: Sequence[SqlToken]) -> list[Part]:
    """The tree. ValueError for what is not closed."""
    root: list[Part] = []
    opened: list[Parens] = []
    for token in tokens:
        here = opened[-1].inside if opened else root
        symbol = token.kind is TokenKind.SYMBOL
        keyword = token.kind is TokenKind.KEYWORD
        if (symbol and token.text == "(") or (keyword and token.word == "CASE"):
            parens = Parens(token)
            here.append(parens)
            opened.append(parens)
        elif symbol and token.text == ")":
            if not opened or opened[-1].is_case:
                raise ValueError("a parenthesis closes that was never opened")
            opened.pop().closing = token
        elif keyword and token.word == "END" and opened and opened[-1].is_case:
            opened.pop().closing = token
        else:
            here.append(token)
    if opened:
        what = "a CASE has no END" if opened[-1].is_case else "a parenthesis is never closed"
        raise ValueError(what)
    return root


def head(part: Part) -> SqlToken:
    """Its first token."""
    return part.opening if isinstance(part, Parens) else part


def last(part: Part) -> SqlToken:
    """Its last token."""
    return (part.closing or part.opening) if isinstance(part, Parens) else part


def word_at(parts: Sequence[Part], at: int) -> str:
    """The word at a position, comments passed over; "" for anything else."""
    while 0 <= at < len(parts):
        part = parts[at]
        if isinstance(part, Parens):
            return ""
        if not part.is_comment:
            return part.word
        at += 1
    return ""


def is_query(parts: Sequence[Part]) -> bool:
    """Whether the parts are a query, not a list or an expression."""
    first = next((p for p in parts if isinstance(p, Parens) or not p.is_comment), None)
    if isinstance(first, Parens):
        return len(parts) > 1 and any(
            word_at(parts, at) in ("UNION", "INTERSECT", "EXCEPT") for at in range(len(parts))
        )
    return first is not None and first.word in ("SELECT", "WITH", "VALUES")
