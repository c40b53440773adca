"""`velo-test stress` and the key `stress_test`: the SQL really runs at volume, and what is measured can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from velo_harness.stress import stress_run
from velo_harness.stress.stress_settings import StressSettings


def measured(ran) -> dict:
    return json.loads(ran.out)["queries"][0]


def test_the_sql_runs_over_as_many_records_as_asked_for(command, project: Path) -> None:
    ran = command("velo-test", "stress", "orders.sql", "--records", "5000", "--output", "json", "--seed", "7")

    assert ran.code == 0, ran.err
    found = measured(ran)
    assert (found["query"], found["records"], found["runs"], found["dead_letters"]) == ("large", 5000, 1, 0)
    assert 0 < found["output_rows"] < 5000, "the filter was applied"
    assert found["records_per_second"] == pytest.approx(5000 / found["elapsed_s"], rel=0.01)
    latency = found["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"] <= found["elapsed_s"] * 1000
    assert found["peak_memory_bytes"] > 10_000_000


def test_the_text_says_it_in_five_lines(command, project: Path) -> None:
    ran = command("velo-test", "stress", "orders.test.yaml", "--records", "1000")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["large", "throughput", "latency", "memory", "errors"]
    assert "(1,000 records, " in ran.out


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--min-throughput", "1e12", "records per second, and the limit is 1e+12"),
        ("--max-p99-ms", "0.000001", "ms latency (p99)"),
        ("--max-memory-mb", "1", "MB of memory, and the limit is 1"),
    ],
)
def test_a_limit_that_is_not_kept_is_exit_code_1(command, project: Path, option: str, value: str, problem: str) -> None:
    ran = command("velo-test", "stress", ".", "--records", "1000", option, value)
    assert ran.code == 1
    assert "FAILED" in ran.out
    assert problem in ran.out


def test_limits_that_are_kept_pass(command, project: Path) -> None:
    ran = command("velo-test", "stress", ".", "--records", "1000", "--min-throughput", "1", "--max-dead-letters", "0")
    assert ran.code == 0


def test_dead_letters_are_counted_and_limited(command, project: Path) -> None:
    schema = project / "schemas/orders.schema.yaml"
    schema.write_text(
        schema.read_text().replace(
            "type: bigint, nullable: false }",
            "type: bigint, nullable: false, constraints: { range: { min: 0, max: 1 } } }",
        )
    )
    sql = project / "orders.sql"
    sql.write_text(sql.read_text().replace("SELECT id,", "SELECT 1 / id AS id,"))
    ran = command("velo-test", "stress", ".", "--records", "1000", "--max-dead-letters", "3", "--output", "json")
    assert ran.code == 1
    found = measured(ran)
    assert 100 < found["dead_letters"] < 900, "about half of the ids are 0"
    assert "dead letters, and the limit is 3" in found["problems"][0]


def test_a_job_that_fails_is_a_problem(command, project: Path) -> None:
    sql = project / "orders.sql"
    sql.write_text(
        "SET 'failure_strategy' = 'FailBatch';\n" + sql.read_text().replace("SELECT id,", "SELECT id / 0 AS id,")
    )
    ran = command("velo-test", "stress", ".", "--records", "1000", "--output", "json")
    assert ran.code == 1
    assert measured(ran)["error"]


class Clock:
    """A clock that only sleeping moves on, and each batch by a tenth of a second."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += seconds


def test_a_pace_is_kept_and_latency_counts_from_when_a_record_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 records a second in batches of 10: a batch is there every 100 ms, and takes 20 ms."""
    clock = Clock()
    monkeypatch.setattr(stress_run, "time", clock)
    meter = stress_run._Meter(StressSettings(rate_per_second=100), None, batch=10, total=30)
    meter.begin()
    for done in (10, 20, 30):
        clock.now += 0.02
        meter.note(stress_run.Progress(done, finished=done == 30))

    assert clock.slept == pytest.approx(0.1 + 2 * 0.08)
    latencies = meter.percentiles()
    assert latencies.max_ms == pytest.approx(110), "the first of a batch waits for nine others, then 20 ms"
    assert latencies.p50_ms == pytest.approx(60)


def test_without_a_pace_latency_is_the_time_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(stress_run, "time", clock)
    meter = stress_run._Meter(StressSettings(), None, batch=10)
    meter.begin()
    for done, seconds in ((90, 0.01), (99, 0.02), (100, 0.5)):
        clock.now += seconds
        meter.note(stress_run.Progress(done, finished=False))

    found = meter.percentiles()
    assert [found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms] == pytest.approx([10, 20, 20, 500])
    assert clock.slept == 0


def test_a_duration_repeats_the_run(command, project: Path) -> None:
    ran = command("velo-test", "stress", ".", "--records", "100", "--duration", "0.2", "--output", "json")
    found = measured(ran)
    assert found["runs"] > 1
    assert found["records"] == 100 * found["runs"]


def test_a_rate_and_a_duration_make_the_number_of_records() -> None:
    assert StressSettings(rate_per_second=50, duration_seconds=2).records_of_each == 100
    assert StressSettings(records=7, rate_per_second=50, duration_seconds=2).records_of_each == 7
    assert StressSettings().records_of_each == 100_000
    assert StressSettings(records=7).overridden(None, 50, 2).records_of_each == 100


def test_a_spec_says_how_much(command, project: Path) -> None:
    spec = project / "orders.test.yaml"
    spec.write_text(spec.read_text() + "stress_test: { enabled: false, records: 300 }\n")
    assert measured(command("velo-test", "stress", ".", "--output", "json"))["records"] == 300
    assert "stress test" not in command("velo-test", "run", ".").err

    spec.write_text(spec.read_text().replace("enabled: false", "enabled: true"))
    ran = command("velo-test", "run", ".")
    assert ran.code == 0
    assert "stress test: 300 records in" in ran.err


def test_queries_that_are_skipped_or_meant_to_fail_are_left_out(command, project: Path) -> None:
    spec = project / "orders.test.yaml"
    spec.write_text(spec.read_text().replace("  - name: large", "  - name: large\n    skip: not now"))
    ran = command("velo-test", "stress", ".", "--records", "10", "--output", "json")
    assert (ran.code, json.loads(ran.out)["queries"]) == (0, [])


@pytest.mark.parametrize("wrong", ["{ records: 0 }", "{ rate: 5 }", "{ enabled: perhaps }", "5"])
def test_wrong_settings_are_refused(command, project: Path, wrong: str) -> None:
    spec = project / "orders.test.yaml"
    spec.write_text(spec.read_text() + f"stress_test: {wrong}\n")
    assert command("velo-test", "run", ".").code == 2
