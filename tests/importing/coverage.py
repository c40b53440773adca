"""How much of real Flink SQL converts: `python -m tests.importing.coverage` writes docs/conversion-coverage.md again.

Counted are the different statements that make rows (queries, INSERTs, views, CREATE TABLE … AS), that Flink's own
parser accepts, and that its planner does not refuse (`refused.json`), by shape. What each came to is kept in
`counted.json`, of which the page is made. A run takes about a minute.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlglot import exp

from tests.flink_dialect import corpora
from tests.importing.flink_verdicts import UNKNOWN_FUNCTION, refused
from tests.importing.shapes import SHAPES, shape
from velo_engine.engine import Engine
from velo_engine.sql.flink import statements as flink
from velo_engine.sql.flink.script import FlinkScript
from velo_import.convert.declared import UNDECLARED
from velo_import.convert.job import convert_job
from velo_import.inputs.files import JobInput, read_jobs
from velo_import.model import ConvertedJob, ConvertedStatement, Outcome

PAGE = Path(__file__).parents[2] / "docs" / "conversion-coverage.md"
COUNTED = Path(__file__).parent / "counted.json"

_NAMES = (
    (re.compile(r'"[^"]*"'), "…"),
    (re.compile(r"^it needs .*?, which is not converted: "), "(below) "),
    (re.compile(r"\(\S+:\d+\)$"), ""),
    (re.compile(r"there is no function \S+"), "a function of the user"),
    (re.compile(r"LATERAL TABLE of \S+ is not supported"), "a table function of the user"),
    (re.compile(r"; it has .*"), ""),
    (re.compile(r"a watermark needs .*"), "a watermark of another type than TIMESTAMP or TIMESTAMP_LTZ up to 3 digits"),
)
_NO_TOKENS = re.compile(r"--[^\n]*|//[^\n]*|/\*.*?\*/|;|\s+", re.DOTALL)
_FRAME = re.compile(
    r"(?:EXECUTE)?(?:STATEMENT)?(?:SET)?BEGIN(?:STATEMENT)?(?:SET)?|STATEMENTSET(?:BEGIN)?|END", re.IGNORECASE
)
_OF_USER = "function of the user"


@dataclass(frozen=True, slots=True)
class Counted:
    """One statement of the corpora, and what became of it."""

    shape: str
    reason: str | None
    """Why it is not converted, without the names of the statement; None: it is."""
    differs: bool
    """Converted, but something of it differs."""
    inferred: bool
    """Whether it speaks of a table that no script declares."""


def counted() -> dict[str, Counted]:
    """All statements of the corpora by digest, each once: where it converts, if it does anywhere."""
    found: dict[str, Counted] = {}
    for job_input in job_inputs():
        for digest, one in of_job(job_input):
            if digest not in found or _rank(one) < _rank(found[digest]):
                found[digest] = one
    return dict(sorted(found.items()))


def job_inputs() -> Iterator[JobInput]:
    """The jobs of all corpora."""
    for folder in sorted(path for path in corpora.FOLDER.iterdir() if path.is_dir()):
        yield from read_jobs(folder)


def of_job(job_input: JobInput) -> Iterator[tuple[str, Counted]]:
    """The statements of a job that Flink's parser accepts, with their digests."""
    accepted = corpora.verdicts()
    job = convert_job(job_input.name, job_input.scripts)
    check(job_input, job)
    became = {(s.location.file, s.location.line, s.location.column): s for s in job.statements}
    stood_in = {one.written.rpartition(".")[2] for one in job.constructs if one.feature == UNDECLARED}
    for script in job.scripts:
        for statement in _rows(script.statements):
            query = getattr(statement, "query", None)
            place = statement.place.location
            one = became.get((place.file, place.line, place.column))
            if isinstance(query, exp.Expr) and one is not None:
                digest = _digest(script.text[statement.place.start : statement.place.end])
                if digest in accepted:
                    yield digest, _counted(query, statement, one, job, stood_in)


def check(job_input: JobInput, job: ConvertedJob) -> None:
    """What is converted is planned, and every statement and token of the input is in the report."""
    plan = Engine().plan(job.app_sql, variables={})
    assert {s.name for s in job.statements if s.sql is not None} == set(plan.statements)
    assert not _left_over(job_input.scripts[-1]), "the other scripts are the last ones of jobs of their own"
    lines = {(c.location.file, c.location.line) for c in job.constructs}
    for script in job_input.scripts:
        for statement in script.statements:
            first = statement.place.location.line
            last = first + script.text.count("\n", statement.place.start, statement.place.end)
            assert any((script.file, line) in lines for line in range(first, last + 1)), statement.place.location
    for one in job.unconverted:
        (construct,) = one.constructs
        assert construct.outcome is Outcome.NOT_CONVERTED
        assert construct.reason


def _left_over(script: FlinkScript) -> str:
    """What stands outside all statements, but for comments and frames of statement sets."""
    text = list(script.text)
    for statement in script.statements:
        text[statement.place.start : statement.place.end] = " " * (statement.place.end - statement.place.start)
    return _FRAME.sub("", _NO_TOKENS.sub("", "".join(text)))


def _rank(one: Counted) -> tuple[bool, bool]:
    return one.reason is not None, one.inferred


