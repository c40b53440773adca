"""Which operator runs a node of the plan. A new node gets its line in `FACTORIES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from velo_engine.operators.assign_watermark import AssignWatermark
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.by_processing_time import ByProcessingTime
from velo_engine.operators.changelog_normalize import ChangelogNormalize
from velo_engine.operators.correlate import Correlate
from velo_engine.operators.deduplicate import KeepFirstByArrival, KeepFirstByTime, KeepLast
from velo_engine.operators.expand import Expand
from velo_engine.operators.expiring_top_n import ExpiringTopN
from velo_engine.operators.first_rows import FirstRows
from velo_engine.operators.group_aggregate import GroupAggregate
from velo_engine.operators.interval_join import IntervalJoin
from velo_engine.operators.keyed_rows import NO_TTL
from velo_engine.operators.match_recognize import MatchRecognize
from velo_engine.operators.over_aggregate import over_operator
from velo_engine.operators.regular_join import RegularJoin
from velo_engine.operators.session_window import SessionWindow
from velo_engine.operators.sink_changes import DropUpdateBefore, SinkUpsertMaterialize
from velo_engine.operators.temporal_join import TemporalJoin
from velo_engine.operators.temporal_sort import TemporalSort
from velo_engine.operators.top_n import TopN
from velo_engine.operators.union import Union
from velo_engine.operators.updatable_top_n import UpdatableTopN
from velo_engine.operators.window_aggregate import WindowAggregate
from velo_engine.operators.window_join import WindowJoin
from velo_engine.operators.window_rank import WindowRank
from velo_engine.operators.window_table import SessionTable, WindowTable
from velo_engine.plan import changelog_nodes, nodes
from velo_engine.plan.changelog import Statements, changelog_mode
from velo_engine.plan.changelog_nodes import Deduplicate, KeepRow
from velo_engine.plan.monotonicity import unretracted_calls
from velo_engine.plan.nodes import PlanNode
from velo_engine.plan.update_kinds import RankStrategy, is_top_one, rank_strategy, row_key
from velo_engine.plan.upsert_keys import unique_key


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an operator must know about the plan and the job around it."""

    statements: Statements
    partitions: Mapping[str, int]
    """Partitions by source."""
    state_ttl_ms: int = NO_TTL
    """How long the state of a key lives after its last change; 0 for ever."""

    def retracting(self, node: PlanNode) -> bool:
        """Whether rows of `node` may be taken back."""
        return not changelog_mode(node, self.statements).insert_only


Factory: TypeAlias = Callable[[OperatorContext, Any, Surroundings], Operator]
"""Makes the operator of one node; the node is of the type under which the factory is listed."""


def make_operator(context: OperatorContext, node: PlanNode, around: Surroundings) -> Operator:
    """The operator that runs `node`, which is no scan, no projection or filter, and no join with a reference table."""
    return FACTORIES[type(node)](context, node, around)


def _assign_watermark(context: OperatorContext, node: nodes.AssignWatermark, around: Surroundings) -> Operator:
    source = _scanned(node)
    return AssignWatermark(context, node, around.partitions.get(source, 1), scanned=bool(source))


def _group_aggregate(context: OperatorContext, node: nodes.GroupAggregate, around: Surroundings) -> Operator:
    return GroupAggregate(
        context,
        node,
        node.input.schema,
        retracting=around.retracting(node.input),
        unretracted=unretracted_calls(node, around.statements),
        ttl_ms=around.state_ttl_ms,
    )


def _window_aggregate(context: OperatorContext, node: nodes.WindowAggregate, around: Surroundings) -> Operator:
    retracting = around.retracting(node.input)
    operator: Operator
    if node.window.kind is nodes.WindowKind.SESSION:
        operator = SessionWindow(context, node, node.input.schema, retracting=retracting)
    else:
        operator = WindowAggregate(context, node, node.input.schema, retracting=retracting)
    return operator if node.by_event_time else ByProcessingTime(operator, node.schema)


def _window_table(context: OperatorContext, node: nodes.WindowTable, _around: Surroundings) -> Operator:
    if node.window.kind is not nodes.WindowKind.SESSION:
        return WindowTable(context, node)
    table = SessionTable(context, node)
    return table if node.by_event_time else ByProcessingTime(table, node.schema)


def _window_rank(
    context: OperatorContext, node: nodes.WindowTopN | nodes.WindowDeduplicate, _around: Surroundings
) -> Operator:
    return WindowRank(context, node)


def _window_join(context: OperatorContext, node: nodes.WindowJoin, _around: Surroundings) -> Operator:
    return WindowJoin(context, node)


