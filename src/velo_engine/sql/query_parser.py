"""The grammar of queries: SELECT with its clauses in any order, windows, joins, set operations, CTEs, VALUES.

What the tree holds, besides expressions (`expression_parser.py`): sqlglot's `exp.Select` (`with_`, `expressions`,
`from_`, `joins`, `where`, `group`, `having`, `windows`, `order`, `limit`, `offset`, `distinct`),
`exp.Union|Intersect|Except`, `exp.Subquery`, `exp.Values`, `exp.Lateral`, `exp.Unnest`, and the nodes of `syntax.py`.
A URI is an `exp.Table` whose quoted name is the URI. FETCH FIRST n ROWS ONLY is an `exp.Limit`.
"""

# ruff: noqa: ARG002 - the signatures of overridden methods are sqlglot's

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.sql.refused_clauses import RefusedClauses
from velo_engine.sql.syntax import KeyColumn, SystemTime
from velo_engine.sql.window_parser import group_window

NAME_TOKENS = frozenset(
    {TokenType.VAR, TokenType.JSON, TokenType.OFFSET, TokenType.UNKNOWN, TokenType.ORDINALITY, TokenType.RECURSIVE}
)
"""Tokens that can name a column or table where a name is expected."""


_NEVER_A_NAME = frozenset(
    {TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.ORDER_BY, TokenType.PARTITION_BY}
    | {TokenType.SELECT, TokenType.JOIN, TokenType.ON, TokenType.ALIAS, TokenType.INTO, TokenType.WITH, TokenType.AND}
    | {TokenType.UNION, TokenType.INTERSECT, TokenType.EXCEPT, TokenType.OR, TokenType.CASE, TokenType.THEN}
)


