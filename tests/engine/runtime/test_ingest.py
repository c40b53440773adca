"""Ingestion gives one total order, whatever the sizes of batches and reads."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from velo_engine.connectors.source import SourceBatch, SourceFailure
from velo_engine.runtime.ingest import Span, spans
from velo_engine.schema import RowSchema
from velo_engine.types import BIGINT


class ListSource:
    """Records (order, value); value None is a record that does not decode."""

    def __init__(self, name: str, records: list[tuple[int, int | None]]) -> None:
        self.name = name
        self.schema = RowSchema.of(("v", BIGINT))
        self._records = records
        self._at = 0

    def read(self, limit: int) -> SourceBatch | None:
        part = self._records[self._at : self._at + limit]
        if not part:
            return None
        rows = [(i + self._at, order, v) for i, (order, v) in enumerate(part) if v is not None]
        failures = [(i + self._at, order) for i, (order, v) in enumerate(part) if v is None]
        self._at += len(part)
        n = len(rows)
        return SourceBatch(
            table=pa.table({"c0": pa.array([v for _, _, v in rows], pa.int64())}),
            partition=np.zeros(n, np.int32),
            offset=np.array([i for i, _, _ in rows], np.int64),
            timestamp_ms=np.zeros(n, np.int64),
            order=np.array([o for _, o, _ in rows], np.int64),
            failures=tuple(SourceFailure(o, 0, i, "broken", b"?") for i, o in failures),
            keys=lambda: [None] * n,
            headers=lambda: [()] * n,
        )

    def close(self) -> None:
        pass


def events(found: list[Span]) -> list[tuple[int, str, int | None]]:
    """(seq, source, value) of every event, in order."""
    result: list[tuple[int, str, int | None]] = []
    for span in found:
        for name, taken in zip("ab", span.slices, strict=False):
            if taken is None:
                continue
            values = taken.rows.column("c0").to_pylist()
            result += [(int(s), name, v) for s, v in zip(taken.seq, values, strict=True)]
            result += [(s, name, None) for s, _ in taken.failures]
    return sorted(result)


records = st.lists(st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 9))), max_size=30).map(
    lambda items: sorted(dict(items).items())
)


@given(records, records, st.integers(1, 7))
def test_two_sources_merge_by_order_then_by_source_for_every_batch_size(
    a: list[tuple[int, int | None]], b: list[tuple[int, int | None]], size: int
) -> None:
    expected_order = sorted([(o, "a", v) for o, v in a] + [(o, "b", v) for o, v in b], key=lambda e: e[:2])
    expected = [(seq, name, v) for seq, (_, name, v) in enumerate(expected_order)]

    found = list(spans([ListSource("a", a), ListSource("b", b)], size))

    assert events(found) == expected
    assert [s.last for s in found] == [False] * (len(found) - 1) + [True]
    assert [s.first_seq for s in found[1:]] == [s.end_seq for s in found[:-1]]
    assert all(s.end_seq - s.first_seq <= size for s in found)


def test_no_records_at_all_is_one_empty_last_span() -> None:
    (span,) = spans([ListSource("a", [])], 10)

    assert (span.first_seq, span.end_seq, span.last, span.slices) == (0, 0, True, (None,))


def test_a_record_that_does_not_decode_takes_an_event() -> None:
    (span,) = spans([ListSource("a", [(0, 1), (1, None), (2, 3)])], 10)

    taken = span.slices[0]
    assert taken is not None
    assert taken.seq.tolist() == [0, 2]
    assert [(seq, failure.offset) for seq, failure in taken.failures] == [(1, 1)]
    assert span.end_seq == 3
