"""Events of a live round: one for each record of each source, whatever numbers the sources give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from velo_engine.connectors.source import SourceBatch, SourceFailure
from velo_engine.runtime.live_input import LiveInput
from velo_engine.runtime.timeline import FixedClock
from velo_engine.schema import RowSchema


class Given:
    """Gives its batches out, one a poll."""

    def __init__(self, batches: Sequence[SourceBatch | None]) -> None:
        self.name = "given"
        self.schema = RowSchema(())
        self.partitions = 1
        self._batches = [*batches]
        self.waited: list[float] = []

    @property
    def ended(self) -> bool:
        return not self._batches

    def poll(self, limit: int, timeout_s: float) -> SourceBatch | None:
        self.waited.append(timeout_s)
        return self._batches.pop(0)

    def read(self, limit: int) -> SourceBatch | None:
        raise NotImplementedError

    def positions(self) -> dict[tuple[str, int], int]:
        return {}

    def seek(self, positions: object) -> None:
        raise NotImplementedError

    def acknowledge(self, positions: object) -> None:
        raise NotImplementedError

    def lag(self) -> None:
        return None

    def close(self) -> None:
        pass


def batch(rows: Sequence[int], failed: Sequence[int] = ()) -> SourceBatch:
    """Rows and failures with these orders."""
    n = len(rows)
    return SourceBatch(
        table=pa.table({"c0": pa.array(rows, pa.int64())}),
        partition=np.zeros(n, np.int32),
        offset=np.array(rows, np.int64),
        timestamp_ms=np.zeros(n, np.int64),
        order=np.array(rows, np.int64),
        failures=tuple(SourceFailure(order, 0, order, "bad", b"") for order in failed),
        keys=lambda: [None] * n,
        headers=lambda: [()] * n,
    )


def test_records_are_numbered_without_gaps() -> None:
    first, second = Given([batch([0, 3, 9], failed=[4])]), Given([batch([7, 8])])

    span = LiveInput([first, second], FixedClock(0), 100).next(10, 0)

    assert span is not None
    one, two = span.slices
    assert one is not None
    assert two is not None
    assert one.seq.tolist() == [10, 11, 13]
    assert [event for event, _ in one.failures] == [12]
    assert two.seq.tolist() == [14, 15]
    assert (span.first_seq, span.end_seq) == (10, 16)


def test_sources_share_the_time_of_waiting() -> None:
    quiet, late = Given([None, None]), Given([None, batch([0])])

    span = LiveInput([quiet, late], FixedClock(0), 100).next(0, 1.0)

    assert span is not None
    assert quiet.waited == late.waited == [0, 0.5]


@pytest.mark.parametrize("given", [[None, None], [batch([]), batch([])]], ids=["nothing", "records without rows"])
def test_nothing_is_no_span_of_rows(given: list[SourceBatch | None]) -> None:
    span = LiveInput([Given(given)], FixedClock(0), 100).next(5, 0)

    assert span is None or span.slices == (None,)
