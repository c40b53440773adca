"""Queries that a real Flink runs, and queries held against what it once answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, ExitCode
from velo_harness.flink import asking, installation
from velo_harness.flink.recorded import recording_of
from velo_harness.result import Outcome, QueryResult
from velo_harness.spec import Runner

Run = Callable[..., QueryResult]

SPEC = """
application: runners
sql: |
  CREATE TABLE orders (id BIGINT, who STRING, amount DECIMAL(10, 2), ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json');
  CREATE VIEW big_ones AS SELECT id, who, amount, ts FROM orders WHERE amount > 1;
  CREATE TABLE totals AS SELECT who, COUNT(*) AS n, SUM(amount) AS total FROM big_ones GROUP BY who;
queries:
  - name: totals
    runners: [RUNNERS]
    inputs:
      - source: orders
        rows:
          - { id: 1, who: ada, amount: 10.50, ts: 2025-01-01 12:00:01 }
          - { id: 2, who: bob, amount: 1.00, ts: 2025-01-01 12:00:02 }
          - { id: 3, who: ada, amount: 2.25, ts: 2025-01-01 12:00:03 }
          - { id: 4, who: null, amount: 3.00, ts: 2025-01-01 12:00:04 }
    expect:
      changelog:
        - { op: +I, who: ada, n: 1, total: 10.50 }
        - { op: -U, who: ada, n: 1, total: 10.50 }
        - { op: +U, who: ada, n: 2, total: 12.75 }
        - { op: +I, who: null, n: 1, total: 3.00 }
    assertions: [{ type: record_count, equals: 3 }]
"""

RECORDED = {
    "format": 1,
    "items": {
        "totals": {
            "flink": "2.3.0",
            "question": None,
            "answers": {
                "totals": {
                    "schema": [["who", "STRING"], ["n", "BIGINT NOT NULL"], ["total", "DECIMAL(38, 2)"]],
                    "changelog": [
                        ["+I", "ada", "1", "10.50"],
                        ["-U", "ada", "1", "10.50"],
                        ["+U", "ada", "2", "12.75"],
                        ["+I", None, "1", "3.00"],
                    ],
                    "events": [0, 2, 2, 3],
                }
            },
        }
    },
}
"""Recorded from Flink 2.3.0; the digest of the question is that of the test's."""


def spec(*runners: str) -> str:
    return SPEC.replace("RUNNERS", ", ".join(runners))


@pytest.fixture
def recording(tmp_path: Path, run: Run) -> Path:
    """The answer above, beside the spec, for the question that the spec asks."""
    path = tmp_path / "app.flink.json"
    path.write_text(json.dumps(RECORDED))
    error = run(spec("recorded")).error
    assert error is not None
    assert error.code is ErrorCode.STATE_MISMATCH
    from velo_harness.flink import recorded

    asked: list[str] = []
    original = recorded.recorded_answers

    def remember(file, item, question, location):
        asked.append(question.digest)
        return original(file, item, question, location)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorded, "recorded_answers", remember)
        run(spec("recorded"))
    path.write_text(json.dumps(RECORDED).replace('"question": null', f'"question": "{asked[0]}"'))
    return path


def test_the_file_stands_beside_the_spec() -> None:
    assert recording_of(Path("a/orders.test.yaml")) == Path("a/orders.flink.json")
    assert recording_of(Path("a/test_spec.yaml")) == Path("a/test_spec.flink.json")


def test_the_recorded_answer_is_checked(recording: Path, run: Run) -> None:
    result = run(spec("engine", "recorded"))

    assert result.outcome is Outcome.PASSED, (result.error, result.failures)
    assert result.checks == 4
    assert "checked on the recorded answer of Flink 2.3.0" in result.notes


def test_a_recorded_answer_that_is_not_what_is_expected(recording: Path, run: Run) -> None:
    recording.write_text(recording.read_text().replace('"12.75"', '"12.76"'))

    result = run(spec("engine", "recorded"))

    assert result.outcome is Outcome.FAILED
    assert [failure.check for failure in result.failures] == ["recorded: expect.changelog"]


def test_another_question_is_not_answered(recording: Path, run: Run) -> None:
    error = run(spec("recorded").replace("amount: 2.25", "amount: 2.26")).error

    assert error is not None
    assert error.code is ErrorCode.STATE_MISMATCH
    assert "other SQL or other rows" in error.message


