"""The grammar of statements: CREATE, INSERT, bare queries and SET; everything else is refused by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NoReturn

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.errors import ErrorCode, VeloError, nearest
from velo_engine.plan.nodes import Emit
from velo_engine.sql.failures import SyntaxFailure
from velo_engine.sql.leftovers import hint_for_leftover, misread_token
from velo_engine.sql.program import Property, Statement, StatementKind
from velo_engine.sql.relation_parser import Declaration, RelationParser

_JOB_STATEMENTS = frozenset({"START", "STOP", "PAUSE", "RESUME", "DEPLOY", "ROLLBACK"})
_JOB_HINT = "jobs are started and stopped with the command line"
_REFUSED: dict[str, str | None] = {
    **dict.fromkeys(_JOB_STATEMENTS, _JOB_HINT),
    **dict.fromkeys(("SHOW", "DESCRIBE", "DESC"), "the command line lists sources, statements and columns"),
    "EXPLAIN": "the command line prints the plan of a program",
    **dict.fromkeys(("ALTER", "DROP", "USE", "LOAD", "UNLOAD", "RESET", "ADD", "REMOVE", "ANALYZE", "CALL", "COMPILE")),
    **dict.fromkeys(("DELETE", "UPDATE", "MERGE", "TRUNCATE", "EXECUTE", "QUIT", "CLEAR", "HELP")),
    "REPLACE": "write CREATE OR REPLACE TABLE",
    "TABLE": "write SELECT * FROM",
}
_QUERY_WORDS = ("SELECT", "WITH", "VALUES")
_CONFLICTS = ("DEDUPLICATE", "ERROR", "NOTHING")
_WRITING = (StatementKind.INSERT, StatementKind.TABLE)
"""Kinds of statements behind which ON CONFLICT stands: those that write rows by a key."""

_STATEMENT_WORDS = ("CREATE", "INSERT", "SET", *_QUERY_WORDS, *_REFUSED)
_CREATED = {"STREAM": StatementKind.STREAM, "TABLE": StatementKind.TABLE, "VIEW": StatementKind.VIEW}
_CREATE_REFUSED: dict[str, str | None] = {
    "FUNCTION": "register a Python function with the annotation -- @udf: module:function",
    **dict.fromkeys(("CATALOG", "DATABASE", "SCHEMA", "MODEL", "MATERIALIZED", "CONNECTION", "AGENT", "TOOL", "INDEX")),
}
_CLAUSES_REFUSED = ("PARTITIONED", "LIKE", "DISTRIBUTED")


@dataclass(frozen=True, slots=True)
class Setting:
    """SET 'key' = 'value'."""

    name: str
    property: Property


class StatementParser(RelationParser):
    """Parses one statement at a time; raises SyntaxFailure, Refusal or VeloError."""

    def parse_statement(self, tokens: list[Token]) -> Statement | Setting:
        """The statement of these tokens; a bare query is named ""."""
        self._begin(tokens)
        word = self._word()
        statement: Statement | Setting
        if word == "SET":
            statement = self._parse_setting()
        elif word == "CREATE":
            statement = self._parse_created()
        elif word == "INSERT":
            statement = self._parse_inserted()
        elif word in _QUERY_WORDS or self._curr.token_type == TokenType.L_PAREN:
            statement = self._parse_queried("", StatementKind.SELECT, self._curr)
        else:
            self._refuse_statement(word)
        self._require_end()
        return statement

    def parse_expression(self, tokens: list[Token]) -> exp.Expression:
        """The one expression of these tokens."""
        self._begin(tokens)
        this = self._require_expression()
        self._require_end()
        return this

    def parse_type(self, tokens: list[Token]) -> exp.DataType:
        """The one type of these tokens."""
        self._begin(tokens)
        this = self._require_type()
        self._require_end()
        return this

    def _begin(self, tokens: list[Token]) -> None:
        self.reset()
        self._chunks = [tokens]
        self._advance_chunk()

    def _require_end(self) -> None:
        if self._curr:
            token = misread_token(self._prev, self._curr)
            raise SyntaxFailure(f'unexpected "{token.text}"', token, hint_for_leftover(self._prev, self._curr))

    def _refuse_statement(self, word: str) -> NoReturn:
        start = self._curr
        if word not in _REFUSED:
            close = nearest(word, _STATEMENT_WORDS) if word else None
            raise SyntaxFailure(
                f'a statement cannot start with "{start.text}"',
                start,
                f"did you mean {close}?"
                if close is not None
                else "statements start with CREATE, INSERT, SELECT or SET",
            )
        if word in _JOB_STATEMENTS:
            self._advance()
            self._require_word("JOB")
            self._parse_relation_name("the name of a job")
            word += " JOB"
        self.refuse(f"{word} is not run", start, _REFUSED[start.text.upper()])

    def _parse_setting(self) -> Setting:
        self._advance()
        key, key_location = self._parse_property_key()
        self._require(TokenType.EQ, "=")
        value = self._parse_property_value()
        return Setting(key, Property(value.value, value.location, key_location))

    def _parse_created(self) -> Statement:
        start = self._curr
        self._advance()
        if self._match(TokenType.OR):
            self._require_word("REPLACE")
        if self._word() in ("TEMPORARY", "TEMP"):
            self._advance()
        kind = _CREATED.get(self._word())
        if kind is None:
            self._refuse_created(start)
        self._advance()
        if self._match_text_seq("IF"):
            self._require_word("NOT", "EXISTS")
        name, _ = self._parse_relation_name("a name")
        declaration = self._parse_declaration() if self._match(TokenType.L_PAREN, advance=False) else Declaration()
        properties: dict[str, Property] = {}
        if self._match_text_seq("COMMENT"):
            self._parse_quoted("a comment")
        self._refuse_clauses()
        if self._match(TokenType.WITH):
            self._parse_with_properties(properties)
        self._refuse_clauses()
        if self._match(TokenType.ALIAS):
            return self._parse_queried(name, kind, start, declaration, properties)
        if kind is StatementKind.VIEW or not (declaration.columns or properties):
            hint = f"write CREATE {kind.name} {name} AS SELECT …" if self._word() in _QUERY_WORDS else None
            self.fail("AS" if kind is StatementKind.VIEW else "AS or a column list", hint)
        for column in declaration.columns:
            if column.type is None and column.expression is None:
                raise VeloError(
                    ErrorCode.SQL_SYNTAX, f"the column {column.name} needs a type", location=column.location
                )
        return self._statement(name, StatementKind.SOURCE, start, declaration, properties)

    def _refuse_clauses(self) -> None:
        if self._word() in _CLAUSES_REFUSED:
            self.refuse(f"{self._word()} of a table is not run", self._curr)

    def _refuse_created(self, start: Token) -> NoReturn:
        word = self._word()
        if word in _CREATE_REFUSED:
            self.refuse(f"CREATE {word} is not run", start, _CREATE_REFUSED[word])
        close = nearest(word, _CREATED) if word else None
        self.fail("STREAM, TABLE or VIEW", f"did you mean {close}?" if close is not None else None)

    def _parse_inserted(self) -> Statement:
        start = self._curr
        self._advance()
        if self._word() == "OVERWRITE":
            self.refuse("INSERT OVERWRITE has no meaning for a stream", self._curr, "write INSERT INTO")
        self._require(TokenType.INTO, "INTO")
        name, _ = self._parse_relation_name("a table")
        declaration = Declaration()
        if self._match(TokenType.L_PAREN, advance=False) and self._word(self._next) not in _QUERY_WORDS:
            declaration = self._parse_declaration()
        if self._word() == "PARTITION":
            self.refuse("INSERT into a partition is not run", self._curr)
        return self._parse_queried(name, StatementKind.INSERT, start, declaration)

    def _parse_queried(
        self,
        name: str,
        kind: StatementKind,
        start: Token,
        declaration: Declaration | None = None,
        properties: dict[str, Property] | None = None,
    ) -> Statement:
        """A query and what may follow it in any order: EMIT, INTO, WITH, and the query's own trailing clauses."""
        query = self._parse_query()
        properties = properties if properties is not None else {}
        emit: Emit | None = None
        sink: str | None = name if kind is StatementKind.INSERT else None
        conflict: str | None = None
        while True:
            if emit is None and self._match_text_seq("EMIT"):
                emit = self._parse_emit()
            elif sink is None and self._match(TokenType.INTO):
                sink, _ = self._parse_relation_name("the name of a sink")
            elif self._match(TokenType.WITH):
                self._parse_with_properties(properties)
            elif kind in _WRITING and conflict is None and self._match_text_seq("ON", "CONFLICT", "DO"):
                conflict = self._parse_conflict()
            elif self._match_set(self.QUERY_MODIFIER_TOKENS, advance=False):
                query = self._parse_query_modifiers(query)
            else:
                break
        statement = self._statement(name, kind, start, declaration or Declaration(), properties, query, emit, sink)
        return replace(statement, conflict=conflict)

    def _parse_conflict(self) -> str:
        """ON CONFLICT DO, what is done."""
        word = self._word()
        if word not in _CONFLICTS:
            close = nearest(word, _CONFLICTS) if word else None
            self.fail("DEDUPLICATE, ERROR or NOTHING", f"did you mean {close}?" if close is not None else None)
        self._advance()
        return word

    def _parse_emit(self) -> Emit:
        word = self._word()
        if word not in ("CHANGES", "FINAL"):
            close = nearest(word, ("CHANGES", "FINAL")) if word else None
            self.fail("CHANGES or FINAL", f"did you mean EMIT {close}?" if close is not None else None)
        self._advance()
        return Emit.CHANGES if word == "CHANGES" else Emit.FINAL

    def _statement(
        self,
        name: str,
        kind: StatementKind,
        start: Token,
        declaration: Declaration,
        properties: dict[str, Property],
        query: Any = None,
        emit: Emit | None = None,
        sink: str | None = None,
    ) -> Statement:
        return Statement(
            name=name,
            kind=kind,
            query=query,
            emit=emit,
            sink=sink,
            properties=properties,
            annotations=(),
            columns=tuple(declaration.columns),
            watermark=declaration.watermark,
            primary_key=declaration.primary_key,
            location=self._location(start),
        )
