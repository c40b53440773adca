"""What an operator is: a function from change batches to a change batch, with state that can be saved and loaded.

Rules that every operator keeps (tests hold them by property):
* the output does not depend on how events were cut into batches;
* state saved after any batch and loaded into a fresh operator changes nothing;
* fold(output so far) is the operator's result over the input so far.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from velo_engine.batch import ChangeBatch, Int64s
from velo_engine.kernel import Kernel


@dataclass(slots=True)
class Counters:
    """What became of the rows that one operator read; the job summary adds them up."""

    filtered: int = 0
    late: int = 0
    """Rows for which every window had closed."""
    partly_late: int = 0
    """Rows late for some of their windows only."""
    dead_lettered: int = 0
    state_rows: int = 0
    """Rows held now."""


class RowFailures(Protocol):
    """Takes rows that have no result: the job dead-letters them or fails, as its failure strategy says."""

    def __call__(self, rows: pa.Table, reasons: Sequence[str]) -> None:
        """`rows` of the operator's input, one reason each. Raises VeloError when the job must fail."""


class LateRows(Protocol):
    """Takes rows that came too late."""

    def __call__(self, rows: pa.Table, lateness_ms: Int64s) -> None:
        """`rows` of the operator's input and how long each missed the closing of its last window, in milliseconds."""


@dataclass(frozen=True, slots=True)
class OperatorContext:
    """What the job gives each of its operators."""

    kernel: Kernel
    failures: RowFailures
    late: LateRows
    emit_unchanged: bool
    """Velostream's EMIT CHANGES: an updated row per input row even when the result is the same. Flink's: not."""
    time_zone: str = "UTC"
    """Session time zone for TIMESTAMP_LTZ windows and casts."""
    late_right: LateRows | None = None
    """Of an operator with two inputs: for rows of the right one."""
    counters: Counters = field(default_factory=Counters)


class Operator(ABC):
    """One step of a running plan. Called once for every span of events, with one batch per input."""

    @abstractmethod
    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The changes that the inputs cause, for the same span of events."""

    def snapshot(self) -> dict[str, pa.Table]:
        """The whole state as named Arrow tables; empty for a stateless operator."""
        return {}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Replace the state by a snapshot of the same plan."""
        assert not state, "a stateless operator has nothing to restore"
