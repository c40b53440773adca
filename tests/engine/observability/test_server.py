"""`/metrics` and `/health`: what they answer, to whom."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError

import pytest
from prometheus_client import CollectorRegistry

from velo_engine import Engine
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.observability.bounded_server import MOST_CONNECTIONS
from velo_engine.observability.exposition import JobCollector
from velo_engine.observability.health import Health, health_of
from velo_engine.observability.program_metrics import ProgramMetrics
from velo_engine.observability.server import MonitoringServer, is_loopback
from velo_engine.runtime.measurements import Distribution
from velo_engine.runtime.statistics import (
    CheckpointStatistics,
    ConnectionStatistics,
    JobStatistics,
    SourceStatistics,
    StatementStatistics,
)

NOTHING = Distribution((), (0,), 0.0)
WELL = JobStatistics(
    records=7,
    sources={"orders": SourceStatistics(7, 3)},
    statements={},
    dead_letters=0,
    checkpoints=CheckpointStatistics(2, 0.1, 0.2, 100, 5_000),
    connections={"orders": ConnectionStatistics("closed", 0, None)},
    batches=NOTHING,
    latency=NOTHING,
    seconds={},
    silent_s=0.1,
)
HEALTHY = Health(well=True, problems=(), document={"status": "healthy"})


def test_a_job_is_well_while_it_runs_and_its_broker_answers() -> None:
    health = health_of("j", WELL, running=True, now_s=lambda: 6.5)
    assert (health.well, health.problems) == (True, ())
    assert health.document["last_checkpoint_age_s"] == 1.5
    assert health.document["lag"] == {"orders": 3}


@pytest.mark.parametrize(
    ("now", "running", "problem"),
    [
        (WELL, False, "the job is stopping"),
        (replace(WELL, silent_s=31.0), True, "the job has not come round for 31 s"),
        (
            replace(WELL, connections={"output": ConnectionStatistics("open", 0, "refused")}),
            True,
            "no broker answers output: refused",
        ),
    ],
)
def test_a_job_is_not_well_when(now, running, problem) -> None:
    health = health_of("j", now, running=running)
    assert (health.well, health.problems) == (False, (problem,))


def test_health_is_200_or_503_and_other_methods_and_pages_are_refused() -> None:
    answers = iter([HEALTHY, replace(HEALTHY, well=False)])
    with MonitoringServer("127.0.0.1", 0, CollectorRegistry(), lambda: next(answers)) as server:
        address = f"http://{server.address}"
        with urllib.request.urlopen(f"{address}/health", timeout=20) as answer:
            assert (answer.status, json.load(answer)) == (200, {"status": "healthy"})
        for request, status in ((f"{address}/health", 503), (f"{address}/x", 404), (post(address), 501)):
            with pytest.raises(HTTPError) as refused:
                urllib.request.urlopen(request, timeout=20)
            with refused.value as answer:
                assert answer.code == status


def post(address: str) -> urllib.request.Request:
    return urllib.request.Request(f"{address}/health", data=b"x", method="POST")


def test_a_port_that_is_taken_is_said() -> None:
    with (
        MonitoringServer("127.0.0.1", 0, CollectorRegistry(), lambda: HEALTHY) as server,
        pytest.raises(VeloError) as refused,
    ):
        MonitoringServer("127.0.0.1", server.port, CollectorRegistry(), lambda: HEALTHY)
    assert refused.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert str(server.port) in refused.value.message


def test_more_connections_than_it_takes_are_closed_and_the_others_are_answered() -> None:
    with MonitoringServer("127.0.0.1", 0, CollectorRegistry(), lambda: HEALTHY) as server:
        idle = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(MOST_CONNECTIONS + 1)]
        assert idle[-1].recv(1) == b""
        idle[0].sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert idle[0].recv(12) == b"HTTP/1.0 200"
        for one in idle:
            one.close()


def test_what_only_this_machine_reaches() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_the_page_lists_the_metrics_that_there_are() -> None:
    reached = StatementStatistics(1, 1, 1, 0, 1_000, 1)
    now = replace(WELL, statements={"s": reached})
    program = Engine().plan("SELECT 1 AS one")
    collector = JobCollector("j", lambda: now, ProgramMetrics(program, []))
    found = {family.name + ("_total" if family.type == "counter" else "") for family in collector.collect()}
    page = (Path(__file__).parents[3] / "docs/run.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(velo_job_\w+)`", page, re.MULTILINE))
    assert listed == {name if name != "velo_job" else "velo_job_info" for name in found}
