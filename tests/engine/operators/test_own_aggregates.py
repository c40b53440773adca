"""The aggregates that Flink has not: values by the statistics module, by fractions, or by hand."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import EmitSemantics, Engine, JobOptions, TopicInput, VeloError

D = Decimal
TABLE = "CREATE TABLE t (k INT, y DOUBLE, x DOUBLE, n INT, d DECIMAL(10, 2), s STRING);\n"


def answers(query: str, rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The rows of the changelog without -U and -D."""
    engine = Engine()
    program = engine.plan(TABLE + query)
    topic = engine.topics.create("t")
    for row in rows:
        topic.append(json.dumps(row).encode())
    options = JobOptions(emit=EmitSemantics.FLINK, now_ms=0)
    result = engine.run(program, inputs={"t": TopicInput(topic)}, options=options)
    *_, answer = result.statements.values()
    table = answer.rows
    kinds = table.column("kind").to_pylist()
    columns = [table.column(f"c{i}").to_pylist() for i in range(len(answer.schema))]
    return [row for kind, row in zip(kinds, zip(*columns, strict=True), strict=True) if kind in (0, 2)]


NUMBERS = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=12)


@settings(max_examples=40, deadline=None)
@given(pairs=NUMBERS)
def test_aggregates_of_pairs_agree_with_the_statistics_module(pairs: list[tuple[int, int]]) -> None:
    rows = [{"y": y, "x": x} for y, x in pairs]
    functions = (
        "COVAR_SAMP",
        "CORR",
        "REGR_SLOPE",
        "REGR_INTERCEPT",
        "REGR_COUNT",
        "REGR_AVGX",
        "REGR_AVGY",
        "COVAR_POP",
    )
    query = "SELECT " + ", ".join(f"{f}(y, x) AS c{i}" for i, f in enumerate(functions)) + " FROM t"
    ys, xs = [float(y) for y, _ in pairs], [float(x) for _, x in pairs]
    varied = len(set(xs)) > 1

    covariance, correlation, slope, intercept, count, mean_x, mean_y, population = answers(query, rows)[-1]

    assert math.isclose(covariance, statistics.covariance(ys, xs), abs_tol=1e-9)
    assert math.isclose(population, statistics.covariance(ys, xs) * (len(ys) - 1) / len(ys), abs_tol=1e-9)
    assert (count, varied) == (len(pairs), slope is not None)
    assert math.isclose(mean_x, statistics.fmean(xs), abs_tol=1e-9)
    assert math.isclose(mean_y, statistics.fmean(ys), abs_tol=1e-9)
    if varied:
        line = statistics.linear_regression(xs, ys)
        assert math.isclose(slope, line.slope, abs_tol=1e-9)
        assert math.isclose(intercept, line.intercept, abs_tol=1e-9)
    if varied and len(set(ys)) > 1:
        assert math.isclose(correlation, statistics.correlation(ys, xs), abs_tol=1e-9)
    else:
        assert correlation is None


def test_sums_of_squares_and_r2_by_hand() -> None:
    rows = [{"y": 1, "x": 1}, {"y": 2, "x": 2}, {"y": 2, "x": 3}, {"y": None, "x": 9}, {"y": 9, "x": None}]
    query = "SELECT REGR_SXX(y, x) AS a, REGR_SYY(y, x) AS b, REGR_SXY(y, x) AS c, REGR_R2(y, x) AS d FROM t"

    sxx, syy, sxy, r2 = answers(query, rows)[-1]

    assert math.isclose(sxx, 2)
    assert math.isclose(sxy, 1)
    assert math.isclose(syy, 2 / 3)
    assert math.isclose(r2, 0.75)


def test_r2_is_one_when_only_x_varies_and_null_when_x_does_not() -> None:
    query = "SELECT REGR_R2(y, x) AS r FROM t"

    assert answers(query, [{"y": 1, "x": 1}, {"y": 1, "x": 2}])[-1] == (1.0,)
    assert answers(query, [{"y": 1, "x": 1}, {"y": 2, "x": 1}])[-1] == (None,)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.integers(-9, 9), min_size=1, max_size=9))
def test_the_median_agrees_with_the_statistics_module(values: list[int]) -> None:
    found = answers("SELECT MEDIAN(n) AS m FROM t", [{"n": n} for n in values])[-1]

    assert found == (statistics.median(values),)


