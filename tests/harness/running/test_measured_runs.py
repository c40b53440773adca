"""What assertions about a run look at is measured of that very run: state, memory, its clock, metrics, dead letters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from velo_engine import types as t
from velo_harness.assertions.run_facts import RunFacts
from velo_harness.result import Outcome, QueryResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

HEAD = """\
application: measured
now: 2025-01-01T12:00:00Z
sql: |
  CREATE TABLE things (id BIGINT, kind STRING, n INT, at TIMESTAMP(3), WATERMARK FOR at AS at);
  -- @metric: seen
  -- @metric_type: counter
  -- @metric_labels: kind
  CREATE STREAM clean AS SELECT id, kind, 10 / n AS share, at FROM things;
  -- @metric: halves
  -- @metric_type: gauge
  -- @metric_field: half
  CREATE STREAM halved AS SELECT id, share / 2 AS half, at FROM clean;
  CREATE TABLE totals AS SELECT kind, COUNT(*) AS c FROM things GROUP BY kind;
  CREATE TABLE minutes AS
  SELECT window_start, window_end, COUNT(*) AS c FROM things
  WINDOW TUMBLING(at, 1m) GROUP BY window_start, window_end EMIT FINAL;
queries:
"""
ROWS = """\
      - source: things
        rows:
          - { id: 1, kind: a, n: 1, at: 2025-01-01 11:00:00 }
          - { id: 2, kind: b, n: 0, at: 2025-01-01 11:00:10 }
          - { id: 3, kind: a, n: 5, at: 2025-01-01 11:01:20 }
          - { id: 4, kind: c, n: 0, at: 2025-01-01 11:02:30 }
          - { id: 5, kind: a, n: 2, at: 2025-01-01 11:00:40 }
"""
TIMED = """\
      - source: things
        timeline:
          - row: { id: 1, kind: a, n: 1, at: 2025-01-01 11:59:59 }
          - advance_processing_time: 5s
          - row: { id: 2, kind: a, n: 1, at: 2025-01-01 12:00:01 }
          - restart: true
          - row: { id: 3, kind: a, n: 1, at: 2025-01-01 12:00:03 }
