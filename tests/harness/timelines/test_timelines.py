"""Timelines of inputs. Expected values by hand, from Flink's rules for watermarks, idleness and windows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.runtime import checkpoint_file, job, restarts
from velo_harness.kafka.session import KafkaSession
from velo_harness.result import Outcome, QueryResult

Run = Callable[..., QueryResult]
PACED_INIT: Any = job.PacedTimeline.__init__
BATCHES = pytest.mark.parametrize("batch_size", [1, 7, None])

HEAD = """
application: timelines
now: 2025-01-01T12:00:00Z
sql: |
  CREATE TABLE clicks (who STRING, n INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json');
  CREATE TABLE taps (who STRING) WITH ('connector' = 'kafka', 'topic' = 'taps', 'format' = 'json');
  CREATE TABLE views (who STRING) WITH ('connector' = 'kafka', 'topic' = 'views', 'format' = 'json');
  CREATE TABLE windows AS
  SELECT window_start AS w, COUNT(*) AS n
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
  CREATE TABLE stamped AS SELECT who, CURRENT_TIMESTAMP AS at FROM taps;
  CREATE TABLE both_sides AS
  SELECT who, 'tap' AS what, CAST(CURRENT_TIMESTAMP AS STRING) AS at FROM taps
  UNION ALL SELECT who, 'view' AS what, CAST(CURRENT_TIMESTAMP AS STRING) AS at FROM views;
  CREATE TABLE sums AS SELECT who, SUM(n) AS total FROM clicks GROUP BY who;
  CREATE TABLE minutes AS
  SELECT COUNT(*) AS n FROM (SELECT who, PROCTIME() AS p FROM clicks) GROUP BY TUMBLE(p, INTERVAL '1' MINUTE);
queries:
"""


def spec(query: str, timeline: str, checks: str, options: str = "", source: str = "clicks") -> str:
    return f"""{HEAD}
  - name: {query}
    inputs:
      - source: {source}
        timeline:
{indented(timeline, 10)}
{indented(options, 8)}
{indented(checks, 4)}
"""


def indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.strip("\n").splitlines())


def passed(result: QueryResult) -> bool:
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)
    return True


WINDOWS = """
- row: { who: a, n: 1, ts: 2025-01-01 12:00:01 }
- row: { who: b, n: 1, ts: 2025-01-01 12:00:04 }
- watermark: 2025-01-01 12:00:10
- row: { who: c, n: 1, ts: 2025-01-01 12:00:05 }
- row: { who: d, n: 1, ts: 2025-01-01 12:00:12 }
"""


@BATCHES
def test_a_stated_watermark_closes_a_window_and_makes_rows_late(run: Run, batch_size: int | None) -> None:
    checks = """
expect:
  changelog:
    - { op: +I, w: 2025-01-01 12:00:00, n: 2 }
    - { op: +I, w: 2025-01-01 12:00:10, n: 1 }
  late:
    - { who: c, late_by: 1ms }
"""
    # The window [0, 10) closes at 9.999 s; the row of 5 s sees the watermark 10 s.
    assert passed(run(spec("windows", WINDOWS, checks), batch_size=batch_size))


def test_without_the_watermark_the_row_is_not_late(run: Run) -> None:
    rows = WINDOWS.replace("- watermark: 2025-01-01 12:00:10\n", "")
    checks = "expect: { rows: [{ w: 2025-01-01 12:00:00, n: 2 }, { w: 2025-01-01 12:00:10, n: 1 }] }"

    result = run(spec("windows", rows, checks))

    assert result.outcome is Outcome.FAILED
    assert result.numbers is not None
    assert result.numbers.late == 0


PARTITIONS = """
- row: { who: a, n: 1, ts: 2025-01-01 12:00:01 }
  partition: 0
- row: { who: b, n: 1, ts: 2025-01-01 12:00:02 }
  partition: 1
- row: { who: c, n: 1, ts: 2025-01-01 12:00:25 }
  partition: 0
"""
LATE_ROW = "- row: { who: d, n: 1, ts: 2025-01-01 12:00:03 }\n  partition: 0\n"


@BATCHES
@pytest.mark.parametrize(
    ("step", "late"),
    [
        ("", 0),  # partition 1 stands at 2 s and holds the watermark back
        ("- idle: 1", 1),  # the watermark is that of partition 0: 25 s
        ("- idle: 0", 0),
        ("- { watermark: 2025-01-01 12:00:11, partition: 1 }", 1),  # 11 s
        ("- { watermark: 2025-01-01 12:00:09, partition: 1 }", 0),  # 9 s: [0, 10) is still open
        ("- { watermark: 2025-01-01 12:00:09.999, partition: 1 }", 1),
        ("- watermark: 2025-01-01 12:00:11", 1),  # of all partitions
        ("- idle: 1\n- { row: { who: e, n: 1, ts: 2025-01-01 12:00:26 }, partition: 1 }", 1),
    ],
)
def test_partitions(run: Run, step: str, late: int, batch_size: int | None) -> None:
    checks = f"assertions: [{{ type: record_count, greater_than: {0 if late else 1} }}]"

    result = run(spec("windows", PARTITIONS + step + "\n" + LATE_ROW, checks, "partitions: 2"), batch_size=batch_size)

    assert passed(result)
    assert result.numbers is not None
    assert result.numbers.late == late


@BATCHES
def test_the_clock_moves_on(run: Run, batch_size: int | None) -> None:
    rows = """
- row: { who: a }
- advance_processing_time: 5s
- row: { who: b }
- wait: 200ms
- row: { who: c }
- row: { who: d }
  at: 1 minute
"""
    checks = """
expect:
  rows:
    - { who: a, at: 2025-01-01T12:00:00Z }
    - { who: b, at: 2025-01-01T12:00:05Z }
    - { who: c, at: 2025-01-01T12:00:05.2Z }
    - { who: d, at: 2025-01-01T12:01:00Z }
"""
    text = spec("stamped", rows, checks, source="taps")
    assert passed(run(text, batch_size=batch_size))
    wrong = text.replace("who: b, at: 2025-01-01T12:00:05Z", "who: b, at: 2025-01-01T12:00:00Z")
    assert run(wrong, batch_size=batch_size).outcome is Outcome.FAILED


ROWS = [
    f"- row: {{ who: {who}, n: {n}, ts: 2025-01-01 12:00:{s:02} }}"
    for who, n, s in (("a", 1, 1), ("b", 2, 2), ("a", 4, 3), ("b", 8, 4))
]


@BATCHES
def test_processing_time_windows_close_by_the_clock(run: Run, batch_size: int | None) -> None:
    rows = "\n".join([ROWS[0], ROWS[1], "- advance_processing_time: 1m", ROWS[2]])
    checks = "expect: { changelog: [{ op: +I, n: 2 }] }"

    # The clock stays at 12:01, within the window that the third row is in; nothing but the clock closes it.
    assert passed(run(spec("minutes", rows, checks), batch_size=batch_size))
    assert run(spec("minutes", "\n".join(ROWS[:3]), checks), batch_size=batch_size).outcome is Outcome.FAILED


@BATCHES
@pytest.mark.parametrize("places", [[0], [2], [4], [1, 3], [0, 1, 2, 3, 4]])
def test_sums_survive_restarts(run: Run, places: list[int], batch_size: int | None, embedded: KafkaSession) -> None:
    lines = list(ROWS)
    for place in sorted(places, reverse=True):
        lines.insert(place, "- restart: true")
    checks = """
expect:
  order: exact
  changelog:
    - { op: +I, who: a, total: 1 }
    - { op: +I, who: b, total: 2 }
    - { op: -U, who: a, total: 1 }
    - { op: +U, who: a, total: 5 }
    - { op: -U, who: b, total: 2 }
    - { op: +U, who: b, total: 10 }
"""
    text = spec("sums", "\n".join(lines), checks, "partitions: 3")
    assert passed(run(text, batch_size=batch_size))
    if batch_size == 7:
        assert passed(run(text, batch_size=batch_size, kafka=embedded))


@BATCHES
def test_open_windows_survive_a_restart(run: Run, batch_size: int | None) -> None:
    rows = WINDOWS.replace("- watermark", "- restart: true\n- watermark")
    checks = """
expect:
  rows: [{ w: 2025-01-01 12:00:00, n: 2 }, { w: 2025-01-01 12:00:10, n: 1 }]
  late: [{ who: c }]
"""
    assert passed(run(spec("windows", rows, checks), batch_size=batch_size))


TWO = """
  - name: both_sides
    inputs:
      - source: views
        timeline:
          - row: { who: v1 }
          - advance_processing_time: 2s
          - row: { who: v2 }
      - source: taps
        timeline:
          - row: { who: c1 }
          - row: { who: c2 }
          - row: { who: c3 }
            at: 1s
          - advance_processing_time: 4s
          - row: { who: c4 }
    expect:
      order: exact
      changelog:
        - { op: +I, who: v1, what: view, at: "2025-01-01 12:00:00.000" }
        - { op: +I, who: c1, what: tap, at: "2025-01-01 12:00:00.000" }
        - { op: +I, who: c2, what: tap, at: "2025-01-01 12:00:00.000" }
        - { op: +I, who: c3, what: tap, at: "2025-01-01 12:00:01.000" }
        - { op: +I, who: v2, what: view, at: "2025-01-01 12:00:02.000" }
        - { op: +I, who: c4, what: tap, at: "2025-01-01 12:00:05.000" }
"""


@BATCHES
def test_two_timelines_merge_by_their_moments(run: Run, batch_size: int | None, embedded: KafkaSession) -> None:
    assert passed(run(HEAD + TWO, batch_size=batch_size))
    if batch_size is None:
        assert passed(run(HEAD + TWO, kafka=embedded))
    assert run((HEAD + TWO).replace("at: 1s", "at: 3s"), batch_size=batch_size).outcome is Outcome.FAILED


def error_of(run: Run, text: str) -> VeloError:
    try:
        result = run(text)
    except VeloError as error:
        return error
    assert result.error is not None, result.outcome
    return result.error


ANY = "assertions: [{ type: record_count, greater_than: 0 }]"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("- partition: 0", "this entry does nothing: give one of row, watermark, idle"),
        ("- { row: { who: a }, restart: true }", "restart and row are two things"),
        ("- { restart: true, partition: 0 }", "partition has no effect on restart"),
        ("- { row: { who: a }, partition: 1 }", "the input has the partitions 0 to 0"),
        ("- idle: 1", "the input has the partitions 0 to 0"),
        ("- { row: { who: a }, at: 5s }\n- { row: { who: a }, at: 4s }", "at goes back"),
        ("- { wait: 5s }\n- { row: { who: a }, at: 4s }", "at goes back"),
        ("- watermark: soon", '"soon" is not a time'),
        ("- restart: false", "this must be true"),
        ("- advance_processing_time: quickly", "this must be a duration"),
        ("- rows: [{ who: a }]", 'unknown key "rows" in a timeline entry'),
    ],
)
def test_entries_that_say_nothing_sensible(run: Run, rows: str, message: str) -> None:
    assert message in error_of(run, spec("windows", rows, ANY)).message


def test_a_watermark_without_event_time(run: Run) -> None:
    text = spec("stamped", "- watermark: 2025-01-01 12:00:00", ANY, source="taps")

    error = error_of(run, text)

    assert error.code is ErrorCode.BAD_VALUE
    assert "watermark has no effect: no query that runs here has event time from taps" in error.message


def test_rows_and_a_timeline_are_one_too_many(run: Run) -> None:
    error = error_of(run, spec("sums", ROWS[0], ANY, "rows: []"))

    assert '"timeline" and "rows" both give the rows' in error.message


def test_nobody_advances_the_real_clock(run: Run) -> None:
    error = error_of(
        run, spec("sums", "- advance_processing_time: 1s", ANY).replace("now: 2025-01-01T12:00:00Z", "now: wall")
    )

    assert "nobody can advance the real clock" in error.message


PACED = """
application: paced
now: 2025-01-01T12:00:00Z
sql: |
  CREATE TABLE taps (who STRING, ts TIMESTAMP(3)) WITH ('connector' = 'kafka', 'topic' = 'taps', 'format' = 'json');
  CREATE TABLE stamped AS SELECT CAST(CURRENT_TIMESTAMP AS STRING) AS at FROM taps;
queries:
  - name: stamped
    inputs: [{ source: taps, records: 4, rate_per_second: 10 }]
    assertions: [{ type: field_values, field: at, operator: equals, value: "2025-01-01 12:00:00.000" }]
"""


def test_a_rate_is_kept_when_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(job.PacedTimeline, "__init__", functools.partialmethod(_paced, slept))
    in_real_time = PACED.replace(
        'assertions: [{ type: field_values, field: at, operator: equals, value: "2025-01-01 12:00:00.000" }]',
        'expect: { rows: [{ at: "2025-01-01 12:00:00.000" }, { at: "2025-01-01 12:00:00.100" },'
        ' { at: "2025-01-01 12:00:00.200" }, { at: "2025-01-01 12:00:00.300" }] }',
    )

    assert passed(run(PACED))
    assert slept == []
    assert run(PACED, realtime=True).outcome is Outcome.FAILED
    assert passed(run(in_real_time, realtime=True))
    assert run(in_real_time).outcome is Outcome.FAILED
    assert slept == [0.1, 0.1, 0.1] * 2


def _paced(self: object, slept: list[float], now_ms: int, ticks: object, *_: object) -> None:
    time = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        time[0] += seconds

    PACED_INIT(self, now_ms, ticks, lambda: time[0], sleep)


def test_state_goes_through_the_checkpoint_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the file has lost is lost: nothing is handed on beside it."""
    lines = [*ROWS[:2], "- restart: true", *ROWS[2:]]
    checks = "expect: { key: who, rows: [{ who: a, total: 5 }, { who: b, total: 10 }] }"
    text = spec("sums", "\n".join(lines), checks)
    assert passed(run(text))

    def forgetful(path: Path) -> checkpoint_file.Checkpoint:
        saved = checkpoint_file.read_checkpoint(path)
        kept = {step: tables for step, tables in saved.operators.items() if step < 0}
        return replace(saved, operators=kept)

    monkeypatch.setattr(restarts, "read_checkpoint", forgetful)
    assert run(text).outcome is Outcome.FAILED


ZONED = """
application: zoned
now: 2025-07-01T12:00:00Z
config: { time_zone: Europe/Berlin }
sql: |
  CREATE TABLE clicks (n INT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json');
  CREATE TABLE local_clicks (n INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'kafka', 'topic' = 'local_clicks', 'format' = 'json');
  CREATE TABLE instants AS
  SELECT COUNT(*) AS n FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
  CREATE TABLE locals AS
  SELECT COUNT(*) AS n
  FROM TABLE(TUMBLE(TABLE local_clicks, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
queries:
  - name: <query>
    inputs:
      - source: <source>
        timeline:
          - row: { n: 1, ts: 2025-07-01 14:30:00 }
          - watermark: <mark>
          - row: { n: 2, ts: 2025-07-01 14:40:00 }
    assertions: [{ type: late_count, equals: 1 }]
"""


@pytest.mark.parametrize(("query", "source"), [("instants", "clicks"), ("locals", "local_clicks")])
@pytest.mark.parametrize(
    ("mark", "closes"),
    [
        ("2025-07-01 15:00:00", True),  # local time, as that of the rows
        ("2025-07-01 14:59:00", False),
        ("2025-07-01T13:00:00Z", True),  # 15:00 in Berlin
        ("2025-07-01T12:59:00Z", False),
        ("now + 1h", True),
        ("now + 59m", False),
    ],
)
def test_watermarks_in_a_time_zone(run: Run, query: str, source: str, mark: str, closes: bool) -> None:
    result = run(ZONED.replace("<query>", query).replace("<source>", source).replace("<mark>", mark))

    assert result.error is None
    assert result.outcome is (Outcome.PASSED if closes else Outcome.FAILED)


def test_slow_records_take_real_time_when_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(job.PacedTimeline, "__init__", functools.partialmethod(_paced, slept))
    text = PACED.replace(
        "    assertions: [",
        "    fault_injection: { slow_processing: { rate: 0.5, min_delay_ms: 250, max_delay_ms: 250 } }\n    assertions: [",
    )

    assert run(text.replace("rate_per_second: 10", "seed: 1")).error is None
    assert slept == []
    assert run(text.replace("rate_per_second: 10", "seed: 1"), realtime=True).error is None
    assert slept == [0.25, 0.25]


def test_late_rows_have_columns_that_no_statement_reads(run: Run) -> None:
    head = HEAD.split("  CREATE TABLE taps")[0] + "  CREATE TABLE windows" + HEAD.split("CREATE TABLE windows")[1]
    head = head.split("  CREATE TABLE stamped")[0] + "queries:\n"
    query = spec("windows", WINDOWS, "expect: { late: [{ who: c }] }").removeprefix(HEAD)

    assert passed(run(head + query))
    assert run(head + query.replace("who: c }]", "who: d }]")).outcome is Outcome.FAILED


KEYED = """
- { row: { who: a, n: 1, ts: 2025-01-01 12:00:01 }, partition: 1 }
- { row: { who: b, n: 2, ts: 2025-01-01 12:00:01 }, partition: 0 }
- row: { who: foobar, n: 3, ts: 2025-01-01 12:00:01 }
- row: { who: a-little-bit-long-string, n: 4, ts: 2025-01-01 12:00:01 }
"""


@pytest.mark.parametrize(
    ("options", "partitions"),
    [("partitions: 3", [1, 0, 2, 0]), ("partitions: 3\nkey_field: who", [1, 0, 0, 2])],
)
def test_partitions_that_a_row_does_not_say(run: Run, options: str, partitions: list[int]) -> None:
    # In turns: the third row goes to 2, the fourth to 0. By key, with the values of Kafka's UtilsTest.testMurmur2:
    # murmur2("foobar") = -790332482, & 0x7fffffff = 1357151166, % 3 = 0; murmur2("a-little-bit-long-string") =
    # -985981536, & 0x7fffffff = 1161502112, % 3 = 2.
    places = ", ".join(f"{{ n: {n}, p: {p} }}" for n, p in enumerate(partitions, 1))
    text = spec("places", KEYED, f"expect: {{ rows: [{places}] }}", options)
    text = text.replace("queries:", "  CREATE TABLE places AS SELECT n, _partition AS p FROM clicks;\nqueries:", 1)

    result = run(text)

    assert passed(result)


SINKS = """
application: sinks
sql: |
  CREATE TABLE taps (who STRING) WITH ('connector' = 'kafka', 'topic' = 'taps', 'format' = 'json');
  CREATE TABLE counted (who STRING, n BIGINT, PRIMARY KEY (who) NOT ENFORCED)
  WITH ('connector' = 'upsert-kafka', 'topic' = 'counted', 'key.format' = 'json', 'value.format' = 'json');
  CREATE TABLE copied WITH ('connector' = 'filesystem', 'path' = 'copied.json', 'format' = 'json') AS SELECT who FROM taps;
  INSERT INTO counted SELECT who, COUNT(*) FROM taps GROUP BY who;
queries:
  - name: counted
    inputs:
      - source: taps
        timeline: [{ row: { who: a } }, { row: { who: b } }, { restart: true }, { row: { who: a } }, { row: { who: c } }]
    output: { sink_type: kafka }
    expect:
      key: who
      rows: [{ who: a, n: 2 }, { who: b, n: 1 }, { who: c, n: 1 }]
  - name: copied
    inputs:
      - source: taps
        timeline: [{ row: { who: a } }, { restart: true }, { row: { who: b } }]
    assertions:
      - { type: file_row_count, path: copied.json, equals: 2 }
      - { type: record_count, equals: 2 }
"""


def test_what_was_written_stays_written(run: Run, embedded: KafkaSession) -> None:
    assert passed(run(SINKS))
    without_file = SINKS.split("  - name: copied\n    inputs")[0]
    assert passed(run(without_file, kafka=embedded))
    assert (
        run(SINKS.replace("equals: 2 }\n      - { type: record", "equals: 3 }\n      - { type: record")).outcome
        is Outcome.FAILED
    )


def test_inputs_without_a_timeline_are_there_from_the_start(run: Run) -> None:
    query = """
  - name: both_sides
    inputs:
      - source: views
        timeline:
          - row: { who: v1 }
          - advance_processing_time: 1s
      - source: taps
        rows: [{ who: t1 }, { who: t2 }]
    expect:
      changelog:
        - { op: +I, who: t1, what: tap }
        - { op: +I, who: t2, what: tap }
        - { op: +I, who: v1, what: view }
"""
    assert passed(run(HEAD + query))


def test_waiting_really_waits_with_the_real_clock(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(job.PacedTimeline, "__init__", functools.partialmethod(_paced, slept))
    text = spec("stamped", "- row: { who: a }\n- wait: 200ms\n- row: { who: b }", ANY, source="taps")

    assert passed(run(text.replace("now: 2025-01-01T12:00:00Z", "now: wall")))
    assert slept == [0.2]
