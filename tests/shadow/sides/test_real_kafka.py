"""Topics of a real Kafka, compared while they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from tests.shadow.sides.conftest import Topics
from tools.kafka.installation import why_unavailable
from tools.kafka.real_kafka import RealKafka

from velo_shadow.live import compare_streams
from velo_shadow.sides.opening import open_sides
from velo_shadow.stream.comparator import StreamComparator, StreamView

pytestmark = [
    pytest.mark.real_kafka,
    pytest.mark.slow,
    pytest.mark.skipif(why_unavailable() is not None, reason=why_unavailable() or ""),
]


@pytest.fixture
def kafka() -> Iterator[RealKafka]:
    """A server."""
    with RealKafka() as server:
        yield server


def rows(first: int, last: int) -> list[bytes]:
    """Rows of one key and one second each."""
    return [b'{"id": %d, "at": "2026-01-01 00:%02d:%02d"}' % (i, i // 60, i % 60) for i in range(first, last)]


def test_topics_are_compared_while_they_are_written_without_what_was_aborted(kafka: RealKafka, tmp_path: Path) -> None:
    topics = Topics(kafka.bootstrap_servers)
    left = topics.write(topics.make(partitions=2), rows(0, 500))
    right = topics.write(topics.make(), rows(0, 500))
    aborted = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": "shadow"})
    aborted.init_transactions(30)
    aborted.begin_transaction()
    aborted.produce(right.topic, b'{"id": 9999, "at": "2026-01-01 00:00:00"}')
    aborted.flush(30)
    aborted.abort_transaction(30)
    matched: list[int] = [0]

    def on_view(view: StreamView) -> None:
        if view.matched == 500 and matched[-1] < 500:
            topics.write(left, rows(500, 1000))
            topics.write(right, rows(500, 1000))
        matched.append(view.matched)

    opened = open_sides(left, right, key=["id"])
    with StreamComparator(opened.plan, opened.changelogs, tmp_path, interval_s=0.2) as comparator:
        found = compare_streams(
            opened.readers(once=False),
            comparator,
            duration_ms=120_000,
            stop=lambda: matched[-1] == 1000,
            on_view=on_view,
        )
    topics.close()

    counts = found.diff.counts
    assert (counts.matched, counts.different, counts.left, counts.right) == (1000, 0, 1000, 1000)
