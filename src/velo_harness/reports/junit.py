"""The report in JUnit's XML, as CI systems read it: a test suite a spec, a test case a query."""

from __future__ import annotations

from xml.etree import ElementTree

from velo_harness.reports.shown_values import printable_lines
from velo_harness.reports.text import check_text, query_text
from velo_harness.result import Outcome, QueryResult, RunResult


def run_junit(run: RunResult) -> str:
    """The report as an XML document."""
    root = ElementTree.Element("testsuites", name="velostream", time=_seconds(run.duration_ms))
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for file in dict.fromkeys(q.spec_file for q in run.queries):
        _count(totals, _suite(root, [q for q in run.queries if q.spec_file == file]))
    for broken in run.file_errors:
        suite = ElementTree.SubElement(
            root, "testsuite", name=_clean(broken.file), tests="1", failures="0", errors="1", skipped="0"
        )
        case = ElementTree.SubElement(suite, "testcase", name="load", classname=_clean(broken.file), time="0")
        error = ElementTree.SubElement(case, "error", message=_clean(broken.error.message), type=broken.error.code.code)
        error.text = _clean(str(broken.error))
        _count(totals, {"tests": 1, "errors": 1})
    for name, count in totals.items():
        root.set(name, str(count))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, queries: list[QueryResult]) -> dict[str, int]:
    counts = {
        "tests": len(queries),
        "failures": sum(q.outcome is Outcome.FAILED for q in queries),
        "errors": sum(q.outcome is Outcome.ERROR for q in queries),
        "skipped": sum(q.outcome is Outcome.SKIPPED for q in queries),
    }
    suite = ElementTree.SubElement(
        root, "testsuite", name=_clean(queries[0].spec_name), file=_clean(queries[0].spec_file)
    )
    for name, count in counts.items():
        suite.set(name, str(count))
    suite.set("time", _seconds(sum(q.duration_ms for q in queries)))
    for query in queries:
        _case(suite, query)
    return counts


def _case(suite: ElementTree.Element, q: QueryResult) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", name=_clean(q.query), classname=_clean(q.spec_file), time=_seconds(q.duration_ms)
    )
    properties = ElementTree.SubElement(case, "properties")
    ElementTree.SubElement(properties, "property", name="velo_seed", value=str(q.seed))
    match q.outcome:
        case Outcome.SKIPPED:
            ElementTree.SubElement(case, "skipped", message=_clean(q.skip_reason or ""))
        case Outcome.FAILED | Outcome.ERROR:
            kind = "failure" if q.outcome is Outcome.FAILED else "error"
            what = q.error.code.code if q.error is not None else q.failures[0].check
            message = q.error.message if q.error is not None else q.failures[0].finding.actual
            ElementTree.SubElement(case, kind, message=_clean(message), type=_clean(what)).text = _clean(query_text(q))
        case _:
            pass
    if q.warnings and q.outcome is Outcome.PASSED:
        ElementTree.SubElement(case, "system-out").text = _clean("\n".join(check_text(w) for w in q.warnings))


def _count(totals: dict[str, int], more: dict[str, int]) -> None:
    for name, count in more.items():
        totals[name] += count


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3f}"


def _clean(text: str) -> str:
    """Text without secrets and without characters that XML cannot hold or that steer a terminal."""
    return printable_lines(text)
