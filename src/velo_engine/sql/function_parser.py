"""The grammar of function calls.

Every call is an `exp.Anonymous` with the name in upper case (an Identifier, as written, when it is quoted) and the
arguments as written, so that a function table maps names one to one. These have a structure of their own:

| written | tree |
|---|---|
| `CAST(x AS t)`, `x::t` | `exp.Cast(this, to)` |
| `TRY_CAST(x AS t)` | `exp.TryCast(this, to)` |
| `COALESCE(a, b, …)` | `exp.Coalesce(this, expressions)` |
| `EXTRACT(unit FROM x)` | `exp.Extract(this=Var, expression)` |
| `TRIM(LEADING s FROM x)` | `exp.Trim(this=x, expression=s, position="LEADING")`; `TRIM(x)` is an ordinary call |
| `JSON_VALUE(…)`, `JSON_QUERY(…)`, … | `syntax.JsonCall` |
| `EXISTS (query)`, `ANY`, `ALL` | `exp.Exists`, `exp.Any`, `exp.All` over the query |

Ordinary calls in a special spelling: `POSITION(a IN b)` is POSITION(a, b); `SUBSTRING(x FROM a FOR b)` is
SUBSTRING(x, a, b); `OVERLAY(x PLACING y FROM a FOR b)` is OVERLAY(x, y, a, b); `CEIL(x TO unit)` and `FLOOR(x TO
unit)` have a `Var` as second argument; TIMESTAMPADD, TIMESTAMPDIFF and three-argument DATEDIFF have a `Var`, the
unit, first. CURRENT_TIMESTAMP and its like are calls without arguments, with or without parentheses. `f(DISTINCT a,
b)` has one argument, `exp.Distinct(expressions)`; `f(a ORDER BY b)` has an `exp.Order(this=a)`; `f(name => a)` an
`exp.Kwarg(this=Var, expression=a)`; `COUNT(*)` an `exp.Star`; `TUMBLE_START(ts, 5m)` an `exp.Interval`.

Around a call, from the inside out: `exp.WithinGroup(this, expression=Order)`, `exp.Filter(this, expression=Where)`,
`exp.IgnoreNulls(this)` or `exp.RespectNulls(this)` (also when written inside the parentheses), `exp.Window(this, …)`.
"""

# ruff: noqa: ARG002 - the signatures of overridden methods are sqlglot's

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.sql.durations import UNIT_NAMES
from velo_engine.sql.syntax import JsonCall
from velo_engine.sql.type_parser import UNITS, TypeParser

BARE_FUNCTIONS = frozenset(
    {"CURRENT_CATALOG", "CURRENT_DATABASE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER"}
    | {"LOCALTIME", "LOCALTIMESTAMP", "SESSION_USER"}
)
"""Functions that may be called without parentheses."""
_UNIT_FIRST = frozenset({"TIMESTAMPADD", "TIMESTAMPDIFF", "DATEDIFF"})
_WINDOW_CALLS = frozenset(
    f"{kind}{suffix}"
    for kind in ("TUMBLE", "HOP", "SESSION", "CUMULATE")
    for suffix in ("", "_START", "_END", "_ROWTIME", "_PROCTIME")
)
_JSON_PAIRS = frozenset({"JSON_OBJECT", "JSON_OBJECTAGG"})
_JSON_CALLS = _JSON_PAIRS | {"JSON_VALUE", "JSON_QUERY", "JSON_EXISTS", "JSON_ARRAY", "JSON_ARRAYAGG"}
_PREDICATES: dict[TokenType, Callable[..., exp.Expression]] = {
    TokenType.EXISTS: exp.Exists,
    TokenType.ANY: exp.Any,
    TokenType.SOME: exp.Any,
    TokenType.ALL: exp.All,
}


