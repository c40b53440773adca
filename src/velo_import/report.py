"""The conversion report: a row for every construct of the input, totals by job and of all jobs."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from velo_import.convert.secrets import plain_secrets
from velo_import.model import Construct, ConvertedJob, Generated, MutationScore, Outcome, Survivor

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


LONGEST_LIST = 120
"""Characters of the names of columns in the report for people."""
SHOWN_SURVIVORS = 20
"""Of a job, in the report for people."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A job, and what stands beside its program."""

    job: ConvertedJob
    generated: Generated = field(default_factory=Generated)


def report_json(jobs: Sequence[Reported]) -> str:
    """The report as JSON, in the form `part_file` of the migration report, which `velo report` gathers."""
    return json.dumps(report_data(jobs), indent=2, ensure_ascii=False) + "\n"


def report_data(jobs: Sequence[Reported]) -> dict[str, Any]:
    """The report as plain data; `jobs` and `totals` come on top of what `part_file` has."""
    totals = _totals(jobs)
    return {
        "schema_version": 1,
        "kind": "import",
        "status": _status([one.job for one in jobs]),
        "headline": headline([one.job for one in jobs]),
        "facts": totals,
        "findings": [_finding(c) for one in jobs for c in one.job.constructs if _is_finding(c)],
        "totals": totals,
        "jobs": [_job(one) for one in jobs],
    }


def headline(jobs: Sequence[ConvertedJob]) -> str:
    """The result in a sentence."""
    statements = [statement for job in jobs for statement in job.statements]
    converted = sum(statement.sql is not None for statement in statements)
    rest = len(statements) - converted
    of_jobs = f" of {len(jobs)} jobs" if len(jobs) != 1 else ""
    tail = f", {rest} not" if rest else ""
    noun = "statement" if len(statements) == 1 else "statements"
    return f"{converted} of {len(statements)} {noun}{of_jobs} converted{tail}"


def _status(jobs: Sequence[ConvertedJob]) -> str:
    """Failed when no statement is converted, inconclusive when some construct is not."""
    if not any(statement.sql is not None for job in jobs for statement in job.statements):
        return "failed"
    missing = any(c.outcome is Outcome.NOT_CONVERTED for job in jobs for c in job.constructs)
    return "inconclusive" if missing else "passed"


def _totals(reported: Sequence[Reported]) -> dict[str, int]:
    """Numbers by name: statements, constructs by outcome, tables, and what was generated."""
    jobs = [one.job for one in reported]
    made = [one.generated for one in reported]
    scores = [one.score for one in made if one.score is not None]
    outcomes = Counter(construct.outcome for job in jobs for construct in job.constructs)
    statements = [statement for job in jobs for statement in job.statements]
    return {
        "jobs": len(jobs),
        "statements": len(statements),
        "statements converted": sum(statement.sql is not None for statement in statements),
        "tables": sum(len(job.tables) for job in jobs),
        "constructs": sum(outcomes.values()),
        **{outcome.value: outcomes[outcome] for outcome in Outcome},
        "data schemas": sum(one.schemas for one in made),
        "tested": sum(one.queries for one in made),
        "assertions": sum(one.assertions for one in made),
        "skipped tests": sum(one.skipped for one in made),
        "metrics": sum(one.metrics for one in made),
        "alerts": sum(one.alerts for one in made),
        "mutants killed": sum(score.killed for score in scores),
        "mutants survived": sum(len(score.survivors) for score in scores),
    }


def _job(reported: Reported) -> dict[str, Any]:
    job = reported.job
    return {
        "name": job.name,
        "files": [script.file for script in job.scripts],
        "totals": {key: value for key, value in _totals([reported]).items() if key != "jobs"},
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
        "mutation": _score_data(reported.generated.score),
        "judged": reported.generated.judged,
        "notes": list(notes_of(reported)),
    }


def _score_data(score: MutationScore | None) -> dict[str, Any] | None:
    if score is None:
        return None
    return {
        "score": score.share,
        "killed": score.killed,
        "survived": len(score.survivors),
        "tried": score.tried,
        "possible": score.possible,
        "survivors": [
            {"statement": s.statement, "operator": s.operator, "line": s.line, "original": s.original,
             "mutated": s.mutated, "to_kill_it": s.kill}
            for s in score.survivors
        ],
    }  # fmt: skip


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


def score_from(data: Mapping[str, Any] | None) -> MutationScore | None:
    """The score that `report_data` wrote. Errors: KeyError, TypeError for anything else."""
    if data is None:
        return None
    survivors = tuple(
        Survivor(s["statement"], s["operator"], s["line"], s["original"], s["mutated"], s["to_kill_it"])
        for s in data["survivors"]
    )
    return MutationScore(data["killed"], survivors, data["tried"], data["possible"])


# --- Markdown ---


def report_markdown(jobs: Sequence[Reported]) -> str:
    """The report for people."""
    return "\n".join(_lines(jobs)) + "\n"


def _lines(jobs: Sequence[Reported]) -> Iterator[str]:
    yield "# Conversion report"
    yield ""
    yield headline([one.job for one in jobs]) + "."
    yield ""
    yield from _totals_table(jobs)
    if any(one.generated.queries or one.generated.skipped for one in jobs):
        yield ""
        yield from _generated_table(jobs)
    for one in jobs:
        job = one.job
        yield ""
        yield f"## {job.name}"
        yield ""
        yield "From " + ", ".join(f"`{script.file}`" for script in job.scripts) + "."
        for outcome, title in _TITLES.items():
            found = [construct for construct in folded(job.constructs) if construct.outcome is outcome]
            if found:
                yield ""
                yield f"### {title}"
                yield ""
                yield from _table(found)
        yield from _production(job)
        yield from _of_spec(replace(one.generated, notes=notes_of(one)))


