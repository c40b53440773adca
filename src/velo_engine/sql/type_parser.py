"""The grammar of types, as Flink writes them, over sqlglot's DataType.

https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/reference/data-types/

What the tree holds: `exp.DataType(this=DType.X, expressions=[DataTypeParam, …])` with X = CHAR, VARCHAR, TEXT
(STRING), BINARY, VARBINARY, BLOB (BYTES), BOOLEAN, DECIMAL, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DATE,
TIME, TIMESTAMP, TIMESTAMPLTZ, TIMESTAMPTZ (WITH TIME ZONE), NULL, VARIANT; ARRAY of one, MAP of two DataTypes; STRUCT
(ROW) of ColumnDefs (`this` Identifier, `kind` DataType); USERDEFINED with `kind` "MULTISET" of one DataType, or "RAW"
of two string Literals; INTERVAL as `DataType(this=exp.Interval(unit=Var | IntervalSpan))`. `NOT NULL` sets `nullable`
to False, `NULL` to True; without either the argument is absent.
"""

# ruff: noqa: ARG002 - the signatures of overridden methods are sqlglot's

from __future__ import annotations

from typing import NoReturn

from sqlglot import exp
from sqlglot.errors import ErrorLevel
from sqlglot.parser import SENTINEL_NONE, Parser
from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.errors import nearest
from velo_engine.sql.dialect import Velostream
from velo_engine.sql.failures import Refusal, expected, in_plain_words

_SIMPLE = {
    "BOOLEAN": exp.DType.BOOLEAN,
    "BOOL": exp.DType.BOOLEAN,
    "TINYINT": exp.DType.TINYINT,
    "SMALLINT": exp.DType.SMALLINT,
    "INT": exp.DType.INT,
    "INTEGER": exp.DType.INT,
    "BIGINT": exp.DType.BIGINT,
    "LONG": exp.DType.BIGINT,
    "FLOAT": exp.DType.FLOAT,
    "REAL": exp.DType.FLOAT,
    "DOUBLE": exp.DType.DOUBLE,
    "STRING": exp.DType.TEXT,
    "TEXT": exp.DType.TEXT,
    "BYTES": exp.DType.BLOB,
    "DATE": exp.DType.DATE,
    "NULL": exp.DType.NULL,
    "VARIANT": exp.DType.VARIANT,
}
_SIZED = {
    "CHAR": exp.DType.CHAR,
    "CHARACTER": exp.DType.CHAR,
    "VARCHAR": exp.DType.VARCHAR,
    "BINARY": exp.DType.BINARY,
    "VARBINARY": exp.DType.VARBINARY,
    "DECIMAL": exp.DType.DECIMAL,
    "DEC": exp.DType.DECIMAL,
    "NUMERIC": exp.DType.DECIMAL,
    "TIME": exp.DType.TIME,
    "TIMESTAMP": exp.DType.TIMESTAMP,
    "TIMESTAMP_LTZ": exp.DType.TIMESTAMPLTZ,
}
_NESTED = ("ARRAY", "MULTISET", "MAP", "ROW", "STRUCT")
TYPE_NAMES = frozenset({*_SIMPLE, *_SIZED, *_NESTED, "INTERVAL", "RAW"})
"""Every word that can start a type."""


