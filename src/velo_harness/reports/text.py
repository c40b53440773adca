"""The report for people: what failed, where it stands, what was found instead, and how to run just it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from velo_engine.errors import Location
from velo_harness.kafka.providers import MEMORY
from velo_harness.reports.fault_lines import fault_lines
from velo_harness.reports.shown_values import printable, printable_lines, table_lines
from velo_harness.reports.trends import trend_text
from velo_harness.result import CheckFailure, Finding, Outcome, QueryResult, RunResult

_SIGNS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.ERROR: "!", Outcome.SKIPPED: "-"}
SHOWN_TEXT = 2000
"""Characters of one expected or actual text."""


def query_text(result: QueryResult) -> str:
    """Everything about one query that did not pass."""
    lines: list[str] = []
    if result.error is not None:
        lines += [printable_lines(str(result.error)), ""]
    else:
        lines += [f"{result.query}: {len(result.failures)} of {_plural(result.checks, 'check')} failed", ""]
    for failure in result.failures:
        lines += [check_text(failure), ""]
    for warning in result.warnings:
        lines += ["warning: " + check_text(warning), ""]
    lines += [f"note: {printable_lines(note)}" for note in result.notes]
    lines += fault_lines(result.faults)
    if not any(failure.check == "expect.late" for failure in result.failures):
        lines += _late_rows(result)
    if result.numbers is not None:
        lines.append(f"records: {numbers_text(result)}")
    lines.append(f"run it again: {result.rerun}")
    return printable_lines("\n".join(lines))


def check_text(failure: CheckFailure) -> str:
    """One check that does not hold."""
    finding = failure.finding
    lines = [failure.check + (f": {printable(failure.message)}" if failure.message else ""), *_place(failure.location)]
    lines += [f"  expected: {_text(finding.expected)}", f"  actual:   {_text(finding.actual)}"]
    compared = any("difference" in row for row in finding.examples)
    if finding.offending and finding.total is not None and not compared:
        lines.append(f"  rows:     {finding.offending} of {finding.total}")
    lines += _examples(finding)
    lines += [f"  hint: {printable(note)}" for note in finding.notes]
    return "\n".join(lines)


def _text(text: str) -> str:
    shown = printable_lines(text).replace("\n", " ")
    return shown if len(shown) <= SHOWN_TEXT else shown[:SHOWN_TEXT] + "…"


def _place(location: Location) -> list[str]:
    lines = [f"  --> {location}"]
    if location.text:
        number = str(location.line)
        lines.append(printable_lines(f"  {number} | {location.text}"))
    return lines


def _examples(finding: Finding) -> Iterator[str]:
    if not finding.examples:
        return
    yield ""
    yield from (f"    {line}" for line in table_lines(finding.examples))
    if left_out(finding) > 0:
        yield f"    and {left_out(finding)} more"


def left_out(finding: Finding) -> int:
    """How many offending rows are not among the examples."""
    # Of a difference, expected and actual stand under each other: two lines for one row.
    pairs = sum(1 for row in finding.examples if row.get("difference") == "actual")
    return max(0, finding.offending - len(finding.examples) + pairs)


def numbers_text(result: QueryResult) -> str:
    """The accounting of the query in one line."""
    n = result.numbers
    assert n is not None
    fates = f"accepted {n.accepted} + filtered {n.filtered} + late {n.late} + dead-lettered {n.dead_lettered}"
    return f"read {n.read} = {fates}; emitted {n.emitted}, in state {n.state_rows}"


def run_text(run: RunResult, *, verbose: bool = False) -> str:
    """The whole report: every query on a line, then what failed, then the totals."""
    lines: list[str] = []
    for file in dict.fromkeys(q.spec_file for q in run.queries):
        queries = [q for q in run.queries if q.spec_file == file]
        lines += ["", f"{queries[0].spec_name} ({file})"]
        said: set[str] = set()
        lines += [line for q in queries for line in _query_lines(q, said, verbose=verbose)]
    for broken in run.file_errors:
        lines += ["", printable_lines(str(broken.error))]
    for failed in _told_once([q for q in run.queries if q.outcome in (Outcome.FAILED, Outcome.ERROR)]):
        title = f"── {failed[0].item} "
        lines += ["", title + "─" * max(0, 78 - len(title)), query_text(failed[0])]
        if len(failed) > 1:
            lines.append(f"the same error: {', '.join(q.query for q in failed[1:])}")
    if run.trend is not None:
        lines += ["", trend_text(run.trend)]
    return printable_lines("\n".join([*lines, "", totals_text(run)]).lstrip("\n"))


def _told_once(queries: Sequence[QueryResult]) -> list[list[QueryResult]]:
    """The queries, those together that ended with the same error at the same place: they share a program."""
    groups: dict[tuple[str, str], list[QueryResult]] = {}
    for q in queries:
        key = (q.item, "") if q.error is None or q.failures else (q.spec_file, str(q.error))
        groups.setdefault(key, []).append(q)
    return list(groups.values())


def _orders(q: QueryResult) -> str:
    """What other orders of the records gave, when they were asked for."""
    if q.permutations is None:
        return ""
    if q.permutations.skipped is not None:
        return f", not permuted: {q.permutations.skipped}"
    if q.permutations.failing is not None:
        return ", another result in another order"
    return f", the same in {_plural(q.permutations.orders, 'other order')}"


def _query_lines(q: QueryResult, said: set[str], *, verbose: bool) -> Iterator[str]:
    """A query on a line, and what is to be known of it. What its file's queries have in common is `said` once."""
    facts = query_facts(q)
    yield f"  {_SIGNS[q.outcome]} {printable(q.query):<32} {q.duration_ms:>7.0f} ms  {printable(facts)}".rstrip()
    if q.outcome is Outcome.PASSED:
        for warning in q.warnings:
            yield "\n".join(f"      {line}" for line in ("warning: " + check_text(warning)).splitlines())
        for note in q.notes:
            if note not in said:
                said.add(note)
                yield f"      note: {printable_lines(note)}"
    yield from (f"      {line}" for line in fault_lines(q.faults))
    if verbose and q.outcome is Outcome.PASSED:
        yield from (f"      {line}" for line in _late_rows(q))


