r"""The grammar of expressions.

What the tree holds, besides calls (`function_parser.py`) and types (`type_parser.py`):

| written | tree |
|---|---|
| `a`, `t.a`, `t.a.b`, `t.a.b.c` | `exp.Column(this, table, db, catalog)`, from the right (fields look like tables) |
| more parts, `x[1].a`, `f(x).a` | `exp.Dot(this, expression=Identifier)` |
| `1`, `'x'`, `TRUE`, `NULL`, `x'CAFE'` | `exp.Literal`, `exp.Boolean`, `exp.Null`, `exp.HexString` |
| `DATE '…'`, `TIMESTAMP '…'` | `syntax.TypedLiteral` |
| `INTERVAL '5' MINUTE` | `exp.Interval(this=string Literal, unit=Var in singular, or IntervalSpan)` |
| `(a - b) SECOND` | `syntax.TimeDifference` |
| `(a)`, `(a, b)`, `(SELECT …)` | `exp.Paren`, `exp.Tuple`, `exp.Subquery` |
| `+ - * / %`, `-a`, `\|\|` | `exp.Add`, `Sub`, `Mul`, `Div`, `Mod`, `Neg`, `DPipe` |
| `= <> > >= < <=`, `AND OR NOT` | `exp.EQ`, `NEQ`, `GT`, `GTE`, `LT`, `LTE`, `And`, `Or`, `Not` |
| `a IS NULL`, `IS TRUE`, `IS JSON OBJECT` | `exp.Is(this, expression=Null, Boolean or exp.JSON)`; UNKNOWN is Null |
| `a IS [NOT] DISTINCT FROM b` | `exp.NullSafeNEQ` [`exp.NullSafeEQ`] |
| `a IN (1, 2)`, `a IN (SELECT …)` | `exp.In(this, expressions)`, `exp.In(this, query=Subquery)` |
| `a BETWEEN [SYMMETRIC] b AND c` | `exp.Between(this, low, high, symmetric)` |
| `a LIKE b ESCAPE c`, `SIMILAR TO`, `RLIKE` | `exp.Escape` around `exp.Like`, `exp.SimilarTo`, `exp.RegexpLike` |
| `a NOT LIKE b`, `a IS NOT NULL`, … | `exp.Not` around the predicate, always |
| `(a, b) OVERLAPS (c, d)` | `exp.Overlaps(this=Tuple, expression=Tuple)` |
| `CASE a WHEN b THEN c ELSE d END` | `exp.Case(this, ifs=[exp.If(this, true)], default)` |
| `ARRAY[a, b]`, `MAP[k, v]` | `exp.Array(expressions)`, `exp.Anonymous("MAP", [k, v])` |
| `a[1]`, `m['k']` | `exp.Bracket(this, expressions=[index as written, from 1])` |
| `ts AT TIME ZONE 'UTC'` | `exp.AtTimeZone(this, zone)` |
| `*`, `t.*` | `exp.Star`, `exp.Column(this=Star, table)` |

`exp.Window(this=call, partition_by, order, spec, alias)`: `spec` is an exp.WindowSpec (`kind` ROWS or RANGE; `start`,
`end` "UNBOUNDED", "CURRENT ROW" or an expression; `start_side`, `end_side` PRECEDING or FOLLOWING; `end` absent when
only one bound is written) or a `syntax.RowsWindowBuffer`; `alias` the name of a window of the WINDOW clause.
"""

# ruff: noqa: ARG002 - the signatures of overridden methods are sqlglot's

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.sql.durations import interval_ms, parse_duration
from velo_engine.sql.failures import SyntaxFailure, expected
from velo_engine.sql.function_parser import FunctionParser
from velo_engine.sql.syntax import RowsWindowBuffer, TimeDifference, TypedLiteral
from velo_engine.sql.type_parser import UNITS

_LITERAL_KINDS = ("DATE", "TIME", "TIMESTAMP", "TIMESTAMP_LTZ")
_OPERATORS = frozenset(
    {TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE, TokenType.SLASH}
    | {TokenType.MOD, TokenType.DPIPE, TokenType.AND, TokenType.OR, TokenType.LIKE, TokenType.IN, TokenType.BETWEEN}
    | {TokenType.IS, TokenType.SIMILAR_TO}
)
_COMPARISONS: dict[TokenType, type[exp.Binary]] = {
    TokenType.EQ: exp.EQ,
    TokenType.NEQ: exp.NEQ,
    TokenType.LT: exp.LT,
    TokenType.LTE: exp.LTE,
    TokenType.GT: exp.GT,
    TokenType.GTE: exp.GTE,
}


