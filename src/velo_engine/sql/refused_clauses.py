"""Clauses of queries that Flink's parser knows and this engine does not run: refused by name where they stand."""

from __future__ import annotations

from typing import Any

from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.sql.match_parser import MatchParser

_ENDS = frozenset(
    {TokenType.COMMA, TokenType.R_PAREN, TokenType.DOT, TokenType.ON, TokenType.WHERE, TokenType.JOIN}
    | {TokenType.USING, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.LIMIT, TokenType.UNION}
)
"""What may stand behind an alias."""

_OF_RELATIONS = {
    "TABLESAMPLE": "filter with a condition of your own, such as MOD(id, 10) = 0",
    "PIVOT": "write one aggregate with FILTER (WHERE …) for each value",
    "UNPIVOT": "UNNEST an array of rows",
    "ASOF": "join the newest version: FOR SYSTEM_TIME AS OF",
    "QUALIFY": "number the rows in a subquery and filter around it",
}
_FOLLOWS = {"PIVOT": TokenType.L_PAREN, "UNPIVOT": TokenType.L_PAREN, "ASOF": TokenType.JOIN}
_OF_QUERIES = ("ARRAY", "MAP", "MULTISET", "UNIQUE", "CURSOR")


class RefusedClauses(MatchParser):
    """Where a clause may begin, looks for those that are refused."""

    def _refuse_relation_clause(self) -> None:
        """TABLESAMPLE, PIVOT and the like behind a relation; alone each is a name like any other."""
        word = self._word()
        if word not in _OF_RELATIONS or not self._next:
            return
        follows = _FOLLOWS.get(word)
        if self._next.token_type in _ENDS if follows is None else self._next.token_type != follows:
            return
        self.refuse(f"{word} is not run", self._curr, _OF_RELATIONS[word])

    def _refuse_table_argument(self) -> None:
        """`f(TABLE t, …)`: a function of whole tables, which only the window functions are here."""
        if self._curr.token_type != TokenType.VAR or self._next.token_type != TokenType.L_PAREN:
            return
        inner = self._token_after_next()
        if inner is not None and inner.token_type == TokenType.TABLE:
            hint = "table functions are TUMBLE, HOP, CUMULATE, SESSION, UNNEST and those that @udf names"
            self.refuse(f"the table function {self._word()} is not run", self._curr, hint)

    def _refuse_collation(self) -> None:
        if self._word() == "COLLATE" and self._next.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
            self.refuse("COLLATE is not run", self._curr, "strings compare by their UTF-8 bytes")

    def parse_set_operation(self, this: Any, consume_pipe: bool = False, intersect_only: bool = False) -> Any:
        """UNION, INTERSECT, EXCEPT by position; what other systems add is refused."""
        start = self._curr
        operation = super().parse_set_operation(this, consume_pipe, intersect_only)
        if operation is not None and any(operation.args.get(key) for key in ("by_name", "side", "kind", "on")):
            self.refuse("a set operation BY NAME is not run", start, "list the columns in the same order")
        return operation

    def _parse_unary(self) -> Any:
        """Also `ARRAY(SELECT …)`, `UNIQUE (SELECT …)` and NEXT VALUE FOR, which are refused."""
        if self._word() in _OF_QUERIES and self._next.token_type == TokenType.L_PAREN:
            inner = self._token_after_next()
            if inner is not None and inner.token_type in (TokenType.SELECT, TokenType.WITH):
                self.refuse(f"{self._word()} of a query is not run", self._curr)
        if self._word() == "NEXT" and self._word(self._next) == "VALUE":
            self.refuse("NEXT VALUE FOR is not run", self._curr)
        return super()._parse_unary()

    def _parse_frame(self) -> Any:
        """A frame; GROUPS and EXCLUDE are refused."""
        if self._word() == "GROUPS" and self._next.token_type != TokenType.R_PAREN:
            self.refuse("GROUPS of a frame is not run", self._curr, "write ROWS or RANGE")
        frame = super()._parse_frame()
        if self._word() == "EXCLUDE":
            self.refuse("EXCLUDE of a frame is not run", self._curr)
        return frame

    def _token_after_next(self) -> Token | None:
        return self._tokens[self._index + 2] if self._index + 2 < self._tokens_size else None