def _interval_join(context: OperatorContext, node: nodes.IntervalJoin, _around: Surroundings) -> Operator:
    return IntervalJoin(context, node)


def _temporal_join(context: OperatorContext, node: nodes.TemporalJoin, _around: Surroundings) -> Operator:
    return TemporalJoin(context, node)


def _regular_join(context: OperatorContext, node: nodes.RegularJoin, around: Surroundings) -> Operator:
    unique = (
        unique_key(node.left, node.left_keys, around.statements),
        unique_key(node.right, node.right_keys, around.statements),
    )
    return RegularJoin(context, node, ttl_ms=around.state_ttl_ms, unique=unique)


def _top_n(context: OperatorContext, node: nodes.TopN, around: Surroundings) -> Operator:
    if not node.order:
        return FirstRows(node, ttl_ms=around.state_ttl_ms)
    match rank_strategy(node, around.statements):
        case RankStrategy.UPDATE if is_top_one(node):
            return TopN(context, node, node.input.schema, retracting=False, ttl_ms=around.state_ttl_ms)
        case RankStrategy.UPDATE:
            return UpdatableTopN(context, node, row_key(node, around.statements), ttl_ms=around.state_ttl_ms)
        case RankStrategy.RETRACT if around.state_ttl_ms != NO_TTL:
            return ExpiringTopN(context, node, node.input.schema, ttl_ms=around.state_ttl_ms)
        case strategy:
            retracting = strategy is RankStrategy.RETRACT
            return TopN(context, node, node.input.schema, retracting=retracting, ttl_ms=around.state_ttl_ms)


def _changelog_normalize(
    context: OperatorContext, node: changelog_nodes.ChangelogNormalize, around: Surroundings
) -> Operator:
    return ChangelogNormalize(context, node, ttl_ms=around.state_ttl_ms)


def _drop_update_before(
    _context: OperatorContext, _node: changelog_nodes.DropUpdateBefore, _around: Surroundings
) -> Operator:
    return DropUpdateBefore()


def _sink_upsert_materialize(
    context: OperatorContext, node: changelog_nodes.SinkUpsertMaterialize, around: Surroundings
) -> Operator:
    return SinkUpsertMaterialize(context, node, ttl_ms=around.state_ttl_ms)


def _deduplicate(context: OperatorContext, node: Deduplicate, around: Surroundings) -> Operator:
    if node.keep is KeepRow.LAST:
        return KeepLast(context, node, ttl_ms=around.state_ttl_ms)
    if node.by_arrival:
        return KeepFirstByArrival(context, node, ttl_ms=around.state_ttl_ms)
    return KeepFirstByTime(context, node, ttl_ms=around.state_ttl_ms)


def _over(context: OperatorContext, node: nodes.OverAggregate, _around: Surroundings) -> Operator:
    return over_operator(context, node, node.input.schema)


def _match_recognize(context: OperatorContext, node: nodes.MatchRecognize, _around: Surroundings) -> Operator:
    return MatchRecognize(context, node, node.input.schema)


FACTORIES: Mapping[type, Factory] = {
    nodes.MatchRecognize: _match_recognize,
    nodes.AssignWatermark: _assign_watermark,
    nodes.GroupAggregate: _group_aggregate,
    nodes.WindowAggregate: _window_aggregate,
    nodes.WindowTable: _window_table,
    nodes.WindowTopN: _window_rank,
    nodes.WindowDeduplicate: _window_rank,
    nodes.WindowJoin: _window_join,
    nodes.RegularJoin: _regular_join,
    nodes.IntervalJoin: _interval_join,
    nodes.TemporalJoin: _temporal_join,
    nodes.TopN: _top_n,
    nodes.OverAggregate: _over,
    Deduplicate: _deduplicate,
    changelog_nodes.ChangelogNormalize: _changelog_normalize,
    changelog_nodes.DropUpdateBefore: _drop_update_before,
    changelog_nodes.SinkUpsertMaterialize: _sink_upsert_materialize,
    nodes.Union: lambda _context, node, _around: Union(node),
    nodes.Correlate: lambda context, node, _around: Correlate(context, node),
    nodes.Expand: lambda _context, node, _around: Expand(node),
    nodes.TemporalSort: lambda context, node, _around: TemporalSort(context, node),
}


def _scanned(node: PlanNode) -> str:
    """The source that feeds a watermark generator (nothing but projections stand between them)."""
    while not isinstance(node, nodes.Scan):
        if isinstance(node, nodes.Upstream):
            return ""
        (node,) = nodes.inputs(node)
    return node.source.name
