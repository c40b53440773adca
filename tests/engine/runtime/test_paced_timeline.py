"""Ticks that are waited for: with a clock of the test's own, which moves when somebody sleeps."""

from __future__ import annotations

import json

import pytest

from velo_engine import Engine, JobOptions, TopicInput
from velo_engine.runtime import job as job_module
from velo_engine.runtime.timeline import PacedTimeline, Tick


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(round(seconds, 3))
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(job_module.PacedTimeline, "__init__", _with(PacedTimeline.__init__, fake.monotonic, fake.sleep))
    return fake


def _with(init, monotonic, sleep):
    def made(self, now_ms, ticks, *given):
        init(self, now_ms, ticks, monotonic, sleep)

    return made


def run(options: JobOptions) -> list[int]:
    """Per row of a topic the seconds that CURRENT_TIMESTAMP shows."""
    engine = Engine()
    topic = engine.topics.create("t")
    for order in range(4):
        topic.append(json.dumps({"k": order}).encode(), sequence=order)
    sql = "CREATE TABLE t (k INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');"
    plan = engine.plan(sql + "SELECT k, CURRENT_TIMESTAMP AS c FROM t")
    (found,) = engine.run(plan, inputs={"t": TopicInput(topic)}, options=options).statements.values()
    return [row["c"].second for row in found.changelog.to_pylist()]


TICKS = (Tick(1, 1_000), Tick(3, 5_000), Tick(4, 5_500))


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_each_tick_is_waited_for_once(clock: FakeTime, batch_size: int) -> None:
    options = JobOptions(now_ms=0, timeline=TICKS, paced=True, batch_size=batch_size)

    assert run(options) == [0, 1, 1, 5]
    assert clock.sleeps == [1.0, 4.0, 0.5]


def test_results_are_given_out_before_the_next_tick_is_waited_for(clock: FakeTime) -> None:
    given: list[tuple[int, float]] = []
    options = JobOptions(
        now_ms=0,
        timeline=TICKS,
        paced=True,
        on_changes=lambda _, rows: given.append((rows.num_rows, clock.now_s - 100)),
    )
    run(options)

    assert given == [(1, 0.0), (2, 1.0), (1, 5.0)]


def test_a_restart_does_not_begin_the_time_anew(clock: FakeTime) -> None:
    ticks = (TICKS[0], Tick(2, restart=True), *TICKS[1:])

    assert run(JobOptions(now_ms=0, timeline=ticks, paced=True)) == [0, 1, 1, 5]
    assert clock.sleeps == [1.0, 4.0, 0.5]


def test_with_the_real_clock_the_time_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTime()
    paced = PacedTimeline(None, TICKS, fake.monotonic, fake.sleep)
    fake.now_s += 0.25

    (tick,) = paced.take(1)

    assert tick.processing_time_ms == paced.start() + 1_000
    fake.now_s += 10  # what came between took longer than to the next tick
    (tick,) = paced.take(1)
    assert tick.processing_time_ms == paced.start() + 11_000
    assert fake.sleeps == [0.75]
