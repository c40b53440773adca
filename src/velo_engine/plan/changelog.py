"""What kinds of changes a plan gives out.

Source: Flink's FlinkChangelogModeInferenceProgram (SatisfyModifyKindSetTraitVisitor).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import TypeAlias

from velo_engine.plan.changelog_nodes import (
    ChangelogNormalize,
    Deduplicate,
    DropUpdateBefore,
    KeepRow,
    SinkUpsertMaterialize,
)
from velo_engine.plan.nodes import (
    AssignWatermark,
    Emit,
    Filter,
    GroupAggregate,
    IntervalJoin,
    JoinKind,
    MatchRecognize,
    OverAggregate,
    PlannedStatement,
    PlanNode,
    Project,
    RegularJoin,
    Scan,
    SourceChanges,
    TableJoin,
    TemporalJoin,
    TopN,
    Upstream,
    WindowAggregate,
    WindowDeduplicate,
    WindowJoin,
    WindowTable,
    WindowTopN,
)
from velo_engine.plan.over_node import OverOrder
from velo_engine.plan.relation_nodes import Correlate, Expand, TemporalSort, Union, Values

Statements: TypeAlias = Mapping[str, PlannedStatement]
"""The statements that Upstream nodes may name."""

NO_STATEMENTS: Statements = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ChangelogMode:
    """Which changes besides +I a changelog may hold."""

    updates: bool
    """-U and +U."""
    deletes: bool
    """-D."""

    @property
    def insert_only(self) -> bool:
        """Whether rows are never taken back."""
        return not (self.updates or self.deletes)

    def __or__(self, other: ChangelogMode) -> ChangelogMode:
        return ChangelogMode(self.updates or other.updates, self.deletes or other.deletes)


INSERT_ONLY = ChangelogMode(updates=False, deletes=False)
UPDATES = ChangelogMode(updates=True, deletes=False)
ALL_CHANGES = ChangelogMode(updates=True, deletes=True)


def changelog_mode(node: PlanNode, statements: Statements = NO_STATEMENTS) -> ChangelogMode:
    """The changes that `node` gives out."""
    match node:
        case Scan():
            return INSERT_ONLY if node.source.changes is SourceChanges.INSERTS else ALL_CHANGES
        case ChangelogNormalize() | SinkUpsertMaterialize():
            return ALL_CHANGES
        case DropUpdateBefore():
            return changelog_mode(node.input, statements)
        case Upstream():
            return changelog_mode(statements[node.statement].plan, statements)
        case AssignWatermark() | Filter() | Project() | TableJoin() | WindowTable():
            return changelog_mode(node.input, statements)
        case GroupAggregate():
            return UPDATES if changelog_mode(node.input, statements).insert_only else ALL_CHANGES
        case WindowAggregate():
            if node.emit is Emit.FINAL and not node.allowed_lateness_ms:
                return INSERT_ONLY
            return UPDATES if changelog_mode(node.input, statements).insert_only else ALL_CHANGES
        case WindowTopN() | WindowDeduplicate() | WindowJoin():
            return INSERT_ONLY
        case IntervalJoin() | MatchRecognize():
            return INSERT_ONLY
        case TemporalJoin():
            return changelog_mode(node.left, statements)
        case RegularJoin(kind=JoinKind.INNER | JoinKind.SEMI):
            return changelog_mode(node.left, statements) | changelog_mode(node.right, statements)
        case Deduplicate():
            return INSERT_ONLY if node.keep is KeepRow.FIRST else ALL_CHANGES
        case OverAggregate():
            by_values = node.order is OverOrder.VALUES
            return ALL_CHANGES if by_values else changelog_mode(node.input, statements)
        case Values() | TemporalSort() | TopN(order=()):
            return INSERT_ONLY
        case Correlate() | Expand():
            return changelog_mode(node.input, statements)
        case Union():
            return reduce(or_, (changelog_mode(source, statements) for source in node.sources))
        case RegularJoin() | TopN():
            return ALL_CHANGES
