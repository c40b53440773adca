"""How much of real Flink SQL converts: `python -m tests.importing.coverage` writes docs/conversion-coverage.md again.

Counted are the different statements that make rows (queries, INSERTs, views, CREATE TABLE … AS) and that Flink's own
parser accepts, by the feature that says most of each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from tests.flink_dialect import corpora
from velo_engine.sql.flink import statements as flink
from velo_import.convert.features import features
from velo_import.convert.job import convert_job
from velo_import.inputs.files import read_jobs
from velo_import.model import ConvertedJob, ConvertedStatement, Outcome

PAGE = Path(__file__).parents[2] / "docs" / "conversion-coverage.md"

_INCOMPLETE = ("the input does not declare", "has no column", "of LIKE is not declared", "are not declared")
"""In the reasons of statements whose tables, or columns of them, the input does not have: nobody could run them."""
_NAMES = (
    (re.compile(r'"[^"]*"'), "…"),
    (re.compile(r"^it needs .*?, which is not converted: "), "(below) "),
    (re.compile(r"\(\S+:\d+\)$"), ""),
    (re.compile(r"there is no function \S+"), "a function of the user"),
    (re.compile(r"; it has .*"), ""),
)


@dataclass(frozen=True, slots=True)
class Counted:
    """One statement of the corpora, and what became of it."""

    feature: str
    reason: str | None
    """None: converted."""
    differs: bool
    """Converted, but something of it differs."""

    @property
    def complete(self) -> bool:
        """Whether the input has all that the statement speaks of."""
        return self.reason is None or not any(words in self.reason for words in _INCOMPLETE)


def counted() -> list[Counted]:
    """All statements of the corpora, each once: where it stands with all that it needs, if it does anywhere."""
    verdicts = corpora.verdicts()
    found: dict[str, Counted] = {}
    for folder in sorted(path for path in corpora.FOLDER.iterdir() if path.is_dir()):
        for job_input in read_jobs(folder):
            job = convert_job(job_input.name, job_input.scripts)
            for digest, one in _of_job(job):
                if digest in verdicts and (digest not in found or _rank(one) < _rank(found[digest])):
                    found[digest] = one
    return list(found.values())


def _rank(one: Counted) -> int:
    return 0 if one.reason is None else 1 if one.complete else 2


def _of_job(job: ConvertedJob) -> Iterator[tuple[str, Counted]]:
    became = {(s.location.file, s.location.line, s.location.column): s for s in job.statements}
    for script in job.scripts:
        for statement in _rows(script.statements):
            query = getattr(statement, "query", None)
            place = statement.place.location
            one = became.get((place.file, place.line, place.column))
            if isinstance(query, exp.Expr) and one is not None:
                text = script.text[statement.place.start : statement.place.end]
                yield _digest(text), _counted(query, one)


def _counted(query: exp.Expr, one: ConvertedStatement) -> Counted:
    reason = one.constructs[0].reason if one.sql is None else None
    differs = any(construct.outcome is Outcome.DIFFERS for construct in one.constructs)
    return Counted(features(query)[0], reason, differs)


def _rows(statements: Iterable[flink.Statement | flink.Unread]) -> Iterator[flink.Statement | flink.Unread]:
    for statement in statements:
        if isinstance(statement, flink.StatementSet):
            yield from statement.inserts
        else:
            yield statement


def _digest(text: str) -> str:
    """The digest by which the verdicts know a statement: of its text without comments."""
    return corpora.digest(next(corpora.split(text), ""))


def page(found: list[Counted]) -> str:
    """docs/conversion-coverage.md."""
    complete = [one for one in found if one.complete]
    converted = [one for one in complete if one.reason is None]
    lines = [
        "# What converts",
        "",
        "`velo import` over real Flink SQL: scripts of thirteen public collections, counted by statement. The page is made by",
        "`python -m tests.importing.coverage`.",
        "",
        f"* {len(found)} different statements that make rows (queries, INSERTs, views, CREATE TABLE … AS) are accepted by Flink's",
        "  own parser.",
        f"* {len(found) - len(complete)} of them speak of tables or columns that no file of their collection declares (fragments of",
        "  documentation, tests whose tables are made by code): nobody can run them as they are.",
        f"* Of the other {len(complete)}, {len(converted)} convert: **{_share(len(converted), len(complete))}**.",
        "",
        "Converted means: the engine plans the statement, with the meaning that Flink gives it. Tables of systems that are not",
        "reached are topics then, which the conversion report says.",
        "",
        "## By feature",
        "",
        "| feature | statements | complete | converted | of which something differs | share |",
        "|---|---|---|---|---|---|",
        *_features(found),
        "",
        "## Why complete statements are not converted",
        "",
        "| statements | reason |",
        "|---|---|",
        *_reasons(complete),
    ]
    return "\n".join(lines) + "\n"


def _features(found: list[Counted]) -> Iterator[str]:
    counts = Counter(one.feature for one in found)
    for feature, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        own = [one for one in found if one.feature == feature and one.complete]
        done = [one for one in own if one.reason is None]
        differs = sum(one.differs for one in done)
        yield f"| {feature} | {number} | {len(own)} | {len(done)} | {differs} | {_share(len(done), len(own))} |"


def _reasons(complete: list[Counted]) -> Iterator[str]:
    reasons = Counter(_general(one.reason) for one in complete if one.reason is not None)
    for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        yield f"| {number} | {reason} |"


def _general(reason: str) -> str:
    """The reason without the names of one statement."""
    for pattern, instead in _NAMES:
        reason = pattern.sub(instead, reason)
    return " ".join(reason.replace("|", "\\|").split())


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main() -> None:
    """Write the page again, and print it."""
    text = page(counted())
    PAGE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
