"""Where topics are: the options, their short names, and one broker a session."""

from __future__ import annotations

import pytest

COUNTING = """
from velo_harness.kafka.embedded import EmbeddedBroker

starts, stops = [], []

class Counted(EmbeddedBroker):
    def start(self):
        starts.append(self)
        super().start()

    def stop(self):
        stops.append(self)
        super().stop()

import velo_harness.kafka.embedded
velo_harness.kafka.embedded.EmbeddedBroker = Counted

import pytest

@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    print(f"{len(starts)} started, {len(set(stops))} stopped")
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VELO_KAFKA_BOOTSTRAP_SERVERS", "VELO_KAFKA_IMAGE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("option", ["--velo-kafka", "--kafka"])
def test_all_queries_run_on_one_embedded_broker_which_stops_at_the_end(project, option: str) -> None:
    project.write("conftest.py", COUNTING)
    result = project.run("specs", option, "embedded")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*1 started, 1 stopped"])


def test_without_an_option_there_is_no_broker(project) -> None:
    project.write("conftest.py", COUNTING)
    result = project.run("specs")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*0 started, 0 stopped"])


def test_a_short_name_that_a_conftest_has_taken_is_left_to_it(project) -> None:
    conftest = """
def pytest_addoption(parser):
    parser.addoption("--kafka", help="mine", choices=["mine"])

def pytest_report_header(config):
    return f"kafka is {config.getoption('--kafka')}, velo's is {config.getoption('velo_kafka')}"
"""
    project.write("conftest.py", conftest)
    result = project.run("--kafka", "mine", "--velo-kafka", "embedded", "specs")
    result.stdout.fnmatch_lines(["kafka is mine, velo's is embedded"])
    result.assert_outcomes(passed=2)


def test_a_broker_that_is_not_there_fails_every_query_and_is_asked_once(project) -> None:
    conftest = """
import velo_harness.kafka.external as external
from velo_engine.errors import ErrorCode, VeloError

asked = []

def check_cluster(cluster):
    asked.append(cluster)
    raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, f"no broker answers at {cluster.bootstrap_servers}")

external.check_cluster = check_cluster

def pytest_unconfigure():
    print(f"asked {len(asked)} times")
"""
    project.write("conftest.py", conftest)
    result = project.run("specs", "--velo-kafka", "127.0.0.1:1")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["error[[]VELO5001[]]: no broker answers at 127.0.0.1:1", "*asked 1 times"])
    assert "Traceback" not in result.stdout.str()


def test_choices_that_contradict_each_other_are_a_usage_error(project) -> None:
    result = project.run("specs", "--velo-kafka", "embedded", "--velo-use-testcontainers")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: error[[]VELO2003[]]: --kafka and --use-testcontainers both say where Kafka is"]
    )


def test_the_head_of_the_report_says_where_topics_are(project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.run("specs", "--velo-kafka", "embedded").stdout.fnmatch_lines(["velostream: topics on Kafka (embedded)"])
    project.run("specs").stdout.no_fnmatch_line("velostream: topics*")
    monkeypatch.setenv("VELO_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    result = project.run("specs", "--collect-only")
    result.stdout.fnmatch_lines(["velostream: topics on Kafka (external)"])
