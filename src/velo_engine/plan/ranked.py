"""Planning the Top-N pattern: the subquery, ranked and cut."""

from __future__ import annotations

from dataclasses import replace

from velo_engine.plan.bound_select import bind_select, event_time_item, filtered, refuse_clauses, with_columns
from velo_engine.plan.from_clause import plan_from
from velo_engine.plan.relation import Relation, fields_of
from velo_engine.plan.select_list import select_items
from velo_engine.plan.top_n import RankedQuery, check_over, check_top_n, is_row_number, order_by, sort_key, top_n
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
    for condition in conditions:
        relation = filtered(relation, condition, select, text)
    listed = select_items(select, relation, text)
    rank_at = next(i for i, item in enumerate(listed) if is_row_number(item.node))
    items = (*listed[:rank_at], *listed[rank_at + 1 :])
    order = order_by(ranked.window)
    over = [*(ranked.window.args.get("partition_by") or ()), *(item.this for item in order)]
    bound = bind_select(select, items, relation, window, over, context)
    below, columns = with_columns(bound, bound.others)
    partition = columns[: len(columns) - len(order)]
    keys = [sort_key(item, column) for item, column in zip(order, columns[len(partition) :], strict=True)]
    check_top_n(below, partition, keys, ranked.limit, ranked.window, text)
    node = top_n(below, partition, keys, ranked.limit, ranked.rank_name if ranked.with_rank else None)
    fields = list(fields_of(RowSchema(node.schema.columns[: len(items)]), ranked.alias))
    if ranked.with_rank:
        rank = fields_of(node.schema, ranked.alias)[-1]
        fields.insert(rank_at, replace(rank, name=ranked.rank_name))
    return Relation(node, tuple(fields), reference=below.reference, bounded=below.bounded)