"""

Run = Callable[..., QueryResult]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "pyproject.toml").write_text("")

    def go(name: str, assertion: str, inputs: str = ROWS, **settings: int) -> QueryResult:
        file = tmp_path / "x.test.yaml"
        file.write_text(f"{HEAD}  - name: {name}\n    inputs:\n{inputs}    assertions:\n      - {assertion}\n")
        spec = load_spec(file)
        result = run_query(spec, spec.queries[0], RunSettings(**settings), item="x", rerun="")
        assert result.error is None, str(result.error)
        return result

    return go


@pytest.mark.parametrize(
    ("name", "holds", "fails"),
    [
        # Three kinds stay. Minutes: those of 11:00, 11:01 and 11:02 are not open at once when rows come one by one.
        ("totals", "{ type: state, max_rows: 3 }", "{ type: state, max_rows: 2 }"),
        ("minutes", "{ type: state, max_rows: 1 }", "{ type: state, max_rows: 0 }"),
        ("minutes", "{ type: state, empty_after: true }", ""),
        ("totals", "{ type: state, max_bytes: 10000 }", "{ type: state, max_bytes: 20 }"),
        ("totals", "{ type: memory_usage, max_mb: 100000, max_growth_mb: 10000 }", "{ type: memory_usage, max_mb: 2 }"),
        # Both of its own, and of the statement that it reads.
        ("clean", "{ type: dlq_count, equals: 2 }", "{ type: dlq_count, equals: 1 }"),
        ("halved", "{ type: dlq_count, equals: 2, topic: things }", "{ type: dlq_count, equals: 0 }"),
        ("totals", "{ type: dlq_count, equals: 0 }", "{ type: dlq_count, equals: 2 }"),
        ("halved", "{ type: error_rate, max_percent: 40 }", "{ type: error_rate, max_percent: 39.9 }"),
        ("minutes", "{ type: late_count, equals: 1 }", "{ type: late_count, equals: 0 }"),
        # 10 / 1, 10 / 5, 10 / 2 of the kind a; the two others had no result.
        ("clean", "{ type: metric_counter, name: seen, equals: 3 }", "{ type: metric_counter, name: seen, equals: 5 }"),
        (
            "halved",
            "{ type: metric_counter, name: seen, equals: 3 }",
            "{ type: metric_counter, name: seen, equals: 4 }",
        ),
        (
            "halved",
            "{ type: metric_gauge, name: halves, equals: 2 }",
            "{ type: metric_gauge, name: halves, equals: 1 }",
        ),
        ("clean", "{ type: metric_exists, name: seen, labels: { kind: a } }", "{ type: metric_exists, name: halves }"),
        (
            "clean",
            "{ type: metric_counter, name: velo_job_dead_letters, equals: 2 }",
            "{ type: metric_counter, name: velo_job_dead_letters, equals: 0 }",
        ),
        (
            "minutes",
            "{ type: metric_counter, name: velo_job_late_records, labels: { statement: minutes }, equals: 1 }",
            "{ type: metric_exists, name: velo_job_latency_seconds }",
        ),
    ],
)
def test_what_is_measured(run: Run, name: str, holds: str, fails: str) -> None:
    assert run(name, holds, batch_size=1).outcome is Outcome.PASSED
    if fails:
        assert run(name, fails, batch_size=1).outcome is Outcome.FAILED


def test_latency_follows_the_clock_of_the_timeline(run: Run) -> None:
    """The clock says 12:00:00, then 12:00:05, also after the restart: latencies of 1, 4 and 2 seconds."""
    assert (
        run("clean", "{ type: latency, event_time_field: at, max_latency_ms: 4000 }", TIMED).outcome is Outcome.PASSED
    )
    late = run("clean", "{ type: latency, event_time_field: at, max_latency_ms: 3999 }", TIMED)
    assert late.failures[0].finding.actual == "4000 ms"
    assert late.failures[0].finding.offending == 1
    median = run("clean", "{ type: latency, event_time_field: at, p50_latency_ms: 1999 }", TIMED)
    assert median.failures[0].finding.actual == "2000 ms"
    first = "{ type: latency, event_time_field: at, max_latency_ms: 1000, where: id = 1 }"
    assert run("clean", first, TIMED).outcome is Outcome.PASSED


def test_freshness_is_about_the_end_of_the_timeline(run: Run) -> None:
    """The newest row is of 12:00:03, and the clock says 12:00:05 at the end."""
    fresh = "{{ type: table_freshness, timestamp_field: at, max_age: {} }}"
    assert run("clean", fresh.format("2s"), TIMED).outcome is Outcome.PASSED
    assert run("clean", fresh.format("1999ms"), TIMED).outcome is Outcome.FAILED
    other = "{ type: table_freshness, table: things, timestamp_field: at, max_age: 1999 }"
    assert run("totals", other, TIMED).outcome is Outcome.FAILED


def test_metrics_and_state_go_on_after_a_restart(run: Run) -> None:
    assert run("clean", "{ type: metric_counter, name: seen, equals: 3 }", TIMED).outcome is Outcome.PASSED
    assert run("totals", "{ type: state, max_rows: 1 }", TIMED).outcome is Outcome.PASSED


def test_letters_that_were_not_kept_are_counted_and_cannot_be_chosen(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "y.test.yaml"
    text = f"{HEAD}  - name: clean\n    inputs:\n{ROWS}    assertions:\n      - {{}}\n"
    text = text.replace("now:", "config: { dlq.max.size: 1 }\nnow:")
    outcomes = []
    for assertion in ("type: dlq_count, equals: 2", "type: dlq_count, equals: 2, error_types: computation"):
        file.write_text(text.replace("- {}", f"- {{ {assertion} }}"))
        spec = load_spec(file)
        outcomes.append(run_query(spec, spec.queries[0], RunSettings(), item="y", rerun=""))
    assert outcomes[0].outcome is Outcome.PASSED
    assert outcomes[1].error is not None
    assert "nobody knows what they were" in outcomes[1].error.message


def test_a_timestamp_is_one_of_the_time_zone(check, relation) -> None:
    """10:00 in Berlin is 09:00 UTC: an hour before the run's now."""
    at = datetime(2025, 1, 1, 10)
    output = relation(
        "o", {"local": (t.timestamp(3), [at]), "instant": (t.timestamp_ltz(3), [datetime(2025, 1, 1, 9)])}
    )
    now_ms = int(datetime(2025, 1, 1, 10, tzinfo=UTC).timestamp() * 1000)
    run = RunFacts(now_ms=now_ms, given_out_ms=np.array([now_ms]))
    for field in ("local", "instant"):
        fresh = f"{{ type: table_freshness, timestamp_field: {field}, max_age: AGE }}"
        late = f"{{ type: latency, event_time_field: {field}, max_latency_ms: AGE }}"
        for text in (fresh, late):
            assert check(text.replace("AGE", "1h"), output, run=run, time_zone="Europe/Berlin") is None
            assert check(text.replace("AGE", "59m"), output, run=run, time_zone="Europe/Berlin") is not None
    both = "{ type: latency, event_time_field: local, processing_time_field: instant, max_latency_ms: 0 }"
    assert check(both, output, run=run, time_zone="Europe/Berlin") is None


def test_expected_late_rows_may_name_columns_that_the_query_does_not_read(run: Run) -> None:
    """The window reads `at` alone; of the late row the spec knows more."""
    checks = "{ type: late_count, equals: 1 }\n    expect:\n      late: [{ id: 5, kind: a, n: 2 }]"
    assert run("minutes", checks).outcome is Outcome.PASSED
    assert run("minutes", checks.replace("n: 2", "n: 3")).outcome is Outcome.FAILED


def test_looking_at_dead_letters_does_not_make_any(tmp_path: Path) -> None:
    """A column that no query reads may hold anything, also when dead letters are counted."""
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "rows.jsonl").write_text('{"id": 1, "n": "many"}\n{"id": 2, "n": 3}\n')
    (tmp_path / "x.test.yaml").write_text(
        "application: unread\n"
        "sql: |\n"
        "  CREATE TABLE things (id BIGINT, n INT);\n"
        "  CREATE STREAM ids AS SELECT id FROM things;\n"
        "queries:\n"
        "  - name: ids\n"
        "    inputs: [{ source: things, data_file: rows.jsonl }]\n"
        "    assertions: [{ type: dlq_count, equals: 0 }, { type: record_count, equals: 2 }]\n"
    )
    spec = load_spec(tmp_path / "x.test.yaml")
    result = run_query(spec, spec.queries[0], RunSettings(), item="x", rerun="")
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)