@pytest.mark.parametrize(("share", "number"), [("0", 1), ("0.25", 1), ("0.26", 2), ("0.5", 2), ("0.75", 3), ("1", 9)])
def test_percentile_disc_is_the_first_number_with_that_share_at_or_below(share: str, number: int) -> None:
    rows = [{"n": n} for n in (9, 1, 3, 2)]

    assert answers(f"SELECT PERCENTILE_DISC({share}) WITHIN GROUP (ORDER BY n) AS p FROM t", rows)[-1] == (number,)
    assert answers(f"SELECT PERCENTILE_DISC(n, {share}) AS p FROM t", rows)[-1] == (number,)


def test_percentile_cont_is_between_its_neighbours() -> None:
    rows = [{"d": "1.00"}, {"d": "2.00"}, {"d": "4.00"}]

    found = answers(
        "SELECT PERCENTILE_CONT(0.75) WITHIN GROUP (ORDER BY d) AS p, PERCENTILE_DISC(d, 0.75) AS q FROM t", rows
    )

    assert found[-1] == (3.0, D("4.00"))


def test_delta_is_the_last_less_the_first_value_that_is_there() -> None:
    rows = [{"n": None, "d": None}, {"n": 5, "d": "5.50"}, {"n": 9, "d": "1.25"}, {"n": None, "d": None}]

    assert answers("SELECT DELTA(n) AS n, DELTA(d) AS d FROM t", rows) == [
        (None, None),
        (0, D("0.00")),
        (4, D("-4.25")),
    ]


def test_delta_of_integers_wraps_as_minus_does() -> None:
    rows = [{"n": -(2**31)}, {"n": 2**31 - 1}]

    assert answers("SELECT DELTA(n) AS n FROM t", rows)[-1] == (-1,)


def test_spellings_of_velostream_mean_flinks_functions() -> None:
    rows = [{"s": "a", "n": 1}, {"s": "b", "n": 2}, {"s": "a", "n": 2}]
    query = (
        "SELECT STRING_AGG(s, '|') AS a, GROUP_CONCAT(s) AS b, COUNT_DISTINCT(n) AS c, APPROX_COUNT_DISTINCT(s) AS d,"
        " MEAN(n) AS e, FIRST(s) AS f, LAST(s) AS g FROM t"
    )

    assert answers(query, rows)[-1] == ("a|b|a", "a,b,a", 2, 2, 1, "a", "a")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("CORR(y)", "CORR takes 2 arguments, not 1"),
        ("CORR(s, x)", "CORR needs a number, not STRING"),
        ("MEDIAN(s)", "MEDIAN needs a number, not STRING"),
        ("PERCENTILE(n, 1.5)", "PERCENTILE needs a share between 0 and 1"),
        ("PERCENTILE(n, y)", "PERCENTILE needs a constant as argument 2"),
        ("PERCENTILE_CONT(n, 0.5) WITHIN GROUP (ORDER BY n)", "WITHIN GROUP is not supported"),
        ("PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY n DESC)", "WITHIN GROUP (ORDER BY … DESC) is not supported"),
        ("LISTAGG(n)", "LISTAGG needs a string, not INT"),
        ("LISTAGG(s, s)", "LISTAGG needs a constant as argument 2"),
        ("LISTAGG(s) WITHIN GROUP (ORDER BY n)", "WITHIN GROUP is not supported"),
        ("FIRST_VALUE(n) IGNORE NULLS", "IGNORE NULLS is not supported"),
        ("JSON_OBJECTAGG(KEY n VALUE s)", "JSON_OBJECTAGG needs a string, not INT"),
        ("BITMAP_BUILD_AGG(n)", "BITMAP"),
    ],
)
def test_what_an_aggregate_cannot_take_is_refused_by_name(call: str, message: str) -> None:
    with pytest.raises(VeloError) as caught:
        Engine().plan(f"{TABLE}SELECT {call} AS c FROM t")

    assert message in str(caught.value)


def test_delta_over_changing_rows_is_refused() -> None:
    with pytest.raises(VeloError, match="DELTA over rows that change"):
        Engine().plan(TABLE + "SELECT DELTA(c) AS d FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k)")
