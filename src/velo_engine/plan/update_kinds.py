"""Where a plan needs -U rows, and how a Top-N therefore works.

Source: Flink's FlinkChangelogModeInferenceProgram (SatisfyUpdateKindTraitVisitor) and
RankProcessStrategy.analyzeRankProcessStrategies. Every node is asked for updates as its consumer wants them, with the
old row (-U and +U) or without (+U alone), and asks its inputs in turn; a node may find that it cannot do without -U.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TypeAlias

from velo_engine.plan.changelog import NO_STATEMENTS, Statements, changelog_mode
from velo_engine.plan.changelog_nodes import ChangelogNormalize, Deduplicate
from velo_engine.plan.expressions import columns_of
from velo_engine.plan.join_nodes import TemporalJoin
from velo_engine.plan.monotonicity import Monotonicity, modified_monotonicity
from velo_engine.plan.nodes import (
    AssignWatermark,
    Filter,
    PlanNode,
    Project,
    RegularJoin,
    TableJoin,
    TopN,
    Upstream,
    inputs,
)
from velo_engine.plan.relation_nodes import Correlate, Expand, Union
from velo_engine.plan.upsert_keys import preferred_key, upsert_keys


class UpdateKind(Enum):
    """How a node gives out updates."""

    NONE = "none"
    """There are none."""
    ONLY_AFTER = "only after"
    """+U alone."""
    BEFORE_AND_AFTER = "before and after"
    """-U, then +U."""


UpdateKinds: TypeAlias = dict[int, UpdateKind]
"""By the identity of the node that gives the changes out."""


class RankStrategy(Enum):
    """How a Top-N keeps its rows."""

    APPEND = "append"
    """The input is never taken back: rows that fall out are forgotten."""
    UPDATE = "update"
    """Updates move a row only up: as above, and the input needs no -U (UpdatableTopNFunction)."""
    RETRACT = "retract"
    """All rows are kept."""


def update_kinds(node: PlanNode, wanted: UpdateKind, statements: Statements = NO_STATEMENTS) -> UpdateKinds | None:
    """How every node of the plan gives out updates when `node` is to give them out as `wanted`; None if it cannot."""
    if not changelog_mode(node, statements).updates:
        wanted = UpdateKind.NONE
    found: UpdateKinds = {id(node): wanted}
    for child, child_wants in _choices(node, wanted, statements):
        for choice in child_wants:
            below = update_kinds(child, choice, statements)
            if below is not None:
                found |= below
                break
        else:
            return None
    return found


def rank_strategy(node: TopN, statements: Statements = NO_STATEMENTS) -> RankStrategy:
    """The strategy of a Top-N."""
    if changelog_mode(node.input, statements).insert_only:
        return RankStrategy.APPEND
    fast = _moves_up(node, statements) and update_kinds(node.input, UpdateKind.ONLY_AFTER, statements) is not None
    return RankStrategy.UPDATE if fast else RankStrategy.RETRACT


def is_top_one(node: TopN) -> bool:
    """Whether each partition has one row, the first."""
    return (node.first, node.limit, node.limit_column) == (1, 1, None)


def row_key(node: TopN, statements: Statements = NO_STATEMENTS) -> tuple[int, ...]:
    """The upsert key by which a Top-N knows the rows of an updating input."""
    return preferred_key(frozenset(key for key in upsert_keys(node.input, statements) if key >= set(node.partition)))


def _moves_up(node: TopN, statements: Statements) -> bool:
    """Whether an update of a row never changes its partition, and its rank only for the better."""
    if not any(key >= set(node.partition) for key in upsert_keys(node.input, statements)):
        return False
    columns = modified_monotonicity(node.input, statements)
    if columns is None or not node.order:
        return False
    return all(
        columns[key.column]
        in (Monotonicity.CONSTANT, Monotonicity.INCREASING if key.descending else Monotonicity.DECREASING)
        for key in node.order
    )


_BEFORE_AND_AFTER = (UpdateKind.BEFORE_AND_AFTER,)
_ONLY_AFTER_IF_POSSIBLE = (UpdateKind.ONLY_AFTER, UpdateKind.BEFORE_AND_AFTER)
_IMPOSSIBLE: tuple[UpdateKind, ...] = ()


def _choices(
    node: PlanNode, wanted: UpdateKind, statements: Statements
) -> Iterator[tuple[PlanNode, tuple[UpdateKind, ...]]]:
    """Each input and how it may give out updates, the best first."""
    match node:
        case AssignWatermark() | Project() | Correlate() | Expand() | TableJoin():
            yield node.input, (wanted,)
        case Filter():
            yield node.input, (wanted,) if _filters_by_key(node, statements) or _needs_before(wanted) else _IMPOSSIBLE
        case Union():
            for source in node.sources:
                yield source, (wanted,)
        case TopN():
            fast = rank_strategy(node, statements) is RankStrategy.UPDATE
            yield node.input, _ONLY_AFTER_IF_POSSIBLE[:1] if fast else _BEFORE_AND_AFTER
        case RegularJoin():
            for child, keys in ((node.left, node.left_keys), (node.right, node.right_keys)):
                yield child, _join_input(child, keys, wanted, statements)
        case TemporalJoin():
            yield node.left, (wanted,)
            yield node.right, _ONLY_AFTER_IF_POSSIBLE
        case Upstream() | Deduplicate() | ChangelogNormalize():
            return
        case _:
            for child in inputs(node):
                yield child, _BEFORE_AND_AFTER


def _needs_before(wanted: UpdateKind) -> bool:
    return wanted is not UpdateKind.ONLY_AFTER


def _filters_by_key(node: Filter, statements: Statements) -> bool:
    """Whether the old and the new row of an update pass or fail together: the predicate reads an upsert key only."""
    read = columns_of(node.predicate)
    return any(read <= key for key in upsert_keys(node.input, statements))


def _join_input(
    child: PlanNode, keys: tuple[int, ...], wanted: UpdateKind, statements: Statements
) -> tuple[UpdateKind, ...]:
    """Without -U a join finds the old row by an upsert key that holds the join columns."""
    if wanted is not UpdateKind.ONLY_AFTER:
        return _BEFORE_AND_AFTER
    if not changelog_mode(child, statements).updates:
        return (UpdateKind.ONLY_AFTER,)
    unique = any(key >= set(keys) for key in upsert_keys(child, statements))
    return (UpdateKind.ONLY_AFTER,) if unique else _IMPOSSIBLE
