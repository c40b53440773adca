"""Each rule of the comparison accepts what it should and reports what it should."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.oracle.case import Answer, Change, Compare, Rule
from tests.oracle.comparison import NotAChangelog, difference, fold

SCHEMA = (("k", "STRING"), ("v", "DOUBLE"))

A1: Change = ("+I", "A", "1.0")
A1_OUT: Change = ("-U", "A", "1.0")
A2: Change = ("+U", "A", "2.0")
B1: Change = ("+I", "B", "1.0")
B2: Change = ("+I", "B", "2.0")
C1: Change = ("+I", "C", "1.0")

RECORDED = Answer(SCHEMA, (A1, B1, C1, A1_OUT, A2, B2), (0, 0, 1, 2, 2, 2))

EXACT = Compare(Rule.EXACT)
PER_EVENT = Compare(Rule.PER_EVENT)
PER_KEY = Compare(Rule.PER_KEY, (0,))
EVERY_RULE = pytest.mark.parametrize("compare", [EXACT, PER_EVENT, PER_KEY], ids=lambda c: c.rule)


def engine(*changes: Change) -> Answer:
    return Answer(SCHEMA, changes)


@EVERY_RULE
def test_the_same_changes_are_equal(compare: Compare) -> None:
    assert difference(RECORDED, engine(A1, B1, C1, A1_OUT, A2, B2), compare) is None


@EVERY_RULE
@pytest.mark.parametrize(
    "changes",
    [
        (A1, B1, C1, A1_OUT, A2),
        (A1, B1, C1, A1_OUT, A2, B2, B2),
        (A1, B1, C1, A2, B2),
        (A1, B1, C1, ("-D", "A", "1.0"), A2, B2),
        (A1, B1, C1, A1_OUT, ("+I", "A", "2.0"), B2),
        (A1, B1, C1, A1_OUT, ("+U", "A", "2.5"), B2),
        (A1, B1, ("+I", None, "1.0"), A1_OUT, A2, B2),
        (A1, C1, B1, A1_OUT, A2, B2),
        (),
    ],
    ids=["lost", "doubled", "churn left out", "kind", "insert for update", "value", "null", "other event", "nothing"],
)
def test_every_rule_reports(changes: tuple[Change, ...], compare: Compare) -> None:
    assert difference(RECORDED, engine(*changes), compare) is not None


def test_another_order_of_keys_within_an_event_differs_only_exactly() -> None:
    swapped = engine(B1, A1, C1, B2, A1_OUT, A2)
    assert difference(RECORDED, swapped, PER_EVENT) is None
    assert difference(RECORDED, swapped, PER_KEY) is None
    assert "first difference at change 0" in str(difference(RECORDED, swapped, EXACT))


def test_another_order_within_a_key_differs_for_per_key() -> None:
    swapped = engine(A1, B1, C1, A2, A1_OUT, B2)
    assert difference(RECORDED, swapped, PER_EVENT) is None
    assert "key ('A',)" in str(difference(RECORDED, swapped, PER_KEY))


def test_without_key_columns_all_changes_are_one_sequence() -> None:
    assert difference(RECORDED, engine(B1, A1, C1, A1_OUT, A2, B2), Compare(Rule.PER_KEY)) is not None


def test_a_change_an_event_too_late_is_reported() -> None:
    recorded = Answer(SCHEMA, (A1, B1, C1), (0, 1, 2))
    assert "event 1" in str(difference(recorded, engine(A1, C1, B1), PER_EVENT))


def test_the_report_says_whether_the_final_tables_agree() -> None:
    assert "final tables are equal" in str(difference(RECORDED, engine(B1, A1, C1, A1_OUT, A2, B2), EXACT))
    assert "final tables differ" in str(difference(RECORDED, engine(A1, B1, C1, A1_OUT, A2), EXACT))
    assert "takes back a row that is not there" in str(difference(RECORDED, engine(A1_OUT, A1), EXACT))


@pytest.mark.parametrize(
    "schema",
    [
        (("k", "STRING"),),
        (("k", "STRING"), ("v", "FLOAT")),
        (("k", "STRING"), ("v", "DOUBLE NOT NULL")),
        (("v", "DOUBLE"), ("k", "STRING")),
        (*SCHEMA, ("w", "INT")),
    ],
)
def test_another_schema_is_reported(schema: tuple[tuple[str, str], ...]) -> None:
    assert difference(RECORDED, replace(RECORDED, schema=schema), EXACT) is not None


def test_time_attributes_are_plain_types() -> None:
    recorded = Answer((("ts", "TIMESTAMP(3) *ROWTIME*"),))
    assert difference(recorded, Answer((("ts", "TIMESTAMP(3)"),)), EXACT) is None


def test_floating_point_values_are_compared_as_values() -> None:
    recorded = Answer((("d", "DOUBLE"), ("f", "FLOAT NOT NULL")), (("+I", "0.0020", "1.0E10"),), (0,))
    assert difference(recorded, replace(recorded, changelog=(("+I", "0.002", "1e+10"),)), EXACT) is None
    assert difference(recorded, replace(recorded, changelog=(("+I", "0.0020000000000000005", "1e+10"),)), EXACT)
    assert difference(recorded, replace(recorded, changelog=(("+I", "-0.002", "1e+10"),)), EXACT)


def test_text_that_looks_like_a_number_is_text() -> None:
    recorded = Answer((("a", "STRING"),), (("+I", "0.0020"),), (0,))
    assert difference(recorded, replace(recorded, changelog=(("+I", "0.002"),)), EXACT)


def test_negative_zero_and_not_a_number() -> None:
    recorded = Answer((("d", "DOUBLE"),), (("+I", "-0.0"), ("+I", "NaN")), (0, 1))
    assert difference(recorded, replace(recorded, changelog=(("+I", "-0.0"), ("+I", "nan"))), EXACT) is None
    assert difference(recorded, replace(recorded, changelog=(("+I", "0.0"), ("+I", "nan"))), EXACT)


def test_a_recorded_error_wants_an_error() -> None:
    recorded = Answer(error="ArithmeticException: / by zero")
    assert difference(recorded, Answer(error="division by zero"), EXACT) is None
    assert difference(recorded, engine(A1), EXACT) is not None
    assert difference(RECORDED, Answer(error="division by zero"), EXACT) is not None


def test_fold_counts_equal_rows() -> None:
    assert fold([A1, A1, A1_OUT, A2, B1, ("-D", "B", "1.0")]) == {("A", "1.0"): 1, ("A", "2.0"): 1}


def test_fold_refuses_to_take_back_what_is_not_there() -> None:
    with pytest.raises(NotAChangelog, match="change 1"):
        fold([A1, ("-D", "A", "2.0")])
