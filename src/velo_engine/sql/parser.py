"""SQL text to a program: the way in. Expands variables, splits statements, collects annotations, names statements."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from sqlglot import exp
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.annotations import assign_annotations, read_annotations
from velo_engine.sql.dialect import Velostream
from velo_engine.sql.failures import Refusal, SyntaxFailure, as_error
from velo_engine.sql.program import Program, Property, Statement, StatementKind, Warning
from velo_engine.sql.source_text import MAX_CHARACTERS, SegmentKind, SourceText, segments
from velo_engine.sql.statement_parser import Setting, StatementParser
from velo_engine.sql.variables import expand_sql

T = TypeVar("T")

MAX_DEPTH = 150
"""Levels of a syntax tree. What reads the tree may descend level by level."""


def parse_program(text: str, *, file: str = "<sql>", variables: Mapping[str, str] | None = None) -> Program:
    """The program of `text`.

    `file` is named in errors; `variables` are the values of `${NAME}` references, the environment when absent.

    VeloError SQL_SYNTAX, SQL_UNSUPPORTED, UNSET_VARIABLE, DUPLICATE_NAME, BAD_PROPERTY, UNKNOWN_COLUMN (of a PRIMARY
    KEY or WATERMARK), each with its place; nothing else is raised, whatever the text.
    """
    source = _source(text, file)
    parser = StatementParser(source)
    values = os.environ if variables is None else variables
    statements: list[Statement] = []
    extents: list[tuple[int, int]] = []
    settings: dict[str, Property] = {}
    for tokens in _split(_tokenize(source, values), source):
        parsed = _parsed(parser.parse_statement, tokens, source)
        if isinstance(parsed, Setting):
            settings[parsed.name] = parsed.property
        else:
            statements.append(parsed)
            extents.append((tokens[0].start, tokens[-1].end))
    annotated = assign_annotations(source, read_annotations(source, values), extents)
    named = zip(_named(statements), annotated.statements, strict=True)
    return Program(
        file=file,
        text=text,
        statements=tuple(replace(statement, annotations=own) for statement, own in named),
        annotations=annotated.application,
        settings=settings,
        warnings=tuple(sorted(annotated.warnings + _ignored_hints(source), key=_place)),
    )


def parse_expression(text: str, *, file: str = "<expression>") -> exp.Expression:
    """The one SQL expression of `text` (a metric's condition, a spec's `where:`), unbound. VeloError as above."""
    source = _source(text, file)
    return _parsed(StatementParser(source).parse_expression, _tokenize(source, {}), source)


def parse_type(text: str, *, file: str = "<type>") -> exp.DataType:
    """The one SQL type of `text`, for example `DECIMAL(10, 2) NOT NULL`. VeloError as above."""
    source = _source(text, file)
    return _parsed(StatementParser(source).parse_type, _tokenize(source, {}), source)


def _place(warning: Warning) -> tuple[int, int]:
    return warning.location.line, warning.location.column


def _ignored_hints(source: SourceText) -> tuple[Warning, ...]:
    """A warning for every `/*+ … */`: to this engine it is a comment."""
    return tuple(
        Warning(
            "hints have no meaning here",
            source.location(segment.start, segment.end),
            "give the options as properties in WITH (…)",
        )
        for segment in segments(source)
        if segment.kind is SegmentKind.BLOCK_COMMENT and source.text.startswith("/*+", segment.start)
    )


def _source(text: str, file: str) -> SourceText:
    if len(text) > MAX_CHARACTERS:
        raise VeloError(
            ErrorCode.SQL_SYNTAX, f"{file} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read"
        )
    return SourceText(file, text)


def _tokenize(source: SourceText, variables: Mapping[str, str]) -> list[Token]:
    """The tokens of `source`, each with its place in the text as written, before variables were replaced."""
    expanded = expand_sql(source, variables)
    try:
        tokens = Velostream().tokenize(expanded.text)
    except TokenError as error:
        start, _ = expanded.original(min(error.start or 0, max(len(expanded.text) - 1, 0)), 0)
        raise VeloError(
            ErrorCode.SQL_SYNTAX, "the text from here does not read as SQL", location=source.location(start)
        ) from None
    for token in tokens:
        token.start, token.end = expanded.original(token.start, token.end)
        place = source.location(token.start)
        token.line, token.col = place.line, place.column
    return tokens


def _split(tokens: Iterable[Token], source: SourceText) -> Iterator[list[Token]]:
    """The tokens of each statement, without semicolons and without the frame of a statement set."""
    opened: Token | None = None
    for chunk in _chunks(tokens):
        words = [token.text.upper() for token in chunk[:4]]
        if words[:3] == ["BEGIN", "STATEMENT", "SET"] or words == ["EXECUTE", "STATEMENT", "SET", "BEGIN"]:
            opened = chunk[0]
            chunk = chunk[3 if words[0] == "BEGIN" else 4 :]
        elif words[:1] == ["EXECUTE"] and words[1:2] in (["INSERT"], ["SELECT"]):
            chunk = chunk[1:]
        elif words == ["END"] and opened is not None:
            opened = None
            continue
        if chunk:
            yield chunk
    if opened is not None:
        failure = SyntaxFailure("the statement set that starts here has no END", opened)
        raise as_error(failure, source, [])


def _chunks(tokens: Iterable[Token]) -> Iterator[list[Token]]:
    chunk: list[Token] = []
    for token in tokens:
        if token.token_type != TokenType.SEMICOLON:
            chunk.append(token)
        elif chunk:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _parsed(parse: Callable[[list[Token]], T], tokens: list[Token], source: SourceText) -> T:
    """What `parse` makes of the tokens; its failures as VeloErrors with their place."""
    try:
        parsed = parse(tokens)
    except (SyntaxFailure, Refusal) as failure:
        raise as_error(failure, source, tokens) from None
    except RecursionError:
        raise _too_deep(tokens[0], source) from None
    tree = parsed.query if isinstance(parsed, Statement) else parsed
    if isinstance(tree, exp.Expr) and _depth(tree) > MAX_DEPTH:
        raise _too_deep(tokens[0], source)
    return parsed


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


def _named(statements: Iterable[Statement]) -> Iterator[Statement]:
    """The statements with a name for each bare query; no two but INSERTs may share one."""
    names: set[str] = set()
    bare = 0
    for statement in statements:
        if statement.kind is StatementKind.SELECT:
            bare += 1
            statement = replace(statement, name=f"select_{bare}")
        if statement.kind is not StatementKind.INSERT:
            if statement.name in names:
                raise VeloError(
                    ErrorCode.DUPLICATE_NAME,
                    f"{statement.name} is defined twice",
                    location=statement.location,
                    hint="give one of them another name",
                )
            names.add(statement.name)
        yield statement
