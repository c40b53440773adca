"""The grammar of windows: the WINDOW clause, window table functions in FROM, legacy group windows in GROUP BY."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.errors import nearest
from velo_engine.sql.durations import interval_ms
from velo_engine.sql.expression_parser import ExpressionParser
from velo_engine.sql.failures import SyntaxFailure
from velo_engine.sql.syntax import GroupWindow, WindowClause, WindowTable

WINDOW_KINDS = {
    "TUMBLING": "tumbling",
    "SLIDING": "sliding",
    "HOPPING": "sliding",
    "SESSION": "session",
    "CUMULATING": "cumulating",
}
_FLINK_WINDOWS = {
    "TUMBLE": "TUMBLING(size)",
    "HOP": "SLIDING(size, advance)",
    "CUMULATE": "CUMULATING(step, size)",
}
_TABLE_FUNCTIONS = {"TUMBLE": "tumble", "HOP": "hop", "SESSION": "session", "CUMULATE": "cumulate"}
_TABLE_FUNCTION_SIZES = {
    "tumble": ("size_ms",),
    "hop": ("slide_ms", "size_ms"),
    "session": ("size_ms",),
    "cumulate": ("slide_ms", "size_ms"),
}
_NAMED_ARGUMENTS = {
    "SIZE": "size_ms",
    "GAP": "size_ms",
    "SLIDE": "slide_ms",
    "STEP": "slide_ms",
    "OFFSET": "offset_ms",
}


class WindowParser(ExpressionParser):
    """WINDOW TUMBLING(…), TABLE(TUMBLE(…)), GROUP BY TUMBLE(…)."""

    def _parse_window_modifier(self) -> tuple[str, Any]:
        """`WINDOW TUMBLING(…)`, or the named windows of standard SQL: `WINDOW w AS (…), …`."""
        start = self._curr
        self._advance()
        if self._next.token_type == TokenType.ALIAS:
            return "windows", self._parse_csv(self._parse_named_window)
        return "window_clause", self._parse_window_kind().update_positions(start)

    def _parse_window_kind(self) -> WindowClause:
        word = self._word()
        if word not in WINDOW_KINDS:
            self.fail("TUMBLING, SLIDING, SESSION or CUMULATING", _window_hint(word))
        self._advance()
        kind = WINDOW_KINDS[word]
        self._require(TokenType.L_PAREN, "(")
        time_column = self._parse_window_time_column()
        first = self._parse_fixed_length()
        second = None
        if kind in ("sliding", "cumulating"):
            if not self._match(TokenType.COMMA):
                self.fail(
                    '","', f"{word} takes {'a size and an advance' if kind == 'sliding' else 'a step and a size'}"
                )
            second = self._parse_fixed_length()
        self._match_r_paren()
        size, slide = (second, first) if kind == "cumulating" else (first, second)
        return WindowClause(kind=kind, time_column=time_column, size_ms=size, slide_ms=slide)

    def _parse_window_time_column(self) -> Any:
        starts_a_column = self._curr.token_type in self.IDENTIFIER_TOKENS and self._next.token_type in (
            TokenType.COMMA,
            TokenType.DOT,
        )
        if not starts_a_column:
            return None
        column = self._parse_column()
        self._require(TokenType.COMMA, ",")
        return column

    def _parse_window_table(self) -> WindowTable | None:
        """`TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), size))` or without the outer TABLE."""
        wrapped = (
            self._curr.token_type == TokenType.TABLE
            and self._next.token_type == TokenType.L_PAREN
            and self._index + 2 < self._tokens_size
            and self._word(self._tokens[self._index + 2]) in _TABLE_FUNCTIONS
        )
        if wrapped:
            self._advance(2)
        start = self._curr
        kind = _TABLE_FUNCTIONS.get(self._word())
        if kind is None or self._next.token_type != TokenType.L_PAREN:
            return None
        self._advance(2)
        node = WindowTable(kind=kind, offset_ms=0, partition_by=[]).update_positions(start)
        self._parse_window_table_arguments(node, start)
        self._match_r_paren()
        if wrapped:
            self._match_r_paren()
        node.set("alias", self._parse_table_alias())
        return node

    def _parse_window_table_arguments(self, node: WindowTable, start: Token) -> None:
        positional = iter(("table", "time_column", *_TABLE_FUNCTION_SIZES[node.args["kind"]], "offset_ms"))
        while self._curr.token_type != TokenType.R_PAREN:
            key = self._window_table_argument_name(positional, start)
            if key == "table":
                self._parse_table_argument(node)
            elif key == "time_column":
                node.set("time_column", self._parse_descriptor())
            else:
                node.set(key, self._parse_distance() if key == "offset_ms" else self._parse_fixed_length())
            if not self._match(TokenType.COMMA):
                break
        required = ("table", "time_column", *_TABLE_FUNCTION_SIZES[node.args["kind"]])
        if any(node.args.get(key) is None for key in required):
            arguments = "TABLE name, DESCRIPTOR(time), " + ", ".join(key.removesuffix("_ms") for key in required[2:])
            raise SyntaxFailure(f"{start.text} needs {arguments}", start)

    def _window_table_argument_name(self, positional: Iterable[str], start: Token) -> str:
        if self._next.token_type != TokenType.FARROW:
            key = next(iter(positional), None)
            if key is None:
                raise SyntaxFailure(f"too many arguments for {start.text}", self._found())
            return key
        word = self._word()
        key = {"DATA": "table", "TIMECOL": "time_column", **_NAMED_ARGUMENTS}.get(word)
        if key is None:
            self.fail("DATA, TIMECOL, SIZE, SLIDE, STEP, GAP or OFFSET")
        self._advance(2)
        return key

    def _parse_table_argument(self, node: WindowTable) -> None:
        if not self._match(TokenType.L_PAREN, advance=False):
            self._require(TokenType.TABLE, "TABLE")
        if self._match(TokenType.L_PAREN):
            node.set("table", exp.Subquery(this=self._parse_statement()))
            self._match_r_paren()
        else:
            node.set("table", self._parse_table_parts())
        if self._match(TokenType.PARTITION_BY):
            wrapped = self._match(TokenType.L_PAREN)
            node.set("partition_by", self._parse_csv(self._parse_column) if wrapped else [self._parse_column()])
            if wrapped:
                self._match_r_paren()

    def _parse_descriptor(self) -> Any:
        self._require_word("DESCRIPTOR")
        self._require(TokenType.L_PAREN, "(")
        column = self._parse_column()
        if not isinstance(column, exp.Column):
            self.fail("a time column")
        self._match_r_paren()
        return column


def group_window(item: Any) -> Any:
    """A legacy group window as GroupWindow; any other item of GROUP BY as it is."""
    if not isinstance(item, exp.Anonymous) or item.name not in ("TUMBLE", "HOP", "SESSION"):
        return item
    time_column, *sizes = item.expressions or [None]
    kind = item.name.lower()
    if not isinstance(time_column, exp.Column) or len(sizes) != len(_TABLE_FUNCTION_SIZES[kind]):
        raise _group_window_failure(item, "takes a time column and " + ("two lengths" if kind == "hop" else "a length"))
    node = GroupWindow(kind=kind, time_column=time_column)
    for key, size in zip(_TABLE_FUNCTION_SIZES[kind], sizes, strict=True):
        if not isinstance(size, exp.Interval):
            raise _group_window_failure(item, "takes its lengths as INTERVAL '…' unit")
        try:
            node.set(key, interval_ms(size))
        except ValueError as error:
            raise _group_window_failure(item, f"cannot be computed: {error}") from None
    return node.update_positions(item)


def _group_window_failure(item: exp.Anonymous, problem: str) -> SyntaxFailure:
    meta = item.meta
    token = Token(TokenType.VAR, item.name, meta["line"], meta["col"], meta["start"], meta["end"])
    return SyntaxFailure(f"{item.name} in GROUP BY {problem}", token)


def _window_hint(word: str) -> str | None:
    if word in _FLINK_WINDOWS:
        return f"{word} is written WINDOW {_FLINK_WINDOWS[word]} here"
    close = nearest(word, WINDOW_KINDS) if word else None
    return f"did you mean {close}?" if close is not None else None