def test_without_a_recording(run: Run) -> None:
    error = run(spec("recorded")).error

    assert error is not None
    assert error.code is ErrorCode.FILE_NOT_FOUND
    assert "velo-test run --record" in str(error)


def test_the_runner_of_the_command_line_counts(run: Run) -> None:
    assert run(spec("recorded"), runner=Runner.ENGINE).outcome is Outcome.PASSED
    assert run(spec("engine"), runner=Runner.RECORDED).error is not None


def test_the_order_of_what_one_record_causes_means_nothing(recording: Path, run: Run) -> None:
    """As if the second row had caused two changes: Flink may give either first. What two records cause has an order."""
    whole = json.loads(recording.read_text())
    answer = whole["items"]["totals"]["answers"]["totals"]
    answer["changelog"][2:] = answer["changelog"][:1:-1]

    answer["events"] = [0, 2, 2, 2]
    recording.write_text(json.dumps(whole))
    assert run(spec("recorded")).outcome is Outcome.PASSED

    answer["events"] = [0, 2, 2, 3]
    recording.write_text(json.dumps(whole))
    assert run(spec("recorded")).outcome is Outcome.FAILED


@pytest.fixture
def no_flink(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VELO_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(asking._Running, "flink", None)


@pytest.mark.usefixtures("no_flink")
def test_without_flink_the_engine_runs_alone(run: Run) -> None:
    result = run(spec("engine", "flink"))

    assert result.outcome is Outcome.PASSED
    assert any(note.startswith("flink did not run: there is no Flink here") for note in result.notes)


@pytest.mark.usefixtures("no_flink")
def test_without_flink_a_query_for_it_alone_is_skipped(run: Run) -> None:
    result = run(spec("flink"))

    assert result.outcome is Outcome.SKIPPED
    assert installation.INSTALL in str(result.skip_reason)


@pytest.mark.usefixtures("no_flink")
def test_without_flink_asking_for_it_is_an_error(run: Run) -> None:
    result = run(spec("engine"), runner=Runner.FLINK)

    assert result.error is not None
    assert result.error.exit_code is ExitCode.NO_INFRASTRUCTURE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("runners: [recorded]", "runners: [spark]"), "this must be one of engine, flink, recorded"),
        (("rows:", "timeline: [{ wait: 1s }]\n        x:"), "timeline"),
        (("    assertions", "    fault_injection: { malformed_records: { rate: 0.5 } }\n    assertions"), "malformed"),
    ],
)
def test_what_flink_cannot_be_asked(run: Run, change: tuple[str, str], message: str) -> None:
    text = spec("recorded").replace(*change)
    if "x:" in text:
        head, _, rest = text.partition("        x:\n")
        text = head + rest[rest.index("    expect:") :]
    try:
        error = run(text).error
    except Exception as raised:
        error = raised  # type: ignore[assignment]

    assert message in str(error)


def test_nothing_is_left_to_check(recording: Path, run: Run) -> None:
    head = spec("recorded").partition("    expect:")[0]

    error = run(head + "    assertions: [{ type: late_count, equals: 0 }]\n").error

    assert error is not None
    assert error.code is ErrorCode.NOTHING_CHECKED


# With a real Flink, where it is installed. Everything in one test: it takes seconds to start.


@pytest.mark.skipif(
    not any(installation.installation().jars.glob("flink-dist-*.jar")), reason=f"no Flink: {installation.INSTALL}"
)
def test_a_real_flink(run: Run, tmp_path: Path) -> None:
    both = run(spec("engine", "flink"))
    assert both.outcome is Outcome.PASSED, (both.error, both.failures)
    assert both.checks == 4

    wrong = run(spec("engine", "flink").replace("total: 12.75", "total: 12.76"))
    assert [f.check for f in wrong.failures] == ["expect.changelog", "flink: expect.changelog"]

    refused = run(spec("flink").replace("big_ones", "large")).error
    assert refused is not None
    assert refused.code is ErrorCode.SQL_UNSUPPORTED
    assert "Flink does not take totals: ParseException" in refused.message

    recorded = run(spec("recorded"), record=True)
    assert recorded.outcome is Outcome.PASSED, recorded.error
    written = json.loads((tmp_path / "app.flink.json").read_text())["items"]["totals"]
    assert written["answers"] == RECORDED["items"]["totals"]["answers"]  # type: ignore[index]
    assert run(spec("recorded")).outcome is Outcome.PASSED