class QueryParser(RefusedClauses):
    """SELECT, FROM, JOIN, WINDOW, UNION, WITH, VALUES."""

    ID_VAR_TOKENS: ClassVar = set(NAME_TOKENS)
    ALIAS_TOKENS: ClassVar = {TokenType.VAR}
    TABLE_ALIAS_TOKENS: ClassVar = {TokenType.VAR}
    JOIN_METHODS: ClassVar = {TokenType.NATURAL}
    JOIN_KINDS: ClassVar = {TokenType.ANTI, TokenType.CROSS, TokenType.INNER, TokenType.OUTER, TokenType.SEMI}
    OPTIONAL_ALIAS_TOKEN_CTE = False
    SUPPORTS_DIRECTED_JOIN = False
    QUERY_MODIFIER_PARSERS: ClassVar = {
        TokenType.WHERE: lambda self: ("where", self._parse_where()),
        TokenType.GROUP_BY: lambda self: ("group", self._parse_group()),
        TokenType.HAVING: lambda self: ("having", self._parse_having()),
        TokenType.WINDOW: lambda self: self._parse_window_modifier(),
        TokenType.ORDER_BY: lambda self: ("order", self._parse_order()),
        TokenType.LIMIT: lambda self: ("limit", self._parse_limit()),
        TokenType.FETCH: lambda self: ("limit", self._parse_limit()),
        TokenType.OFFSET: lambda self: ("offset", self._parse_offset()),
    }
    QUERY_MODIFIER_TOKENS: ClassVar = set(QUERY_MODIFIER_PARSERS)

    def _parse_statement(self) -> Any:
        """A query where sqlglot expects a statement: after WITH, and within a CTE."""
        return self._parse_query()

    def _parse_query(self) -> Any:
        """A whole query with set operations and trailing clauses."""
        if self._curr.token_type == TokenType.TABLE:
            self.refuse("TABLE as a query is not run", self._curr, "write SELECT * FROM")
        query: Any = self._parse_select(nested=True, parse_subquery_alias=False)
        query = self._parse_query_modifiers(self._parse_set_operations(query))
        if isinstance(query, exp.Values):
            return self._values_to_select(query)
        if query is None:
            self.fail("a query", "a query starts with SELECT, WITH or VALUES")
        return query

    def _parse_select_query(
        self,
        nested: bool = False,
        table: bool = False,
        parse_subquery_alias: bool = True,
        parse_set_operation: bool = True,
    ) -> Any:
        if self._match(TokenType.FROM, advance=False):
            self.fail("SELECT")
        if self._match_pair(TokenType.SELECT, TokenType.ALIAS, advance=False):
            self._advance()
            self.fail("an expression")
        return super()._parse_select_query(nested, table, parse_subquery_alias, parse_set_operation)

    def _parse_into(self) -> None:
        """INTO belongs to the statement and stands behind the query."""

    def _parse_projections(self) -> tuple[list[Any], None]:
        items = self._parse_csv(self._parse_select_item)
        if not items:
            self.fail("a column or an expression")
        hint = self._missing_comma_hint()
        if hint is not None and self._word() != "EMIT":
            if self._curr.token_type == TokenType.L_PAREN and self._word(self._prev):
                self._retreat(self._index - 1)  # `a sum(b)`: sum was read as the alias of a
                hint = self._missing_comma_hint()
            self.fail('"," or FROM', hint)
        return items, None

    def _parse_select_item(self) -> Any:
        item = self._parse_expression()
        start = self._curr
        if item is None or not self._match(TokenType.PRIMARY_KEY):
            return item
        if not isinstance(item, exp.Alias):
            item = self._parse_alias(item)
        return KeyColumn(this=item).update_positions(start)

    def _parse_alias(self, this: Any, explicit: bool = False) -> Any:
        if self._match(TokenType.ALIAS):
            return exp.Alias(this=this, alias=self._require_alias())
        self._refuse_collation()
        if this is None or explicit or self._word() == "EMIT":
            return this
        alias = self._parse_id_var(any_token=False, tokens=self.ALIAS_TOKENS)
        return exp.Alias(this=this, alias=alias) if alias is not None else this

    def _require_alias(self) -> Any:
        """The name behind AS, where most keywords may stand unquoted."""
        alias = None if self._curr.token_type in _NEVER_A_NAME else self._parse_id_var(any_token=True)
        if alias is None:
            self.fail("a name", _quoting_hint(self._found()))
        return alias

    def _starts_a_clause(self) -> bool:
        """Whether the current word begins what follows a relation, and is not its alias."""
        word, following = self._word(), self._next.token_type
        if word == "WITHIN":
            return self._word(self._next) == "INTERVAL" or following in (TokenType.NUMBER, TokenType.STRING)
        self._refuse_relation_clause()
        return word == "EMIT" or (word == "MATCH_RECOGNIZE" and following == TokenType.L_PAREN)

    def _parse_table_alias(self, alias_tokens: Any = None) -> exp.TableAlias | None:
        if self._match(TokenType.ALIAS):
            alias: Any = self._require_alias()
        elif self._starts_a_clause():
            return None
        else:
            alias = self._parse_id_var(any_token=False, tokens=self.TABLE_ALIAS_TOKENS)
        if alias is None:
            return None
        columns = self._parse_wrapped_id_vars() if self._match(TokenType.L_PAREN, advance=False) else None
        return exp.TableAlias(this=alias, columns=columns)

    def _parse_table(
        self,
        schema: bool = False,
        joins: bool = False,
        alias_tokens: Any = None,
        parse_bracket: bool = False,
        is_db_reference: bool = False,
        parse_partition: bool = False,
        consume_pipe: bool = False,
    ) -> Any:
        """A relation in FROM or JOIN with its alias."""
        relation: Any = self._parse_window_table()
        if relation is None:
            self._refuse_table_argument()
        relation = relation or self._parse_lateral() or self._parse_unnest()
        relation = relation or self._parse_derived_table_values()
        in_parentheses = self._prev.token_type == TokenType.L_PAREN
        starts = (TokenType.L_PAREN, TokenType.SELECT, TokenType.WITH) if in_parentheses else (TokenType.L_PAREN,)
        if relation is None and self._curr.token_type in starts:
            relation = self._parse_select(table=True)
        if relation is None:
            relation = self._parse_named_table()
        self._refuse_relation_clause()
        relation = self._parse_matching(relation)
        for join in self._parse_joins() if joins else ():
            relation.append("joins", join)
        return relation

    def _parse_named_table(self) -> exp.Table:
        if self._curr.token_type not in (TokenType.IDENTIFIER, TokenType.STRING, *self.ID_VAR_TOKENS):
            self.fail("a stream, a table or a URI", _quoting_hint(self._found()))
        table: Any = self._parse_table_parts()
        table.set("system_time", self._parse_system_time())
        table.set("alias", self._parse_table_alias())
        if table.args.get("system_time") is None:
            table.set("system_time", self._parse_system_time())
        return table  # type: ignore[no-any-return]

    def _parse_system_time(self) -> SystemTime | None:
        start = self._curr
        if not self._match(TokenType.FOR):
            return None
        if not self._match_text_seq("SYSTEM_TIME") and not self._match_text_seq("SYSTEM", "TIME"):
            self.fail("SYSTEM_TIME AS OF")
        self._require(TokenType.ALIAS, "AS")
        self._require_word("OF")
        return SystemTime(this=self._require_bitwise()).update_positions(start)

    def _parse_join(
        self, skip_join_token: bool = False, parse_bracket: bool = False, alias_tokens: Any = None
    ) -> exp.Join | None:
        if self._match(TokenType.COMMA):
            return exp.Join(this=self._parse_table())
        start = self._index
        method, side, kind = self._parse_join_parts()
        if not self._match(TokenType.JOIN):
            if (method or side or kind) and self._curr.token_type not in self.SET_OPERATIONS:
                self.fail("JOIN")
            self._retreat(start)
            return None
        join = exp.Join(this=self._parse_table())
        for key, token in (("method", method), ("side", side), ("kind", kind)):
            if token is not None:
                join.set(key, token.text.upper())
        self._parse_join_bound(join)
        if self._match(TokenType.ON):
            join.set("on", self._require_expression())
        elif self._match(TokenType.USING):
            join.set("using", self._parse_wrapped_id_vars())
        elif method is None and join.kind != "CROSS":
            self.fail("ON", "a join needs ON condition or USING (columns); write CROSS JOIN to join every row")
        self._parse_join_bound(join)
        return join

    def _parse_join_bound(self, join: exp.Join) -> None:
        if self._match_text_seq("WITHIN"):
            join.set("within_ms", self._parse_fixed_length())

    def _parse_where(self, skip_where_token: bool = False) -> exp.Where | None:
        if not self._match(TokenType.WHERE):
            return None
        where = exp.Where(this=self._require_expression())
        self._refuse_relation_clause()
        return where

    def _parse_having(self, skip_having_token: bool = False) -> exp.Having | None:
        return exp.Having(this=self._require_expression()) if self._match(TokenType.HAVING) else None

    def _parse_group(self, skip_group_by_token: bool = False) -> Any:
        group: Any = super()._parse_group(skip_group_by_token)
        if group is not None:
            if not group.args.get("expressions"):
                self.fail("a column to group by")
            group.set("expressions", [group_window(item) for item in group.expressions])
        return group

    def _parse_grouping_sets(self) -> Any:
        """Also `()`, the group of all rows."""
        if self._match_pair(TokenType.L_PAREN, TokenType.R_PAREN):
            return exp.Tuple()
        return super()._parse_grouping_sets()

    def _parse_grouping_set(self) -> Any:
        if self._match_pair(TokenType.L_PAREN, TokenType.R_PAREN):
            return exp.Tuple()
        return super()._parse_grouping_set()

    def _parse_order(self, this: Any = None, skip_order_token: bool = False) -> Any:
        order: Any = super()._parse_order(this, skip_order_token)
        if isinstance(order, exp.Order) and order is not this and not order.expressions:
            self.fail("a column to order by")
        return order

    def _parse_limit(self, this: Any = None, top: bool = False, skip_limit_token: bool = False) -> Any:
        if top:
            return None
        if self._match(TokenType.LIMIT):
            if self._match(TokenType.ALL):
                return None
            return exp.Limit(expression=self._require_bitwise())
        if self._match(TokenType.FETCH):
            if self._word() not in ("FIRST", "NEXT"):
                self.fail("FIRST")
            self._advance()
            count: Any = self._parse_number() or exp.Literal.number(1)
            if self._word() == "PERCENT":
                self.refuse("FETCH of a percentage is not run", self._curr)
            if self._word() not in ("ROW", "ROWS"):
                self.fail("ROWS ONLY")
            self._advance()
            if self._curr.token_type == TokenType.WITH:
                self.refuse("WITH TIES is not run", self._curr, "keep the rows of RANK() <= n in a subquery")
            self._require_word("ONLY")
            return exp.Limit(expression=count)
        return this

    def _can_parse_limit_or_offset(self) -> bool:
        return False


def _quoting_hint(token: Token | None) -> str | None:
    if token is not None and token.text[:1].isalpha():
        return f'to use {token.text} as a name, quote it: "{token.text}"'
    return None