def _counted(
    query: exp.Expr, statement: flink.Statement, one: ConvertedStatement, job: ConvertedJob, stood_in: set[str]
) -> Counted:
    reason = _general(one.constructs[0].reason or "") if one.sql is None else None
    differs = any(construct.outcome is Outcome.DIFFERS for construct in one.constructs)
    names = {table.name for table in query.find_all(exp.Table)}
    if isinstance(statement, flink.Insert):
        names.add(statement.target.rpartition(".")[2])
    return Counted(shape(query, statement), reason, differs, bool(names & stood_in))


def _rows(statements: Iterable[flink.Statement | flink.Unread]) -> Iterator[flink.Statement]:
    for statement in statements:
        if isinstance(statement, flink.StatementSet):
            yield from statement.inserts
        elif not isinstance(statement, flink.Unread):
            yield statement


def _digest(text: str) -> str:
    """The digest by which the verdicts know a statement: of its text without comments."""
    return corpora.digest(next(corpora.split(text), ""))


def _general(reason: str) -> str:
    """The reason without the names of one statement."""
    for pattern, instead in _NAMES:
        reason = pattern.sub(instead, reason)
    return " ".join(reason.replace("|", "\\|").split())


# --- the page ---


def page(found: Mapping[str, Counted], refusals: Mapping[str, str]) -> str:
    """docs/conversion-coverage.md."""
    valid = [one for digest, one in found.items() if digest not in refusals]
    said = [refusals[digest] for digest in found if digest in refusals]
    converted = [one for one in valid if one.reason is None]
    calls = [one for one in valid if one.reason is not None and _OF_USER in one.reason]
    inferred = sum(one.inferred for one in valid)
    unknown = sum(UNKNOWN_FUNCTION.search(text) is not None for text in said)
    lines = [
        "# What converts",
        "",
        "`velo import` over real Flink SQL: scripts of thirteen public collections, counted by statement. The page is made by",
        "`python -m tests.importing.coverage`.",
        "",
        f"* {len(found)} different statements that make rows (queries, INSERTs, views, CREATE TABLE … AS) are accepted by Flink's",
        f"  own parser. {len(said)} of them are refused by Flink's planner, asked with the tables that they read (below):",
        f"  {len(said) - unknown} are no statements of a streaming job, {unknown} call a function that Flink does not have and of which no",
        "  file of their collection says where it is (`No match found for function signature …`).",
        f"* Of the {len(valid)} statements that Flink accepts, {len(converted)} convert: **{_share(len(converted), len(valid))}**.",
        f"* Were the {unknown} that call undefined functions counted as valid, too, the share would be",
        f"  {_share(len(converted), len(valid) + unknown)} of {len(valid) + unknown}: the import converts no functions.",
        f"* {inferred} of them speak of tables that no file of their collection declares (fragments of documentation, tests",
        "  whose tables are made by code): their columns are inferred from the statements, which the report says.",
        f"* {len(calls)} call functions that their script declares (CREATE FUNCTION, LOAD MODULE), and that no file of their",
        "  collection has: they count as accepted, and are never converted.",
        "",
        "Converted means: the engine plans the statement, with the meaning that Flink gives it. *Partly*: the report names a",
        "difference. Tables of systems that are not reached are topics then, which the conversion report says.",
        "",
        "## By shape",
        "",
        "| shape | accepted | over inferred tables | converted | of these partly | not converted | share |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, [one for one in valid if one.shape == name]) for name in SHAPES),
        _row("**all**", valid),
        "",
        "## Why statements are not converted",
        "",
        "| statements | shape | reason |",
        "|---|---|---|",
        *_reasons(valid),
        "",
        "## What Flink's planner refuses",
        "",
        "Asked of Flink itself by `python -m tests.importing.flink_verdicts`.",
        "",
        "| statements | Flink says |",
        "|---|---|",
        *(f"| {number} | {text} |" for text, number in _counts(map(_said, said))),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, own: list[Counted]) -> str:
    done = [one for one in own if one.reason is None]
    numbers = (len(own), sum(one.inferred for one in own), len(done), sum(one.differs for one in done))
    missing = len(own) - len(done)
    return f"| {name} | " + " | ".join(map(str, numbers)) + f" | {missing} | {_share(len(done), len(own))} |"


def _reasons(valid: list[Counted]) -> Iterator[str]:
    found = Counter((one.shape, one.reason) for one in valid if one.reason is not None)
    for (name, reason), number in sorted(found.items(), key=lambda item: (-item[1], item[0][0], str(item[0][1]))):
        yield f"| {number} | {name} | {reason} |"


def _said(text: str) -> str:
    """What Flink says, without names."""
    match = re.search(r"Exception: (.*?)(?:\\n|$)", text)
    first = match[1] if match is not None else text
    return re.sub(r"'[^']*'", "…", first).rstrip("'\"}").replace("|", "\\|")


def _counts(texts: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(texts).items(), key=lambda item: (-item[1], item[0]))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def kept() -> dict[str, Counted]:
    """What the statements came to when the page was made."""
    return {digest: Counted(**one) for digest, one in json.loads(COUNTED.read_text(encoding="utf-8")).items()}


def main() -> None:
    """Write the page again, and print it."""
    found = counted()
    rows = ",\n".join(f'"{digest}": {json.dumps(asdict(one))}' for digest, one in found.items())
    COUNTED.write_text("{\n" + rows + "\n}\n", encoding="utf-8")
    text = page(found, refused())
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
