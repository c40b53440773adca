"""The report in JUnit's XML: a test suite a sink; in it a case for the verdict, one for the rows and one a column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from velo_harness.reports.shown_values import printable_lines
from velo_shadow.model import Decision
from velo_shadow.reports.document import ShadowReport, ShownDifference, SinkReport
from velo_shadow.reports.wording import (
    bound_text,
    coverage_text,
    difference_line,
    duration_of,
    left_alone,
    matched_text,
    plan_text,
)

SHOWN_DIFFERENCES = 20
VERDICT = "verdict"
ROWS = "rows"


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    kind: str | None = None
    """failure or error; None: it passed."""
    message: str = ""
    type: str = ""
    text: str = ""
    output: str = ""


def shadow_junit(report: ShadowReport) -> str:
    """The report as an XML document."""
    root = ElementTree.Element(
        "testsuites", name=_clean(f"velo shadow {report.job or ''}".strip()), time=_seconds(report)
    )
    total = [0, 0, 0]
    suites = [(sink.name, list(_cases(sink))) for sink in report.sinks]
    if not suites:
        said = report.verdict
        suites = [("velo shadow", [_Case(VERDICT, "error", "; ".join(said.reasons), said.decision.value)])]
    for name, cases in suites:
        numbers = [len(cases), _number(cases, "failure"), _number(cases, "error")]
        suite = ElementTree.SubElement(root, "testsuite", name=_clean(name), time="0", skipped="0")
        _count(suite, numbers)
        total = [before + more for before, more in zip(total, numbers, strict=True)]
        for case in cases:
            _write(suite, case, name)
    _count(root, total)
    root.set("skipped", "0")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _cases(sink: SinkReport) -> Iterator[_Case]:
    """What could fail. A sink that is safe passes in all: differences that it has are waived, and told beside."""
    verdict, counts = sink.verdict, sink.counts
    facts = [
        f"{verdict.decision.value}: {matched_text(sink)}",
        plan_text(sink),
        coverage_text(sink),
        bound_text(sink) or "",
    ]
    facts += [f"{name}: {text}" for name, text in left_alone(sink)]
    kinds = {Decision.SAFE: None, Decision.NOT_SAFE: "failure", Decision.INCONCLUSIVE: "error"}
    output = "\n".join(line for line in facts if line)
    yield _Case(VERDICT, kinds[verdict.decision], "; ".join(verdict.reasons), verdict.decision.value, output=output)
    fails = verdict.decision is Decision.NOT_SAFE
    alone = counts.missing + counts.extra
    message = f"{counts.missing:,} only left, {counts.extra:,} only right"
    yield _part(ROWS, alone, message, [one for one in sink.differences if one.column is None], fails=fails)
    for column in sink.plan.columns:
        number = counts.by_column.get(column.name, 0)
        listed = [one for one in sink.differences if one.column == column.name]
        yield _part(f"column {column.name}", number, f"{number:,} pairs differ", listed, fails=fails)


def _part(name: str, number: int, message: str, listed: Sequence[ShownDifference], *, fails: bool) -> _Case:
    if not number:
        return _Case(name)
    causes = ", ".join(dict.fromkeys(one.cause for one in listed))
    lines = [f"{difference_line(one)} ({one.cause})" for one in listed[:SHOWN_DIFFERENCES]]
    if number > len(lines) > 0:
        lines.append(f"and {number - len(lines):,} more")
    text = "\n".join(lines)
    return _Case(name, "failure", message, causes or "difference", text) if fails else _Case(name, output=text)


def _write(suite: ElementTree.Element, case: _Case, sink: str) -> None:
    element = ElementTree.SubElement(suite, "testcase", name=_clean(case.name), classname=_clean(sink), time="0")
    if case.kind is not None:
        found = ElementTree.SubElement(element, case.kind, message=_clean(case.message), type=_clean(case.type))
        found.text = _clean(case.text) or None
    if case.output:
        ElementTree.SubElement(element, "system-out").text = _clean(case.output)


def _number(cases: Sequence[_Case], kind: str) -> int:
    return sum(case.kind == kind for case in cases)


def _count(element: ElementTree.Element, numbers: Sequence[int]) -> None:
    for name, number in zip(("tests", "failures", "errors"), numbers, strict=True):
        element.set(name, str(number))


def _seconds(report: ShadowReport) -> str:
    lasted = duration_of(report)
    return "0" if lasted is None else f"{lasted.total_seconds():.3f}"


def _clean(text: str) -> str:
    """Text without secrets and without characters that XML cannot hold or that steer a terminal."""
    return printable_lines(text)
