"""A process that runs a job and may kill itself (SIGKILL) at a named point or after a time."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from velo_engine import Engine, JobOptions
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.runtime import checkpoint_file
from velo_engine.runtime.checkpoints import CheckpointFolder
from velo_engine.runtime.live_job import LiveJob, LiveOptions

PROGRAM = """
CREATE TABLE orders (id INT, k STRING, v INT)
WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json', 'scan.startup.mode' = 'earliest-offset',
      'scan.bounded.mode' = 'latest-offset');
CREATE TABLE prices (k STRING, w INT)
WITH ('connector' = 'kafka', 'topic' = 'prices', 'format' = 'json', 'scan.startup.mode' = 'earliest-offset',
      'scan.bounded.mode' = 'latest-offset');
CREATE TABLE sums (k STRING, n BIGINT, s INT, PRIMARY KEY (k) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'sums', 'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE joined (id INT, w INT, made TIMESTAMP_LTZ(3))
WITH ('connector' = 'kafka', 'topic' = 'joined', 'format' = 'json');
INSERT INTO sums SELECT k, COUNT(*), SUM(v) FROM orders GROUP BY k;
INSERT INTO joined SELECT o.id, p.w, CURRENT_TIMESTAMP FROM orders o JOIN prices p ON o.k = p.k;
"""
"""A state that grows with every record, a join of two topics, and a function that says something else every time."""

BATCH_SIZE = 40

HANGS_AFTER_S = 60
"""When a run shows where it is, on stderr."""


class Point(Enum):
    """Where a job can be killed: before and after every step of a checkpoint."""

    STARTED = "the job has taken over the state of the run before"
    BEFORE_CHECKPOINT = "a checkpoint begins"
    PREPARED = "the output is flushed, or taken from the outbox"
    BEFORE_RENAME = "the checkpoint is written, under another name"
    SAVED = "the checkpoint is in its place"
    BEFORE_COMMIT = "the records are produced, the transaction is open"
    COMMITTED = "the transaction is committed"
    COMPLETED = "the checkpoint is complete"


EXACTLY_ONCE_ONLY = frozenset({Point.BEFORE_COMMIT, Point.COMMITTED})


@dataclass(frozen=True)
class Kill:
    """At the `passing`-th passing of a point, or after some seconds."""

    point: Point | None = None
    passing: int = 1
    after_s: float = 0.0


def run(bootstrap_servers: str, prefix: str, folder: str, exactly_once: bool, kill: Kill | None) -> None:
    """Run the job to the end of its input, or to its own."""
    faulthandler.dump_traceback_later(HANGS_AFTER_S)
    cluster = KafkaCluster(bootstrap_servers, topic_prefix=prefix)
    engine = Engine(kafka=cluster)
    guarantee = "exactly-once" if exactly_once else "at-least-once"
    program = engine.plan(f"SET 'delivery.guarantee' = '{guarantee}';" + PROGRAM)
    with CheckpointFolder(Path(folder)) as held:
        job = engine.live_job(
            program,
            name="job",
            folder=held,
            live=LiveOptions(checkpoint_interval_s=0),
            options=JobOptions(batch_size=BATCH_SIZE),
        )
        if kill is not None:
            arm(job, kill)
        job.start()
        job.run(threading.Event())


def arm(job: LiveJob, kill: Kill) -> None:
    """Make the job kill its process."""
    if kill.point is None:
        timer = threading.Timer(kill.after_s, _die)
        timer.daemon = True
        timer.start()
        return
    passed = 0

    def reach(point: Point) -> None:
        nonlocal passed
        if point is kill.point:
            passed += 1
            if passed == kill.passing:
                _die()

    delivery: Any = job._delivery
    folder: Any = job._folder
    job.start = _around(job.start, after=lambda: reach(Point.STARTED))  # type: ignore[method-assign]
    delivery.prepare = _around(
        delivery.prepare,
        before=lambda: reach(Point.BEFORE_CHECKPOINT),
        after=lambda: reach(Point.PREPARED),
    )
    folder.write = _around(folder.write, after=lambda: reach(Point.SAVED))
    checkpoint_file._sync_file = _around(  # type: ignore[attr-defined]
        checkpoint_file._sync_file, after=lambda: reach(Point.BEFORE_RENAME)
    )
    delivery.complete = _around(delivery.complete, after=lambda: reach(Point.COMPLETED))
    transactions: Any = getattr(delivery, "_transactions", None)
    if transactions is not None:
        transactions._producer = _Producer(transactions._producer, reach)


class _Producer:
    """A producer whose transactions can be interrupted."""

    def __init__(self, producer: Any, reach: Callable[[Point], None]) -> None:
        self._producer = producer
        self._reach = reach

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def commit_transaction(self, *args: Any) -> None:
        self._producer.flush()
        self._reach(Point.BEFORE_COMMIT)
        self._producer.commit_transaction(*args)
        self._reach(Point.COMMITTED)


def _around(
    call: Callable[..., Any], *, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
) -> Callable[..., Any]:
    def called(*args: Any, **named: Any) -> Any:
        if before is not None:
            before()
        result = call(*args, **named)
        if after is not None:
            after()
        return result

    return called


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
