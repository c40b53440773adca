"""Which statements of the corpora Flink's planner itself refuses: `python -m tests.importing.flink_verdicts` asks it.

Flink's parser takes more than its planner: `refused.json` holds, by the digest of a statement, what the planner of a
streaming job says of it. Its tables are those that the scripts declare; tables that no script declares stand there as
the import infers them, and what Flink says then counts only when no schema could change it (`STRUCTURAL`).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from sqlglot import exp

from tests.flink_dialect import corpora
from velo_engine.sql.flink import statements as flink
from velo_engine.sql.source_text import SourceText
from velo_import.convert.definitions import items_of
from velo_import.convert.job import convert_job
from velo_import.convert.queries import query_start, readings
from velo_import.inputs.files import JobInput, read_jobs
from velo_import.model import ConvertedJob

VERDICTS = Path(__file__).parent / "refused.json"

STRUCTURAL = re.compile(
    "|".join(
        (
            "Sort on a non-time-attribute field is not supported",
            "The window can only be ordered",
            "OVER windows' ordering in stream mode",
            "Unsupported use of OVER windows",
            "FETCH is miss",
            "is not being grouped",
            "Processing-time temporal join is not supported",
            "Column count mismatch",
            "Supported signatures are",
            "signature DEFAULT",
            "RANK.*on streaming table",
        )
    )
)
"""What no schema of the tables could change."""

SCHEMATIC = re.compile(
    "|".join(
        (
            "Column '.*' not found in",
            "Unknown identifier",
            "List of column aliases must have same degree",
            "WHERE clause must be a condition",
            "Invalid data type of time field for watermark definition",
            "Flink doesn't support ENFORCED mode",
            "Table '.*' not found",
            "Cannot apply '.*' to arguments",
            "event-time temporal|Event-Time Temporal|Temporal Table Join requires",
        )
    )
)
"""What counts when the input declares all tables."""


def refused() -> dict[str, str]:
    """What Flink's planner says of the statements that it refuses, by digest."""
    return dict(json.loads(VERDICTS.read_text(encoding="utf-8"))) if VERDICTS.exists() else {}


def questions(job: ConvertedJob, declared: dict[str, str]) -> Iterator[tuple[str, dict[str, str], bool, str]]:
    """Digest, tables by name, whether one is uncertain, and query, of the statements of a job that make rows."""
    inferred = {name: _body(job.app_sql, name) for name in job.tables if name not in declared}
    for script in job.scripts[-1:]:
        source = SourceText(script.file, script.text)
        for statement in script.statements:
            inserts = statement.inserts if isinstance(statement, flink.StatementSet) else (statement,)
            for one in inserts:
                query = getattr(one, "query", None)
                if not isinstance(query, exp.Expr):
                    continue
                names = list(dict.fromkeys(reading.written.rpartition(".")[2] for reading in readings(query)))
                tables = {n: declared.get(n) or inferred.get(n, "") for n in names}
                place = one.place
                digest = corpora.digest(next(corpora.split(script.text[place.start : place.end]), ""))
                text = script.text[query_start(source, place.start, place.end) : place.end]
                if all(tables.values()):
                    yield digest, tables, any(name not in declared for name in names), text


def declared_bodies(job_input: JobInput) -> dict[str, str]:
    """The column lists of the tables that the job itself declares, by the last part of their names: what is found in
    other scripts may be another table, and of one that is declared twice it is not clear which is meant."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for script in (one for one in job_input.scripts if not one.is_found):
        source = SourceText(script.file, script.text)
        for statement in script.statements:
            if isinstance(statement, flink.CreateTable) and statement.query is None and statement.like is None:
                items = ", ".join(item.text for item in items_of(statement, source))
                name = statement.name.rpartition(".")[2]
                if name in found:
                    twice.add(name)
                found[name] = items
    return {name: items for name, items in found.items() if name not in twice}


def _body(program: str, name: str) -> str:
    match = re.search(rf"CREATE TABLE `?{re.escape(name)}`? \(\n(.*?)\n\)", program, re.DOTALL)
    if match is None:
        return ""
    quoted = re.sub(r"^(\s*)(?!WATERMARK |PRIMARY )(\w+) ", r"\1`\2` ", match[1], flags=re.MULTILINE)
    quoted = re.sub(r"(?m)^(\s*WATERMARK FOR )(\w+) AS (\w+)", r"\1`\2` AS `\3`", quoted)
    return re.sub(r"PRIMARY KEY \((\w+)\)", r"PRIMARY KEY (`\1`)", quoted)


def counts(said: str, *, is_inferred: bool) -> bool:
    """Whether it is the statement that Flink refuses, not the question."""
    return STRUCTURAL.search(said) is not None or (not is_inferred and SCHEMATIC.search(said) is not None)


def main() -> None:
    """Ask Flink, and write its refusals; all answers go to the file that is named."""
    from velo_harness.flink.server import Flink, InputTable

    answers: dict[str, list[tuple[bool, str]]] = {}
    known = corpora.verdicts()
    with Flink() as flink_itself:
        for folder in sorted(path for path in corpora.FOLDER.iterdir() if path.is_dir()):
            for job_input in read_jobs(folder):
                job = convert_job(job_input.name, job_input.scripts)
                for digest, tables, is_inferred, query in questions(job, declared_bodies(job_input)):
                    if digest not in known or ("" in [said for _, said in answers.get(digest, [])]):
                        continue
                    inputs = [InputTable(name, body, []) for name, body in tables.items()]
                    said = ""
                    try:
                        flink_itself.explain(inputs, query)
                    except RuntimeError as error:
                        said = str(error).removeprefix("Flink has no plan: ")
                    answers.setdefault(digest, []).append((is_inferred, said))
    refusals = {
        digest: found[0][1]
        for digest, found in answers.items()
        if all(said and counts(said, is_inferred=is_inferred) for is_inferred, said in found)
    }
    VERDICTS.write_text(json.dumps(refusals, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(answers, indent=0) + "\n", encoding="utf-8")
    print(f"asked {len(answers)}, refused {len(refusals)}")


if __name__ == "__main__":
    main()
