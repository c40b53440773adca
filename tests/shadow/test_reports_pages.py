"""The report for people and for CI: HTML, Markdown, JUnit and the terminal; complete, well-formed, deaf to data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.harness.running.test_report_pages import Page
from tests.shadow.reports_sample import (
    COURSE,
    DIFFERENT,
    EMPTY,
    EQUAL,
    FULL,
    HOSTILE_TEXT,
    NOON,
    SAFE,
    difference,
    hostile,
    report,
)

from velo_engine.errors import ErrorCode, VeloError
from velo_shadow.model import Counts, Decision, Performance, SidePerformance, TimeBin, Verdict
from velo_shadow.reports.document import Moment, ShadowReport, overall
from velo_shadow.reports.forms import ReportFormat, format_of
from velo_shadow.reports.html_report import shadow_html
from velo_shadow.reports.json_report import shadow_json, shadow_report_of
from velo_shadow.reports.junit_report import shadow_junit
from velo_shadow.reports.markdown_report import shadow_markdown
from velo_shadow.reports.outputs import report_text
from velo_shadow.reports.performance_rows import performance_rows
from velo_shadow.reports.plots import memory_slope, over_time_svg
from velo_shadow.reports.wording import advice_text, difference_line, needed_text, seconds_text, share_text

REPORTS = {
    "full": report(),
    "three": report(FULL, SAFE, EMPTY),
    "equal": report(SAFE),
    "none": ShadowReport((), overall(())),
    "hostile": hostile(HOSTILE_TEXT),
}


@pytest.mark.parametrize("form", ReportFormat)
@pytest.mark.parametrize("name", REPORTS)
def test_every_form_says_the_verdict_and_nothing_hostile_or_secret(form: ReportFormat, name: str) -> None:
    text = report_text(REPORTS[name], form)

    assert REPORTS[name].verdict.decision.value in text
    assert all(c == "\n" or c.isprintable() for c in text)
    assert "hunter2" not in text
    text.encode("utf-8")


@pytest.mark.parametrize("name", REPORTS)
def test_html_is_well_formed_and_loads_nothing(name: str) -> None:
    page = Page(shadow_html(REPORTS[name]))

    assert page.open == []
    assert not {tag for tag, _ in page.elements} & {"link", "img", "iframe", "object", "embed", "form", "base"}
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("src", "style", "srcset") for name in attributes), tag
        assert (attributes.get("href") or "#").startswith("#")


def test_hostile_html_has_the_elements_of_a_plain_page() -> None:
    def shape(found: ShadowReport) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in Page(shadow_html(found)).elements]

    assert shape(REPORTS["hostile"]) == shape(hostile("x y"))


def test_the_html_page_holds_the_json_report() -> None:
    for found in REPORTS.values():
        (text,) = re.findall(r'<script type="application/json" id="report">(.*?)</script>', shadow_html(found), re.S)
        assert "<" not in text
        assert json.loads(text) == json.loads(shadow_json(found))


TOLD = (
    "1,234,567", "1,234,401 equal, 164 with other values, 1 only left, 1 only right", "kafka://flink-totals",
    "compared by order_id; amount: abs 0.001; ignored: written_at", "at most 0.015 % of rows differ",
    "164", "decimal scale or rounding", "order_id=1: amount is 20.0050 on the left, 20.0100 on the right",
    "3 s behind the watermark of the right", "currency is ", "2026-01-01 12:00:00", "120 ms", "4.3 x faster", "missing",
    "8.2 x less", "Do not switch", "1 left, 4 right", "12 that a side has not passed yet", "40 whose input began before", "run_id",
    "10 left, 2,000 right", "0 left, 3 right", "ran for 24 hours",
)  # fmt: skip


def test_html_tells_everything_about_a_sink() -> None:
    page = Page(shadow_html(report()))
    text = " ".join(" ".join(parts) for parts in page.inside.values())

    for part in (
        *TOLD,
        "rows compared over time",
        "up to 166 that differ",
        "2026-01-01 15:00: 71,000 rows, 166 differ",
    ):
        assert part in text, part


@pytest.mark.parametrize("form", [ReportFormat.TEXT, ReportFormat.MD])
def test_text_and_markdown_tell_everything_about_a_sink(form: ReportFormat) -> None:
    text = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), report_text(report(), form))
    for part in TOLD:
        if (part, form) not in [("1,234,567", ReportFormat.TEXT), ("ran for 24 hours", ReportFormat.TEXT)]:
            assert part.replace("'", "&#x27;") in text, part


def test_markdown_neither_formats_nor_mentions_nor_closes_what_it_is_in() -> None:
    text = shadow_markdown(REPORTS["hostile"])
    read = re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)
    assert "<script" not in text
    assert "<b>" not in text
    assert "@everyone" not in text
    for mark in (" #1 ", "](", "`", "|cell"):
        assert mark not in read
    assert text.count("<details>") == text.count("</details>") > 0
    assert text.count("<pre>") == text.count("</pre>") > 0


def test_markdown_stays_shorter_than_a_comment_may_be() -> None:
    wide = replace(DIFFERENT, differences=tuple(difference(n, evidence="e" * 3000) for n in range(50)))
    assert len(shadow_markdown(report(*(replace(FULL, result=wide) for _ in range(80))))) < 65_536


def junit(found: ShadowReport) -> ElementTree.Element:
    return ElementTree.fromstring(shadow_junit(found))


def test_junit_has_a_case_for_the_verdict_the_rows_and_every_column() -> None:
    root = junit(report(FULL, SAFE, EMPTY))

    cases = {
        (case.get("classname"), case.get("name")): [child.tag for child in case if child.tag != "system-out"]
        for case in root.iter("testcase")
    }
    assert cases == {
        ("totals", "verdict"): ["failure"],
        ("totals", "rows"): ["failure"],
        ("totals", "column amount"): ["failure"],
        ("totals", "column currency"): [],
        ("totals", "column ts"): [],
        ("raw", "verdict"): [],
        ("raw", "rows"): [],
        ("raw", "column amount"): [],
        ("raw", "column currency"): [],
        ("raw", "column ts"): [],
        ("alerts", "verdict"): ["error"],
        ("alerts", "rows"): [],
        ("alerts", "column amount"): [],
        ("alerts", "column currency"): [],
        ("alerts", "column ts"): [],
    }
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["15", "3", "1", "0"]
    assert [suite.get("tests") for suite in root] == ["5", "5", "5"]
    (message,) = [case.find("failure") for case in root.iter("testcase") if case.get("name") == "column amount"][:1]
    assert message is not None
    assert message.get("message") == "164 pairs differ"
    assert "order_id=1: amount is 20.0050 on the left, 20.0100 on the right" in str(message.text)
    assert str(message.text).endswith("and 161 more")


def test_waived_differences_of_a_safe_sink_fail_no_case() -> None:
    verdict = Verdict(Decision.SAFE, ("5 compared, none differs but the 1 waived",), 5, 0, 0.45)
    waived = replace(
        DIFFERENT, verdict=verdict, counts=Counts(5, 5, 4, 1, 0, 0, by_column={"amount": 1}), waived=1,
        differences=(difference(1),),
    )  # fmt: skip
    root = junit(report(replace(FULL, result=waived)))

    assert root.get("failures") == "0"
    assert "20.0050" in ElementTree.tostring(root, encoding="unicode")


def test_values_that_read_alike_are_told_apart() -> None:
    one = difference(1, left=1, right="1")
    (shown,) = report(replace(FULL, result=replace(DIFFERENT, differences=(one,)))).sinks[0].differences

    assert difference_line(shown) == 'order_id=1: amount is 1 on the left, "1" on the right'


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.0, "0 %"), (0.5, "50.00 %"), (0.99999, "99.9990 %"), (0.9999999999999, "over 99.999999 %")],
)
def test_a_share_is_100_only_when_it_is(share: float, text: str) -> None:
    assert share_text(share) == text


def test_how_long_to_go_on_is_by_the_slower_side() -> None:
    def told(**rates: float) -> str | None:
        sides = {side: SidePerformance(rows_per_second=rate) for side, rate in rates.items()}
        return needed_text(report(replace(SAFE, result=replace(EQUAL, performance=Performance(**sides)))).sinks[0])

    assert told() == "2,955 more equal rows would bring that to 0.1 %"
    assert told(left=5.0, right=50.0) == f"{told()}: about 10 minutes at this speed"
    assert needed_text(report().sinks[0]) is None
    assert [seconds_text(s) for s in (0.2, 119, 120, 7200, 172_800)] == [
        "1 s",
        "119 s",
        "2 minutes",
        "2 hours",
        "2 days",
    ]


def test_performance_says_how_much_better_the_right_is_and_what_is_missing() -> None:
    rows = {row.name: (row.left, row.right, row.remark) for row in performance_rows(DIFFERENT.performance)}

    assert rows["latency, p99"] == ("120 ms", "28 ms", "4.3 x faster")
    assert rows["rows a second"] == ("14,000", "14,100", "")
    assert rows["memory"] == ("2.1 GB", "256 MB", "8.2 x less")
    assert rows["CPU"] == ("2.4 cores", "missing", "")
    slower = Performance(SidePerformance(latency_p50_ms=100.0), SidePerformance(latency_p50_ms=130.0))
    assert performance_rows(slower)[1].remark == "1.30 x slower"


def test_the_slope_of_memory_is_that_of_the_line_once_warm() -> None:
    warm = [Moment(i, 500_000 * i, 500_000 * i, 0, 0, 0, 100_000_000 + 250_000 * i) for i in range(20)]
    cold = [replace(one, memory_bytes=50_000_000) for one in warm[:5]]

    assert memory_slope([*cold, *warm[5:]]) == pytest.approx(0.25)
    assert memory_slope([replace(COURSE[0]), replace(COURSE[0])]) == 0.0


def test_empty_stretches_of_event_time_stay_free() -> None:
    bins = report(replace(FULL, result=replace(DIFFERENT, over_time=(
        TimeBin(NOON, 3600, 10, 0), TimeBin(NOON.replace(hour=15), 3600, 10, 1)
    )))).sinks[0].over_time  # fmt: skip

    bars = re.findall(r'class="bar" x="([\d.]+)"', over_time_svg(bins))

    assert [float(x) for x in bars] == pytest.approx([5.0, 239.0])  # 312 wide, four hours, a gap of 2 between bars


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.json", "json"), ("a.HTML", "html"), ("a.htm", "html"), ("a.md", "md"), ("a.xml", "junit"), ("a.txt", "text")],
)
def test_the_ending_of_a_file_tells_the_form(name: str, form: str) -> None:
    assert format_of(Path(name)).value == form


def test_other_endings_are_refused() -> None:
    with pytest.raises(VeloError) as caught:
        format_of(Path("report.pdf"))
    assert caught.value.code is ErrorCode.BAD_VALUE


def test_the_advice_names_what_a_switch_brings_only_when_it_is_safe() -> None:
    faster = replace(SAFE, result=replace(EQUAL, performance=DIFFERENT.performance))

    assert advice_text(report(faster)) == (
        "Safe to switch: 3.8 x faster on average, 4.3 x faster at p99, 8.2 x less memory."
    )
    assert advice_text(report(SAFE)) == "Safe to switch."
    assert advice_text(report(SAFE, EMPTY)) == "Do not switch yet: too little is known."
    assert advice_text(report(faster, FULL)).startswith("Do not switch: ")


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each part of a JSON document stands."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inside:
        yield from paths(part, (*path, name))


ODD: tuple[Any, ...] = (None, -1, 0, 1e300, "x", "", True, [], {}, [None], {"a": 1}, 10**30)


def test_a_report_that_somebody_has_edited_is_refused_or_written() -> None:
    text = shadow_json(report(replace(FULL, course=COURSE[:2]), EMPTY))
    places = list(paths(json.loads(text)))
    random = Random(5)
    written = refused = 0
    for _ in range(150):
        values = json.loads(text)
        *way, last = random.choice(places)
        inner = values
        for name in way:
            inner = inner[name]
        inner[last] = random.choice(ODD)
        try:
            found = shadow_report_of(values, "r.json")
        except VeloError:
            refused += 1
            continue
        for form in ReportFormat:
            report_text(found, form)
        written += 1

    assert written > 20
    assert refused > 20
