"""The Top-N pattern, deduplication, and ORDER BY … LIMIT.

    SELECT … FROM (SELECT …, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM …) WHERE rn <= 3

Flink's RankUtil recognises the same: a ROW_NUMBER in a subquery, compared with constants right around it, or with a
column of the subquery. The rank becomes a column only when something besides that comparison uses it; a rank that can
only be one number is that number (RankNumberColumnRemoveRule). `rn = 1` by a time alone is deduplication.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.functions.signature import NESTED
from velo_engine.plan.aggregate_syntax import function_name
from velo_engine.plan.changelog import Statements, changelog_mode
from velo_engine.plan.changelog_nodes import Deduplicate, KeepRow
from velo_engine.plan.context import QueryContext
from velo_engine.plan.join_condition import conjuncts
from velo_engine.plan.nodes import SortKey, TopN
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation
from velo_engine.plan.select_list import is_star, unwrapped
from velo_engine.schema import Column, RowSchema
from velo_engine.types import BIGINT

RANK_TYPE = BIGINT.as_nullable(False)


@dataclass(frozen=True, slots=True)
class RankBounds:
    """The ranks that stay, both ends included."""

    first: int
    last: int
    column: exp.Column | None = None
    """The column of the subquery that holds the last rank; then `last` means nothing."""

    @property
    def only(self) -> int | None:
        """The number that every rank is, if they all are one."""
        return self.first if self.column is None and self.first == self.last else None


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
    bounds: RankBounds
    other_conditions: tuple[exp.Expr, ...]
    with_rank: bool


def match_ranked(select: exp.Select, context: QueryContext) -> RankedQuery | None:
    """The Top-N pattern around `select`'s FROM, a subquery or a name of WITH; or None."""
    where = select.args.get("where")
    inner = _only_query(select, context)
    found = None if inner is None else _ranking(inner[0])
    if inner is None or where is None or found is None:
        return None
    query, alias, visible = inner
    name, window = found
    split = rank_bounds(where.this, name, context.text)
    if split is None:
        return None
    bounds, others = split
    if not is_row_number(window):
        # Flink: "RANK() on streaming table is not supported currently".
        function = str(function_name(window.this)).upper()
        raise context.text.unsupported(f"a Top-N by {function}", window, "rank with ROW_NUMBER()")
    return RankedQuery(
        ranked=query,
        alias=alias,
        context=visible,
        rank_name=name,
        window=window,
        bounds=bounds,
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


def check_top_n(relation: Relation, order: Sequence[SortKey], at: exp.Expr, text: ProgramText) -> None:
    """Refuse values without an order."""
    for key in order:
        kind = relation.node.schema.types[key.column]
        if kind.name in NESTED:
            raise text.error(ErrorCode.TYPE_MISMATCH, f"ORDER BY needs a value with an order, not {kind}", at)


def deduplicates(relation: Relation, order: Sequence[SortKey], bounds: RankBounds, statements: Statements) -> bool:
    """Whether a ranking keeps one row of each partition by time alone, of rows that are never taken back.

    Source: Flink's RankUtil.canConvertToDeduplicate.
    """
    times = {*relation.event_times, *relation.processing_times}
    by_time = len(order) == 1 and order[0].column in times
    return by_time and bounds.only == 1 and changelog_mode(relation.node, statements).insert_only


def deduplicate(relation: Relation, partition: Sequence[int], order: SortKey) -> Deduplicate:
    """The node that keeps the first row by the time `order`, or the last where it descends."""
    schema = relation.node.schema
    return Deduplicate(
        input=relation.node,
        partition=tuple(partition),
        time_column=order.column,
        by_arrival=order.column not in relation.event_times,
        keep=KeepRow.LAST if order.descending else KeepRow.FIRST,
        compared=tuple(i for i in range(len(schema)) if i not in relation.processing_times),
        schema=schema,
        event_times=relation.event_times,
    )


def top_n(
    relation: Relation,
    partition: Sequence[int],
    order: Sequence[SortKey],
    limit: int,
    rank_name: str | None,
    *,
    first: int = 1,
    limit_column: int | None = None,
    of_limit: bool = False,
) -> TopN:
    """The node; with a rank column when it has a name."""
    schema = relation.node.schema
    if rank_name is not None:
        schema = RowSchema((*schema.columns, Column(rank_name, RANK_TYPE)))
    with_rank = rank_name is not None
    order = tuple(order)
    return TopN(relation.node, tuple(partition), order, limit, with_rank, schema, first, limit_column, of_limit)


def _ranking(select: exp.Select) -> tuple[str, exp.Window] | None:
    """The alias and window of the only ROW_NUMBER, RANK or DENSE_RANK item."""
    found = [(alias, node) for node, alias, _ in map(unwrapped, select.expressions) if _is_ranking(node)]
    if len(found) != 1 or found[0][0] is None:
        return None
    alias, window = found[0]
    assert alias is not None
    assert isinstance(window, exp.Window)
    return alias, window


def _is_ranking(node: exp.Expr) -> bool:
    return isinstance(node, exp.Window) and function_name(node.this) in ("row_number", "rank", "dense_rank")


def rank_bounds(condition: exp.Expr, rank: str, text: ProgramText) -> tuple[RankBounds, tuple[exp.Expr, ...]] | None:
    """The ranks that a WHERE lets through, and the conjuncts that say nothing about them; None when it is no Top-N.

    Source: RankUtil.extractRankRange. As there `rn < column` means `rn <= column`. Raises VeloError where Flink fails:
    without an upper bound, or with one below 1.
    """
    found: list[tuple[_Side, int | exp.Column]] = []
    others = []
    for part in conjuncts(condition):
        limits = _limits(part, rank)
        found += limits or ()
        if limits is None:
            others.append(part)
    match sorted(found, key=lambda bound: bound[0].value):
        case [(_Side.BOTH, int(n))]:
            bounds = RankBounds(n, n)
        case [(_Side.UPPER, int(last))]:
            bounds = RankBounds(1, last)
        case [(_Side.LOWER, int(first)), (_Side.UPPER, int(last))]:
            bounds = RankBounds(first, last)
        case [(_Side.UPPER, exp.Column() as column)]:
            bounds = RankBounds(1, 1, column)
        case [(_Side.LOWER, int())]:
            raise text.unsupported("a rank without an upper bound", condition, f"add {rank} <= n")
        case _:
            return None
    if bounds.last < 1 or bounds.first < 1:
        raise text.unsupported("a rank below 1", condition, "the first rank is 1")
    return bounds, tuple(others)


class _Side(Enum):
    """Which end of the ranks a condition bounds."""

    LOWER = 0
    UPPER = 1
    BOTH = 2


_SIDES: dict[type[exp.Expr], tuple[_Side, int]] = {
    exp.LT: (_Side.UPPER, -1),
    exp.LTE: (_Side.UPPER, 0),
    exp.GT: (_Side.LOWER, 1),
    exp.GTE: (_Side.LOWER, 0),
    exp.EQ: (_Side.BOTH, 0),
}
"""With the rank on the left: what is bounded, and how far from the number the bound lies."""

_TURNED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.EQ: exp.EQ,
}


