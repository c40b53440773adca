"""What jobs cost: our process from /proc, Flink from its REST API, by answers that Flink 2.3 gave (`flink_rest.json`)."""

from __future__ import annotations

import io
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from velo_shadow.model import Performance, SidePerformance
from velo_shadow.performance import Cost, FlinkMeter, Metering, ProcessMeter, resident_bytes, with_costs

RECORDED = json.loads(Path(__file__).with_name("flink_rest.json").read_text())
URL = "http://flink:8081"
(JOB,) = [path.removeprefix("/jobs/") for path in RECORDED if path.count("/") == 2 and path.startswith("/jobs/")]
(METRICS,) = [path for path in RECORDED if "/metrics?" in path]
MEMORY = 383_320_064 + 138_346_496 + 73_880_351
"""Heap and non-heap that were committed, and direct memory, as recorded."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The answers by path; what is not among them is not found."""
    answers = json.loads(json.dumps(RECORDED))

    def opened(url: str, timeout: float) -> io.BytesIO:
        assert timeout > 0
        path = url.removeprefix(URL)
        if path not in answers:
            raise urllib.error.HTTPError(url, 404, "Not Found", None, io.BytesIO())  # type: ignore[arg-type]
        return io.BytesIO(json.dumps(answers[path]).encode())

    monkeypatch.setattr(urllib.request, "urlopen", opened)
    return answers


def cpu_time(answers: dict[str, Any], seconds: float) -> None:
    (found,) = [one for one in answers[METRICS] if one["id"] == "Status.JVM.CPU.Time"]
    found["value"] = str(int(seconds * 1e9))


@pytest.mark.parametrize("job", [None, JOB])
def test_flinks_memory_is_what_its_task_managers_hold(cluster: dict[str, Any], job: str | None) -> None:
    meter = FlinkMeter(URL + "/", job)

    meter.sample()

    assert (meter.cost(), meter.problem) == (Cost(MEMORY, None), None)


def test_flinks_cpu_is_counted_between_the_moments_at_which_it_renews_its_figures(cluster: dict[str, Any]) -> None:
    clock = Clock()
    meter = FlinkMeter(URL, clock=clock)
    for second in range(0, 61, 5):  # looked at twice as often as it is renewed; before, the JVM took 9 s to start
        clock.now = float(second)
        cpu_time(cluster, 9 + 1.5 * (second // 10 * 10))
        meter.sample()

    assert meter.cost().cpu_cores == pytest.approx(1.5)


def test_flinks_cpu_is_not_known_before_two_renewals(cluster: dict[str, Any]) -> None:
    clock = Clock()
    meter = FlinkMeter(URL, clock=clock)
    for second, used in ((0, 9.0), (5, 9.0), (10, 20.0)):
        clock.now = float(second)
        cpu_time(cluster, used)
        meter.sample()

    assert meter.cost().cpu_cores is None


def test_the_most_memory_counts(cluster: dict[str, Any]) -> None:
    meter = FlinkMeter(URL)
    meter.sample()
    cluster[METRICS] = [{"id": "Status.JVM.Memory.Heap.Committed", "value": "1000"}]
    meter.sample()

    assert meter.cost().memory_bytes == MEMORY


@pytest.mark.parametrize(
    ("url", "job", "change", "problem"),
    [
        (URL, "no-such-job", {}, "HTTPError"),
        (URL, None, {"/taskmanagers": {"taskmanagers": []}}, "has no task manager"),
        (URL, None, {"/taskmanagers": {"errors": ["starting"]}}, "KeyError"),
        (URL, None, {"/taskmanagers": [1]}, "TypeError"),
        (URL, None, {METRICS: [{"id": "Status.JVM.CPU.Time", "value": "many"}]}, "ValueError"),
        ("file:///etc", None, {}, "no URL of HTTP"),
    ],
)
def test_what_cannot_be_had_is_missing_and_why_is_told(
    cluster: dict[str, Any], url: str, job: str | None, change: dict[str, Any], problem: str
) -> None:
    cluster |= change
    meter = FlinkMeter(url, job)

    meter.sample()

    assert meter.cost() == Cost()
    assert problem in str(meter.problem)


def test_metrics_that_a_task_manager_does_not_know_are_not_negative(cluster: dict[str, Any]) -> None:
    cluster[METRICS] = [{"id": "Status.Flink.Memory.Managed.Used", "value": "-1"}]
    meter = FlinkMeter(URL)

    meter.sample()

    assert meter.cost() == Cost()


@pytest.mark.skipif(resident_bytes() is None, reason="this system has no /proc")
def test_our_process_has_memory_and_cpu() -> None:
    clock = Clock()
    meter = ProcessMeter(clock=clock)
    meter.sample()
    assert meter.cost().cpu_cores is None
    used = _used()
    began = used()
    while used() - began < 0.05:
        sum(range(1000))
    clock.now = 2.0
    meter.sample()

    cost = meter.cost()
    assert cost.memory_bytes is not None
    assert cost.memory_bytes > 10_000_000
    assert cost.cpu_cores is not None
    assert 0.02 <= cost.cpu_cores < 0.5  # 50 ms of two seconds, in ticks of ten milliseconds


def _used() -> Callable[[], float]:
    return lambda: sum(os.times()[:2])


def test_a_process_that_is_gone_has_no_figures() -> None:
    meter = ProcessMeter(2**30)
    meter.sample()

    assert meter.cost() == Cost()


def test_meters_are_sampled_at_the_beginning_and_at_the_end() -> None:
    class Counting:
        samples = 0

        def sample(self) -> None:
            self.samples += 1

        def cost(self) -> Cost:
            return Cost(self.samples)

    meter = Counting()
    with Metering([meter], every_s=3600):
        pass

    assert 1 <= meter.samples <= 2


def test_costs_stand_beside_what_the_streams_told() -> None:
    told = Performance(SidePerformance(latency_p50_ms=3.0), SidePerformance(rows_per_second=5.0))

    assert with_costs(told, left=Cost(10, 2.0), right=Cost(5, None)) == Performance(
        SidePerformance(latency_p50_ms=3.0, memory_bytes=10, cpu_cores=2.0),
        SidePerformance(rows_per_second=5.0, memory_bytes=5),
    )
    assert with_costs(None, left=Cost(), right=Cost()) is None
    assert with_costs(None, left=Cost(), right=Cost(5)) == Performance(right=SidePerformance(memory_bytes=5))
