"""Queries: which columns they take of what they read, and which they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sqlglot import exp

from velo_engine.sql.match_syntax import MatchRecognize, PatternVariable
from velo_engine.sql.syntax import KeyColumn, SystemTime, WindowTable
from velo_engine.types import timestamp
from velo_import.convert.inference.expressions import CERTAIN, Expressions
from velo_import.convert.inference.relations import Attributions, OpenTable, ReadRelation, Scope, TableKey
from velo_import.convert.inference.variables import Term, Variable, agree, is_processing_time

FindRelation: TypeAlias = Callable[[exp.Table], ReadRelation]


class Queries:
    """Reads the queries of a script; `find` knows what the name of a relation means."""

    def __init__(self, attributions: Attributions, tables: list[OpenTable], find: FindRelation) -> None:
        self._find = find
        self._own: dict[str, ReadRelation] = {}
        """The relations of WITH."""
        self._expressions = Expressions(attributions, tables, self.read)

    def read(self, query: exp.Query, above: Scope | None = None) -> ReadRelation:
        """The result of a query."""
        before = self._own
        self._own = dict(before)
        for cte in query.ctes if isinstance(query, exp.Query) else ():
            result = self.read(cte.this, above)
            self._own[cte.alias] = _renamed(result, cte.args.get("alias"))
        try:
            if isinstance(query, exp.SetOperation):
                result, scope = self._set_operation(query, above), Scope(above)
            elif isinstance(query, exp.Subquery):
                result, scope = self.read(query.this, above), Scope(above)
            elif isinstance(query, exp.Select):
                result, scope = self._select(query, above)
            else:
                return ReadRelation(takes_any=True)
            self._order(query, result, scope)
        finally:
            self._own = before
        return result

    def _set_operation(self, query: exp.SetOperation, above: Scope | None) -> ReadRelation:
        left, right = self.read(query.left, above), self.read(query.right, above)
        if not left.opens and not right.opens:
            for (_, one), (_, other) in zip(left.columns, right.columns, strict=False):
                agree(one, other)
            return left
        for own, further in ((left, right), (right, left)):
            if len(own.opens) == 1 and not own.columns:
                _match_rows(own.opens[0], further)
        return left

    def _select(self, query: exp.Select, above: Scope | None) -> tuple[ReadRelation, Scope]:
        scope = Scope(above)
        start = query.args.get("from_")
        if start is not None:
            self._relation(start.this, scope)
        for join in query.args.get("joins") or ():
            self._join(join, scope)
        for lateral in query.args.get("laterals") or ():
            self._relation(lateral, scope)
        read = self._expressions
        for key in ("where", "having", "qualify"):
            if query.args.get(key) is not None:
                read.condition(query.args[key].this, scope)
        for window in query.args.get("windows") or ():
            read.term(window, scope)
        result = self._items(query, scope)
        group = query.args.get("group")
        for part in group.expressions if group is not None else ():
            read.term(part, scope)
        return result, scope

    def _items(self, query: exp.Select, scope: Scope) -> ReadRelation:
        listed = Scope(scope.above, scope.relations, prefers_own=True)
        columns: list[tuple[str, Term]] = []
        opens: list[OpenTable] = []
        lent: list[TableKey] = []
        takes_any = False
        for item in query.expressions:
            written = item.this if isinstance(item, KeyColumn) else item
            relations = _starred(written, scope)
            for relation in relations:
                columns += relation.columns
                opens += relation.opens
                lent += relation.lent
                takes_any |= relation.takes_any
            if relations or isinstance(written, exp.Star):
                continue
            columns.append((written.alias_or_name, self._expressions.term(written, listed)))
        return ReadRelation(tuple(columns), tuple(dict.fromkeys(opens)), takes_any, tuple(lent))

    def _order(self, query: exp.Query, result: ReadRelation, scope: Scope) -> None:
        order = query.args.get("order")
        inner = Scope(scope, [("", result)])
        for number, ordered in enumerate(order.expressions if order is not None else ()):
            limited = query.args.get("limit") is not None
            if not limited and number == 0 and not ordered.args.get("desc"):
                self._expressions.event_time(ordered.this, inner, 3)
            else:
                self._expressions.term(ordered.this, inner)

    # --- FROM ---

    def _join(self, join: exp.Join, scope: Scope) -> None:
        before = list(scope.relations)
        self._relation(join.this, scope)
        self._expressions.condition(join.args.get("on"), scope)
        for identifier in join.args.get("using") or ():
            left, right = Scope(None, before), Scope(None, scope.relations[len(before) :])
            sides = [self._expressions.column(exp.column(identifier.name), side) for side in (left, right)]
            agree(*sides)
        node = join.this
        if isinstance(node, exp.Table) and isinstance(node.args.get("system_time"), SystemTime):
            self._looked_up(node, join, scope)

    def _looked_up(self, node: exp.Table, join: exp.Join, scope: Scope) -> None:
        """A table that is asked for the row of a time: by the key that the condition compares."""
        moment = node.args["system_time"].this
        relation = scope.called(node.alias_or_name)
        if relation is None or len(relation.opens) != 1:
            self._time_of_lookup(moment, scope)
            return
        (table,) = relation.opens
        by_event_time = self._time_of_lookup(moment, scope)
        table.is_versioned |= by_event_time
        on = join.args.get("on")
        for equal in on.find_all(exp.EQ) if on is not None else ():
            for side in (equal.this, equal.expression):
                if not isinstance(side, exp.Column):
                    continue
                term = self._expressions.column(side, scope)
                name = next((n for n, own in table.columns.items() if own is term), None)
                if name is not None:
                    table.lookup_keys[name] = None

    def _time_of_lookup(self, moment: exp.Expr, scope: Scope) -> bool:
        """Whether it is an event time, which it is unless it is called like a processing time."""
        if not isinstance(moment, exp.Column):
            return False
        term = self._expressions.column(moment, scope)
        if is_processing_time(moment.name) or not isinstance(term, Variable) or term.root().known:
            return isinstance(term, Variable) and bool(term.root().known)
        self._expressions.event_time(moment, scope, CERTAIN)
        return True

    def _relation(self, node: exp.Expr, scope: Scope) -> None:
        """A relation in FROM comes into scope."""
        alias = node.args.get("alias")
        name = node.alias_or_name
        match node:
            case exp.Table():
                cte = self._own.get(node.name) if not node.args.get("db") else None
                found = cte if cte is not None else self._find(node)
                scope.relations.append((name, _renamed(found, alias)))
            case WindowTable():
                inner = Scope(scope.above)
                self._relation(node.args["table"], inner)
                own = Scope(None, inner.relations[:1])
                self._expressions.event_time(node.args["time_column"], own, CERTAIN)
                for part in node.args.get("partition_by") or ():
                    self._expressions.term(part, own)
                found = inner.relations[0][1]
                bounds = tuple((f"window_{part}", timestamp(3)) for part in ("start", "end", "time"))
                result = ReadRelation((*found.columns, *bounds), found.opens, found.takes_any, found.lent)
                scope.relations.append((name or inner.relations[0][0], _renamed(result, alias)))
            case MatchRecognize():
                scope.relations.append((name, _renamed(self._pattern(node, scope), alias)))
            case exp.Subquery() if isinstance(node.this, exp.Query):
                scope.relations.append((name, _renamed(self.read(node.this, scope.above), alias)))
            case exp.Subquery():
                self._relation(node.this, scope)
            case exp.Lateral() if isinstance(node.this, exp.Subquery):
                inner = Scope(scope)
                scope.relations.append((name, _renamed(self.read(node.this.this, inner), alias)))
            case exp.Lateral():
                for child in node.this.expressions:
                    self._expressions.term(child, scope)
                scope.relations.append((name, _renamed(ReadRelation(takes_any=True), alias)))
            case exp.Unnest():
                scope.relations.append((name, self._unnested(node, scope)))
            case exp.Values():
                scope.relations.append((name, _renamed(self._values(node, scope), alias)))
            case _:
                scope.relations.append((name, ReadRelation(takes_any=True)))
        for join in node.args.get("joins") or () if isinstance(node, exp.Table | exp.Subquery) else ():
            self._join(join, scope)

    def _values(self, node: exp.Values, scope: Scope) -> ReadRelation:
        rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
        terms = [[self._expressions.term(value, scope) for value in row] for row in rows]
        return ReadRelation(tuple(("", agree(*column)) for column in zip(*terms, strict=False)))

    def _unnested(self, node: exp.Unnest, scope: Scope) -> ReadRelation:
        """UNNEST: of an ARRAY of values, of one of rows when several columns are named, of a MAP for key and value."""
        term = self._expressions.term(node.expressions[0], scope)
        alias = node.args.get("alias")
        names = [column.name for column in alias.columns] if alias is not None else []
        if not isinstance(term, Variable):
            found = [term.element] if term is not None and term.element is not None and len(names) == 1 else []
            return ReadRelation(tuple(zip(names, [*found, *([None] * len(names))], strict=False)), takes_any=not names)
        if term.root().known:
            return ReadRelation(tuple((name, None) for name in names), takes_any=not names)
        if len(names) > 1 and [name.lower()[0] for name in names] == ["k", "v"]:
            return ReadRelation(((names[0], None), (names[1], term.value())))
        element = term.item()
        if len(names) > 1:
            return ReadRelation(tuple((name, element.at(number, name)) for number, name in enumerate(names)))
        if names:
            element.root().column = names[0]
        return ReadRelation(tuple((name, element) for name in names), takes_any=not names)

    def _pattern(self, node: MatchRecognize, scope: Scope) -> ReadRelation:
        """MATCH_RECOGNIZE: its variables are names of what it reads."""
        inner = Scope(scope.above)
        self._relation(node.this, inner)
        relation = inner.relations[0][1]
        variables = {one.name for one in node.find_all(PatternVariable)}
        variables |= {column.table for column in node.find_all(exp.Column) if column.table}
        inner.relations += [(name, relation) for name in sorted(variables)]
        read = self._expressions
        rows = Scope(None, [inner.relations[0]])
        partition = [(part.name, read.term(part, rows)) for part in node.args.get("partition_by") or ()]
        order = node.args.get("order")
        for ordered in order.expressions[:1] if order is not None else ():
            read.event_time(ordered.this, rows, CERTAIN)
        for definition in node.args.get("define") or ():
            read.condition(definition.this, inner)
        measures = [(one.alias_or_name, read.term(one.this, inner)) for one in node.args.get("measures") or ()]
        return ReadRelation((*partition, *measures))


def _starred(item: exp.Expr, scope: Scope) -> list[ReadRelation]:
    """The relations all of whose columns an item of a select list stands for."""
    if isinstance(item, exp.Star):
        return [relation for _, relation in scope.relations]
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        found = scope.called(item.table)
        return [found] if found is not None else []
    return []


def _match_rows(table: OpenTable, other: ReadRelation) -> None:
    """All columns of a table stand in a set operation with those of `other`."""
    if other.opens and not other.columns:
        table.like.append(other.opens[0])
    elif not other.opens and all(name for name, _ in other.columns):
        for name, term in other.columns:
            agree(table.column(name), term)


def _renamed(relation: ReadRelation, alias: exp.Expr | None) -> ReadRelation:
    """The relation under `AS t (columns)`."""
    names = [column.name for column in alias.columns] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return relation
    terms = [term for _, term in relation.columns]
    if len(relation.opens) == 1 and not terms:
        terms = [relation.opens[0].column(name) for name in names]
    return ReadRelation(tuple(zip(names, [*terms, *([None] * len(names))], strict=False)))