class ExpressionParser(FunctionParser):
    """Operators, predicates, literals, constructors, OVER."""

    BRACKETS: ClassVar = frozenset({TokenType.L_BRACKET})
    CAST_COLUMN_OPERATORS: ClassVar = {TokenType.DCOLON}
    COLUMN_OPERATORS: ClassVar = {
        TokenType.DOT: None,
        TokenType.DCOLON: lambda _, this, to: exp.Cast(this=this, to=to),
    }
    BITWISE: ClassVar = {}
    FACTOR: ClassVar = {TokenType.MOD: exp.Mod, TokenType.SLASH: exp.Div, TokenType.STAR: exp.Mul}
    TERM: ClassVar = {TokenType.DASH: exp.Sub, TokenType.PLUS: exp.Add}
    PLACEHOLDER_PARSERS: ClassVar = {}
    PRIMARY_PARSERS: ClassVar = {
        **FunctionParser.STRING_PARSERS,
        **FunctionParser.NUMERIC_PARSERS,
        TokenType.NULL: lambda _, token: exp.Null().update_positions(token),
        TokenType.TRUE: lambda _, token: exp.Boolean(this=True).update_positions(token),
        TokenType.FALSE: lambda _, token: exp.Boolean(this=False).update_positions(token),
        TokenType.STAR: lambda _, token: exp.Star().update_positions(token),
    }
    UNARY_PARSERS: ClassVar = {
        TokenType.PLUS: lambda self: self._parse_unary(),
        TokenType.DASH: lambda self: exp.Neg(this=self._require_operand()),
        TokenType.NOT: lambda self: exp.Not(this=self._require_predicate()),
    }
    RANGE_PARSERS: ClassVar = {
        TokenType.BETWEEN: lambda self, this: self._parse_between(this),
        TokenType.IN: lambda self, this: self._parse_in(this),
        TokenType.IS: lambda self, this: self._parse_is(this),
        TokenType.LIKE: lambda self, this: self._parse_pattern(exp.Like, this),
        TokenType.RLIKE: lambda self, this: self._parse_pattern(exp.RegexpLike, this),
        TokenType.SIMILAR_TO: lambda self, this: self._parse_pattern(exp.SimilarTo, this),
    }

    def _parse_csv(self, parse_method: Any, sep: TokenType = TokenType.COMMA) -> list[Any]:
        """Items between commas: none at all, or one on each side of every comma."""
        item = parse_method()
        if item is None:
            if self._match(sep, advance=False):
                self.fail("an expression", "nothing stands before this comma")
            return []
        items = [item]
        while self._match(sep):
            item = parse_method()
            if item is None:
                self.fail("an item after the comma", _after_comma(self._found()))
            items.append(item)
        return items

    def _parse_unary(self) -> Any:
        this: Any = super()._parse_unary()
        if this is None and self._curr.token_type in _OPERATORS:
            self.fail("an expression", "= compares, == is not SQL" if self._doubled_equals() else None)
        return this

    def _doubled_equals(self) -> bool:
        return self._curr.token_type == self._prev.token_type == TokenType.EQ

    def _require_operand(self) -> Any:
        this = self._parse_unary()
        if this is None:
            self.fail("an expression")
        return this

    def _require_predicate(self) -> Any:
        this: Any = self._parse_equality()
        if this is None:
            self.fail("a condition")
        return this

    def _require_bitwise(self) -> Any:
        this: Any = self._parse_bitwise()
        if this is None:
            self.fail("an expression")
        return this

    def _parse_type(self, parse_interval: bool = True, fallback_to_identifier: bool = False) -> Any:
        """An operand: a literal with a type word, a constructor, a literal, a column or a call."""
        token, word, following = self._curr, self._word(), self._next.token_type
        if following == TokenType.STRING and word in _LITERAL_KINDS:
            self._advance(2)
            literal = exp.Literal.string(self._prev.text).update_positions(self._prev)
            return TypedLiteral(kind=word, this=literal).update_positions(token)
        if word == "INTERVAL" and following in (TokenType.STRING, TokenType.NUMBER, TokenType.DASH):
            return self._parse_interval()
        if word in ("ARRAY", "MAP") and following == TokenType.L_BRACKET:
            self._advance(2)
            return self._parse_column_ops(self._parse_constructor(word, token))
        if token.token_type == TokenType.CASE:
            self._advance()
            return self._parse_column_ops(self._parse_case().update_positions(token))
        return self._parse_atom() or self._parse_column()

    def _parse_constructor(self, word: str, token: Token) -> exp.Expression:
        items = self._parse_csv(self._parse_disjunction)
        self._require(TokenType.R_BRACKET, "]")
        node = exp.Array(expressions=items) if word == "ARRAY" else exp.Anonymous(this="MAP", expressions=items)
        return node.update_positions(token)

    def _parse_interval(self, require_interval: bool = True, parse_function_unit: bool = True) -> Any:
        """`INTERVAL [-] '5' MINUTE`, `INTERVAL 5 MINUTE`, `INTERVAL '5 minutes'`, `INTERVAL '1 2' DAY TO HOUR`."""
        start = self._curr
        self._advance()
        sign = "-" if self._match(TokenType.DASH) else ""
        if self._curr.token_type not in (TokenType.STRING, TokenType.NUMBER):
            self.fail("a quoted number")
        value = self._curr
        self._advance()
        number, _, unit_word = value.text.strip().partition(" ")
        if value.token_type == TokenType.STRING and unit_word.strip().upper().removesuffix("S") in UNITS_IN_STRING:
            unit: exp.Expression = exp.Var(this=unit_word.strip().upper().removesuffix("S")).update_positions(value)
        else:
            number = value.text
            unit = self._parse_span()
        literal = exp.Literal.string(sign + number).update_positions(value)
        return exp.Interval(this=literal, unit=unit).update_positions(start)

    def _parse_primary(self) -> Any:
        if self._curr.token_type == TokenType.STRING and self._next.token_type == TokenType.STRING:
            first, second = self._curr, self._next
            if first.line == second.line:
                raise SyntaxFailure(
                    f'expected an operator or a comma, found "{second.text}"', second, "strings are joined with ||"
                )
            return self._parse_string_over_lines()
        return super()._parse_primary()

    def _parse_string_over_lines(self) -> exp.Literal:
        """Strings on consecutive lines are one string (SQL standard)."""
        start, parts = self._curr, []
        while self._match(TokenType.STRING):
            parts.append(self._prev.text)
        return exp.Literal.string("".join(parts)).update_positions(start)

    def _parse_paren(self) -> Any:
        this: Any = super()._parse_paren()
        if isinstance(this, exp.Tuple) and not this.expressions:
            raise expected("an expression", self._prev)
        if isinstance(this, exp.Paren) and isinstance(this.this, exp.Sub) and self._word() in UNITS:
            difference = this.this
            return TimeDifference(this=difference.this, expression=difference.expression, unit=self._parse_span())
        return this

    def _parse_case(self) -> exp.Case:
        operand: Any = None if self._match(TokenType.WHEN, advance=False) else self._require_expression()
        branches = []
        while self._match(TokenType.WHEN):
            condition = self._require_expression()
            self._require(TokenType.THEN, "THEN")
            branches.append(exp.If(this=condition, true=self._require_expression()))
        if not branches:
            self.fail("WHEN")
        default = self._require_expression() if self._match(TokenType.ELSE) else None
        self._require(TokenType.END, "END")
        return exp.Case(this=operand, ifs=branches, default=default)

    def _parse_equality(self, parse_is: bool = True) -> Any:
        """Comparisons, all of one rank and from left to right, and below them IS: `i > j IS TRUE` tests `i > j`."""
        this = self._parse_range()
        while this is not None:
            if self._match_set(_COMPARISONS):
                node = _COMPARISONS[self._prev.token_type]
                this = self._build_predicate(node, this, self._parse_range())
            elif self._match(TokenType.IS):
                this = self._parse_is(this)
            else:
                break
        return this

    def _parse_range(self, this: Any = None, parse_is: bool = False) -> Any:
        this = this or self._parse_bitwise()
        if isinstance(this, exp.Tuple) and self._match_text_seq("OVERLAPS"):
            return exp.Overlaps(this=this, expression=self._require_bitwise())
        while this is not None:
            if self._match(TokenType.IS, advance=False) and not self._is_distinct_ahead():
                break
            negated = self._match(TokenType.NOT)
            if not self._match_set(self.RANGE_PARSERS):
                if negated:
                    self._retreat(self._index - 1)
                break
            predicate = self.RANGE_PARSERS[self._prev.token_type](self, this)
            this = exp.Not(this=predicate) if negated else predicate
        return this

    def _parse_between(self, this: Any) -> exp.Between:
        symmetric = self._match_text_seq("SYMMETRIC") or None
        self._match_text_seq("ASYMMETRIC")
        low = self._require_bitwise()
        self._require(TokenType.AND, "AND")
        return exp.Between(this=this, low=low, high=self._require_bitwise(), symmetric=symmetric)

    def _parse_in(self, this: Any, alias: bool = False) -> exp.In:
        self._require(TokenType.L_PAREN, "(")
        query: Any = self._parse_select()
        if query is not None:
            node = exp.In(this=this, query=exp.Subquery(this=query))
        else:
            node = exp.In(this=this, expressions=[self._require_expression(), *self._parse_more()])
        self._match_r_paren()
        return node

    def _parse_is(self, this: Any) -> exp.Expression:
        negated = self._match(TokenType.NOT)
        if self._match(TokenType.DISTINCT):
            self._require(TokenType.FROM, "FROM")
            node = exp.NullSafeEQ if negated else exp.NullSafeNEQ
            return node(this=this, expression=self._require_bitwise())
        predicate = exp.Is(this=this, expression=self._parse_is_operand())
        return exp.Not(this=predicate) if negated else predicate

    def _is_distinct_ahead(self) -> bool:
        """Whether IS [NOT] DISTINCT FROM comes next, which ranks above the comparisons."""
        ahead = self._tokens[self._index + 1 : self._index + 3]
        return any(token.token_type == TokenType.DISTINCT for token in ahead[:1]) or (
            [token.token_type for token in ahead] == [TokenType.NOT, TokenType.DISTINCT]
        )

    def _parse_is_operand(self) -> exp.Expression:
        token = self._curr
        if not self._match_set((TokenType.NULL, TokenType.UNKNOWN, TokenType.TRUE, TokenType.FALSE, TokenType.JSON)):
            self.fail("NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM")
        if token.token_type == TokenType.JSON:
            kind = self._word() if self._word() in ("VALUE", "SCALAR", "ARRAY", "OBJECT") else ""
            if kind:
                self._advance()
            return exp.JSON(this=kind or None)
        if token.token_type in (TokenType.TRUE, TokenType.FALSE):
            return exp.Boolean(this=token.token_type == TokenType.TRUE).update_positions(token)
        return exp.Null().update_positions(token)

    def _parse_pattern(self, node: type[exp.Like] | type[exp.RegexpLike] | type[exp.SimilarTo], this: Any) -> Any:
        predicate = node(this=this, expression=self._require_bitwise())
        if not self._match(TokenType.ESCAPE):
            return predicate
        escape = self._parse_string()
        if escape is None:
            self.fail("a string")
        return exp.Escape(this=predicate, expression=escape)

    def _parse_window(self, this: Any, alias: bool = False) -> Any:
        """What follows a call; with `alias`, `AS (…)` of a named window."""
        if alias:
            self._require(TokenType.ALIAS, "AS")
            self._require(TokenType.L_PAREN, "(")
            return self._parse_over_body(this)
        if self._match_text_seq("WITHIN", "GROUP"):
            this = exp.WithinGroup(this=this, expression=self._parse_wrapped(self._parse_order))
        if self._word() == "FILTER" and self._next.token_type == TokenType.L_PAREN:
            self._advance(2)
            self._require(TokenType.WHERE, "WHERE")
            this = exp.Filter(this=this, expression=exp.Where(this=self._require_expression()))
            self._match_r_paren()
        this = self._parse_respect_or_ignore_nulls(_nulls_outside(this))
        if not self._match(TokenType.OVER):
            return this
        if self._match(TokenType.L_PAREN):
            return self._parse_over_body(this)
        name = self._parse_id_var(any_token=False)
        if name is None:
            self.fail('"("')
        return exp.Window(this=this, alias=name, over="OVER")

    def _parse_over_body(self, this: Any) -> exp.Window:
        window = exp.Window(this=this, over="OVER")
        if self._word() == "ROWS" and self._next.token_type == TokenType.WINDOW:
            self._parse_rows_window_buffer(window)
        else:
            if self._curr.token_type in self.IDENTIFIER_TOKENS and self._word() not in ("ROWS", "RANGE"):
                window.set("alias", self._parse_id_var(any_token=False))
            window.set("partition_by", self._parse_partition_by())
            window.set("order", self._parse_order())
            window.set("spec", self._parse_frame())
        self._match_r_paren()
        return window

    def _parse_rows_window_buffer(self, window: exp.Window) -> None:
        start = self._curr
        self._require_word("ROWS", "WINDOW", "BUFFER")
        size = self._curr
        if not self._match(TokenType.NUMBER) or not size.text.isdecimal() or int(size.text) < 1:
            raise expected("a number of rows, at least 1", size or None)
        self._require_word("ROWS")
        buffer = RowsWindowBuffer(size=int(size.text)).update_positions(start)
        while self._curr.token_type != TokenType.R_PAREN:
            if self._match(TokenType.PARTITION_BY, advance=False):
                window.set("partition_by", self._parse_partition_by())
            elif self._match(TokenType.ORDER_BY, advance=False):
                window.set("order", self._parse_order())
            elif self._match_text_seq("EXPIRE"):
                self._match_text_seq("AFTER")
                buffer.set("expire_ms", None if self._match_text_seq("NEVER") else self._parse_fixed_length())
            elif (frame := self._parse_frame()) is not None:
                buffer.set("frame", frame)
            else:
                self.fail("PARTITION BY, ORDER BY, EXPIRE AFTER or a closing parenthesis")
        window.set("spec", buffer)

    def _parse_frame(self) -> exp.WindowSpec | None:
        kind = self._word()
        if kind not in ("ROWS", "RANGE"):
            return None
        self._advance()
        if self._match(TokenType.BETWEEN):
            start, start_side = self._parse_bound()
            self._require(TokenType.AND, "AND")
            end, end_side = self._parse_bound()
            return exp.WindowSpec(kind=kind, start=start, start_side=start_side, end=end, end_side=end_side)
        start, start_side = self._parse_bound()
        return exp.WindowSpec(kind=kind, start=start, start_side=start_side)

    def _parse_bound(self) -> tuple[Any, str | None]:
        if self._match_text_seq("CURRENT", "ROW"):
            return "CURRENT ROW", None
        value = "UNBOUNDED" if self._match_text_seq("UNBOUNDED") else self._require_bitwise()
        if self._word() not in ("PRECEDING", "FOLLOWING"):
            self.fail("PRECEDING or FOLLOWING")
        side = self._word()
        self._advance()
        return value, side

    def _parse_fixed_length(self) -> int:
        """A positive length of time: `5m`, `'1 minute'`, `INTERVAL '5' MINUTE`; in milliseconds."""
        start = self._curr
        length = self._parse_distance()
        if length <= 0:
            raise SyntaxFailure("a length of time must be positive", self._span_from(start))
        return length

    def _parse_distance(self) -> int:
        """A length of time that may be negative, in milliseconds."""
        start = self._curr
        try:
            if (literal := self._parse_size_literal()) is not None:
                length = interval_ms(literal)
            elif self._match(TokenType.STRING):
                length = parse_duration(start.text)
            elif self._word() == "INTERVAL":
                length = interval_ms(self._parse_interval())
            else:
                hint = "give the number a unit: 30s, 5m, 1h" if start.token_type == TokenType.NUMBER else None
                self.fail("a length of time, such as 5m or INTERVAL '5' MINUTE", hint)
        except ValueError as error:
            raise SyntaxFailure(str(error), self._span_from(start)) from None
        return length

    def _span_from(self, start: Token) -> Token:
        """One token in place of those from `start` to the last one read."""
        return Token(start.token_type, start.text, start.line, start.col, start.start, self._prev.end)


UNITS_IN_STRING = frozenset({"YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND"})
"""Units that may stand within the string of an INTERVAL."""


def _nulls_outside(this: Any) -> Any:
    """`f(x IGNORE NULLS)` as `f(x) IGNORE NULLS`."""
    if isinstance(this, exp.Anonymous) and this.expressions:
        first = this.expressions[0]
        if isinstance(first, exp.IgnoreNulls | exp.RespectNulls):
            first.replace(first.this)
            return type(first)(this=this)
    return this


def _after_comma(found: Token | None) -> str | None:
    if found is not None and found.token_type in (TokenType.FROM, TokenType.R_PAREN):
        return f"remove the comma before {found.text}"
    return None
