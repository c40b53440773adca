"""Nodes about changelogs themselves: deduplication, normalising upserts, and what stands before a sink."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from velo_engine.schema import RowSchema

if TYPE_CHECKING:
    from velo_engine.plan.nodes import PlanNode


class KeepRow(Enum):
    """Which row of a key stays."""

    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Deduplicate:
    """Keeps one row of each partition: the first or the last by event time, or by arrival (processing time).

    ROW_NUMBER() OVER (PARTITION BY … ORDER BY time) = 1 over rows that are never taken back. Output: the input columns.
    `compared` are the columns in which a last row by arrival must differ from the kept one to be an update: those that
    the query reads. Source: Flink's StreamExecDeduplicate.
    """

    input: PlanNode
    partition: tuple[int, ...]
    time_column: int
    by_arrival: bool
    keep: KeepRow
    compared: tuple[int, ...]
    schema: RowSchema
    event_times: tuple[int, ...] = ()
    """All event times of the input, of which the leftmost that the query reads is the one that counts."""


@dataclass(frozen=True, slots=True)
class DropUpdateBefore:
    """Leaves -U out, for a sink that knows rows by a key. Source: Flink's StreamPhysicalDropUpdateBefore."""

    input: PlanNode
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class SinkUpsertMaterialize:
    """The newest row of each value of the `keys` columns, where rows of several upsert keys share one.

    When that row is taken back the one before it stands again. Source: Flink's SinkUpsertMaterializer.
    """

    input: PlanNode
    keys: tuple[int, ...]
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class ChangelogNormalize:
    """Turns upserts by the `keys` columns (+I, +U, and -D of a key) into a full changelog of whole rows.

    A row that equals the one before it in the `compared` columns, those that the query reads, is no change. Where
    `passes` (a BOOLEAN column of the input, the last one) is not true the key's row is deleted: a predicate above the
    source is part of the node. Output: the input's columns without `passes`.
    Source: Flink's StreamPhysicalChangelogNormalize and ProcTimeDeduplicateKeepLastRowFunction.
    """

    input: PlanNode
    keys: tuple[int, ...]
    compared: tuple[int, ...]
    passes: int | None
    schema: RowSchema
