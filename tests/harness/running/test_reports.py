"""Reports hold what people and machines need, and nothing that could steer a terminal or break a document."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from xml.etree import ElementTree

import jsonschema
import pytest

from velo_engine.errors import ErrorCode, ExitCode, Location, VeloError
from velo_harness.reports.json_report import run_json
from velo_harness.reports.junit import run_junit
from velo_harness.reports.shown_values import json_value, printable_lines, table_lines, text_of
from velo_harness.reports.text import query_text, run_text
from velo_harness.result import CheckFailure, FileError, Finding, JobNumbers, Outcome, QueryResult, RunResult

EVIL = "a\x1b[2J\x00\ud800\u202e</failure>]]>&\n"
PLACE = Location("x.test.yaml", 7, 5, 3, "    - type: no_nulls")


def query(outcome: Outcome = Outcome.PASSED, **changes) -> QueryResult:
    result = QueryResult(
        item="x.test.yaml::q",
        spec_file="x.test.yaml",
        spec_name="x",
        query="q",
        outcome=outcome,
        seed=42,
        rerun="again",
        checks=2,
        numbers=JobNumbers(read=3, accepted=2, filtered=1, emitted=2),
    )
    return replace(result, **changes)


def failure(text: str = "x", rows: int = 98) -> CheckFailure:
    examples = tuple({"name": text, "amount": Decimal("1.50"), "at": datetime(2025, 1, 1)} for _ in range(5))
    return CheckFailure("no_nulls", Finding(text, text, rows, 200, examples, (text,)), PLACE, text)


FAILED = query(Outcome.FAILED, failures=(failure(EVIL),), notes=(EVIL,), late_rows=({"k": EVIL, "f": float("nan")},))
ERROR = query(Outcome.ERROR, error=VeloError(ErrorCode.UNKNOWN_COLUMN, EVIL, location=PLACE, hint=EVIL), numbers=None)
BROKEN = FileError("y.test.yaml", VeloError(ErrorCode.YAML_SYNTAX, EVIL))
RUN = RunResult((query(), FAILED, ERROR, query(Outcome.SKIPPED, skip_reason=EVIL)), (BROKEN,), 12.5)


def test_text_has_no_control_characters() -> None:
    text = run_text(RUN, verbose=True)
    assert all(c == "\n" or c.isprintable() for c in text)
    assert "\\x1b[2J" in text


def test_late_rows_of_a_query_that_fails_are_shown_unless_the_failure_is_about_them() -> None:
    late = ({"id": 7, "late_by_ms": 3},)
    counted = JobNumbers(read=3, accepted=2, late=1, emitted=2)
    shown = "late rows (1):\n  id  late_by_ms\n  --  ----------\n  7   3\n"
    failed = query(Outcome.FAILED, failures=(failure(),), late_rows=late, numbers=counted)
    assert shown in query_text(failed)
    assert run_text(RunResult((failed,), (), 1.0), verbose=True).count("late rows") == 1
    expected = replace(failed, failures=(replace(failure(), check="expect.late"),))
    assert "late rows" not in query_text(expected)
    passed = RunResult((query(late_rows=late, numbers=counted),), (), 1.0)
    assert "late rows (1):" in run_text(passed, verbose=True)
    assert "late rows" not in run_text(passed)


def test_text_says_what_was_expected_and_found_and_how_many_rows() -> None:
    text = query_text(query(Outcome.FAILED, failures=(failure(),)))
    for part in (
        "expected: x",
        "actual:   x",
        "rows:     98 of 200",
        "and 93 more",
        "x.test.yaml:7:5",
        "run it again: again",
    ):
        assert part in text
    assert "7 |     - type: no_nulls" in text
    assert "read 3 = accepted 2 + filtered 1" in text


def test_json_fits_its_schema_whatever_it_holds() -> None:
    schema = json.loads((files("velo_harness") / "schemas/report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    report = json.loads(run_json(RUN))
    jsonschema.validate(report, schema)
    assert report["counts"] == {"passed": 1, "failed": 1, "error": 1, "skipped": 1, "not_loaded": 1}
    assert report["queries"][1]["failures"][0]["examples"][0]["amount"] == "1.50"
    assert report["queries"][1]["late_rows"][0]["f"] == "nan"


def test_junit_is_valid_whatever_it_holds() -> None:
    root = ElementTree.fromstring(run_junit(RUN))
    assert {k: root.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "1",
        "errors": "2",
        "skipped": "1",
    }
    assert [case.get("name") for case in root.iter("testcase")] == ["q", "q", "q", "q", "load"]


def test_every_report_can_be_written_as_utf_8() -> None:
    for text in (run_text(RUN), run_json(RUN), run_junit(RUN)):
        text.encode("utf-8")


@pytest.mark.parametrize(
    ("results", "errors", "code"),
    [
        ((), (), ExitCode.PASSED),
        ((query(), query(Outcome.SKIPPED)), (), ExitCode.PASSED),
        ((query(), FAILED), (), ExitCode.FAILED),
        ((FAILED, ERROR), (), ExitCode.WRONG_INPUT),
        ((FAILED,), (BROKEN,), ExitCode.WRONG_INPUT),
        (
            (ERROR, query(Outcome.ERROR, error=VeloError(ErrorCode.INFRASTRUCTURE_MISSING, ""))),
            (),
            ExitCode.NO_INFRASTRUCTURE,
        ),
        ((query(Outcome.ERROR, error=VeloError(ErrorCode.INTERNAL, "")),), (), ExitCode.FAILED),
    ],
)
def test_the_gravest_outcome_decides_the_exit_code(results, errors, code: ExitCode) -> None:
    assert RunResult(results, errors).exit_code is code


def test_values_for_people() -> None:
    values = [None, True, Decimal("1E+2"), datetime(2025, 1, 1), b"\x00\xff", [1, None], {"a": "b"}, 0.1]
    assert [text_of(v) for v in values] == [
        "NULL",
        "true",
        "100",
        "2025-01-01 00:00:00",
        "0x00ff",
        "[1, NULL]",
        "{a: b}",
        "0.1",
    ]


def test_texts_that_could_be_misread_stand_in_quotes() -> None:
    assert [text_of(v) for v in ("a b", "", " a", "a ", "NULL")] == ["a b", '""', '" a"', '"a "', '"NULL"']


def test_values_for_machines() -> None:
    assert json_value({"d": Decimal("1.50"), "f": float("inf"), "b": b"\x00"}) == {"d": "1.50", "f": "inf", "b": "AA=="}


def test_rows_are_an_aligned_table() -> None:
    assert table_lines([{"a": 1, "b": "x"}, {"a": 22}]) == ["a   b", "--  -", "1   x", "22"]


def test_on_a_terminal_the_text_is_the_same_in_colours() -> None:
    from io import StringIO

    from rich.console import Console

    from velo_harness.reports.terminal import print_run

    plain, coloured = StringIO(), StringIO()
    print_run(RUN, Console(file=plain, width=40))
    print_run(RUN, Console(file=coloured, force_terminal=True, color_system="standard", width=40))
    assert plain.getvalue() == run_text(RUN) + "\n"
    assert "\x1b[32m  ✓ q\x1b[0m" in coloured.getvalue()


SECRETS = [
    "'orders.sasl.password' = 'hunter2'",
    'ssl.key.password: "hunter2"',
    "client_secret=hunter2",
    "'x.sasl.jaas.config' = 'org.apache…Module required password=\"hunter2\";'",
    "https://me:hunter2@example.org/x",
]


@pytest.mark.parametrize("line", SECRETS)
def test_secrets_are_in_no_report(line: str) -> None:
    place = Location("x.sql", 3, 1, 5, f"    {line},")
    broken = query(Outcome.ERROR, error=VeloError(ErrorCode.BAD_PROPERTY, f"bad: {line}", location=place), numbers=None)
    failed = query(Outcome.FAILED, failures=(CheckFailure("no_nulls", Finding(line, line), place),))
    run = RunResult((broken, failed), (FileError("x", VeloError(ErrorCode.BAD_PROPERTY, line, location=place)),))
    for text in (run_text(run), run_json(run), run_junit(run)):
        assert "hunter2" not in text
        assert "***" in text


@pytest.mark.parametrize("before", ["", "\t", "x = '名前' AND ", "\tx AND\t"])
def test_the_carets_stand_under_the_place(before: str) -> None:
    place = Location("x.sql", 12, len(before) + 1, 5, f"{before}amout > 10")
    quoted, carets = printable_lines(str(VeloError(ErrorCode.UNKNOWN_COLUMN, "no", location=place))).split("\n")[3:5]
    wide = sum(c in "名前" for c in before)
    assert "\\t" not in quoted + carets
    assert carets.index("^") == quoted.index("amout") + wide
    assert carets.count("^") == 5


@pytest.mark.parametrize("before", [0, 150, 30_000])
def test_of_a_long_line_the_part_around_the_place_is_shown(before: int) -> None:
    text = f"{'a' * before}password='hunter2' amout{'b' * 30_000}"
    place = Location("x.sql", 12, text.index("amout") + 1, 5, text)
    quoted, carets = printable_lines(str(VeloError(ErrorCode.UNKNOWN_COLUMN, "no", location=place))).split("\n")[3:5]
    assert len(quoted) < 250
    assert "hunter2" not in quoted
    assert "amout" in quoted
    assert carets.count("^") == 5


def test_other_words_are_not_masked() -> None:
    from velo_harness.reports.shown_values import masked

    for text in ("tokens: 5", "token_count: 5", "no secret", "a@b.c", "SELECT password FROM users"):
        assert masked(text) == text


def test_an_error_that_queries_share_is_told_once() -> None:
    error = VeloError(ErrorCode.UNKNOWN_FUNCTION, "there is no function SUMM", location=PLACE)
    same = [query(Outcome.ERROR, item=f"x::{name}", query=name, error=error, numbers=None) for name in ("a", "b", "c")]
    other = query(Outcome.ERROR, item="y::d", query="d", spec_file="y.test.yaml", error=error, numbers=None)
    text = run_text(RunResult((*same, other)))
    assert text.count("there is no function SUMM") == 2
    assert "the same error: b, c\n" in text


@pytest.mark.parametrize("text", ["y" * 1_000_000, "password" * 100_000, "://a" * 100_000, "token='" * 100_000])
def test_masking_takes_time_by_the_length_of_the_text(text: str) -> None:
    from velo_harness.reports.shown_values import masked

    assert len(masked(text)) <= len(text)  # a quadratic pattern would take hours
