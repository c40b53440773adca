"""HTML, Markdown, annotations and SARIF: complete, well-formed, and deaf to whatever stands in names and data."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import jsonschema
import pytest
from tests.harness.running.hostile import EVERYTHING_HOSTILE, PLAIN, run_with
from tests.harness.running.test_reports import PLACE, failure, query

from velo_engine.errors import ErrorCode, Location
from velo_harness.json_schemas import shipped_text
from velo_harness.reports import github, plots
from velo_harness.reports.github import run_annotations
from velo_harness.reports.html import run_html
from velo_harness.reports.json_reading import run_of
from velo_harness.reports.json_report import report, run_json
from velo_harness.reports.junit import run_junit
from velo_harness.reports.markdown import LARGEST, run_markdown
from velo_harness.reports.sarif import sarif
from velo_harness.reports.text import run_text
from velo_harness.result import Histogram, Outcome, RunResult
from velo_harness.validation import Finding, Level

VOID = {"meta", "input", "br", "rect", "line", "circle", "polyline", "polygon"}
WRITERS = {
    "text": run_text,
    "json": run_json,
    "junit": run_junit,
    "html": run_html,
    "markdown": run_markdown,
    "github": run_annotations,
}


class Page(HTMLParser):
    """A page as a browser reads it: its elements, their attributes, the text outside of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.inside: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID or (tag in ("rect", "circle") and not self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open, f"</{tag}> ends nothing"
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.inside.setdefault(self.open[-1] if self.open else "", []).append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize("run", [PLAIN, EVERYTHING_HOSTILE, RunResult(())], ids=["plain", "hostile", "empty"])
def test_html_is_well_formed_and_loads_nothing(run: RunResult) -> None:
    page = Page(run_html(run))
    assert page.open == []
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"link", "img", "iframe", "object", "embed", "form", "base", "audio", "video"}
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("src", "style", "srcset") for name in attributes), (
            tag,
            attributes,
        )
        assert (attributes.get("href") or "#").startswith("#")


def test_hostile_html_has_the_elements_of_a_plain_page() -> None:
    def shape(run: RunResult) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in Page(run_html(run)).elements]

    assert shape(EVERYTHING_HOSTILE) == shape(run_with("x y"))


def test_the_policy_allows_the_style_and_the_script_by_their_hashes_and_nothing_else() -> None:
    text = run_html(PLAIN)
    (policy,) = [meta["content"] for meta in Page(text).of("meta") if "http-equiv" in meta]
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed["default-src"] == allowed["base-uri"] == allowed["form-action"] == "'none'"
    for tag, source in (("style", "style-src"), ("script", "script-src")):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert allowed[source] == f"'sha256-{digest}'"
    assert set(allowed) == {"default-src", "style-src", "script-src", "base-uri", "form-action"}


def test_the_html_page_holds_the_json_report() -> None:
    for run in (PLAIN, EVERYTHING_HOSTILE):
        (text,) = re.findall(r'<script type="application/json" id="report">(.*?)</script>', run_html(run), re.DOTALL)
        assert "<" not in text
        assert json.loads(text) == json.loads(run_json(run))


def test_html_tells_everything_about_a_query() -> None:
    text = " ".join(" ".join(parts) for parts in Page(run_html(PLAIN)).inside.values())
    for part in (
        "1 passed, 1 failed, 1 error, 1 skipped, 1 file not loaded",
        "Since the earlier run",
        "x 3",
        "Throughput",
        "SQL coverage",
        "Late rows",
        "and 39 more",
        "Dead letters",
        "Faults",
        "Other orders of arrival",
        "read 300 = accepted 200 + filtered 50 + late 40 + dead-lettered 10",
        "records read over time",
        "how late rows were",
        "plain (plain, mean 0.5, 1 NULL)",
        "Run it again",
    ):
        assert part in text, part


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_hostile_survives(name: str) -> None:
    text = WRITERS[name](EVERYTHING_HOSTILE)
    assert all(c in "\n\t" or c.isprintable() for c in text)
    assert "hunter2" not in text
    text.encode("utf-8")


def test_markdown_neither_formats_nor_mentions_nor_closes_what_it_is_in() -> None:
    text = run_markdown(EVERYTHING_HOSTILE)
    outside = re.sub(r"<code>.*?</code>|<pre>.*?</pre>", "", text, flags=re.DOTALL)
    assert "everyone" not in outside
    assert "alert" not in outside
    assert "<script" not in text
    assert "@everyone" not in text
    read = re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)  # in <pre> nothing is Markdown
    for mark in (" #1 ", "](", "`", "**bold", "|cell", "</details> ::"):
        assert mark not in read
    assert text.count("<details>") == text.count("</details>")
    assert text.count("<pre>") == text.count("</pre>")
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 7 for line in text.splitlines() if line.startswith("| "))


def test_markdown_stays_shorter_than_a_comment_may_be() -> None:
    many = tuple(query(Outcome.FAILED, item=f"x::q{i}", failures=(failure("y" * 3000),)) for i in range(100))
    text = run_markdown(RunResult(many))
    assert len(text) < 65_536
    assert len(text) > LARGEST / 2
    assert re.search(r"and \d+ more, in the full report", text)


