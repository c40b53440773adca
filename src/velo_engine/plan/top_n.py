"""The Top-N pattern, and ORDER BY … LIMIT.

    SELECT … FROM (SELECT …, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM …) WHERE rn <= 3

Flink's RankUtil recognises the same: a ROW_NUMBER in a subquery, compared with a constant right around it. The rank
becomes a column only when something besides that comparison uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.functions.signature import NESTED
from velo_engine.plan.aggregate_syntax import function_name
from velo_engine.plan.context import QueryContext
from velo_engine.plan.joins import conjuncts
from velo_engine.plan.nodes import SortKey, TopN
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation
from velo_engine.plan.select_list import is_star, unwrapped
from velo_engine.schema import Column, RowSchema
from velo_engine.types import BIGINT

RANK_TYPE = BIGINT.as_nullable(False)


@dataclass(frozen=True, slots=True)
class RankedQuery:
    """A query around a ROW_NUMBER: what is ranked how, and what else WHERE says."""

    ranked: exp.Select
    alias: str | None
    """Of the subquery."""
    context: QueryContext
    """The names that the subquery sees."""
    rank_name: str
    window: exp.Window
    limit: int
    other_conditions: tuple[exp.Expr, ...]
    with_rank: bool


def match_ranked(select: exp.Select, context: QueryContext) -> RankedQuery | None:
    """The Top-N pattern around `select`'s FROM, a subquery or a name of WITH; or None."""
    where = select.args.get("where")
    inner = _only_query(select, context)
    found = None if inner is None else _row_number(inner[0])
    if inner is None or where is None or found is None:
        return None
    query, alias, visible = inner
    name, window = found
    parts = conjuncts(where.this)
    limits = [(part, _limit(part, name)) for part in parts]
    bound = next(((part, limit) for part, limit in limits if limit is not None), None)
    if bound is None:
        return None
    others = tuple(part for part in parts if part is not bound[0])
    return RankedQuery(
        ranked=query,
        alias=alias,
        context=visible,
        rank_name=name,
        window=window,
        limit=bound[1],
        other_conditions=others,
        with_rank=_uses(select, name, others),
    )


def _only_query(select: exp.Select, context: QueryContext) -> tuple[exp.Select, str | None, QueryContext] | None:
    """The query that `select` reads and nothing else, its alias, and the names it sees."""
    clause = select.args.get("from_")
    if clause is None or select.args.get("joins"):
        return None
    item = clause.this
    if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Select):
        return item.this, item.alias or None, context
    common = context.common_tables.get(item.name) if isinstance(item, exp.Table) and not item.db else None
    if common is None or common.columns or not isinstance(common.query, exp.Select):
        return None
    return common.query, item.alias or item.name, context.seeing(common.visible)


def is_row_number(node: exp.Expr) -> bool:
    """Whether `node` is `ROW_NUMBER() OVER (…)`."""
    return isinstance(node, exp.Window) and function_name(node.this) == "row_number"


def order_by(window: exp.Window) -> tuple[exp.Ordered, ...]:
    """The ORDER BY items of an OVER clause."""
    order = window.args.get("order")
    return () if order is None else tuple(order.expressions)


def sort_key(ordered: exp.Ordered, column: int) -> SortKey:
    """How `ordered` sorts by `column`; without NULLS FIRST or LAST a NULL is the smallest value."""
    return SortKey(column, bool(ordered.args.get("desc")), bool(ordered.args.get("nulls_first")))


def check_over(window: exp.Window, text: ProgramText) -> None:
    """Refuse what a Top-N cannot have."""
    if not order_by(window):
        raise text.unsupported("ROW_NUMBER without ORDER BY", window, "say which rows come first")
    if window.args.get("spec") is not None:
        raise text.unsupported("a frame with ROW_NUMBER", window)


def check_top_n(
    relation: Relation,
    partition: Sequence[int],
    order: Sequence[SortKey],
    limit: int,
    at: exp.Expr,
    text: ProgramText,
) -> None:
    """Refuse values without an order, and what Flink plans as another operator, with another changelog: deduplication
    and window Top-N.

    Source: Flink's RankUtil.isDeduplication (first row by a time attribute) and WindowUtil (bounds in PARTITION BY).
    """
    for key in order:
        kind = relation.node.schema.types[key.column]
        if kind.name in NESTED:
            raise text.error(ErrorCode.TYPE_MISMATCH, f"ORDER BY needs a value with an order, not {kind}", at)
    times = {*relation.event_times, *relation.processing_times}
    if limit == 1 and len(order) == 1 and order[0].column in times:
        raise text.unsupported("deduplication (the first or last row of a key by time)", at)
    windows = relation.windows
    if windows is not None and {windows.start, windows.end} <= set(partition):
        raise text.unsupported("a Top-N per window", at)


def top_n(
    relation: Relation, partition: Sequence[int], order: Sequence[SortKey], limit: int, rank_name: str | None
) -> TopN:
    """The node; with a rank column when it has a name."""
    schema = relation.node.schema
    if rank_name is not None:
        schema = RowSchema((*schema.columns, Column(rank_name, RANK_TYPE)))
    return TopN(relation.node, tuple(partition), tuple(order), limit, rank_name is not None, schema)


def _row_number(select: exp.Select) -> tuple[str, exp.Window] | None:
    """The alias and window of the only ROW_NUMBER item."""
    found = [(alias, node) for node, alias, _ in map(unwrapped, select.expressions) if is_row_number(node)]
    if len(found) != 1 or found[0][0] is None:
        return None
    alias, window = found[0]
    assert alias is not None
    assert isinstance(window, exp.Window)
    return alias, window


def _limit(condition: exp.Expr, rank: str) -> int | None:
    """N, when `condition` bounds the rank by a constant: `rn <= N`, `rn < N + 1`, `rn = 1`, or turned round."""
    if not isinstance(condition, exp.LT | exp.LTE | exp.GT | exp.GTE | exp.EQ):
        return None
    column, bound = condition.this, condition.expression
    turned = not isinstance(column, exp.Column)
    if turned:
        column, bound = bound, column
    if not (isinstance(column, exp.Column) and column.name == rank and isinstance(bound, exp.Literal) and bound.is_int):
        return None
    number = int(bound.this)
    if isinstance(condition, exp.EQ):
        return 1 if number == 1 else None
    if isinstance(condition, exp.GT | exp.GTE) is not turned:
        return None
    number -= isinstance(condition, exp.LT | exp.GT)
    return number if number >= 1 else None


def _uses(select: exp.Select, rank: str, others: Sequence[exp.Expr]) -> bool:
    """Whether anything but the bound uses the rank."""
    if any(is_star(item) for item in select.expressions):
        return True
    roots = [*select.expressions, *others]
    roots += [part for key in ("group", "having", "order") if (part := select.args.get(key)) is not None]
    return any(column.name == rank for root in roots for column in root.find_all(exp.Column))
