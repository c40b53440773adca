"""What every dialect of ours does with a text before and after its grammar: size, tokens with places, failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.failures import Refusal, SyntaxFailure, as_error
from velo_engine.sql.source_text import MAX_CHARACTERS, SourceText

T = TypeVar("T")

MAX_DEPTH = 150
"""Levels of a syntax tree. What reads the tree may descend level by level."""


def source_text(text: str, file: str) -> SourceText:
    """The text, if it is not too long to be read. Raises VeloError SQL_SYNTAX."""
    if len(text) > MAX_CHARACTERS:
        raise VeloError(
            ErrorCode.SQL_SYNTAX, f"{file} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read"
        )
    return SourceText(file, text)


def tokenized(
    source: SourceText, text: str, dialect: Dialect, original: Callable[[int, int], tuple[int, int]]
) -> list[Token]:
    """The tokens of `text`, each with its place in `source`; `original` gives the offsets there of those in `text`."""
    try:
        tokens = dialect.tokenize(text)
    except TokenError as error:
        start, _ = original(min(error.start or 0, max(len(text) - 1, 0)), 0)
        raise VeloError(
            ErrorCode.SQL_SYNTAX, "the text from here does not read as SQL", location=source.location(start)
        ) from None
    for token in tokens:
        token.start, token.end = original(token.start, token.end)
        place = source.location(token.start)
        token.line, token.col = place.line, place.column
    return tokens


def chunks(tokens: Iterable[Token]) -> Iterator[list[Token]]:
    """The tokens of each statement, without semicolons."""
    chunk: list[Token] = []
    for token in tokens:
        if token.token_type != TokenType.SEMICOLON:
            chunk.append(token)
        elif chunk:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def parsed(parse: Callable[[list[Token]], T], tokens: list[Token], source: SourceText) -> T:
    """What `parse` makes of the tokens; its failures as VeloErrors with their place."""
    try:
        tree = parse(tokens)
    except (SyntaxFailure, Refusal) as failure:
        raise as_error(failure, source, tokens) from None
    except RecursionError:
        raise _too_deep(tokens[0], source) from None
    query = tree if isinstance(tree, exp.Expr) else getattr(tree, "query", None)
    if isinstance(query, exp.Expr) and _depth(query) > MAX_DEPTH:
        raise _too_deep(tokens[0], source)
    return tree


def _too_deep(first: Token, source: SourceText) -> VeloError:
    return VeloError(
        ErrorCode.SQL_SYNTAX,
        "the statement is nested too deeply",
        location=source.location(first.start, first.end + 1),
        hint="split it with WITH or CREATE VIEW",
    )


def _depth(tree: exp.Expr) -> int:
    """Levels of the tree; a chain of ANDs or of ORs is one level, however long."""
    deepest = 0
    pending = [(tree, 1)]
    while pending:
        node, level = pending.pop()
        deepest = max(deepest, level)
        for child in node.iter_expressions():
            chained = isinstance(node, exp.Connector) and type(child) is type(node)
            pending.append((child, level if chained else level + 1))
    return deepest
