"""The pause between two batches, in which records gather."""

from __future__ import annotations

import itertools
import threading

import pytest
from tests.engine.runtime.live import Cluster, live_job

from velo_engine.runtime.live_job import MOST_GATHERING_S, LiveOptions

SQL = """
CREATE TABLE o (v INT) WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json');
CREATE TABLE out (v INT) WITH ('connector' = 'kafka', 'topic' = 'out', 'format' = 'json');
INSERT INTO out SELECT v FROM o;
"""


class Pauses(threading.Event):
    """Never set; writes down how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.seconds.append(timeout)
        return False


def pauses(monkeypatch: pytest.MonkeyPatch, partitions: list[int], *, look_s: float = 0.001) -> list[float]:
    """The pauses of a job over partitions with so many records, which come three at a time from one of them.

    Each look at the clock takes `look_s`; so does a batch.
    """
    cluster = Cluster()
    for partition, count in enumerate(partitions):
        cluster.fill("orders", partition, [b'{"v":%d}' % i for i in range(count)])
    job = live_job(SQL, cluster, None, exactly_once=False, options=LiveOptions(1000.0), batch=3)
    ticks = itertools.count()
    monkeypatch.setattr(job, "_monotonic_s", lambda: next(ticks) * look_s)
    stop = Pauses()
    job.start()
    job.run(stop)
    assert len(cluster.values("out")) == sum(partitions)
    return stop.seconds


def test_a_job_that_keeps_up_pauses_as_long_as_its_last_batch_took(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pauses(monkeypatch, [1, 2, 1]) == pytest.approx([0.001, 0.001])  # not before the third: all has ended then


def test_a_backlog_is_read_without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pauses(monkeypatch, [9]) == []


def test_a_pause_has_an_end_also_when_batches_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pauses(monkeypatch, [1, 1], look_s=5.0) == [MOST_GATHERING_S]
