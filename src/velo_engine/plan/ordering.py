"""ORDER BY, LIMIT, OFFSET and FETCH FIRST of a query.

With LIMIT a query is a Top-N without partition, kept up to date; LIMIT without ORDER BY takes the first rows that come.
Without LIMIT only an ascending event time can be ordered by. ORDER BY without LIMIT of a query that another one reads
says nothing. Source: Flink's StreamPhysicalSortLimit, StreamPhysicalLimit and StreamPhysicalTemporalSort rules, and
Calcite's SqlToRelConverter (removeSortInSubQuery).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.plan.changelog import changelog_mode
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import ColumnRef, Literal
from velo_engine.plan.nodes import SortKey, TemporalSort, Values
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation, append, column_refs, fields_of, project, through_projection
from velo_engine.plan.top_n import check_top_n, sort_key, top_n
from velo_engine.types import INT

ORDERING_ARGS = ("order", "limit", "offset")
"""Where a query's tree holds its ordering."""

_ARRIVAL = Literal(0, INT.as_nullable(False))
"""What rows are ordered by that keep the order in which they come."""


@dataclass(frozen=True, slots=True)
class Ordering:
    """What a query says about the order and number of its rows."""

    order: tuple[exp.Ordered, ...]
    limit: int | None
    offset: int
    node: exp.Expr
    """For places in errors."""

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return bool(self.order) or self.limit is not None


def ordering_of(query: exp.Query, context: QueryContext) -> Ordering:
    """The ordering that `query` asks for. Raises SQL_UNSUPPORTED for OFFSET alone, as Flink does."""
    order, limit, offset = (query.args.get(arg) for arg in ORDERING_ARGS)
    if limit is None and offset is not None:
        raise context.text.unsupported("OFFSET without LIMIT", offset, "say how many rows are wanted, with LIMIT n")
    items = () if order is None or (limit is None and context.nested) else tuple(order.expressions)
    count = None if limit is None else _number(limit, "LIMIT", context.text)
    skipped = 0 if offset is None else _number(offset, "OFFSET", context.text)
    return Ordering(items, count, skipped, order or limit or query)


def ordered(
    relation: Relation, ordering: Ordering, columns: Sequence[int], width: int, context: QueryContext
) -> Relation:
    """The first `width` columns of `relation`, ordered and cut; `columns` hold the values of the ORDER BY items."""
    if not ordering:
        return relation
    keys = [sort_key(item, column) for item, column in zip(ordering.order, columns, strict=True)]
    check_top_n(relation, keys, ordering.node, context.text)
    if ordering.limit is None:
        return _cut(_by_time(relation, keys, ordering, context.text), width)
    if ordering.limit == 0:
        return _cut(relation.on(Values((), relation.node.schema)), width)
    first, last = ordering.offset + 1, ordering.offset + ordering.limit
    if keys:
        return _changing(relation, keys, first, last, width)
    if changelog_mode(relation.node, context.statements).insert_only:
        return _cut(relation.on(top_n(relation, (), (), last, None, first=first, of_limit=True)), width)
    marked = relation.on(append(relation.node, [("$arrival", _ARRIVAL)]))
    return _changing(marked, [SortKey(len(relation.node.schema))], first, last, width)


def _changing(relation: Relation, keys: Sequence[SortKey], first: int, last: int, width: int) -> Relation:
    """A Top-N: its rows come and go, so that nothing is event time in it."""
    node = top_n(relation, (), keys, last, None, first=first, of_limit=True)
    refs = column_refs(node.schema)[:width]
    cut = project(node, refs, node.schema.names[:width])
    return Relation(cut, fields_of(cut.schema), bounded=relation.bounded)


def _by_time(relation: Relation, keys: Sequence[SortKey], ordering: Ordering, text: ProgramText) -> Relation:
    first = keys[0]
    if first.column not in relation.event_times or first.descending:
        raise text.unsupported(
            "ORDER BY without LIMIT, but for an ascending event time,",
            ordering.node,
            "add LIMIT n for a maintained Top-N, or order by the event time first",
        )
    node = TemporalSort(relation.node, first.column, tuple(keys[1:]), relation.node.schema)
    return replace(relation, node=node, windows=None)


def _cut(relation: Relation, width: int) -> Relation:
    """The first `width` columns."""
    schema = relation.node.schema
    if width == len(schema):
        return relation
    refs: tuple[ColumnRef, ...] = column_refs(schema)[:width]
    event, processing = through_projection(relation, refs)
    node = project(relation.node, refs, schema.names[:width])
    return Relation(node, fields_of(node.schema), event, processing, bounded=relation.bounded)


def _number(clause: exp.Expr, name: str, text: ProgramText) -> int:
    value = clause.args.get("expression")
    if not (isinstance(value, exp.Literal) and value.is_int):
        raise text.unsupported(f"this {name}", clause, f"write {name} and a whole number")
    return int(value.this)
