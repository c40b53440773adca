"""The page's queries answer as Prometheus does: promql.yaml holds what promtool, Prometheus' own program, answered."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from velo_harness.dashboard.promql import Moments, evaluate, totals
from velo_harness.dashboard.promql_syntax import (
    Aggregate,
    Binary,
    Call,
    Matcher,
    Number,
    PromqlError,
    Selector,
    parse_promql,
    parse_range,
)
from velo_harness.dashboard.samples import Samples

FILE = Path(__file__).with_name("promql.yaml")
(RECORDED,) = yaml.safe_load(FILE.read_text())["tests"]
INTERVAL_S = 10


def values(written: str) -> list[float]:
    """promtool's notation: `1+2x3` is 1 3 5 7, `_x2` two scrapes without a sample."""
    found: list[float] = []
    for part in written.split():
        if spread := re.fullmatch(r"(\d+)\+(\d+)x(\d+)", part):
            start, step, times = map(int, spread.groups())
            found += [start + step * i for i in range(times + 1)]
        elif nothing := re.fullmatch(r"_x(\d+)", part):
            found += [math.nan] * int(nothing[1])
        else:
            found.append(math.nan if part == "stale" else float(part))
    return found


def labels(written: str) -> tuple[str, dict[str, str]]:
    name, _, rest = written.partition("{")
    found = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    return name or found.pop("__name__", ""), found


def recorded_samples() -> Samples:
    parsed = [(labels(one["series"]), values(one["values"])) for one in RECORDED["input_series"]]
    most = max(len(numbers) for _, numbers in parsed)
    series: dict[str, tuple[Any, ...]] = {}
    for (name, own), numbers in parsed:
        row = np.array(numbers + [math.nan] * (most - len(numbers)))
        series[name] = (*series.get(name, ()), (own, row))
    return Samples(np.arange(most) * float(INTERVAL_S), series)


def answer(query: str, at: list[float], samples: Samples) -> list[dict[tuple[str, tuple[tuple[str, str], ...]], float]]:
    found = evaluate(parse_promql(query), Moments(samples, np.array(at)))
    answers = []
    for i in range(len(at)):
        there = [s for s in found if not np.isnan(s.values[i])]
        keyed = {(s.labels.get("__name__", ""), tuple(sorted(s.unnamed.items()))): float(s.values[i]) for s in there}
        assert len(keyed) == len(there), "two series with the same labels"
        answers.append(keyed)
    return answers


@pytest.mark.parametrize("query", sorted({case["expr"] for case in RECORDED["promql_expr_test"]}))
def test_it_answers_as_prometheus(query: str) -> None:
    cases = [case for case in RECORDED["promql_expr_test"] if case["expr"] == query]

    found = answer(query, [parse_range(case["eval_time"]) for case in cases], recorded_samples())

    for case, one in zip(cases, found, strict=True):
        wanted = {}
        for sample in case["exp_samples"]:
            name, own = labels(sample["labels"])
            if not math.isnan(sample["value"]):
                wanted[name, tuple(sorted(own.items()))] = pytest.approx(sample["value"], rel=1e-9)
        assert one == wanted


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (Debian package prometheus)")
def test_the_recorded_answers_are_those_of_prometheus() -> None:
    done = subprocess.run(["promtool", "test", "rules", str(FILE)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_rate_is_the_same_at_many_moments_as_at_each() -> None:
    samples, at = recorded_samples(), [5.0, 95.0, 155.0, 295.0, 1000.0]
    query = "sum by (code) (rate(requests_total[1m]))"

    assert answer(query, at, samples) == [answer(query, [moment], samples)[0] for moment in at]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "ends too early"),
        ("sum(", "ends too early"),
        ("rate(x)", "takes series with a range"),
        ("abs(x[5m])", "takes no series with a range"),
        ("x[5m]", "stands in a function"),
        ("label_replace(x, 'a', '$1', 'b', '(.*)')", "label_replace is not computed here"),
        ("max_over_time(rate(x[1m])[5m:])", "a subquery"),
        ("x @ 5", "not computed here"),
        ("x[0s]", "no time"),
        ("x{a=1}", "compared with no text"),
        ("x{a=~'('}", "not a regular expression"),
        ("x y", "not expected here"),
        ("{a='b'}", "without a name"),
        ("1 > 2", "with bool"),
        ("1 and 2", "between series"),
        ("sum(1)", "takes series"),
        ("vector(stock)", "a number is expected"),
        ("stock + requests_total{shop='b'} $", "not understood"),
        ("stock * on() requests_total", "several series"),
        ("(" * 200 + "1", "nested too deeply"),
    ],
)
def test_what_it_cannot_compute_is_said(query: str, message: str) -> None:
    with pytest.raises(PromqlError, match=re.escape(message)):
        evaluate(parse_promql(query), Moments(recorded_samples(), np.array([155.0])))


def test_the_tree_of_a_query() -> None:
    assert parse_promql('sum by (le) (rate(x_bucket{a!="b", c=~`d\\.`}[1m30s] offset 5m)) * -2') == Binary(
        "*",
        Aggregate(
            "sum",
            Call("rate", (Selector("x_bucket", (Matcher("a", "!=", "b"), Matcher("c", "=~", "d\\.")), 90.0, 300.0),)),
            ("le",),
        ),
        Binary("*", Number(-1.0), Number(2.0)),
    )


def test_totals_are_the_counters_behind_the_rates() -> None:
    assert totals(parse_promql("sum by (a) (rate(x[1m])) / 2")) == parse_promql("sum by (a) (x) / 2")
    assert totals(parse_promql("stock > 3")) is None
