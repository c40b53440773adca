"""Faults that are injected: how many, what they do, and that checks see them. Expected values by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, ExitCode
from velo_harness.kafka.session import KafkaSession
from velo_harness.reports.json_report import run_json
from velo_harness.reports.text import run_text
from velo_harness.result import Outcome, QueryResult, RunResult

Run = Callable[..., QueryResult]

SPEC = """
application: faults
now: 2025-01-01T12:00:00Z
sql: |
  CREATE TABLE orders (id BIGINT NOT NULL, who STRING, n INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
  WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json');
  CREATE TABLE copied AS SELECT id, who, n, ts FROM orders;
  CREATE TABLE firsts AS
  SELECT id, who FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY PROCTIME()) AS r FROM orders) WHERE r = 1;
  CREATE TABLE per_window AS
  SELECT window_start AS w, COUNT(*) AS n
  FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
  CREATE TABLE stamped AS SELECT id, CAST(CURRENT_TIMESTAMP AS STRING) AS at FROM orders;
queries:
  - name: {query}
    inputs: [{{ source: orders, records: {records}, time_simulation: {{ start_time: now, events_per_second: 1 }},
               overrides: {{ id: {{ sequence: {{ start: 1 }} }}, n: {{ min: 10, max: 20 }}, who: {{ enum: [Ada, Bob] }} }} }}]
    fault_injection: {faults}
    assertions: [{checks}]
