"""Where in the text the parts of a plan stand that have no place of their own, and what is written at a place."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache

from sqlglot import exp

from velo_engine.errors import Location
from velo_engine.sql.locate import locate
from velo_engine.sql.node_spans import SpannedStatement, spanned_statements
from velo_engine.sql.source_text import SourceText
from velo_engine.sql.syntax import GroupWindow, WindowClause, WindowTable
from velo_harness.programs import ProgramText

_CLASSES: dict[str, tuple[type[exp.Expr], ...]] = {
    "equals": (exp.EQ, exp.NullSafeEQ),
    "not_equals": (exp.NEQ, exp.NullSafeNEQ),
    "less": (exp.LT,),
    "less_equal": (exp.LTE, exp.Between),
    "greater": (exp.GT,),
    "greater_equal": (exp.GTE, exp.Between),
    "is_null": (exp.Is,),
    "is_not_null": (exp.Not,),
    "coalesce": (exp.Coalesce, exp.Anonymous),
}
_WORDS = {"greater_equal": ">=", "less_equal": "<="}


class StatementSites:
    """The places of one statement."""

    def __init__(self, statement: SpannedStatement, text: ProgramText) -> None:
        self._statement = statement
        self._source = SourceText(text.file, text.text)
        query = statement.statement.query
        nodes = list(query.walk()) if query is not None else []
        nodes.sort(key=lambda node: span.start if (span := statement.span(node)) else 0)
        self._by_place: dict[tuple[int, int], list[exp.Expr]] = {}
        for node in nodes:
            place = locate(node, text.text, text.file)  # type: ignore[arg-type]
            if place is not None and statement.span(node) is not None:
                self._by_place.setdefault((place.line, place.column), []).append(node)
        self.joins = [self._place(node) for node in nodes if isinstance(node, exp.Join | exp.Exists) or _is_in(node)]
        self.windows = [
            self._place(node) for node in nodes if isinstance(node, WindowClause | WindowTable | GroupWindow)
        ]
        self.limits = [self._place(node) for node in nodes if isinstance(node, exp.Limit)]
        ranks = (n for n in nodes if isinstance(n, exp.Window))
        self.limits += [self._place(node) for node in ranks if node.this.name.upper() in _RANKS]
        self.groups = [self._place(node) for node in nodes if isinstance(node, exp.Group)]
        self.unions = [self._place(node) for node in nodes if isinstance(node, exp.Union)]

    def _place(self, node: exp.Expr) -> Location:
        span = self._statement.span(node)
        return self.start if span is None else self._source.location(span.start, span.end)

    @property
    def start(self) -> Location:
        """The statement's own place."""
        return self._statement.statement.location

    def text_at(self, location: Location, function: str) -> str:
        """What is written where an expression of the plan came from: of its kind when it tells, else the widest."""
        nodes = self._by_place.get((location.line, location.column), [])
        wanted = [node for node in nodes if isinstance(node, _CLASSES.get(function, ()))]
        others = [node for node in nodes if not isinstance(node, _NO_CONDITION)]
        if wanted:
            text = self._of(min(wanted, key=self._width))
            return f"{text} [{_WORDS[function]}]" if function in _WORDS and isinstance(wanted[0], exp.Between) else text
        return self._of(max(others, key=self._width)) if others else location.text.strip()

    def _of(self, node: exp.Expr) -> str:
        span = self._statement.span(node)
        assert span is not None
        return " ".join(self._source.text[span.start : span.end].split())

    def _width(self, node: exp.Expr) -> int:
        span = self._statement.span(node)
        return 0 if span is None else span.end - span.start


_WINDOW_SYNTAX = (WindowClause, WindowTable, GroupWindow)
_RANKS = ("ROW_NUMBER", "RANK", "DENSE_RANK")
_NO_CONDITION = (
    exp.Connector, exp.Alias, exp.Query, exp.Where, exp.Having, exp.Join, exp.From, exp.Group, exp.Order, exp.Ordered,
    exp.With, exp.CTE, exp.Paren, exp.Case, exp.If, exp.Window, exp.Identifier,
)  # fmt: skip


def _is_in(node: exp.Expr) -> bool:
    return isinstance(node, exp.In) and node.args.get("query") is not None


def statement_sites(text: ProgramText, variables: Mapping[str, str]) -> dict[str, StatementSites]:
    """The places of every statement, by name."""
    values = {**os.environ, **variables} if "${" in text.text else {}
    return _sites(text, tuple(sorted(values.items())))


@lru_cache(maxsize=16)
def _sites(text: ProgramText, variables: tuple[tuple[str, str], ...]) -> dict[str, StatementSites]:
    spanned = spanned_statements(text.text, file=text.file, variables=dict(variables))
    return {one.statement.name: StatementSites(one, text) for one in spanned if one.statement.query is not None}


class Taken:
    """Gives the places of a kind to the parts of a plan, first to first, when there are as many."""

    def __init__(self, places: Sequence[Location], wanted: int, otherwise: Location) -> None:
        self._places = iter(places) if len(places) == wanted else iter(())
        self._otherwise = otherwise

    def next(self) -> Location:
        """The next place; the statement's own when the plan and the text do not correspond."""
        return next(self._places, self._otherwise)
