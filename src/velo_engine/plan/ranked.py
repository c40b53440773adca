"""Planning the Top-N pattern: the subquery, ranked and cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from velo_engine.plan.bound_select import bind_select, event_time_item, refuse_clauses, where, with_columns
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import Literal
from velo_engine.plan.from_clause import plan_from
from velo_engine.plan.nodes import PlanNode, SortKey
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Field, Relation, append, fields_of
from velo_engine.plan.select_list import SelectItem, select_items
from velo_engine.plan.top_n import (
    RANK_TYPE,
    RankedQuery,
    check_over,
    check_top_n,
    deduplicate,
    deduplicates,
    is_row_number,
    order_by,
    sort_key,
    top_n,
)
from velo_engine.plan.window_ranks import ranked_in_window, window_deduplicate, window_top_n
from velo_engine.plan.windows import find_window
from velo_engine.schema import RowSchema


def plan_ranked(ranked: RankedQuery) -> Relation:
    """The subquery's rows up to its limit; its ROW_NUMBER item becomes the rank, in the same place, if it is used."""
    select, text = ranked.ranked, ranked.context.text
    context = ranked.context.inside(select)
    refuse_clauses(select, text)
    check_over(ranked.window, text)
    for clause in ("distinct", "order", "limit"):
        if select.args.get(clause):
            raise text.unsupported(f"{clause.upper()} beside ROW_NUMBER", select)
    window = find_window(select, text)
    relation, conditions = plan_from(select, window, event_time_item(select), context)
    relation = where(relation, conditions, select, context)
    listed = select_items(select, relation, text)
    rank_at = next(i for i, item in enumerate(listed) if is_row_number(item.node))
    items = (*listed[:rank_at], *listed[rank_at + 1 :])
    order = order_by(ranked.window)
    over = [*(ranked.window.args.get("partition_by") or ()), *(item.this for item in order)]
    bound = bind_select(select, items, relation, window, over, context)
    below, columns = with_columns(bound, bound.others)
    partition = columns[: len(columns) - len(order)]
    keys = [sort_key(item, column) for item, column in zip(order, columns[len(partition) :], strict=True)]
    check_top_n(below, keys, ranked.window, text)
    if ranked_in_window(below, partition, ranked.window, context):
        per_window = replace(below, node=_per_window(ranked, below, partition, keys, context))
        return _with_rank(ranked, per_window, len(items), rank_at)
    if deduplicates(below, keys, ranked.bounds, context.statements):
        first_or_last = replace(below, node=deduplicate(below, partition, keys[0]), windows=None)
        return _with_rank(ranked, first_or_last, len(items), rank_at)
    numbered = ranked.with_rank and ranked.bounds.only is None
    node = top_n(
        below,
        partition,
        keys,
        ranked.bounds.last,
        ranked.rank_name if numbered else None,
        first=ranked.bounds.first,
        limit_column=_limit_column(ranked, items, text),
    )
    return _with_rank(ranked, replace(below, node=node, windows=None), len(items), rank_at)


def _per_window(
    ranked: RankedQuery, below: Relation, partition: Sequence[int], keys: Sequence[SortKey], context: QueryContext
) -> PlanNode:
    """The Top-N or the deduplication of each window."""
    text, bounds = context.text, ranked.bounds
    if bounds.column is not None:
        raise text.unsupported("a rank compared with a column, per window", bounds.column, "compare it with a number")
    if deduplicates(below, keys, bounds, context.statements):
        if keys[0].column in below.processing_times:
            hint = "order by the event time"
            raise text.unsupported("deduplication by processing time, per window", ranked.window, hint)
        return window_deduplicate(below, partition, keys[0], context.late_data)
    name = ranked.rank_name if ranked.with_rank and bounds.only is None else None
    return window_top_n(below, partition, keys, (bounds.first, bounds.last), name, context.late_data)


def _limit_column(ranked: RankedQuery, items: Sequence[SelectItem], text: ProgramText) -> int | None:
    """Where the subquery gives the last rank."""
    column = ranked.bounds.column
    if column is None:
        return None
    found = [i for i, item in enumerate(items) if item.name == column.name]
    if len(found) != 1:
        raise text.unsupported("a rank compared with this column", column, "name a column of the ranked subquery")
    return found[0]


def _with_rank(ranked: RankedQuery, relation: Relation, listed: int, rank_at: int) -> Relation:
    """The first `listed` columns under the subquery's alias, and the rank, if it is used, in its place among them."""
    node = relation.node
    fields = list(fields_of(RowSchema(node.schema.columns[:listed]), ranked.alias))
    only = ranked.bounds.only
    if ranked.with_rank:
        if only is not None:
            node = append(node, [(ranked.rank_name, Literal(only, RANK_TYPE))])
        fields.insert(rank_at, Field(ranked.rank_name, len(node.schema) - 1, ranked.alias))
    return replace(relation, node=node, fields=tuple(fields))