"""
ANY = "{ type: record_count, greater_than: 0 }"
HOWS = [
    *("missing_field", "wrong_type", "invalid_json", "overflow"),
    *("empty_record", "unexpected_null", "invalid_encoding", "truncated"),
]


def spec(faults: str, query: str = "copied", checks: str = ANY, records: int = 100) -> str:
    return SPEC.format(query=query, faults=faults, checks=checks, records=records)


def passed(result: QueryResult) -> QueryResult:
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)
    return result


def counted(result: QueryResult) -> dict[str, tuple[int, dict[str, int]]]:
    passed(result)
    return {fault.kind: (fault.injected, dict(fault.fates)) for fault in result.faults}


@pytest.mark.parametrize(
    "how", ["wrong_type", "invalid_json", "overflow", "empty_record", "invalid_encoding", "truncated"]
)
def test_a_malformed_record_is_a_dead_letter(run: Run, how: str) -> None:
    result = run(spec(f"{{ malformed_records: {{ rate: 0.1, types: [{how}] }} }}"))

    assert counted(result) == {f"malformed_records.{how}": (10, {"dead_lettered": 10})}
    assert result.output_rows == 90
    assert result.inputs == {"orders": 100}


@pytest.mark.parametrize("how", ["unexpected_null"])
def test_null_for_a_column_that_must_not_be(run: Run, how: str) -> None:
    # Of the columns only id is NOT NULL: that is the one. Flink's JSON format has no such rule for NULL, and neither
    # has the engine where the column is not a sink's: what becomes of the records is in the report.
    result = run(spec(f"{{ malformed_records: {{ rate: 0.1, types: [{how}] }} }}"))

    ((injected, fates),) = counted(result).values()
    assert injected == sum(fates.values()) == 10


def test_a_missing_field_is_null_where_it_may_be(run: Run) -> None:
    result = run(
        spec(
            "{ malformed_records: { rate: 0.1, types: [missing_field] } }",
            checks="{ type: record_count, less_than: 101 }",
        )
    )

    ((injected, fates),) = counted(result).values()
    assert injected == sum(fates.values()) == 10


def test_all_kinds_share_the_records(run: Run) -> None:
    found = counted(run(spec("{ malformed_records: { rate: 0.16 } }")))

    assert {kind: injected for kind, (injected, _) in found.items()} == {f"malformed_records.{how}": 2 for how in HOWS}


def test_switched_off(run: Run) -> None:
    result = run(spec("{ malformed_records: { enabled: false, rate: 0.5 } }"))

    assert counted(result) == {}
    assert result.output_rows == 100


def test_the_seed_chooses_the_records(run: Run) -> None:
    faults = "{ seed: %d, malformed_records: { rate: 0.1, types: [truncated] } }"
    letters = [run(spec(faults % seed)).dead_letters for seed in (1, 1, 2)]

    assert letters[0] == letters[1] != letters[2]


def test_what_the_first_unusable_record_does(run: Run) -> None:
    faults = "{ enable_dlq: %s, malformed_records: { rate: 0.1, types: [truncated] } }"

    assert run(spec(faults % "true")).outcome is Outcome.PASSED
    failed = run(spec(faults % "false"))
    assert failed.error is not None
    assert failed.error.code is ErrorCode.JOB_FAILED


def test_only_so_many_letters_are_kept(run: Run) -> None:
    faults = "{ dlq_max_size: %d, malformed_records: { rate: 0.1, types: [truncated] } }"

    assert len(run(spec(faults % 3)).dead_letters) == 3
    few = run(spec(faults % 3))
    assert counted(few) == {"malformed_records.truncated": (10, {"dead_lettered": 10})}


def test_copies_come_again(run: Run) -> None:
    result = run(spec("{ duplicates: { rate: 0.2 } }", checks="{ type: record_count, equals: 120 }"))

    assert counted(result) == {"duplicates": (20, {"processed": 20})}
    assert result.inputs == {"orders": 120}
    unique = run(spec("{ duplicates: { rate: 0.2 } }", checks="{ type: unique_values, field: id }"))
    assert unique.outcome is Outcome.FAILED


def test_copies_are_deduplicated(run: Run) -> None:
    checks = "{ type: unique_values, field: id }, { type: record_count, equals: 100 }"
    result = run(spec("{ duplicates: { rate: 0.2, max_duplicates: 3 } }", "firsts", checks))

    ((injected, fates),) = counted(result).values()
    assert 20 <= injected <= 60
    assert fates == {"deduplicated": injected}


def test_copies_that_come_late(run: Run) -> None:
    # A record each second. Copies come 30 s later: their windows of 10 s have closed, but for those of the last records.
    late = counted(run(spec("{ duplicates: { rate: 0.5, delay_ms: 30s } }", "per_window")))["duplicates"][1]
    assert late.get("late", 0) > 30

    at_once = counted(run(spec("{ duplicates: { rate: 0.5, delay_ms: 0 } }", "per_window")))["duplicates"]
    assert at_once == (50, {"processed": 50})


def test_records_come_later(run: Run) -> None:
    result = run(spec("{ out_of_order: { rate: 0.3, window_size: 2 } }", checks="{ type: record_count, equals: 100 }"))
    ((injected, _),) = counted(result).values()
    assert 20 <= injected <= 30

    ordered = "{ type: ordering, field: id, direction: ascending }"
    assert run(spec("{ out_of_order: { rate: 0.3, window_size: 2 } }", checks=ordered)).outcome is Outcome.FAILED
    assert run(spec("{ out_of_order: { rate: 0, window_size: 2 } }", checks=ordered)).outcome is Outcome.PASSED


def test_late_records_are_counted_as_late(run: Run) -> None:
    result = run(spec("{ out_of_order: { rate: 0.3, max_delay_ms: 40s } }", "per_window"))

    ((injected, fates),) = counted(result).values()
    assert result.numbers is not None
    assert fates["late"] == result.numbers.late > 0
    assert injected == sum(fates.values())


@pytest.mark.parametrize(
    ("how", "field", "check", "expected"),
    [
        ("boundary_value", "n", "{ type: field_values, field: n, operator: between, min: 10, max: 20 }", 25),
        ("case_change", "who", "{ type: field_in_set, field: who, values: [Ada, Bob] }", 25),
        ("truncate", "who", "{ type: field_in_set, field: who, values: [Ada, Bob] }", 25),
        ("truncate", "n", "{ type: field_values, field: n, operator: between, min: 10, max: 20 }", 25),
        ("bit_flip", "who", "{ type: field_in_set, field: who, values: [Ada, Bob] }", 25),
        ("random_value", "who", "{ type: field_in_set, field: who, values: [Ada, Bob] }", 25),
        ("random_value", "n", "{ type: field_values, field: n, operator: between, min: 10, max: 20 }", 25),
    ],
)
def test_corrupted_values_are_seen(run: Run, how: str, field: str, check: str, expected: int) -> None:
    faults = f"{{ field_corruption: {{ rate: 0.25, fields: [{field}], corruption_types: [{how}] }} }}"

    result = run(spec(faults, checks=check))

    assert result.outcome is Outcome.FAILED
    assert result.failures[0].finding.offending == expected
    kind = f"field_corruption.{how}"
    assert [(f.kind, f.injected, dict(f.fates)) for f in result.faults] == [(kind, 25, {"processed": 25})]
    assert run(spec(faults.replace("0.25", "0"), checks=check)).outcome is Outcome.PASSED
    old = faults.replace("fields:", "target_fields:")
    assert run(spec(old, checks=check)).failures[0].finding.offending == expected


def test_slow_records_move_the_clock(run: Run) -> None:
    first = '{ type: field_values, field: at, operator: equals, value: "2025-01-01 12:00:00.000" }'
    last = '{ type: field_values, field: at, operator: equals, value: "2025-01-01 12:00:01.000", where: "id = 10" }'
    slow = "{ slow_processing: { rate: 1, min_delay_ms: 100, max_delay_ms: 100ms } }"

    assert counted(run(spec(slow, "stamped", last, 10))) == {"slow_processing": (10, {"processed": 10})}
    assert run(spec(slow, "stamped", first, 10)).outcome is Outcome.FAILED
    assert run(spec(slow.replace("rate: 1", "rate: 0"), "stamped", first, 10)).outcome is Outcome.PASSED


def test_faults_do_not_depend_on_batches_or_the_broker(run: Run, embedded: KafkaSession) -> None:
    faults = "{ malformed_records: { rate: 0.1 }, duplicates: { rate: 0.1, delay_ms: 15s }, out_of_order: { rate: 0.1, max_delay_ms: 15s } }"
    text = spec(faults, "per_window")
    whole = counted(run(text))

    assert len(whole) == 10
    for batch_size in (1, 7):
        assert counted(run(text, batch_size=batch_size)) == whole
    assert counted(run(text, kafka=embedded)) == whole


def test_the_broker_goes_away_and_comes_back(run: Run, embedded: KafkaSession) -> None:
    text = spec("{ broker: { restart_after: 30, drop_connections: 2 } }", checks="{ type: record_count, equals: 100 }")

    result = run(text, kafka=embedded, batch_size=10)

    assert counted(result) == {
        "broker.restart_after": (1, {"recovered": 1}),
        "broker.drop_connections": (2, {"recovered": 2}),
    }
    assert counted(run(spec("{ broker: { restart_after: 1000 } }"), kafka=embedded)) == {
        "broker.restart_after": (0, {"not_reached": 1})
    }


def test_without_a_broker_there_is_none_to_stop(run: Run) -> None:
    error = run(spec("{ broker: { restart_after: 30 } }")).error

    assert error is not None
    assert error.exit_code is ExitCode.NO_INFRASTRUCTURE
    assert "needs the embedded broker, and topics are in memory" in error.message


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ("{ seed: 5 }", "this injects nothing"),
        ("{ malformed_records: { types: [truncated] } }", 'needs the key "rate"'),
        ("{ malformed_records: { rate: 2 } }", "a number from 0 to 1"),
        ("{ malformed_records: { rate: 0.1, types: [exploded] } }", "this must be one of missing_field"),
        ("{ out_of_order: { rate: 0.1 } }", "does not say how far records are moved"),
        ("{ slow_processing: { rate: 0.1, min_delay_ms: 5, max_delay_ms: 4 } }", "greater than max_delay_ms"),
        ("{ field_corruption: { rate: 0.1, fields: [nn] } }", 'unknown field "nn"'),
        ("{ field_corruption: { rate: 0.1, fields: [n], corruption_types: [case_change] } }", "applies to a field"),
        ("{ broker: {} }", "nothing happens to the broker"),
        ("{ duplicate: { rate: 0.1 } }", 'unknown key "duplicate"'),
    ],
)
def test_mistakes(run: Run, faults: str, message: str) -> None:
    try:
        error = run(spec(faults)).error
    except Exception as raised:
        error = raised  # type: ignore[assignment]
    assert error is not None
    assert message in str(error)


def test_a_plan_of_the_spec_and_one_of_the_query(run: Run) -> None:
    plan = "fault_injection: { duplicates: { rate: 0.5 } }\n"
    own = spec("{ duplicates: { rate: 0.1 } }")

    assert counted(run(plan + own))["duplicates"][0] == 10
    without = "\n".join(line for line in own.splitlines() if "fault_injection" not in line)
    assert counted(run(plan + without))["duplicates"][0] == 50


def test_a_timeline_says_the_order(run: Run) -> None:
    text = spec("{ duplicates: { rate: 0.1 } }")
    rows = "timeline: [{ row: { id: 1, ts: 2025-01-01 12:00:00 } }]"
    start, end = text.index("records: 100"), text.index("}]\n    fault")
    error = run(text[:start] + rows + text[end:]).error

    assert error is not None
    assert "a timeline says in which order" in error.message


@pytest.mark.parametrize(
    ("check", "holds"),
    [
        ("{ type: dlq_count, equals: 10 }", True),
        ("{ type: dlq_count, equals: 9 }", False),
        ("{ type: error_rate, max_rate: 0.1 }", True),
        ("{ type: error_rate, max_rate: 0.09 }", False),
    ],
)
def test_assertions_about_failures_see_them(run: Run, check: str, holds: bool) -> None:
    result = run(spec("{ malformed_records: { rate: 0.1, types: [truncated] } }", checks=check))

    assert result.error is None
    assert result.outcome is (Outcome.PASSED if holds else Outcome.FAILED)


def test_late_assertions_see_them(run: Run) -> None:
    faults = "{ out_of_order: { rate: 0.3, max_delay_ms: 40s } }"
    late = dict(run(spec(faults, "per_window")).faults[0].fates)["late"]

    assert passed(run(spec(faults, "per_window", f"{{ type: late_count, equals: {late} }}")))
    assert run(spec(faults, "per_window", f"{{ type: late_count, equals: {late + 1} }}")).outcome is Outcome.FAILED


def test_reports_say_what_happened(run: Run) -> None:
    result = run(spec("{ malformed_records: { rate: 0.1, types: [truncated] }, duplicates: { rate: 0.2 } }"))

    text = run_text(RunResult((result,)))
    assert "fault: 10 malformed_records.truncated in orders → 10 dead lettered" in text
    assert json.loads(run_json(RunResult((result,))))["queries"][0]["faults"][0] == {
        "kind": "malformed_records.truncated",
        "source": "orders",
        "injected": 10,
        "fates": {"dead_lettered": 10},
    }


def test_nothing_is_injected_into_nothing(run: Run) -> None:
    faults = (
        "{ malformed_records: { rate: 1 }, duplicates: { rate: 1 }, out_of_order: { rate: 1, max_delay_ms: 5 },"
        " field_corruption: { rate: 1 }, slow_processing: { rate: 1, max_delay_ms: 5 } }"
    )
    result = run(spec(faults, checks="{ type: record_count, equals: 0, allow_empty: true }", records=0))

    assert {injected for injected, _ in counted(result).values()} == {0}


def test_a_timeline_may_have_malformed_records(run: Run) -> None:
    text = spec("{ malformed_records: { rate: 0.5, types: [truncated] } }", checks="{ type: record_count, equals: 1 }")
    rows = "{ row: { id: 1, ts: 2025-01-01 12:00:00 } }, { row: { id: 2, ts: 2025-01-01 12:00:01 } }"
    start, end = text.index("records: 100"), text.index("}]\n    fault")

    result = run(text[:start] + f"timeline: [{rows}, {{ wait: 1s }}]" + text[end:])

    assert counted(result) == {"malformed_records.truncated": (1, {"dead_lettered": 1})}


def test_a_file_of_the_program_is_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("id\n1\n2\n")
    text = """
