"""Nodes of joins that event time or processing time bounds, so that their rows need not be kept for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from velo_engine.plan.expressions import Expression
    from velo_engine.plan.nodes import JoinKind, PlanNode
    from velo_engine.schema import RowSchema


@dataclass(frozen=True, slots=True)
class IntervalJoin:
    """Joins two append-only streams where the time of the left row minus that of the right row is within bounds.

    `lower_ms <= left time - right time <= upper_ms`; with `lower_ms > upper_ms` nothing matches. `left_time` and
    `right_time` are the event times of the sides, or None for processing time: then a row's time is the clock when it
    arrives. Rows are kept until the clock of the join (the watermark, or processing time) says that no partner comes;
    an unmatched row of an outer side is given out then. The watermark of the output is held back by the larger bound.
    Kinds INNER, LEFT, RIGHT, FULL. Keys, `condition` and output columns are those of a RegularJoin. Source: Flink's
    TimeIntervalJoin, RowTimeIntervalJoin and ProcTimeIntervalJoin.
    """

    left: PlanNode
    right: PlanNode
    kind: JoinKind
    left_keys: tuple[int, ...]
    right_keys: tuple[int, ...]
    null_safe_keys: frozenset[int]
    left_time: int | None
    right_time: int | None
    lower_ms: int
    upper_ms: int
    condition: Expression | None
    schema: RowSchema

    @property
    def watermark_delay_ms(self) -> int:
        """How far the watermark of the output stands behind that of the inputs (getMaxOutputDelay)."""
        if self.left_time is None or self.lower_ms > self.upper_ms:
            return 0
        return max(-self.lower_ms, self.upper_ms)


@dataclass(frozen=True, slots=True)
class TemporalJoin:
    """Each left row meets the version of its key that the right side had at the left row's event time.

    INNER or LEFT. The right side has versions: of one key the row with the largest `right_time` not after `left_time`,
    unless that row deletes. A left row waits for the watermark to reach its time; results keep its row kind and never
    change afterwards. `sees_update_before`: whether -U rows of the right side are versions too, as in Flink where a
    filter stands between the versions and the join. Source: Flink's TemporalRowTimeJoinOperator.
    """

    left: PlanNode
    right: PlanNode
    kind: JoinKind
    left_keys: tuple[int, ...]
    right_keys: tuple[int, ...]
    left_time: int
    right_time: int
    sees_update_before: bool
    condition: Expression | None
    schema: RowSchema
