"""The conversion report: a row for every construct of the input, totals by job and of all jobs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from velo_import.model import Construct, ConvertedJob, Outcome

MARKDOWN = "conversion_report.md"
JSON = "conversion_report.json"

_LEVELS = {Outcome.NOT_CONVERTED: "error", Outcome.DIFFERS: "warning", Outcome.STAND_IN: "note"}
_TITLES = {
    Outcome.NOT_CONVERTED: "Not converted",
    Outcome.DIFFERS: "Differs",
    Outcome.STAND_IN: "Stand-ins for tests",
    Outcome.PROVEN: "The same, proven against recorded Flink",
    Outcome.SAME: "The same by rule",
}


def report_json(jobs: Sequence[ConvertedJob]) -> str:
    """The report as JSON, in the form `part_file` of the migration report, which `velo report` gathers."""
    return json.dumps(report_data(jobs), indent=2, ensure_ascii=False) + "\n"


def report_data(jobs: Sequence[ConvertedJob]) -> dict[str, Any]:
    """The report as plain data; `jobs` and `totals` come on top of what `part_file` has."""
    totals = _totals(jobs)
    return {
        "schema_version": 1,
        "kind": "import",
        "status": _status(jobs),
        "headline": headline(jobs),
        "facts": totals,
        "findings": [_finding(construct) for job in jobs for construct in job.constructs if _is_finding(construct)],
        "totals": totals,
        "jobs": [_job(job) for job in jobs],
    }


def headline(jobs: Sequence[ConvertedJob]) -> str:
    """The result in a sentence."""
    statements = [statement for job in jobs for statement in job.statements]
    converted = sum(statement.sql is not None for statement in statements)
    rest = len(statements) - converted
    of_jobs = f" of {len(jobs)} jobs" if len(jobs) != 1 else ""
    tail = f", {rest} not" if rest else ""
    return f"{converted} of {len(statements)} statement(s){of_jobs} converted{tail}"


def _status(jobs: Sequence[ConvertedJob]) -> str:
    """Failed when no statement is converted, inconclusive when some construct is not."""
    if not any(statement.sql is not None for job in jobs for statement in job.statements):
        return "failed"
    missing = any(c.outcome is Outcome.NOT_CONVERTED for job in jobs for c in job.constructs)
    return "inconclusive" if missing else "passed"


def _totals(jobs: Iterable[ConvertedJob]) -> dict[str, int]:
    """Numbers by name: statements, constructs by outcome, tables."""
    jobs = list(jobs)
    outcomes = Counter(construct.outcome for job in jobs for construct in job.constructs)
    statements = [statement for job in jobs for statement in job.statements]
    return {
        "jobs": len(jobs),
        "statements": len(statements),
        "statements converted": sum(statement.sql is not None for statement in statements),
        "tables": sum(len(job.tables) for job in jobs),
        "constructs": sum(outcomes.values()),
        **{outcome.value: outcomes[outcome] for outcome in Outcome},
    }


def _job(job: ConvertedJob) -> dict[str, Any]:
    return {
        "name": job.name,
        "files": [script.file for script in job.scripts],
        "totals": {key: value for key, value in _totals([job]).items() if key != "jobs"},
        "settings": dict(job.settings),
        "tables": [
            {
                "name": table.name,
                "connector": table.connector or None,
                "stand_in": table.stand_in,
                "roles": sorted(table.roles),
                "production": dict(table.production),
            }
            for table in job.tables.values()
        ],
        "statements": [
            {"name": s.name, "converted": s.sql is not None, "reads": list(s.reads), "sink": s.sink}
            for s in job.statements
        ],
        "constructs": [_construct(construct) for construct in job.constructs],
    }


def _construct(construct: Construct) -> dict[str, Any]:
    return {
        **_place(construct),
        "written": construct.written,
        "feature": construct.feature,
        "became": construct.became,
        "outcome": construct.outcome.value,
        "reason": construct.reason,
        "alternative": construct.alternative,
    }


def _place(construct: Construct) -> Mapping[str, Any]:
    place = construct.location
    return {"file": place.file, "line": place.line, "column": place.column}


def _is_finding(construct: Construct) -> bool:
    return construct.outcome in _LEVELS


def _finding(construct: Construct) -> dict[str, Any]:
    message = f"{construct.feature}: {construct.outcome.value}"
    if construct.reason:
        message += f": {construct.reason}"
    if construct.alternative:
        message += f" ({construct.alternative})"
    return {"message": message, "level": _LEVELS[construct.outcome], "location": _place(construct)}


# --- Markdown ---


def report_markdown(jobs: Sequence[ConvertedJob]) -> str:
    """The report for people."""
    return "\n".join(_lines(jobs)) + "\n"


def _lines(jobs: Sequence[ConvertedJob]) -> Iterator[str]:
    yield "# Conversion report"
    yield ""
    yield headline(jobs) + "."
    yield ""
    yield from _totals_table(jobs)
    for job in jobs:
        yield ""
        yield f"## {job.name}"
        yield ""
        yield "From " + ", ".join(f"`{script.file}`" for script in job.scripts) + "."
        for outcome, title in _TITLES.items():
            found = [construct for construct in job.constructs if construct.outcome is outcome]
            if found:
                yield ""
                yield f"### {title}"
                yield ""
                yield from _table(found)


def _totals_table(jobs: Sequence[ConvertedJob]) -> Iterator[str]:
    yield "| job | statements | converted | " + " | ".join(outcome.value for outcome in Outcome) + " |"
    yield "|---" * (3 + len(Outcome)) + "|"
    rows = [(job.name, _totals([job])) for job in jobs]
    if len(jobs) > 1:
        rows.append(("all", _totals(jobs)))
    for name, totals in rows:
        numbers = [totals["statements"], totals["statements converted"], *(totals[o.value] for o in Outcome)]
        yield f"| {_cell(name)} | " + " | ".join(map(str, numbers)) + " |"


def _table(constructs: Iterable[Construct]) -> Iterator[str]:
    yield "| line | written | feature | became | why | instead |"
    yield "|---|---|---|---|---|---|"
    for one in constructs:
        place = f"{one.location.file}:{one.location.line}"
        cells = (place, f"`{one.written}`", one.feature, one.became, one.reason or "", one.alternative or "")
        yield "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