def test_markdown_names_what_failed_first_and_folds_what_passed() -> None:
    text = run_markdown(RunResult((query(item="x::good"), query(Outcome.FAILED, item="x::bad", failures=(failure(),)))))
    assert text.startswith("### ❌ velostream: 1 passed, 1 failed")
    assert text.index("x::bad") < text.index("1 passed</summary>") < text.index("x::good")


def test_annotations_stand_at_the_lines_of_the_checks(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    monkeypatch.setenv(github.WORKSPACE, str(tmp_path))
    run = RunResult((query(Outcome.FAILED, failures=(failure("50%, or so"),), warnings=(failure(),)),))
    first, second = run_annotations(run).splitlines()
    assert first.startswith("::error file=sub/x.test.yaml,line=7,col=5,title=q%3A no_nulls::no_nulls: 50%25, or so%0A")
    assert second.startswith("::warning ")


def test_every_annotation_is_one_command() -> None:
    lines = run_annotations(EVERYTHING_HOSTILE).splitlines()
    assert len(lines) == 7  # the file, the failing query's failure, the error, and four warnings
    for line in lines:
        command = re.fullmatch(r"::(error|warning) file=([^,:]*),line=7,col=2,title=([^,:]*)::(.*)", line)
        assert command, line


def test_a_report_that_is_read_again_is_the_same() -> None:
    for run in (PLAIN, EVERYTHING_HOSTILE):
        document = json.loads(run_json(run))
        jsonschema.validate(document, json.loads(shipped_text("report")))
        again = json.loads(run_json(run_of(document, "r.json")))
        for place in ("failures", "warnings"):
            assert [q[place] for q in again["queries"]] == [q[place] for q in document["queries"]]
        assert again == document


def test_every_field_of_a_result_is_in_the_complete_run() -> None:
    blank, complete = report(RunResult((query(),)))["queries"][0], report(PLAIN)["queries"]
    for key, value in blank.items():
        assert any(q[key] for q in complete) or value in (0, False), key


def test_a_bar_from_end_to_end_of_the_doubles_says_both() -> None:
    svg = str(plots.histogram_svg(Histogram(-1.7e308, 1.7e308, (2,)), "n", plots.short))

    assert "-1.7e+308 … 1.7e+308: 2 of 2" in svg
    assert "nan" not in svg


def test_of_histograms_the_marks_are_as_high_as_the_counts() -> None:
    svg = plots.histogram_svg(Histogram(0.0, 30.0, (2, 0, 4)), "n", plots.short)
    heights = [float(h) for h in re.findall(r'<rect [^>]*height="([\d.]+)"', svg)]
    assert heights == [46.0, 0.0, 92.0]
    assert re.findall("<title>(.*?)</title>", svg) == ["0 … 10: 2 of 6", "10 … 20: 0 of 6", "20 … 30: 4 of 6"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12, "12"), (0.123456, "0.1235"), (1500, "1,500"), (123456.7, "123k"), (2.5e9, "2.5G"), (-3e6, "-3M")],
)
def test_numbers_on_axes_are_short(value: float, text: str) -> None:
    assert plots.short(value) == text


@pytest.mark.parametrize(("ms", "text"), [(1, "1 ms"), (1500, "1.5 s"), (90_000, "1.5 min"), (17_940_001, "4.98 h")])
def test_times_on_axes_are_short(ms: float, text: str) -> None:
    assert plots.duration(ms) == text


FINDINGS = [
    Finding(ErrorCode.UNKNOWN_KEY, 'unknown key "x"', PLACE, 'did you mean "y"?'),
    Finding(
        ErrorCode.UNKNOWN_COLUMN, "no\x1b[2J password=hunter2", Location("/tmp/a b.sql", 2, 3, 4), level=Level.WARNING
    ),
    Finding(ErrorCode.UNKNOWN_KEY, "anywhere", level=Level.NOTE),
]
SARIF_CORE = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "tool": {"required": ["driver"], "properties": {"driver": {"required": ["name"]}}},
                    "results": {
                        "items": {
                            "required": ["message", "ruleId"],
                            "properties": {
                                "message": {"required": ["text"]},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "locations": {
                                    "items": {
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {"properties": {"uri": {"pattern": "^[^ ]+$"}}},
                                                    "region": {"properties": {"startLine": {"minimum": 1}}},
                                                },
                                            }
                                        }
                                    }
                                },
                            },
                        }
                    },
                },
            }
        },
    },
}
"""What the standard's schema (sections 3.13 to 3.30) requires of the parts that we write."""


def test_sarif_has_what_the_standard_requires() -> None:
    document = sarif(FINDINGS)
    jsonschema.validate(document, SARIF_CORE)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["VELO1003", "VELO2002"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    first, second, third = run["results"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "x.test.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 7, "startColumn": 5, "endColumn": 8, "snippet": {"text": PLACE.text}},
    }
    assert second["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///tmp/a%20b.sql"}
    assert (second["level"], second["message"]["text"]) == ("warning", "no\\x1b[2J password=***")
    assert "locations" not in third


def test_in_actions_the_text_of_a_run_gives_no_commands() -> None:
    first, *between, last = github.silenced("::error::not one of ours\nx").splitlines()
    token = first.removeprefix("::stop-commands::")
    assert len(token) == 32
    assert (between, last) == (["::error::not one of ours", "x"], f"::{token}::")
    assert github.silenced("x") != github.silenced("x")
