"""Smaller cases that still differ: fewer rows first, then less query."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import sqlglot
from sqlglot import exp

from tests.oracle.case import Definition, Order

Differs = Callable[[Definition], bool]
MOST_QUESTIONS = 80
MOST_SECONDS = 25.0
"""Spent on making one case smaller."""


class _Spent(Exception):
    """No more questions."""


def shrunk(definition: Definition, differs: Differs) -> Definition:
    """The smallest case found within MOST_QUESTIONS and MOST_SECONDS for which `differs` holds; it holds for `definition`."""
    best, asked, began = definition, 0, time.monotonic()

    def still(candidate: Definition) -> bool:
        nonlocal best, asked
        if asked >= MOST_QUESTIONS or time.monotonic() - began > MOST_SECONDS:
            raise _Spent
        asked += 1
        if not differs(candidate):
            return False
        best = candidate
        return True

    try:
        _fewer_rows(definition, still)
        _less_query(lambda: best, still)
        _fewer_rows(best, still)
    except _Spent:
        pass
    return best


def _fewer_rows(definition: Definition, still: Differs) -> None:
    """Delta debugging over the arrivals: chunks of half the rows, of a quarter, … of one."""
    turns = list(definition.arrivals())
    size = max(1, len(turns) // 2)
    while turns:
        start = 0
        while start < len(turns):
            fewer = turns[:start] + turns[start + size :]
            if still(with_arrivals(definition, fewer)):
                turns = fewer
            else:
                start += size
        if size == 1:
            return
        size = max(1, size // 2)


def with_arrivals(definition: Definition, turns: Sequence[tuple[str, int]]) -> Definition:
    """The definition with only these of its rows."""
    tables, order = {}, []
    places: dict[tuple[str, int], int] = {}
    for name, table in definition.tables.items():
        kept = [i for i in range(len(table.rows)) if (name, i) in set(turns)]
        places |= {(name, i): place for place, i in enumerate(kept)}
        tables[name] = replace(table, rows=tuple(table.rows[i] for i in kept))
    order = [(name, places[name, i]) for name, i in turns]
    return replace(definition, tables=tables, order=_as_order(order))


def _as_order(turns: Sequence[tuple[str, int]]) -> Order:
    return tuple(turns)


def _less_query(best: Callable[[], Definition], still: Differs) -> None:
    """Parts of the query left out, as long as one can be."""
    progress = True
    while progress:
        progress = any(still(replace(best(), query=query)) for query in smaller_queries(best().query))


def smaller_queries(query: str) -> Iterator[str]:
    """The query without one part: a clause, an item, a condition, or a call replaced by its argument. Nothing when it cannot be read.

    Many of these are no valid queries: Flink says so.
    """
    try:
        tree = sqlglot.parse_one(query)
    except sqlglot.errors.SqlglotError:
        return
    if tree.sql() != query and sqlglot.parse_one(tree.sql()) != tree:
        return
    nodes = list(tree.walk())
    for index, node in enumerate(nodes):
        for change in _changes(node):
            copy = tree.copy()
            change(list(copy.walk())[index])
            yield copy.sql()


def _changes(node: exp.Expression) -> Iterator[Callable[[exp.Expression], object]]:
    if isinstance(node, exp.Where | exp.Having | exp.Offset):
        yield lambda n: n.pop()
    if isinstance(node, exp.Select) and len(node.expressions) > 1:
        for i in range(len(node.expressions)):
            yield lambda n, i=i: n.expressions[i].pop()  # type: ignore[misc]
    if isinstance(
        node, exp.And | exp.Or | exp.Binary | exp.Case | exp.Coalesce | exp.Filter | exp.Paren | exp.Func
    ) and not (isinstance(node, exp.AggFunc | exp.Column) or _is_branch(node)):
        for child in node.iter_expressions():
            if isinstance(child, exp.Condition):
                at = child.arg_key, child.index
                yield lambda n, at=at: n.replace(_child(n, *at))  # type: ignore[misc]


def _is_branch(node: exp.Expression) -> bool:
    """Whether a node is WHEN … THEN … of CASE, which is no value."""
    return isinstance(node, exp.If) and isinstance(node.parent, exp.Case)


def _child(node: exp.Expression, key: str, index: int | None) -> exp.Expression:
    value = node.args[key]
    found: exp.Expression = value if index is None else value[index]
    return found.copy()
