"""SQL in one layout, and the proof that it means what it meant."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.sql.parser import parse_program
from velo_engine.sql.program import Program
from velo_harness.formatting.layout import Document, laid_out
from velo_harness.formatting.sql_layout import statement_layout
from velo_harness.formatting.sql_nesting import statements
from velo_harness.formatting.sql_tokens import SqlToken, TokenKind, sql_tokens

MOST_ROUNDS = 6
"""Of laying a text out until nothing changes."""
_REFERENCES = re.compile(r"\$\{\s*([A-Za-z_][A-Za-z0-9_.]*)")


def formatted_sql(text: str, file: str) -> str:
    """`text` in the layout of `velo fmt`. Formatting it again changes nothing.

    Errors: those of parsing it, for a text that does not parse is not touched; SQL_UNSUPPORTED when the new text would
    not mean the same.
    """
    before = _meaning(text, file)
    tokens = sql_tokens(text, file)
    result = _settled(tokens, file)
    same = result is not None and _told(sql_tokens(result, file)) == _told(tokens)
    if result is None or not same or _meaning(result, file) != before:
        message = f"{file} cannot be formatted without changing what it means"
        hint = "it was left as it is; please report the statement that is in the way"
        raise VeloError(ErrorCode.SQL_UNSUPPORTED, message, location=Location(file, 1), hint=hint)
    return _with_line_ends(result, text)


def _settled(tokens: list[SqlToken], file: str) -> str | None:
    """The layout that stays when it is laid out again; None when there is none.

    A comment that stands where no line can end moves once, and what stands around it may follow.
    """
    text: str | None = None
    for _ in range(MOST_ROUNDS):
        try:
            again = _joined(tokens)
        except ValueError as problem:
            raise VeloError(ErrorCode.SQL_SYNTAX, str(problem), location=Location(file, 1)) from None
        if again == text:
            return text
        text, tokens = again, sql_tokens(again, file)
    return None


def _with_line_ends(result: str, text: str) -> str:
    return result.replace("\n", "\r\n") if "\r\n" in text and "\n" not in text.replace("\r\n", "") else result


def _joined(tokens: list[SqlToken]) -> str:
    parts: list[str] = []
    short_before = False
    for statement in statements(tokens):
        documents: tuple[Document, ...] = statement_layout(statement)
        text = laid_out(documents).rstrip("\n")
        short = "\n" not in text
        apart = statement[0].breaks > 1 or not (short and short_before)
        if parts:
            parts.append("\n\n" if apart else "\n")
        parts.append(text)
        short_before = short
    return "".join(parts).strip("\n") + "\n" if parts else ""


def _told(tokens: list[SqlToken]) -> list[tuple[TokenKind, str]]:
    """What of the tokens must stay: all of it but the case of keywords and the space after comments."""
    return [(token.kind, token.shown.rstrip() if token.is_comment else token.shown) for token in tokens]


def _meaning(text: str, file: str) -> Any:
    """The program of a text without places: equal for texts that mean the same."""
    names = set(_REFERENCES.findall(text))
    attempts = [{name: os.environ.get(name, value) for name in names} for value in ("given", "1")]
    error: VeloError | None = None
    for variables in attempts if names else [{}]:
        try:
            return list(_told_of(parse_program(text, file=file, variables=variables)))
        except VeloError as problem:
            error = error or problem
    assert error is not None
    raise error


def _told_of(program: Program) -> Iterator[Any]:
    yield _plain(program.statements)
    yield _plain(program.annotations)
    yield _plain(program.settings)
    yield [warning.message for warning in program.warnings]


def _plain(value: Any) -> Any:
    """A part of a program without the places of its parts."""
    match value:
        case Location():
            return None
        case exp.Expression():
            return repr(value)
        case Mapping():
            return [(key, _plain(inner)) for key, inner in value.items()]
        case tuple() | list():
            return [_plain(inner) for inner in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return [_plain(getattr(value, part.name)) for part in dataclasses.fields(value)]
        case _:
            return value
