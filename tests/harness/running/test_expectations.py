from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from velo_engine import types as t
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.discovery import PathPolicy
from velo_harness.expectations import ActualOutput, check_expectation
from velo_harness.result import CheckFailure
from velo_harness.spec_loader import spec_of
from velo_harness.templates import TemplateScope
from velo_harness.yaml_source import parse_yaml


@pytest.fixture
def expectation(tmp_path: Path):
    def read(text: str):
        indented = "\n".join("      " + line for line in text.strip("\n").splitlines())
        spec = f"application: x\nqueries:\n  - name: totals\n    expect:\n{indented}\n"
        file = tmp_path / "x.test.yaml"
        return spec_of(parse_yaml(spec, str(file)), file, PathPolicy(tmp_path.resolve())).queries[0].expect

    return read


FINAL = {
    "k": (t.STRING, ["a", "b", "b"]),
    "n": (t.BIGINT, [1, 2, 2]),
    "amount": (t.decimal(10, 2), [Decimal("1.50"), Decimal("2.00"), None]),
}
CHANGES = {
    "k": (t.STRING, ["a", "b", "a", "a", "b"]),
    "n": (t.BIGINT, [1, 1, 1, 2, 1]),
    "op": (t.STRING, ["+I", "+I", "-U", "+U", "-D"]),
}
LATE = {"k": (t.STRING, ["z"]), "at": (t.timestamp(3), [datetime(2025, 1, 1)]), "late_by_ms": (t.BIGINT, [1500])}


@pytest.fixture
def actual(relation) -> ActualOutput:
    inputs = {"orders": relation("orders", {"n": (t.BIGINT, [1, 2])})}
    return ActualOutput(
        final=relation("totals", FINAL, {"o.k": "k"}),
        changelog=relation("totals", CHANGES),
        key=(),
        late=relation("late rows of totals", LATE),
        scope=TemplateScope(inputs, {}, {}),
        zone=None,
    )


Check = Callable[..., list[CheckFailure]]


@pytest.fixture
def found(expectation, actual: ActualOutput) -> Check:
    def check(text: str, **changes) -> list[CheckFailure]:
        return list(check_expectation(expectation(text), replace(actual, **changes)))

    return check


ROWS = """
rows:
  - { k: b, n: 2, amount: null }
  - { k: a, n: 1, amount: 1.5 }
  - { k: b, n: 2, amount: 2.00 }
"""
CHANGELOG = """
changelog:
  - { op: +I, k: a, n: 1 }
  - { op: +I, k: b, n: 1 }
  - { op: -U, k: a, n: 1 }
  - { op: +U, k: a, n: 2 }
  - { op: -D, k: b, n: 1 }
"""
PER_KEY = """
changelog:
  - { op: +I, k: b, n: 1 }
  - { op: -D, k: b, n: 1 }
  - { op: +I, k: a, n: 1 }
  - { op: -U, k: a, n: 1 }
  - { op: +U, k: a, n: 2 }
"""


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        ROWS + "columns: exact\n",
        "rows: [{ k: a }, { k: b }, { k: b }]\n",
        "rows: [{ o.k: a }, { k: b }, { k: b }]\n".replace("{ k: b }", "{ o.k: b }"),
        'rows: [{ n: "{{ inputs.orders.count - 1 }}" }, { n: 2 }, { n: 2 }]\n',
        "rows: [{ amount: 1.51 }, { amount: 2 }, { amount: null }]\ntolerance: { amount: { abs: 0.01 } }\n",
        "rows: [{ k: A }, { k: B }, { k: b }]\ntolerance: { k: { case: ignore } }\n",
        "rows: [{ k: a, n: 9 }, { k: b, n: 9 }, { k: b, n: 9 }]\nignore: [n]\n",
        CHANGELOG,
        PER_KEY + "order: per_key\nkey: [k]\n",
        "changelog: [{ op: +I, k: b, n: 1 }, { op: +U, k: a, n: 2 }]\norder: contains\n",
        "late: [{ k: z, late_by: 1500ms }]\n",
        "late: [{ at: 2025-01-01 00:00:00 }]\n",
    ],
)
def test_it_holds(found: Check, text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "part", "actual_text"),
    [
        ("rows: [{ k: a }, { k: b }]\n", "expect.rows", "3 rows: 0 missing, 1 unexpected"),
        ("rows: [{ k: a }, { k: a }, { k: b }]\n", "expect.rows", "3 rows: 1 missing, 1 unexpected"),
        ("rows: []\n", "expect.rows", "3 rows: 0 missing, 3 unexpected"),
        (ROWS.replace("amount: null", "amount: 0"), "expect.rows", "3 rows: 1 missing, 1 unexpected"),
        (ROWS.replace("1.5", "1.51"), "expect.rows", "3 rows: 1 missing, 1 unexpected"),
        ("rows: [{ k: a }, { k: b }, { k: b }]\ncolumns: exact\n", "expect.rows", "n, amount beside them"),
        (CHANGELOG.replace("-U, k: a, n: 1", "-U, k: a, n: 2"), "expect.changelog", "first difference at change 3"),
        (CHANGELOG + "  - { op: +I, k: c, n: 1 }\n", "expect.changelog", "first difference at change 6"),
        (
            CHANGELOG.replace("+U, k: a, n: 2", "+U, k: a, n: 3") + "order: per_key\nkey: [k]\n",
            "expect.changelog",
            "first difference at change 3",
        ),
        (
            "changelog: [{ op: +U, k: a, n: 2 }, { op: +I, k: b, n: 1 }]\norder: contains\n",
            "expect.changelog",
            "change 2 does not occur after change 4",
        ),
        ("late: []\n", "expect.late", "1 late row: 0 missing, 1 unexpected"),
        ("late: [{ k: z, late_by: 1499ms }]\n", "expect.late", "1 missing, 1 unexpected"),
        ("late: [{ k: z }, { k: z }]\n", "expect.late", "1 missing, 0 unexpected"),
    ],
)
def test_it_fails(found: Check, text: str, part: str, actual_text: str) -> None:
    (failure,) = found(text)
    assert failure.check == part
    assert actual_text in failure.finding.actual
    assert failure.finding.offending > 0 or "beside" in actual_text


