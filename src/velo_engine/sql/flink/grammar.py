"""The grammar of what Flink's tables and queries have beyond the velostream dialect: hints, clauses of CREATE TABLE."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from velo_engine.sql.flink.names import joined_name
from velo_engine.sql.flink.statements import Distribution, TableLike
from velo_engine.sql.program import Property
from velo_engine.sql.relation_parser import Declaration, RelationParser

_LIKE_ACTIONS = ("INCLUDING", "EXCLUDING", "OVERWRITING")


class FlinkGrammar(RelationParser):
    """Columns, clauses of tables, hints."""

    ALIAS_TOKENS: ClassVar = {TokenType.VAR, TokenType.DESC, TokenType.ASC}

    def _check_declaration(self, declaration: Declaration) -> None:
        """Flink checks names when it resolves the table: columns of LIKE are not here."""

    def _parse_table_parts(self, *arguments: Any, **named: Any) -> Any:
        table: Any = super()._parse_table_parts(*arguments, **named)
        hint = self._parse_hint()
        if hint is not None:
            table.set("hints", [hint])
        return table

    def _parse_hint(self) -> exp.Hint | None:
        """`{+ NAME('key' = 'value', …), NAME(a, b) }`, the form that hints have behind `without_comments`."""
        if not self._match_pair(TokenType.L_BRACE, TokenType.PLUS):
            return None
        calls = []
        while not self._match(TokenType.R_BRACE):
            name = self._word() or self.fail("the name of a hint")
            self._advance()
            arguments = self._parse_hint_arguments() if self._match(TokenType.L_PAREN) else []
            calls.append(exp.Anonymous(this=name, expressions=arguments))
            self._match(TokenType.COMMA)
        return exp.Hint(expressions=calls)

    def _parse_hint_arguments(self) -> list[exp.Expression]:
        arguments: list[exp.Expression] = []
        while not self._match(TokenType.R_PAREN):
            found = self._parse_property_text("an argument")
            argument: exp.Expression = exp.Literal.string(found.value)
            if self._match(TokenType.EQ):
                argument = exp.EQ(this=argument, expression=exp.Literal.string(self._parse_property_value().value))
            arguments.append(argument)
            self._match(TokenType.COMMA)
        return arguments

    def _options(self) -> dict[str, Property]:
        """`('key' = 'value', …)`; of a key that is given twice the last counts, as in Flink."""
        options: dict[str, Property] = {}
        self._require(TokenType.L_PAREN, "(")
        while not self._match(TokenType.R_PAREN):
            key, place = self._parse_property_key()
            self._require(TokenType.EQ, "=")
            value = self._parse_property_value()
            options[key] = Property(value.value, value.location, place)
            if not self._match(TokenType.COMMA) and self._curr.token_type != TokenType.R_PAREN:
                self.fail('"," or ")"', self._missing_comma_hint())
        return options

    def _distribution(self) -> Distribution | None:
        """DISTRIBUTED [BY [HASH|RANGE] (columns)] [INTO n BUCKETS]."""
        if not self._match_text_seq("DISTRIBUTED"):
            return None
        algorithm, buckets = None, None
        columns: tuple[str, ...] = ()
        if self._match_text_seq("BY"):
            if self._word() in ("HASH", "RANGE"):
                algorithm = self._word()
                self._advance()
            columns = self._names()
        if self._match(TokenType.INTO):
            number: Any = self._parse_number()
            buckets = int(number.this) if number is not None else self.fail("a number")
            self._require_word("BUCKETS")
        return Distribution(algorithm, columns, buckets)

    def _parse_table_name(self, what: str) -> str:
        """The name of a table or view: see `names`."""
        return joined_name(self._parse_name_parts(what)[0])

    def _like(self) -> TableLike | None:
        if not self._match(TokenType.LIKE):
            return None
        source = self._parse_table_name("a table")
        options: list[tuple[str, str]] = []
        if self._match(TokenType.L_PAREN):
            while not self._match(TokenType.R_PAREN):
                if self._word() not in _LIKE_ACTIONS:
                    self.fail("INCLUDING, EXCLUDING or OVERWRITING")
                action = self._word()
                self._advance()
                options.append((action, self._word()))
                self._advance()
        return TableLike(source, tuple(options))

    def _names(self) -> tuple[str, ...]:
        """`(name, …)`."""
        self._require(TokenType.L_PAREN, "(")
        names = tuple(name for name, _ in self._parse_csv(lambda: self._parse_relation_name("a column")))
        self._match_r_paren()
        return names

    def _comment(self) -> str | None:
        return self._parse_quoted("a comment") if self._match_text_seq("COMMENT") else None

    def _parse_if_not_exists(self) -> bool:
        if not self._match_text_seq("IF"):
            return False
        self._require_word("NOT", "EXISTS")
        return True