def _limits(condition: exp.Expr, rank: str) -> list[tuple[_Side, int | exp.Column]] | None:
    """What `condition` says about the rank; None when it is about something else."""
    if isinstance(condition, exp.Between):
        low, high = condition.args["low"], condition.args["high"]
        if _is_rank(condition.this, rank) and _is_number(low) and _is_number(high):
            return [(_Side.LOWER, int(low.this)), (_Side.UPPER, int(high.this))]
        return None
    kind = type(condition)
    if kind not in _SIDES:
        return None
    column, bound = condition.this, condition.expression
    if not _is_rank(column, rank):
        column, bound, kind = bound, column, _TURNED[kind]
    if not _is_rank(column, rank):
        return None
    side, distance = _SIDES[kind]
    if _is_number(bound):
        return [(side, int(bound.this) + distance)]
    if side is _Side.UPPER and isinstance(bound, exp.Column) and bound.name != rank:
        return [(side, bound)]
    return None


def _is_rank(node: exp.Expr, rank: str) -> bool:
    return isinstance(node, exp.Column) and node.name == rank


def _is_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and bool(node.is_int)


def _uses(select: exp.Select, rank: str, others: Sequence[exp.Expr]) -> bool:
    """Whether anything but the bound uses the rank."""
    if any(is_star(item) for item in select.expressions):
        return True
    roots = [*select.expressions, *others]
    roots += [part for key in ("group", "having", "order") if (part := select.args.get(key)) is not None]
    return any(column.name == rank for root in roots for column in root.find_all(exp.Column))