def test_rows_are_matched_by_a_stated_key(found: Check, relation) -> None:
    final = relation("totals", {"k": (t.STRING, ["a", "b"]), "n": (t.BIGINT, [1, 2]), "x": (t.INT, [7, 7])})
    (failure,) = found("rows: [{ k: b, n: 3, x: 7 }, { k: c, n: 1, x: 7 }]\nkey: [k]\n", final=final)
    assert failure.finding.actual == "2 rows: 1 different, 1 missing, 1 unexpected"
    assert failure.finding.examples == (
        {"difference": "expected", "k": "b", "n": 3},
        {"difference": "actual", "k": "b", "n": 2},
        {"difference": "missing", "k": "c", "n": 1, "x": 7},
        {"difference": "unexpected", "k": "a", "n": 1, "x": 7},
    )


def test_rows_are_matched_by_the_plan_s_key_where_they_have_it(found: Check, relation) -> None:
    final = relation("totals", {"k": (t.STRING, ["a"]), "n": (t.BIGINT, [1])})
    (keyed,) = found("rows: [{ k: a, n: 2 }]\n", final=final, key=("k",))
    (bag,) = found("rows: [{ n: 2 }]\n", final=final, key=("k",))
    assert "1 different" in keyed.finding.actual
    assert "1 missing, 1 unexpected" in bag.finding.actual


def test_a_key_that_repeats_in_the_output_is_a_failure(found: Check) -> None:
    (failure,) = found("rows: [{ k: a, n: 1 }, { k: b, n: 2 }]\nkey: [k]\n")
    assert failure.finding.actual == "1 row repeats a key"


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("rows: [{ k: a, nn: 1 }]\n", ErrorCode.UNKNOWN_COLUMN, 5),
        ("rows: [{ k: a, n: one }]\n", ErrorCode.BAD_VALUE, 5),
        ("rows: [{ amount: 1.505 }]\n", ErrorCode.BAD_VALUE, 5),
        ("rows:\n  - { k: a, n: 1 }\n  - { k: b }\n", ErrorCode.BAD_VALUE, 7),
        ("rows: [{ k: a }, { k: a }]\nkey: [k]\n", ErrorCode.BAD_VALUE, 6),
        ("rows: [{ n: 1 }]\nkey: [k]\n", ErrorCode.BAD_VALUE, 6),
        ("rows: [{ n: 1 }]\nkey: [kk]\n", ErrorCode.UNKNOWN_COLUMN, 6),
        ("rows: [{ n: 1 }]\nignore: [kk]\n", ErrorCode.UNKNOWN_COLUMN, 6),
        ("changelog: [{ op: +I, n: 1 }]\norder: per_key\n", ErrorCode.MISSING_KEY, 6),
        ("late: [{ k: z, late_by: 1s }, { k: z }]\n", ErrorCode.BAD_VALUE, 5),
        ("late: [{ dest: z }]\n", ErrorCode.UNKNOWN_COLUMN, 5),
        ('rows: [{ n: "{{ inputs.order.count }}" }]\n', ErrorCode.UNRESOLVED_TEMPLATE, 5),
    ],
)
def test_what_cannot_be_compared_is_an_error_at_its_place(found: Check, text: str, code: ErrorCode, line: int) -> None:
    with pytest.raises(VeloError) as caught:
        found(text)
    assert caught.value.code is code
    assert caught.value.location is not None
    assert caught.value.location.line == line