class TypeParser(Parser):
    """sqlglot's parser with strict failures, and the types."""

    def __init__(self) -> None:
        super().__init__(error_level=ErrorLevel.IMMEDIATE, dialect=Velostream)

    def raise_error(self, message: str, token: Token = SENTINEL_NONE) -> NoReturn:
        """Fail at `token`, else at the current one."""
        raise in_plain_words(message, token or self._found())

    def fail(self, what: str, hint: str | None = None) -> NoReturn:
        """Fail because the current token is not `what`."""
        raise expected(what, self._found(), hint)

    def refuse(self, message: str, token: Token, hint: str | None = None) -> NoReturn:
        """End the parse: the construct at `token` is understood and not run."""
        raise Refusal(message, token, hint)

    def _found(self) -> Token | None:
        return self._curr or None

    def _word(self, token: Token | None = None) -> str:
        """The upper-case text of the current token (or of `token`) when it is a word and not quoted, else empty."""
        token = token or self._curr
        if not token or token.token_type in self.TEXT_MATCH_EXCLUDED_TOKENS:
            return ""
        return token.text.upper() if token.text[0].isalpha() or token.text[0] in "_$" else ""

    def _require_word(self, *words: str) -> None:
        for word in words:
            if not self._match_text_seq(word):
                self.fail(word)

    def _require(self, token_type: TokenType, text: str) -> None:
        if not self._match(token_type):
            self.fail(text if text[0].isalpha() else f'"{text}"')

    def _parse_types(
        self,
        check_func: bool = False,
        schema: bool = False,
        allow_identifiers: bool = True,
        with_collation: bool = False,
    ) -> exp.DataType | None:
        """A type with its postfixes ARRAY, MULTISET, [NOT] NULL; None when the current word starts none."""
        start = self._curr
        this = self._parse_type_constructor(self._word())
        if this is None:
            return None
        while (postfix := self._word()) in ("ARRAY", "MULTISET") and self._next.token_type != TokenType.LT:
            self._advance()
            this = _array(this) if postfix == "ARRAY" else _multiset(this)
        if self._match_pair(TokenType.NOT, TokenType.NULL):
            this.set("nullable", False)
        elif self._next.token_type != TokenType.ON and self._match(TokenType.NULL):  # not RETURNING t NULL ON EMPTY
            this.set("nullable", True)
        return this.update_positions(start)

    def _require_type(self) -> exp.DataType:
        this = self._parse_types()
        if this is None:
            close = nearest(self._curr.text, TYPE_NAMES) if self._curr else None
            self.fail("a type", f"did you mean {close}?" if close is not None else None)
        return this

    def _parse_type_constructor(self, word: str) -> exp.DataType | None:
        if word not in TYPE_NAMES:
            return None
        self._advance()
        if word in _SIMPLE:
            if word == "DOUBLE":
                self._match_text_seq("PRECISION")
            return exp.DataType(this=_SIMPLE[word])
        if word in _SIZED:
            return self._parse_sized_type(word)
        if word == "INTERVAL":
            return self._parse_interval_type()
        if word == "RAW":
            return exp.DataType(
                this=exp.DType.USERDEFINED, kind="RAW", expressions=self._parse_wrapped_csv(self._parse_string)
            )
        return self._parse_nested_type(word)

    def _parse_sized_type(self, word: str) -> exp.DataType:
        dtype = _SIZED[word]
        if dtype is exp.DType.CHAR and self._match_text_seq("VARYING"):
            dtype = exp.DType.VARCHAR
        params: list[exp.Expression] = []
        if self._match(TokenType.L_PAREN):
            params = self._parse_csv(self._parse_type_parameter)
            self._match_r_paren()
        if dtype in (exp.DType.TIME, exp.DType.TIMESTAMP):
            dtype = self._parse_time_zone(dtype)
        return exp.DataType(this=dtype, expressions=params)

    def _parse_type_parameter(self) -> exp.Expression:
        number = self._parse_number()
        if number is None:
            self.fail("a number")
        return exp.DataTypeParam(this=number)

    def _parse_time_zone(self, dtype: exp.DType) -> exp.DType:
        if self._match_text_seq("WITHOUT", "TIME", "ZONE"):
            return dtype
        if dtype is exp.DType.TIMESTAMP:
            if self._match_text_seq("WITH", "LOCAL", "TIME", "ZONE"):
                return exp.DType.TIMESTAMPLTZ
            if self._match_text_seq("WITH", "TIME", "ZONE"):
                return exp.DType.TIMESTAMPTZ
        return dtype

    def _parse_interval_type(self) -> exp.DataType:
        return exp.DataType(this=exp.Interval(unit=self._parse_span()))

    def _parse_span(self) -> exp.Expression:
        """`MINUTE`, or `DAY TO SECOND`."""
        unit = self._parse_unit()
        return exp.IntervalSpan(this=unit, expression=self._parse_unit()) if self._match_text_seq("TO") else unit

    def _parse_unit(self) -> exp.Var:
        """A unit of time with an optional precision, which has no meaning here."""
        word = self._word()
        singular = word.removesuffix("S")
        if singular not in UNITS:
            self.fail("a unit of time", "units are " + ", ".join(sorted(UNITS)))
        self._advance()
        unit = exp.Var(this=singular).update_positions(self._prev)
        if self._match_pair(TokenType.L_PAREN, TokenType.NUMBER):
            self._match_r_paren()
        return unit

    def _parse_nested_type(self, word: str) -> exp.DataType:
        parenthesised = word in ("ROW", "STRUCT") and self._match(TokenType.L_PAREN)
        if not parenthesised:
            self._require(TokenType.LT, "<")
        if word in ("ROW", "STRUCT"):
            fields = self._parse_csv(self._parse_row_field)
            this = exp.DataType(this=exp.DType.STRUCT, expressions=fields, nested=True)
        elif word == "MAP":
            key = self._require_type()
            self._require(TokenType.COMMA, ",")
            this = exp.DataType(this=exp.DType.MAP, expressions=[key, self._require_type()], nested=True)
        else:
            element = self._require_type()
            this = _array(element) if word == "ARRAY" else _multiset(element)
        if parenthesised:
            self._match_r_paren()
        else:
            self._require(TokenType.GT, ">")
        return this

    def _parse_row_field(self) -> exp.ColumnDef:
        name = self._parse_id_var(any_token=True)
        if name is None:
            self.fail("a field name")
        field = exp.ColumnDef(this=name, kind=self._require_type())
        if self._match(TokenType.STRING):
            comment = exp.CommentColumnConstraint(this=exp.Literal.string(self._prev.text))
            field.set("constraints", [exp.ColumnConstraint(kind=comment)])
        return field


UNITS = frozenset(
    {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND"}
)
"""Units of INTERVAL literals and types; a plural is read as its singular."""


def _array(element: exp.DataType) -> exp.DataType:
    return exp.DataType(this=exp.DType.ARRAY, expressions=[element], nested=True)


def _multiset(element: exp.DataType) -> exp.DataType:
    return exp.DataType(this=exp.DType.USERDEFINED, kind="MULTISET", expressions=[element], nested=True)
