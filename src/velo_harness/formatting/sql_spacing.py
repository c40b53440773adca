"""Where a space stands between two neighbours on a line."""

from __future__ import annotations

from dataclasses import dataclass, field

from velo_harness.formatting.sql_nesting import Parens, Part, head
from velo_harness.formatting.sql_tokens import SqlToken, TokenKind

_LIKE_FUNCTIONS = frozenset({"LEFT", "RIGHT", "VALUES", "TABLE", "UNNEST", "ROLLUP", "CUBE"})
"""Keywords whose parenthesis stands as it is written."""
_GENERIC = frozenset({"ARRAY", "MAP", "ROW", "MULTISET", "STRUCT"})
_OPERATORS = frozenset({"=", "<>", "!=", "<=", ">=", "<", ">", "||", "=>", "+", "-", "*", "/", "%", ":="})
_NEVER_SPACED = frozenset({"::", "."})
_AS_WRITTEN = frozenset("{}?:$^@#!&|~\\")


@dataclass(slots=True)
class Context:
    """What was seen so far in a run of tokens."""

    conditions: bool
    """Lines may break before AND and OR."""
    betweens: int = 0
    """BETWEENs whose AND has not come."""
    generics: int = 0
    """Angle brackets of types that are open."""
    unary: bool = False
    """The last one was a sign of a number."""
    words: list[str] = field(default_factory=list)

    def take(self, part: Part) -> None:
        """`part` comes next."""
        token = head(part)
        last = self.words[-1] if self.words else ""
        self.unary = token.text in ("-", "+") and (
            not last or last in _OPERATORS or last in ("(", ",", "[") or last == "KEYWORD"
        )
        if token.word == "BETWEEN":
            self.betweens += 1
        elif token.word == "AND" and self.betweens:
            self.betweens -= 1
        elif token.text == "<" and (last in _GENERIC or self.generics):
            self.generics += 1
        elif token.text == ">" and self.generics:
            self.generics -= 1
        if isinstance(part, Parens):
            self.words.append(")")
        elif token.kind is TokenKind.KEYWORD and token.word not in ("NULL", "TRUE", "FALSE", "END"):
            self.words.append("KEYWORD")
        else:
            self.words.append(token.word or token.text)


def spaced(left: SqlToken, right: SqlToken, part: Part, context: Context) -> bool:
    """Whether there is one before `part`, whose first token is `right`, behind the token `left`."""
    symbols = {t.text for t in (left, right) if t.kind is TokenKind.SYMBOL}
    if symbols & _AS_WRITTEN or (
        TokenKind.LITERAL in (left.kind, right.kind) and ("${" in (left.text[:2], right.text[:2]))
    ):
        return right.spaced
    if symbols & _NEVER_SPACED:
        return False
    if right.text in ("[", "]") or left.text == "[":
        return right.text == "[" and right.spaced and left.kind is TokenKind.KEYWORD
    if isinstance(part, Parens) and not part.is_case:
        if left.kind is TokenKind.KEYWORD and left.word not in _LIKE_FUNCTIONS:
            return True
        return right.spaced if left.kind is not TokenKind.SYMBOL else not context.unary
    if context.generics and right.text in ("<", ">"):
        return False
    if right.text == "<" and left.word in _GENERIC:
        return False
    if left.text == "<" and context.generics:
        return False
    if left.text in ("-", "+") and context.unary and left.kind is TokenKind.SYMBOL:
        return False
    prefixed = right.kind is TokenKind.LITERAL and left.kind is TokenKind.WORD and not right.spaced  # x'ff', U&'…'
    return not prefixed