@pytest.mark.parametrize(
    "text",
    [
        'rows: [{ k: a, nn: "{{ inputs.order.count }}" }]\n',
        "late: [{ k: z, dest: z }]\n",
        "rows: [{ k: a }]\nkey: [k, nn]\n",
        "rows: [{ k: a }]\nignore: [n, nn]\n",
        "rows: [{ k: a }]\ntolerance: { nn: { abs: 1 } }\n",
    ],
)
def test_a_column_that_is_not_there_is_marked_at_its_name(found: Check, text: str) -> None:
    with pytest.raises(VeloError) as caught:
        found(text)
    place = caught.value.location
    assert place is not None
    assert place.text[place.column - 1 : place.column - 1 + place.length] in ("nn", "dest")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("want.csv", "k,n,amount\nb,2,\na,1,1.50\nb,2,2\n"),
        ("want.jsonl", '{"k":"a","n":1,"amount":1.5}\n{"k":"b","n":2,"amount":2.00}\n{"k":"b","n":2,"amount":null}\n'),
        ("want.json", '[{"k":"a","n":1,"amount":1.5},{"k":"b","n":2,"amount":2},{"k":"b","n":2,"amount":null}]'),
    ],
)
def test_rows_can_stand_in_a_file(found: Check, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert found(f"rows_file: {name}\n") == []
    (tmp_path / name).write_text(content.replace("1.5", "1.6"))
    (failure,) = found(f"rows_file: {name}\n")
    assert failure.check == "expect.rows_file"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("k,m\na,1\n", ErrorCode.UNKNOWN_COLUMN),
        ("k,n\na,one\n", ErrorCode.RECORD_MALFORMED),
        ("k,amount\na,1.505\n", ErrorCode.RECORD_MALFORMED),
        ("", ErrorCode.FILE_UNREADABLE),
    ],
)
def test_a_file_of_rows_that_does_not_fit_is_an_error(
    found: Check, tmp_path: Path, content: str, code: ErrorCode
) -> None:
    (tmp_path / "want.csv").write_text(content)
    with pytest.raises(VeloError) as caught:
        found("rows_file: want.csv\n")
    assert caught.value.code is code


def test_no_late_rows_are_expected_where_there_are_none(found: Check, relation) -> None:
    late = relation("late rows of totals", {"k": (t.STRING, []), "late_by_ms": (t.BIGINT, [])})
    assert found("late: []\n", late=late) == []
    (failure,) = found("late: [{ k: z }]\n", late=late)
    assert "1 missing" in failure.finding.actual


def test_the_first_offending_rows_are_shown_and_the_rest_counted(found: Check, relation) -> None:
    final = relation("totals", {"n": (t.BIGINT, list(range(98)))})
    (failure,) = found("rows: []\n", final=final)
    assert len(failure.finding.examples) == 5
    assert failure.finding.offending == 98


def test_ignored_columns_and_tolerances_are_about_late_rows_too(found: Check) -> None:
    assert found("late: [{ k: other, at: 2025-01-01 }]\nignore: k") == []
    assert (
        found("late: [{ k: Z, at: 2025-01-01 00:00:01 }]\ntolerance: { k: { case: ignore }, at: { within: 1s } }") == []
    )
    (failure,) = found("late: [{ k: Z, at: 2025-01-01 }]")
    assert failure.check == "expect.late"


def test_every_column_of_late_rows_is_listed_when_it_must_be(found: Check) -> None:
    assert found("late: [{ k: z, at: 2025-01-01, late_by: 1500ms }]\ncolumns: exact") == []
    (failure,) = found("late: [{ k: z }]\ncolumns: exact")
    assert failure.finding.actual == "at beside them"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("late: [{ k: z }]\nignore: n", ErrorCode.UNKNOWN_COLUMN),
        ("late: [{ k: z }]\ntolerance: { n: { abs: 1 } }", ErrorCode.UNKNOWN_COLUMN),
        (ROWS + "tolerance: { k: { abs: 1 } }", ErrorCode.TYPE_MISMATCH),
        (ROWS + "tolerance: { n: { within: 1s } }", ErrorCode.TYPE_MISMATCH),
        (ROWS + "tolerance: { amount: { case: ignore } }", ErrorCode.TYPE_MISMATCH),
    ],
)
def test_what_would_have_no_effect_is_an_error(found: Check, text: str, code: ErrorCode) -> None:
    with pytest.raises(VeloError) as refused:
        found(text)
    assert refused.value.code is code


def test_no_changes_are_contained_in_every_changelog(expectation) -> None:
    with pytest.raises(VeloError) as refused:
        expectation("order: contains\nchangelog: []")
    assert refused.value.code is ErrorCode.NOTHING_CHECKED
