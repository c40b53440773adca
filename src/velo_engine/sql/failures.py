"""What a parser raises, before the place in the file is known: syntax failures and refusals."""

from __future__ import annotations

import re

from sqlglot.errors import ParseError
from sqlglot.tokenizer_core import Token

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.source_text import SourceText


class SyntaxFailure(ParseError):  # noqa: N818 - the error that people see is a VeloError
    """The text does not parse at `token`; None is the end of the statement. Alternatives may still be tried."""

    def __init__(self, message: str, token: Token | None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.token = token
        self.hint = hint


class Refusal(Exception):  # noqa: N818 - not a defect of the text, and never caught to try an alternative
    """The text parses, but the construct at `token` is not run; ends the parse."""

    def __init__(self, message: str, token: Token, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.token = token
        self.hint = hint


def expected(what: str, found: Token | None, hint: str | None = None) -> SyntaxFailure:
    """The failure `expected …, found …`."""
    if found is None:
        return SyntaxFailure(f"expected {what}, but the statement ends here", None, hint)
    if hint is None and what in _VALUES and found.text.upper() in _WORDS_FOR_NAMES:
        hint = f'to use {found.text} as a name, quote it: "{found.text}"'
    return SyntaxFailure(f'expected {what}, found "{found.text}"', found, hint)


_VALUES = ("an expression", "a column or an expression", "a column", "a column to group by", "an item after the comma")
"""What a name would be."""
_WORDS_FOR_NAMES = frozenset(
    {
        "ALL",
        "ANTI",
        "ANY",
        "ASC",
        "CREATE",
        "CROSS",
        "CUBE",
        "DESC",
        "END",
        "ESCAPE",
        "FETCH",
        "FULL",
        "INNER",
        "INSERT",
    }
    | {
        "LEFT",
        "LIMIT",
        "OFFSET",
        "OUTER",
        "OVER",
        "RIGHT",
        "ROLLUP",
        "SEMI",
        "SOME",
        "TABLE",
        "USING",
        "VALUES",
        "WINDOW",
    }
)
"""Reserved words that people use as names."""
_SET_OPERATIONS = ("Union'>", "Intersect'>", "Except'>")
_EXPECTING = re.compile(r"(?:Expected|Expecting)(?: a| an)? (?P<what>.+?)(?: but got .*| after .*)?\Z", re.DOTALL)


def in_plain_words(message: str, found: Token | None) -> SyntaxFailure:
    """A failure from sqlglot's own message about the token `found`."""
    if message.startswith("Required "):
        return expected("a query" if message.endswith(_SET_OPERATIONS) else "an expression", found)
    if "CTE" in message:
        return expected("a name", found)
    if (match := _EXPECTING.match(message)) is not None:
        what = match["what"]
        return expected(f'"{what}"' if not what.islower() else f"a {what}", found)
    return SyntaxFailure(message[:1].lower() + message[1:], found)


def as_error(failure: SyntaxFailure | Refusal, source: SourceText, tokens: list[Token]) -> VeloError:
    """The VeloError with the place of the failure; at the end of a statement the place is behind its last token."""
    token = failure.token
    if token is not None:
        location = source.location(token.start, token.end + 1)
    else:
        location = source.location(tokens[-1].end + 1 if tokens else 0)
    code = ErrorCode.SQL_UNSUPPORTED if isinstance(failure, Refusal) else ErrorCode.SQL_SYNTAX
    return VeloError(code, failure.message, location=location, hint=failure.hint)