def notes_of(reported: Reported) -> tuple[str, ...]:
    """What a person should know; that the kept input holds secrets comes first."""
    tables = reported.job.tables.values()
    written = [(t.name, {key: option.value for key, option in t.definition.options.items()}) for t in tables]
    secret = [f"{name}: {key}" for name, options in written for key in plain_secrets(options)]
    if not secret:
        return reported.generated.notes
    listed = textwrap.shorten(", ".join(secret), LONGEST_LIST, placeholder=" …")
    warning = f"original/ holds options that look like secrets ({listed}): do not commit them"
    return (warning, *reported.generated.notes)


def _production(job: ConvertedJob) -> Iterator[str]:
    """The options of tables that topics stand for, for the day on which they do not; secrets are masked."""
    tables = [table for table in job.tables.values() if table.stand_in and table.production]
    if not tables:
        return
    yield ""
    yield "### Options in production"
    yield ""
    yield "| table | option | value |"
    yield "|---|---|---|"
    for table in tables:
        yield from (f"| {_cell(table.name)} | {_cell(key)} | {_cell(v)} |" for key, v in table.production.items())


def folded(constructs: Iterable[Construct]) -> Iterator[Construct]:
    """The constructs with one row for the columns of a table that stay as they are: they hide those that matter."""
    columns: list[Construct] = []
    for one in constructs:
        is_column = one.feature == "column" and one.outcome is Outcome.SAME and one.reason is None
        if columns and not (is_column and one.location.file == columns[0].location.file):
            yield _together(columns)
            columns = []
        if is_column:
            columns.append(one)
        else:
            yield one
    if columns:
        yield _together(columns)


def _together(columns: Sequence[Construct]) -> Construct:
    """The row of neighbouring columns."""
    first = columns[0]
    if len(columns) == 1:
        return first
    names = textwrap.shorten(", ".join(one.written.split()[0] for one in columns), LONGEST_LIST, placeholder=" …")
    return replace(first, written=names, feature=f"{len(columns)} columns", became="the same columns")


def _generated_table(jobs: Sequence[Reported]) -> Iterator[str]:
    """What stands beside each program, and all together."""
    yield "| job | data schemas | tested | assertions | skipped tests | metrics | alerts | mutation score |"
    yield "|---" * 8 + "|"
    for one in jobs:
        yield f"| {_cell(one.job.name)} | {_numbers(_totals([one]))} |"
    if len(jobs) > 1:
        yield f"| all | {_numbers(_totals(jobs))} |"


def _numbers(totals: Mapping[str, int]) -> str:
    names = ("data schemas", "tested", "assertions", "skipped tests", "metrics", "alerts")
    killed, counted = totals["mutants killed"], totals["mutants killed"] + totals["mutants survived"]
    score = f"{100 * killed / counted:.0f} % ({killed} of {counted})" if counted else "-"
    return " | ".join((*(str(totals[name]) for name in names), score))


def _of_spec(generated: Generated) -> Iterator[str]:
    """What the spec does not notice, and notes."""
    score = generated.score
    if score is not None:
        yield ""
        yield "### Mutation score of test_spec.yaml"
        yield ""
        yield score_text(score) + "."
        for survivor in score.survivors[:SHOWN_SURVIVORS]:
            if survivor is score.survivors[0]:
                yield ""
                yield "| app.sql | unnoticed change | noticed by |"
                yield "|---|---|---|"
            change = f"`{survivor.original}` → `{survivor.mutated}`"
            yield f"| {survivor.line} | {_cell(change)} | {_cell(survivor.kill)} |"
        if len(score.survivors) > SHOWN_SURVIVORS:
            yield f"| | and {len(score.survivors) - SHOWN_SURVIVORS} more | |"
    if generated.notes:
        yield ""
        yield "### Notes"
        yield ""
        yield from (f"* {' '.join(note.split())}" for note in generated.notes)


def score_of(scores: Iterable[MutationScore | None]) -> MutationScore | None:
    """The score of several jobs together; None when none has one."""
    known = [score for score in scores if score is not None]
    if not known:
        return None
    survivors = tuple(survivor for score in known for survivor in score.survivors)
    tried, possible = sum(score.tried for score in known), sum(score.possible for score in known)
    return MutationScore(sum(score.killed for score in known), survivors, tried, possible)


def score_text(score: MutationScore) -> str:
    """The score in a sentence."""
    if score.share is None:
        return "no small change of the SQL that could be judged"
    share = f"{100 * score.share:.0f} %: {score.killed} of {score.counted} small changes of the SQL are noticed"
    rest = score.possible - score.tried
    return share + (f" ({score.tried} of {score.possible} were tried, within the import's budget)" if rest else "")


def _totals_table(jobs: Sequence[Reported]) -> Iterator[str]:
    yield "| job | statements | converted | " + " | ".join(outcome.value for outcome in Outcome) + " |"
    yield "|---" * (3 + len(Outcome)) + "|"
    rows = [(one.job.name, _totals([one])) for one in jobs]
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
