"""SQL text to a program: the way in. Expands variables, splits statements, collects annotations, names statements."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from sqlglot import exp
from sqlglot.tokenizer_core import Token

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.annotations import assign_annotations, read_annotations
from velo_engine.sql.dialect import Velostream
from velo_engine.sql.failures import SyntaxFailure, as_error
from velo_engine.sql.hints import hint_warnings
from velo_engine.sql.program import Program, Property, Statement, StatementKind, Warning
from velo_engine.sql.reading import chunks, parsed, source_text, tokenized
from velo_engine.sql.source_text import SourceText
from velo_engine.sql.statement_parser import Setting, StatementParser
from velo_engine.sql.variables import expand_sql


def parse_program(text: str, *, file: str = "<sql>", variables: Mapping[str, str] | None = None) -> Program:
    """The program of `text`.

    `file` is named in errors; `variables` are the values of `${NAME}` references, the environment when absent.

    VeloError SQL_SYNTAX, SQL_UNSUPPORTED, UNSET_VARIABLE, DUPLICATE_NAME, BAD_PROPERTY, UNKNOWN_COLUMN (of a PRIMARY
    KEY or WATERMARK), each with its place; nothing else is raised, whatever the text.
    """
    source = source_text(text, file)
    parser = StatementParser(source)
    values = os.environ if variables is None else variables
    statements: list[Statement] = []
    extents: list[tuple[int, int]] = []
    settings: dict[str, Property] = {}
    for tokens in statement_tokens(program_tokens(source, values), source):
        statement = parsed(parser.parse_statement, tokens, source)
        if isinstance(statement, Setting):
            settings[statement.name] = statement.property
        else:
            statements.append(statement)
            extents.append((tokens[0].start, tokens[-1].end))
    annotated = assign_annotations(source, read_annotations(source, values), extents)
    named = zip(_named(statements), annotated.statements, strict=True)
    return Program(
        file=file,
        text=text,
        statements=tuple(replace(statement, annotations=own) for statement, own in named),
        annotations=annotated.application,
        settings=settings,
        warnings=tuple(sorted(annotated.warnings + hint_warnings(source), key=_place)),
    )


def parse_expression(text: str, *, file: str = "<expression>") -> exp.Expression:
    """The one SQL expression of `text` (a metric's condition, a spec's `where:`), unbound. VeloError as above."""
    source = source_text(text, file)
    return parsed(StatementParser(source).parse_expression, program_tokens(source, {}), source)


def parse_type(text: str, *, file: str = "<type>") -> exp.DataType:
    """The one SQL type of `text`, for example `DECIMAL(10, 2) NOT NULL`. VeloError as above."""
    source = source_text(text, file)
    return parsed(StatementParser(source).parse_type, program_tokens(source, {}), source)


def _place(warning: Warning) -> tuple[int, int]:
    return warning.location.line, warning.location.column


def program_tokens(source: SourceText, variables: Mapping[str, str]) -> list[Token]:
    """The tokens of `source`, each with its place in the text as written, before variables were replaced."""
    expanded = expand_sql(source, variables)
    return tokenized(source, expanded.text, Velostream(), expanded.original)


def statement_tokens(tokens: Iterable[Token], source: SourceText) -> Iterator[list[Token]]:
    """The tokens of each statement, without semicolons and without the frame of a statement set."""
    opened: Token | None = None
    for chunk in chunks(tokens):
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
