"""The grammar of Flink's statements: definitions, inserts, queries, settings, and commands of which the kind matters.

Source: Flink's documentation, "SQL / Statements", and parserImpls.ftl of flink-sql-parser.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.errors import nearest
from velo_engine.sql.failures import SyntaxFailure
from velo_engine.sql.flink.grammar import FlinkGrammar
from velo_engine.sql.flink.statements import (
    Command,
    CreateFunction,
    CreateNamed,
    CreateTable,
    CreateView,
    Explain,
    Insert,
    Place,
    Query,
    ResetOption,
    SetOption,
    Statement,
)
from velo_engine.sql.leftovers import hint_for_leftover, misread_token
from velo_engine.sql.program import Property
from velo_engine.sql.relation_parser import Declaration

_QUERY_WORDS = ("SELECT", "WITH", "VALUES")
_NAMED_OBJECTS = ("CATALOG", "DATABASE", "MODEL", "CONNECTION", "SECRET", "AGENT", "TOOL")
_OF_OBJECT = ("ALTER", "DROP")
_OBJECTS = ("TABLE", "VIEW", "FUNCTION", "MATERIALIZED", *_NAMED_OBJECTS)
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "USE": ("CATALOG", "MODULES"),
    "SHOW": (),
    "DESCRIBE": (),
    "DESC": (),
    "LOAD": ("MODULE",),
    "UNLOAD": ("MODULE",),
    "ADD": ("JAR",),
    "REMOVE": ("JAR",),
    "ANALYZE": ("TABLE",),
    "CALL": (),
    "COMPILE": ("PLAN",),
    "STOP": ("JOB",),
    "TRUNCATE": ("TABLE",),
    "DELETE": ("FROM",),
    "UPDATE": (),
    "HELP": (),
    "CLEAR": (),
    "QUIT": (),
    "EXIT": (),
}
"""First words of statements that are kept as commands, with the second words that belong to their names."""
_STATEMENT_WORDS = ("CREATE", "INSERT", "EXECUTE", "EXPLAIN", "SET", "RESET", *_QUERY_WORDS, *_OF_OBJECT, *_COMMANDS)
_DETAILS = frozenset({"PLAN", "FOR", "ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "PLAN_ADVICE"})
_REFRESH = ("FRESHNESS", "REFRESH_MODE", "START_MODE")


class FlinkStatementParser(FlinkGrammar):
    """Parses one statement at a time; raises SyntaxFailure, Refusal or VeloError."""

    def parse_statement(self, tokens: list[Token]) -> Statement:
        """The statement of these tokens."""
        self.reset()
        self._chunks = [tokens]
        self._advance_chunk()
        self._place = Place(self._location(tokens[0]), tokens[0].start, tokens[-1].end + 1)
        statement = self._one()
        if self._curr:
            token = misread_token(self._prev, self._curr)
            raise SyntaxFailure(f'unexpected "{token.text}"', token, hint_for_leftover(self._prev, self._curr))
        return statement

    def _one(self) -> Statement:
        word = self._word()
        if word in _QUERY_WORDS or self._curr.token_type == TokenType.L_PAREN:
            return Query(self._place, self._parse_query())
        match word:
            case "CREATE":
                return self._created()
            case "INSERT":
                return self._inserted()
            case "EXECUTE":
                self._advance()
                return self._one()
            case "EXPLAIN":
                return self._explained()
            case "SET" | "RESET":
                return self._setting(word)
        if word in _COMMANDS or word in _OF_OBJECT:
            return self._command(word)
        close = nearest(word, _STATEMENT_WORDS) if word else None
        hint = f"did you mean {close}?" if close is not None else "statements start with CREATE, INSERT, SELECT, SET, …"
        raise SyntaxFailure(f'a statement cannot start with "{self._curr.text}"', self._curr, hint)

    def _created(self) -> Statement:
        self._advance()
        if self._match(TokenType.OR):
            if self._word() not in ("REPLACE", "ALTER"):
                self.fail("REPLACE or ALTER")
            self._advance()
        temporary = bool(self._match_text_seq("TEMPORARY"))
        system = bool(self._match_text_seq("SYSTEM"))
        kind = self._word()
        if kind not in (("FUNCTION",) if system else _OBJECTS):
            close = nearest(kind, _OBJECTS) if kind else None
            self.fail("TABLE, VIEW, FUNCTION, CATALOG or DATABASE", None if close is None else f"did you mean {close}?")
        match kind:
            case "FUNCTION":
                return self._created_function(temporary, system)
            case "VIEW":
                return self._created_view(temporary)
            case "TABLE" | "MATERIALIZED":
                return self._created_table(temporary)
            case _:
                return self._created_object(kind)

    def _created_table(self, temporary: bool) -> CreateTable:
        materialized = bool(self._match_text_seq("MATERIALIZED"))
        self._require(TokenType.TABLE, "TABLE")
        exists = self._parse_if_not_exists()
        name = self._parse_table_name("the name of a table")
        declaration = self._parse_declaration() if self._match(TokenType.L_PAREN, advance=False) else Declaration()
        comment = self._comment()
        distribution = None
        partitioned: tuple[str, ...] = ()
        while True:
            if self._word() == "DISTRIBUTED":
                distribution = self._distribution()
            elif self._match_text_seq("PARTITIONED"):
                self._require_word("BY")
                partitioned = self._names()
            else:
                break
        options = self._options() if self._match(TokenType.WITH) else {}
        refresh = self._refresh() if materialized else ()
        like = self._like()
        query = self._parse_query() if self._match(TokenType.ALIAS) else None
        return CreateTable(
            place=self._place,
            name=name,
            temporary=temporary,
            if_not_exists=exists,
            columns=tuple(declaration.columns),
            watermark=declaration.watermark,
            primary_key=declaration.primary_key,
            comment=comment,
            partitioned_by=partitioned,
            distribution=distribution,
            options=options,
            like=like,
            query=query,
            materialized=materialized,
            refresh=refresh,
        )

    def _refresh(self) -> tuple[str, ...]:
        words = []
        while self._word() in _REFRESH:
            start = self._index
            self._advance()
            self._require(TokenType.EQ, "=")
            if self._match_text_seq("INTERVAL"):
                self._parse_primary()
            while self._curr and self._word() not in (*_REFRESH, "AS"):
                self._advance()
            words.append(" ".join(token.text for token in self._tokens[start : self._index]))
        return tuple(words)

    def _created_view(self, temporary: bool) -> CreateView:
        self._advance()
        exists = self._parse_if_not_exists()
        name = self._parse_table_name("the name of a view")
        columns: tuple[str, ...] = ()
        if self._match(TokenType.L_PAREN, advance=False):
            columns = tuple(column.name for column in self._parse_declaration().columns)
        comment = self._comment()
        self._require(TokenType.ALIAS, "AS")
        return CreateView(self._place, name, temporary, exists, columns, comment, self._parse_query())

    def _created_function(self, temporary: bool, system: bool) -> CreateFunction:
        self._advance()
        exists = self._parse_if_not_exists()
        name, _ = self._parse_relation_name("the name of a function")
        self._require(TokenType.ALIAS, "AS")
        implementation = self._parse_quoted("a class")
        language = None
        if self._match_text_seq("LANGUAGE"):
            language = self._word()
            self._advance()
        resources: list[str] = []
        if self._match(TokenType.USING):
            while True:
                if self._word() in ("JAR", "FILE", "ARTIFACT"):
                    self._advance()
                resources.append(self._parse_quoted("the place of a resource"))
                if not self._match(TokenType.COMMA):
                    break
        options = self._options() if self._match(TokenType.WITH) else {}
        return CreateFunction(
            self._place, name, temporary, system, exists, implementation, language, tuple(resources), options
        )

    def _created_object(self, kind: str) -> CreateNamed:
        self._advance()
        exists = self._parse_if_not_exists()
        name, _ = self._parse_relation_name(f"the name of a {kind.lower()}")
        while self._word() in ("INPUT", "OUTPUT"):
            self._advance()
            self._parse_declaration()
        comment = self._comment()
        options: dict[str, Property] = self._options() if self._match(TokenType.WITH) else {}
        return CreateNamed(self._place, kind, name, exists, comment, options)

    def _inserted(self) -> Insert:
        self._advance()
        overwrite = bool(self._match_text_seq("OVERWRITE"))
        if not overwrite:
            self._require(TokenType.INTO, "INTO")
        name = self._parse_table_name("a table")
        hint = self._parse_hint()
        partition: dict[str, exp.Expression] = {}
        if self._match_text_seq("PARTITION"):
            self._require(TokenType.L_PAREN, "(")
            partition = dict(self._parse_csv(self._partition_value))
            self._match_r_paren()
        columns: tuple[str, ...] = ()
        if self._match(TokenType.L_PAREN, advance=False) and self._word(self._next) not in _QUERY_WORDS:
            columns = self._names()
        return Insert(self._place, name, columns, partition, overwrite, self._parse_query(), hint, self._conflict())

    def _conflict(self) -> str | None:
        """ON CONFLICT DO what: what becomes of rows of one key that the query does not know to be one."""
        if not self._match_text_seq("ON", "CONFLICT", "DO"):
            return None
        word = self._word()
        if word not in ("DEDUPLICATE", "ERROR", "NOTHING"):
            self.fail("DEDUPLICATE, ERROR or NOTHING")
        self._advance()
        return word

    def _partition_value(self) -> tuple[str, Any]:
        name, _ = self._parse_relation_name("a column")
        value = self._require_operand() if self._match(TokenType.EQ) else exp.Null()
        return name, value

    def _explained(self) -> Explain:
        self._advance()
        details = []
        while self._word() in _DETAILS or self._match(TokenType.COMMA):
            if self._word() in _DETAILS:
                details.append(self._word())
                self._advance()
        return Explain(self._place, tuple(details), self._one())

    def _setting(self, word: str) -> SetOption | ResetOption:
        self._advance()
        key = self._parse_property_key()[0] if self._curr else None
        if word == "RESET":
            return ResetOption(self._place, key)
        value = None
        if key is not None:
            self._require(TokenType.EQ, "=")
            # Flink's client takes what follows as it stands, with or without quotes.
            value = " ".join(token.text for token in self._rest())
        return SetOption(self._place, key, value)

    def _command(self, word: str) -> Command:
        self._advance()
        name = word
        if word in _OF_OBJECT:
            while self._word() in ("TEMPORARY", "SYSTEM"):
                name += " " + self._word()
                self._advance()
            if self._word() not in _OBJECTS:
                self.fail("TABLE, VIEW, FUNCTION, CATALOG or DATABASE")
            name += " " + self._word()
            self._advance()
        elif self._word() in _COMMANDS[word]:
            name += " " + self._word()
            self._advance()
        return Command(self._place, name, tuple(token.text for token in self._rest()))

    def _rest(self) -> list[Token]:
        """All tokens to the end of the statement, read."""
        tokens: list[Token] = []
        while self._curr:
            tokens.append(self._curr)
            self._advance()
        return tokens