application: files
sql: |
  CREATE TABLE orders (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'orders.csv', 'format' = 'csv');
  CREATE TABLE copied AS SELECT id FROM orders;
queries:
  - name: copied
    fault_injection: FAULTS
    assertions: [{ type: record_count, equals: 2 }]
"""
    assert passed(run(text.replace("FAULTS", "{ enable_dlq: false }")))
    error = run(text.replace("FAULTS", "{ duplicates: { rate: 0.5 } }")).error
    assert error is not None
    assert 'fault_injection has no effect: no input of "copied" comes through a topic' in error.message


def test_first_rows_by_event_time_are_known_although_they_come_out_later(run: Run) -> None:
    patient = (
        spec("{ duplicates: { rate: 0.2 }, out_of_order: { rate: 0.3, window_size: 5 } }", "earliest")
        .replace("FOR ts AS ts)", "FOR ts AS ts - INTERVAL '1' MINUTE)")
        .replace(
            "queries:",
            "  CREATE TABLE earliest AS SELECT id, ts FROM (SELECT *, ROW_NUMBER() OVER "
            "(PARTITION BY id ORDER BY ts) AS r FROM orders) WHERE r = 1;\nqueries:",
        )
    )
    result = passed(run(patient))
    fates = {fault.kind: dict(fault.fates) for fault in result.faults}

    assert result.output_rows == 100
    # 120 records, 100 of them given out; of the 20 pairs each has one that is left out, moved or not.
    assert set(fates["duplicates"]) | set(fates["out_of_order"]) <= {"deduplicated", "processed"}
    assert fates["duplicates"]["deduplicated"] + fates["out_of_order"].get("deduplicated", 0) >= 20
    assert fates["out_of_order"]["processed"] > fates["out_of_order"].get("deduplicated", 0)


def test_a_rate_that_hits_no_record_is_named(run: Run) -> None:
    """0.04 of 10 records is 0.4 of a record: none; 0.06 is one."""
    faults = "{ duplicates: { rate: 0.04 } }"
    (note,) = passed(run(spec(faults, records=10))).notes
    assert note.startswith("duplicates hits no record: 0.04 of the 10 records of orders is 0, rounded (")
    assert passed(run(spec("{ duplicates: { rate: 0.06 } }", records=10))).notes == ()
    error = run(spec(faults, records=10), strict=True).error
    assert error is not None
    assert error.code is ErrorCode.BAD_VALUE
