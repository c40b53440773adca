"""Expressions: their types as far as they are known, and what they say of the columns in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sqlglot import exp

from velo_engine.errors import VeloError
from velo_engine.sql.syntax import GroupWindow, JsonCall, TimeDifference, TypedLiteral, WindowTable
from velo_engine.type_rules.spelling import parse_type
from velo_engine.types import BIGINT, BOOLEAN, DATE, STRING, SqlType, array, map_of, time, timestamp
from velo_import.convert.inference.functions import called, literal_type
from velo_import.convert.inference.relations import Attributions, OpenTable, ReadRelation, Scope, TableKey
from velo_import.convert.inference.variables import (
    MOMENT,
    NUMBER,
    TIMES,
    Term,
    Variable,
    agree,
    kind_of,
    restrict,
)

_STRING = frozenset({"string"})
_BOOLEAN = frozenset({"boolean"})
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
_CONDITIONS = (exp.And, exp.Or, exp.Not)
_MATCHES = (exp.Like, exp.SimilarTo)
_TYPED = {"DATE": DATE, "TIME": time(0), "TIMESTAMP": timestamp(3)}
_WINDOW_CALLS = frozenset(
    f"{kind}_{part}" for kind in ("TUMBLE", "HOP", "SESSION") for part in ("START", "END", "ROWTIME", "PROCTIME")
)
_RANKINGS = frozenset({"ROW_NUMBER", "RANK", "DENSE_RANK", "NTILE", "PERCENT_RANK", "CUME_DIST", "LAG", "LEAD"})

CERTAIN = 10
"""What it is worth as an event time when a window or a pattern goes by a column."""

ReadQuery: TypeAlias = Callable[[exp.Query, Scope | None], ReadRelation]


class Expressions:
    """Reads expressions; a query within one is read by `read_query`."""

    def __init__(self, attributions: Attributions, tables: list[OpenTable], read_query: ReadQuery) -> None:
        self._attributions = attributions
        self._tables = tables
        self._read_query = read_query

    # --- columns ---

    def column(self, node: exp.Expr, scope: Scope) -> Term:
        """The type of a column reference."""
        parts = [part.name for part in node.parts] if isinstance(node, exp.Column) else [node.name]
        if not parts or isinstance(node.this, exp.Star):
            return None
        for at in range(len(parts) - 1, 0, -1):
            relation = scope.called(parts[at - 1])
            if relation is not None and at <= 3:
                return _nested(self._of(relation, parts[at]), parts[at + 1 :])
        return _nested(self._unqualified(parts[0], scope), parts[1:])

    def _of(self, relation: ReadRelation, name: str) -> Term:
        found, term = relation.find(name)
        if found or not relation.opens:
            if found or not relation.takes_any:
                self._count(relation, name, self._attributions.hits if found else self._attributions.misses)
            return term
        owner = self._attributions.owner(name, relation.opens)
        return None if owner is None or name.startswith("$") else owner.column(name)

    def _count(self, relation: ReadRelation, name: str, where: dict[TableKey, dict[str, None]]) -> None:
        """A column that tables of other scripts have, or have not."""
        if not name.startswith(("$", "window_")):
            for key in relation.lent:
                where.setdefault(key, {})[name] = None

    def _unqualified(self, name: str, scope: Scope) -> Term:
        candidates: list[OpenTable] = []
        for level in scope.levels():
            opens: list[OpenTable] = []
            for _, relation in level.relations:
                found, term = relation.find(name)
                if found:
                    self._count(relation, name, self._attributions.hits)
                    return term
                opens += relation.opens
            if any(relation.takes_any for _, relation in level.relations) and not opens:
                return None
            once = [table for table in opens if opens.count(table) == 1]
            candidates += [table for table in once or opens if table not in candidates]
            if candidates and scope.prefers_own:
                break
        if not candidates or name.startswith("$"):
            for _, relation in () if candidates else scope.relations:
                self._count(relation, name, self._attributions.misses)
            return None
        owner = self._attributions.owner(name, tuple(candidates))
        return None if owner is None else owner.column(name)

    def event_time(self, node: exp.Expr | None, scope: Scope, weight: int) -> None:
        """A column that time goes by."""
        if node is None:
            return
        term = self.term(node, scope)
        if not isinstance(term, Variable):
            return
        if weight >= CERTAIN:
            term.root().allowed = TIMES
        else:
            term.restrict(TIMES)
        for table in self._tables:
            for name, own in table.columns.items():
                if own is term:
                    table.event_times[name] = table.event_times.get(name, 0) + weight

    # --- expressions ---

    def condition(self, node: exp.Expr | None, scope: Scope) -> None:
        """A condition: what is no comparison is a BOOLEAN."""
        if node is not None:
            restrict([self.term(node, scope)], _BOOLEAN)

    def term(self, node: exp.Expr, scope: Scope) -> Term:
        """The type of an expression."""
        match node:
            case exp.Column():
                return self.column(node, scope)
            case exp.Paren() | exp.Alias() | exp.Ordered() | exp.IgnoreNulls() | exp.RespectNulls():
                return self.term(node.this, scope)
            case exp.Coalesce():
                return agree(*(self.term(child, scope) for child in (node.this, *node.expressions)))
            case exp.Literal():
                return literal_type(node)
            case exp.Boolean():
                return BOOLEAN
            case TypedLiteral():
                return _TYPED.get(node.args["kind"])
            case exp.Cast() | exp.TryCast():
                return self._cast(node, scope)
            case exp.Case():
                return self._case(node, scope)
            case exp.Dot():
                return _nested(self.term(node.this, scope), [node.expression.name])
            case exp.Bracket():
                return self._bracket(node, scope)
            case exp.Window():
                return self._window(node, scope)
            case exp.Filter():
                self.condition(node.expression.this, scope)
                return self.term(node.this, scope)
            case exp.Distinct() if len(node.expressions) == 1:
                return self.term(node.expressions[0], scope)
            case exp.Extract():
                restrict([self.term(node.expression, scope)], MOMENT, "timestamp")
                return BIGINT
            case exp.Trim():
                restrict([self.term(child, scope) for child in (node.this, node.expression) if child], _STRING)
                return STRING
            case JsonCall():
                return self._json(node, scope)
            case TimeDifference():
                restrict([self.term(child, scope) for child in (node.this, node.expression)], MOMENT)
                return None
            case GroupWindow():
                self.event_time(node.args["time_column"], scope, CERTAIN)
                return None
            case exp.Array():
                element = agree(*(self.term(child, scope) for child in node.expressions))
                return array(element.type() if isinstance(element, Variable) else element or STRING)
            case exp.Subquery() | exp.Query():
                found = self._read_query(node, scope)
                return found.columns[0][1] if len(found.columns) == 1 else None
            case exp.Exists():
                self._read_query(node.this, scope)
                return BOOLEAN
            case exp.Any() | exp.All():
                return self.term(node.this, scope)
            case exp.Anonymous():
                return self._call(node, scope)
            case _:
                return self._operator(node, scope)

    def _operator(self, node: exp.Expr, scope: Scope) -> Term:
        match node:
            case _ if isinstance(node, _COMPARISONS):
                self._compared(node, scope)
                return BOOLEAN
            case _ if isinstance(node, _CONDITIONS):
                restrict([self.term(child, scope) for child in _children(node)], _BOOLEAN)
                return BOOLEAN
            case _ if isinstance(node, _ARITHMETIC):
                return self._arithmetic(node, scope)
            case exp.Neg():
                term = self.term(node.this, scope)
                restrict([term], NUMBER)
                return term
            case exp.Between():
                terms = [self.term(node.args[key], scope) for key in ("this", "low", "high")]
                agree(*terms)
                self._bounded(node, scope)
                return BOOLEAN
            case exp.In():
                return self._in(node, scope)
            case _ if isinstance(node, _MATCHES):
                restrict([self.term(child, scope) for child in _children(node)], _STRING)
                return BOOLEAN
            case exp.DPipe():
                restrict([self.term(child, scope) for child in _children(node)], _STRING)
                return STRING
            case exp.Is():
                term = self.term(node.this, scope)
                if isinstance(node.expression, exp.Boolean):
                    restrict([term], _BOOLEAN)
                return BOOLEAN
            case _:
                for child in _children(node):
                    self.term(child, scope)
                return None

    def _compared(self, node: exp.Expr, scope: Scope) -> None:
        left, right = node.this, node.expression
        if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
            for one, other in zip(left.expressions, right.expressions, strict=False):
                agree(self.term(one, scope), self.term(other, scope))
            return
        agree(self.term(left, scope), self.term(right, scope))
        self._bounded(node, scope)

    def _bounded(self, node: exp.Expr, scope: Scope) -> None:
        """Two columns that are an interval apart are event times: those of an interval join."""
        if node.find(exp.Interval) is None:
            return
        columns = [c for c in node.find_all(exp.Column) if c.table]
        if len({c.table for c in columns}) > 1 and node.find_ancestor(exp.Select) is not None:
            for column in columns:
                self.event_time(column, scope, 2)

    def _arithmetic(self, node: exp.Expr, scope: Scope) -> Term:
        sides = [node.this, node.expression]
        terms = [self.term(side, scope) for side in sides]
        if any(isinstance(side, exp.Interval) for side in sides):
            moment = next((t for t, side in zip(terms, sides, strict=True) if not isinstance(side, exp.Interval)), None)
            if isinstance(node, exp.Add | exp.Sub):
                restrict([moment], MOMENT | {"time"}, "timestamp")
            return moment
        restrict(terms, NUMBER)
        for term in terms:
            if isinstance(term, Variable) and any(kind_of(t) == "number" for t in terms if isinstance(t, SqlType)):
                term.wish("number")
        known = [term for term in terms if term is not None and not isinstance(term, Variable)]
        return known[0] if len(known) == len(terms) and known[0] == known[-1] else None

    def _in(self, node: exp.In, scope: Scope) -> Term:
        lefts = node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this]
        terms = [self.term(left, scope) for left in lefts]
        query = node.args.get("query")
        if query is not None:
            found = self._read_query(query, scope)
            for term, (_, other) in zip(terms, found.columns, strict=False):
                agree(term, other)
            return BOOLEAN
        for one in node.expressions:
            others = one.expressions if isinstance(one, exp.Tuple) and len(terms) > 1 else [one]
            for term, other in zip(terms, others, strict=False):
                agree(term, self.term(other, scope))
        return BOOLEAN

    def _cast(self, node: exp.Cast | exp.TryCast, scope: Scope) -> Term:
        self.term(node.this, scope)
        try:
            return parse_type(node.to).as_nullable()
        except VeloError:
            return None

    def _case(self, node: exp.Case, scope: Scope) -> Term:
        subject = self.term(node.this, scope) if node.this is not None else None
        results: list[Term] = []
        for branch in node.args["ifs"]:
            if node.this is None:
                self.condition(branch.this, scope)
            else:
                agree(subject, self.term(branch.this, scope))
            results.append(self.term(branch.args["true"], scope))
        if node.args.get("default") is not None:
            results.append(self.term(node.args["default"], scope))
        return agree(*results)

    def _bracket(self, node: exp.Bracket, scope: Scope) -> Term:
        inner = self.term(node.this, scope)
        key = node.expressions[0]
        by = self.term(key, scope)
        if not isinstance(inner, Variable):
            return inner.element if inner is not None else None
        if isinstance(key, exp.Literal) and key.is_string:
            return inner.value()
        known = inner.elsewhere()
        if known is not None and known.element is not None:
            return known.element
        restrict([by], frozenset({"integer"}))
        return inner.item()

    def _json(self, node: JsonCall, scope: Scope) -> Term:
        terms = [self.term(child, scope) for child in node.expressions]
        if node.name.upper() in ("JSON_VALUE", "JSON_QUERY", "JSON_EXISTS"):
            restrict(terms[:1], _STRING)
        return STRING

    def _call(self, node: exp.Anonymous, scope: Scope) -> Term:
        name = str(node.this).upper()
        if name in _WINDOW_CALLS:
            self.event_time(node.expressions[0], scope, CERTAIN)
            return timestamp(3)
        if name == "PROCTIME":
            return None
        if name in ("TIMESTAMPDIFF", "TIMESTAMPADD"):
            moments = [self.term(child, scope) for child in node.expressions[1:]]
            restrict(moments[-1:] if name == "TIMESTAMPADD" else moments, MOMENT, "timestamp")
            return BIGINT if name == "TIMESTAMPDIFF" else moments[-1]
        if name == "MAP":
            terms = [self.term(child, scope) for child in node.expressions]
            value = agree(*terms[1::2])
            return map_of(STRING, value.type() if isinstance(value, Variable) else value or STRING)
        if name == "ROW":
            whole = Variable()
            for number, child in enumerate(node.expressions):
                agree(whole.at(number, f"f{number}"), self.term(child, scope))
            return whole
        nodes = [child for child in node.expressions if not isinstance(child, exp.Var)]
        terms = [self.term(child, scope) for child in nodes]
        if len(nodes) < len(node.expressions):
            restrict(terms[:1], MOMENT, "timestamp")
            return terms[0] if terms else None
        return called(name, nodes, terms)

    def _window(self, node: exp.Window, scope: Scope) -> Term:
        for part in node.args.get("partition_by") or ():
            self.term(part, scope)
        order = node.args.get("order")
        function = node.this.name.upper() if isinstance(node.this, exp.Anonymous) else ""
        for number, ordered in enumerate(order.expressions if order is not None else ()):
            is_time = number == 0 and function not in _RANKINGS and not ordered.args.get("desc")
            if is_time:
                self.event_time(ordered.this, scope, 5)
            else:
                self.term(ordered.this, scope)
        return self.term(node.this, scope)


def _children(node: exp.Expr) -> list[exp.Expr]:
    return [child for child in node.iter_expressions() if not isinstance(child, exp.Identifier | WindowTable)]


def _nested(term: Term, fields: list[str]) -> Term:
    """A field of a row."""
    for name in fields:
        if isinstance(term, Variable):
            known = term.elsewhere()
            term = dict(known.fields).get(name) if known is not None and known.fields else term.field(name)
        elif term is not None:
            term = dict(term.fields).get(name)
    return term
