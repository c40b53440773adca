"""The grammar of declarations: names, column lists with watermark and primary key, and WITH (…) properties."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.sql.failures import SyntaxFailure
from velo_engine.sql.program import ColumnDefinition, Property, WatermarkDefinition
from velo_engine.sql.query_parser import QueryParser
from velo_engine.sql.source_text import SourceText

_PROPERTY_TOKENS = frozenset({TokenType.NUMBER, TokenType.DOT, TokenType.DASH, TokenType.SLASH, TokenType.COLON})
"""What a property may be made of without quotes, besides words."""


@dataclass(slots=True)
class Declaration:
    """What a column list declares."""

    columns: list[ColumnDefinition] = field(default_factory=list)
    watermark: WatermarkDefinition | None = None
    primary_key: tuple[str, ...] = ()
    primary_key_location: Location | None = None


class RelationParser(QueryParser):
    """Names of relations, their columns and properties."""

    def __init__(self, source: SourceText) -> None:
        super().__init__()
        self.source = source

    def _location(self, token: Token) -> Location:
        return self.source.location(token.start, token.end + 1)

    def _parse_relation_name(self, what: str) -> tuple[str, Location]:
        """`name`, `catalog.database.name` or a quoted URI, and its place."""
        parts, location = self._parse_name_parts(what)
        return ".".join(parts), location

    def _parse_name_parts(self, what: str) -> tuple[list[str], Location]:
        first = self._curr
        parts: list[str] = []
        while not parts or self._match(TokenType.DOT):
            token = self._curr
            if not self._match_set((TokenType.IDENTIFIER, TokenType.STRING, *self.ID_VAR_TOKENS)):
                self.fail(what, _keyword_hint(token))
            parts.append(token.text)
        return parts, self.source.location(first.start, self._prev.end + 1)

    def _parse_declaration(self) -> Declaration:
        """`(column, …, WATERMARK FOR …, PRIMARY KEY (…))`."""
        declaration = Declaration()
        self._require(TokenType.L_PAREN, "(")
        while True:
            self._parse_declared(declaration)
            if not self._match(TokenType.COMMA):
                break
        if not self._match(TokenType.R_PAREN):
            self.fail('"," or ")"', self._missing_comma_hint())
        self._check_declaration(declaration)
        return declaration

    def _check_declaration(self, declaration: Declaration) -> None:
        _check(declaration)

    def _parse_declared(self, declaration: Declaration) -> None:
        start = self._curr
        if self._word() == "WATERMARK" and self._next.token_type == TokenType.FOR:
            self._parse_watermark(declaration)
        elif self._word() == "CONSTRAINT" or self._curr.token_type == TokenType.PRIMARY_KEY:
            if self._match_text_seq("CONSTRAINT"):
                self._parse_relation_name("the name of the constraint")
            self._require(TokenType.PRIMARY_KEY, "PRIMARY KEY")
            self._require(TokenType.L_PAREN, "(")
            names = tuple(name for name, _ in self._parse_csv(lambda: self._parse_relation_name("a column")))
            self._match_r_paren()
            self._parse_enforcement()
            self._set_primary_key(declaration, names, start)
        else:
            declaration.columns.append(self._parse_column_definition(declaration))

    def _parse_watermark(self, declaration: Declaration) -> None:
        start = self._curr
        self._advance(2)
        column, _ = self._parse_relation_name("a column")
        self._require(TokenType.ALIAS, "AS")
        expression = self._require_expression()
        if declaration.watermark is not None:
            raise SyntaxFailure("only one WATERMARK can be declared", start)
        declaration.watermark = WatermarkDefinition(column, expression, self._location(start))

    def _parse_column_definition(self, declaration: Declaration) -> ColumnDefinition:
        start = self._curr
        name: Any = self._parse_id_var(any_token=True)
        if name is None:
            self.fail("a column")
        type_ = self._parse_types()
        expression = self._require_expression() if type_ is None and self._match(TokenType.ALIAS) else None
        if type_ is None and expression is None and self._curr.token_type in self.IDENTIFIER_TOKENS:
            type_ = self._require_type()
        metadata_key, virtual, comment = None, False, None
        while True:
            if self._match_text_seq("METADATA"):
                metadata_key = self._parse_quoted("a key") if self._match(TokenType.FROM) else name.name
                virtual = self._match_text_seq("VIRTUAL")
            elif self._match_text_seq("COMMENT"):
                comment = self._parse_quoted("a comment")
            elif self._word() == "CONSTRAINT" or self._match(TokenType.PRIMARY_KEY, advance=False):
                if self._match_text_seq("CONSTRAINT"):
                    self._parse_relation_name("the name of the constraint")
                self._require(TokenType.PRIMARY_KEY, "PRIMARY KEY")
                self._parse_enforcement()
                self._set_primary_key(declaration, (name.name,), start)
            else:
                break
        if self._word() in ("DEFAULT", "UNIQUE", "CHECK", "REFERENCES", "GENERATED"):
            self.refuse(f"{self._word()} of a column has no meaning in a stream", self._curr)
        return ColumnDefinition(
            name.name, type_, expression, metadata_key, self._location(start), bool(virtual), comment
        )

    def _parse_enforcement(self) -> None:
        if self._match(TokenType.NOT):
            self._require_word("ENFORCED")
        elif self._word() == "ENFORCED":
            self.refuse("a primary key cannot be enforced here", self._curr, "write PRIMARY KEY … NOT ENFORCED")

    def _set_primary_key(self, declaration: Declaration, names: tuple[str, ...], start: Token) -> None:
        if declaration.primary_key:
            raise SyntaxFailure("only one PRIMARY KEY can be declared", start)
        declaration.primary_key = names
        declaration.primary_key_location = self._location(start)

    def _parse_quoted(self, what: str) -> str:
        token = self._curr
        if not self._match(TokenType.STRING):
            self.fail(f"{what} in single quotes")
        return token.text

    def _parse_with_properties(self, properties: dict[str, Property]) -> None:
        """`('key' = 'value', …)` behind WITH, added to `properties`."""
        self._require(TokenType.L_PAREN, "(")
        while not self._match(TokenType.R_PAREN):
            key, key_location = self._parse_property_key()
            self._require(TokenType.EQ, "=")
            value = self._parse_property_value()
            if key in properties:
                raise VeloError(ErrorCode.BAD_PROPERTY, f"the property '{key}' is given twice", location=key_location)
            properties[key] = Property(value.value, value.location, key_location)
            if not self._match(TokenType.COMMA) and self._curr.token_type != TokenType.R_PAREN:
                self.fail('"," or ")"', self._missing_comma_hint())

    def _parse_property_key(self) -> tuple[str, Location]:
        found = self._parse_property_text("a property name in quotes")
        return found.value, found.location

    def _parse_property_value(self) -> Property:
        return self._parse_property_text("a value in quotes")

    def _parse_property_text(self, what: str) -> Property:
        """A string, or what stands together without quotes: `job.enable_dlq`, `-1`, `3s`, `Asia/Tokyo`."""
        first = self._curr
        if self._match(TokenType.STRING):
            return Property(first.text, self._location(first))
        parts: list[str] = []
        while not parts or self._is_connected():
            if not self._word() and self._curr.token_type not in _PROPERTY_TOKENS:
                break
            parts.append(self._curr.text)
            self._advance()
        if not parts:
            self.fail(what)
        return Property("".join(parts), self.source.location(first.start, self._prev.end + 1))


def _check(declaration: Declaration) -> None:
    """Refuse names declared twice, and a key or watermark over a column that is not declared."""
    names: set[str] = set()
    for column in declaration.columns:
        if column.name in names:
            raise VeloError(
                ErrorCode.DUPLICATE_NAME, f"the column {column.name} is declared twice", location=column.location
            )
        names.add(column.name)
    watermark = declaration.watermark
    used = [(name, declaration.primary_key_location) for name in declaration.primary_key]
    if watermark is not None:
        used.append((watermark.column.partition(".")[0], watermark.location))
    for name, location in used if names else []:
        if name not in names:
            raise VeloError(
                ErrorCode.UNKNOWN_COLUMN,
                f"the column {name} is not declared",
                location=location,
                hint="declared: " + ", ".join(column.name for column in declaration.columns),
            )


def _keyword_hint(token: Token) -> str | None:
    if token and token.text[:1].isalpha():
        return f'to use {token.text} as a name, quote it: "{token.text}"'
    return None