class FunctionParser(TypeParser):
    """Calls and what follows them: WITHIN GROUP, FILTER, IGNORE NULLS."""

    # Words before which the parser's fast path for plain columns must stop.
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = dict.fromkeys(BARE_FUNCTIONS)
    FUNC_TOKENS: ClassVar = {
        TokenType.VAR,
        TokenType.IDENTIFIER,
        TokenType.LEFT,
        TokenType.RIGHT,
        TokenType.RLIKE,
        TokenType.TABLE,
        TokenType.JSON,
        TokenType.UNNEST,
        *_PREDICATES,
    }

    def _parse_function_call(
        self,
        functions: dict[str, Callable[..., Any]] | None = None,
        anonymous: bool = False,
        optional_parens: bool = True,
        any_token: bool = False,
    ) -> exp.Expression | None:
        token = self._curr
        word = self._word()
        if self._next.token_type != TokenType.L_PAREN:
            if word not in BARE_FUNCTIONS or not optional_parens or self._prev.token_type == TokenType.DOT:
                return None
            self._advance()
            return exp.Anonymous(this=word, expressions=[]).update_positions(token)
        if token.token_type not in self.FUNC_TOKENS and not (any_token and word):
            return None
        self._advance(2)
        call = self._parse_call_body(token, word).update_positions(token)
        if not self._match(TokenType.R_PAREN):
            self.fail('"," or ")"', self._missing_comma_hint())
        return self._parse_window(call)  # type: ignore[return-value]

    def _missing_comma_hint(self) -> str | None:
        """Advice when what follows an item could be the next one."""
        starts_an_item = self._curr.token_type in (
            TokenType.VAR,
            TokenType.IDENTIFIER,
            TokenType.STRING,
            TokenType.NUMBER,
            TokenType.L_PAREN,
            TokenType.CASE,
        )
        return f"a comma may be missing before {self._curr.text}" if starts_an_item else None

    def _parse_call_body(self, token: Token, word: str) -> exp.Expression:
        if token.token_type in _PREDICATES:
            return self._parse_subquery_predicate(_PREDICATES[token.token_type])
        if (special := _SPECIAL_CALLS.get(word)) is not None:
            return special(self, word)
        if word in _JSON_CALLS:
            return self._parse_json_call(word)
        name = word or exp.Identifier(this=token.text, quoted=True).update_positions(token)
        if word in _WINDOW_CALLS:
            return exp.Anonymous(this=name, expressions=self._parse_csv(self._parse_time_argument))
        arguments = self._parse_arguments()
        if word in _UNIT_FIRST and len(arguments) == 3:
            arguments[0] = _as_unit(arguments[0])
        return exp.Anonymous(this=name, expressions=arguments)

    def _parse_arguments(self) -> list[exp.Expression]:
        return self._parse_csv(self._parse_argument)

    def _parse_argument(self) -> exp.Expression | None:
        if self._next.token_type == TokenType.FARROW:
            name = exp.Var(this=self._curr.text).update_positions(self._curr)
            self._advance(2)
            return exp.Kwarg(this=name, expression=self._require_expression())
        if self._match(TokenType.DISTINCT):
            return exp.Distinct(expressions=[self._require_expression(), *self._parse_more()])
        self._match(TokenType.ALL)
        this: Any = self._parse_disjunction()
        if this is not None:
            this = self._parse_order(self._parse_respect_or_ignore_nulls(this))
        return this  # type: ignore[no-any-return]

    def _parse_more(self) -> list[exp.Expression]:
        items = []
        while self._match(TokenType.COMMA):
            items.append(self._require_expression())
        return items

    def _require_expression(self) -> exp.Expression:
        this: Any = self._parse_disjunction()
        if this is None:
            self.fail("an expression")
        return this  # type: ignore[no-any-return]

    def _parse_time_argument(self) -> exp.Expression | None:
        """An argument of a window function, where `5m` is an interval."""
        return self._parse_size_literal() or self._parse_argument()

    def _parse_size_literal(self) -> exp.Interval | None:
        """`5m`, `500ms`, `10 seconds`: a number and a unit of time."""
        number, unit = self._curr, UNIT_NAMES.get(self._word(self._next))
        if number.token_type != TokenType.NUMBER or unit is None:
            return None
        self._advance(2)
        literal = exp.Literal.string(number.text).update_positions(number)
        return exp.Interval(this=literal, unit=exp.Var(this=unit).update_positions(self._prev))

    def _parse_subquery_predicate(self, node: Callable[..., exp.Expression]) -> exp.Expression:
        query: Any = self._parse_select()
        if query is None:
            self.fail("a query")
        return node(this=query)

    def _parse_cast_call(self, word: str) -> exp.Expression:
        this = self._require_expression()
        self._require(TokenType.ALIAS, "AS")
        node = exp.Cast if word == "CAST" else exp.TryCast
        return node(this=this, to=self._require_type())

    def _parse_coalesce(self, word: str) -> exp.Expression:
        first, *others = self._parse_arguments() or [self._require_expression()]
        return exp.Coalesce(this=first, expressions=others)

    def _parse_extract_call(self, word: str) -> exp.Expression:
        unit = self._parse_var(any_token=True, upper=True)
        if unit is None:
            self.fail("a unit of time")
        unit.update_positions(self._prev)
        self._require(TokenType.FROM, "FROM")
        return exp.Extract(this=unit, expression=self._require_expression())

    def _parse_rounding(self, word: str) -> exp.Expression:
        arguments = self._parse_arguments()
        if self._match_text_seq("TO"):
            arguments.append(self._parse_unit())
        return exp.Anonymous(this=word, expressions=arguments)

    def _parse_position_call(self, word: str) -> exp.Expression:
        needle: Any = self._parse_bitwise()
        if self._match(TokenType.IN):
            return exp.Anonymous(this=word, expressions=[needle, self._require_expression()])
        return exp.Anonymous(this=word, expressions=[needle, *self._parse_more()])

    def _parse_substring_call(self, word: str) -> exp.Expression:
        arguments = self._parse_arguments()
        if self._match(TokenType.FROM):
            arguments.append(self._require_expression())
            if self._match(TokenType.FOR):
                arguments.append(self._require_expression())
        return exp.Anonymous(this=word, expressions=arguments)

    def _parse_overlay_call(self, word: str) -> exp.Expression:
        arguments = self._parse_arguments()
        if self._match_text_seq("PLACING"):
            arguments.append(self._require_expression())
            self._require(TokenType.FROM, "FROM")
            arguments.append(self._require_expression())
            if self._match(TokenType.FOR):
                arguments.append(self._require_expression())
        return exp.Anonymous(this=word, expressions=arguments)

    def _parse_trim_call(self, word: str) -> exp.Expression:
        position = self._word() if self._next.token_type != TokenType.COMMA else ""
        if position not in ("LEADING", "TRAILING", "BOTH"):
            position = ""
        else:
            self._advance()
        characters = None if self._match(TokenType.FROM, advance=False) else self._require_expression()
        if self._match(TokenType.FROM):
            return exp.Trim(this=self._require_expression(), expression=characters, position=position or "BOTH")
        if position or characters is None:
            self.fail("FROM")
        return exp.Anonymous(this=word, expressions=[characters, *self._parse_more()])

    def _parse_json_call(self, word: str) -> exp.Expression:
        call = JsonCall(this=word)
        if self._word(self._next) != "ON":
            call.set("expressions", self._parse_json_pairs() if word in _JSON_PAIRS else self._parse_arguments())
        while self._curr and self._curr.token_type != TokenType.R_PAREN:
            self._parse_json_clause(call)
        return call

    def _parse_json_pairs(self) -> list[exp.Expression]:
        items: list[exp.Expression] = []
        while self._curr.token_type != TokenType.R_PAREN:
            if self._word() == "KEY" and self._word(self._next) != "VALUE":
                self._advance()
            items.append(self._require_expression())
            if not self._match_text_seq("VALUE") and not self._match(TokenType.COLON):
                self.fail("VALUE")
            items.append(self._require_expression())
            if not self._match(TokenType.COMMA):
                break
        return items

    def _parse_json_clause(self, call: JsonCall) -> None:
        if self._match_text_seq("RETURNING"):
            call.set("returning", self._require_type())
            return
        if self._word() in ("WITH", "WITHOUT"):
            call.set("wrapper", self._parse_words_before("WRAPPER").removesuffix(" ARRAY"))
            self._require_word("WRAPPER")
            return
        default = self._require_expression() if self._match_text_seq("DEFAULT") else None
        behaviour = "DEFAULT" if default is not None else self._parse_words_before("ON")
        self._require_word("ON")
        if self._word() not in ("EMPTY", "ERROR", "NULL"):
            self.fail("EMPTY, ERROR or NULL")
        event = self._word().lower()
        self._advance()
        call.set(f"on_{event}", behaviour)
        if default is not None:
            call.set(f"{event}_default", default)

    def _parse_words_before(self, end: str) -> str:
        words = []
        while (word := self._word()).isalpha() and word != end:
            words.append(word)
            self._advance()
        if not words or self._word() != end:
            self.fail(end if words else '")"')
        return " ".join(words)

    def _parse_respect_or_ignore_nulls(self, this: Any) -> Any:
        if self._match_text_seq("IGNORE", "NULLS"):
            return exp.IgnoreNulls(this=this)
        return exp.RespectNulls(this=this) if self._match_text_seq("RESPECT", "NULLS") else this


_SPECIAL_CALLS: dict[str, Callable[[FunctionParser, str], exp.Expression]] = {
    "CAST": FunctionParser._parse_cast_call,
    "TRY_CAST": FunctionParser._parse_cast_call,
    "COALESCE": FunctionParser._parse_coalesce,
    "EXTRACT": FunctionParser._parse_extract_call,
    "CEIL": FunctionParser._parse_rounding,
    "CEILING": FunctionParser._parse_rounding,
    "FLOOR": FunctionParser._parse_rounding,
    "POSITION": FunctionParser._parse_position_call,
    "SUBSTRING": FunctionParser._parse_substring_call,
    "SUBSTR": FunctionParser._parse_substring_call,
    "OVERLAY": FunctionParser._parse_overlay_call,
    "TRIM": FunctionParser._parse_trim_call,
}


def _as_unit(argument: exp.Expression) -> exp.Expression:
    """A bare word that names a unit of time as a Var; anything else as it is."""
    if isinstance(argument, exp.Column) and not argument.table and not argument.this.quoted:
        word = argument.name.upper()
        if word.removesuffix("S") in UNITS:
            return exp.Var(this=word).update_positions(argument.this)
    return argument