def _late_rows(q: QueryResult) -> Iterator[str]:
    """The first rows that came too late: often the reason why a result is not what somebody expected."""
    if q.late_rows:
        yield f"late rows ({q.numbers.late if q.numbers else len(q.late_rows)}):"
        yield from (f"  {line}" for line in table_lines(q.late_rows))


def query_facts(q: QueryResult) -> str:
    """A query in a few words: what was checked, what went in and came out."""
    if q.outcome is Outcome.SKIPPED:
        return f"skipped: {q.skip_reason}"
    if q.numbers is None:
        return ""
    rows = ", ".join(f"{count:,} {name}" for name, count in q.inputs.items())
    given = f"{rows} → " if rows else ""
    facts = f"{_plural(q.checks, 'check')}, {given}{_plural(q.output_rows, 'row')}"
    facts += f", {q.numbers.late:,} late" if q.numbers.late else ""
    facts += f", {q.numbers.dead_lettered:,} dead-lettered" if q.numbers.dead_lettered else ""
    return facts + _orders(q)


def totals_text(run: RunResult) -> str:
    """How many queries ended how, and how long it took."""
    counts = [_counted(run.count(outcome), outcome) for outcome in Outcome if run.count(outcome)]
    if run.file_errors:
        counts.append(f"{_plural(len(run.file_errors), 'file')} not loaded")
    place = "" if run.kafka == MEMORY else f", topics on Kafka ({run.kafka})"
    return f"{', '.join(counts) or 'nothing ran'} in {run.duration_ms / 1000:.2f} s{place}"


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _counted(count: int, outcome: Outcome) -> str:
    plural = "s" if outcome is Outcome.ERROR and count > 1 else ""
    return f"{count} {outcome.value}{plural}"
