"""Import, export, import: the second program is the first. `python -m tests.importing.fixpoint` counts it over the corpora."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

from tests.flink_dialect import corpora
from velo_engine.engine import Engine
from velo_engine.sql.flink.script import parse_script
from velo_import.convert.job import convert_job
from velo_import.export.model import ExportedProgram
from velo_import.export.program import ExportOptions, export_program
from velo_import.inputs.files import read_jobs
from velo_import.model import ConvertedJob

NOT_FLINKS = {
    "flink-studies-md/docs__methodology__ai_sl.md": "its query calls DATE_TRUNC('hour', …), which Flink's planner refuses: "
    "no Flink SQL says the same in the same words",
}
"""Jobs that cannot come back as they were, and why."""


def exported_job(job: ConvertedJob) -> ExportedProgram:
    """A converted job in Flink SQL again."""
    production = {name: table.production for name, table in job.tables.items()}
    options = ExportOptions(production=production)
    return export_program(job.app_sql, "app.sql", engine=Engine(), options=options)


def statements_of(app_sql: str) -> str:
    """A converted program without what it says of its input's files, at its head and foot."""
    said = ("-- Converted from: ", "-- Not converted: ", "-- The input does not declare ")
    return "\n".join(line for line in app_sql.splitlines() if not line.startswith(said)).strip()


def second_import(exported: ExportedProgram, name: str) -> ConvertedJob:
    """What an import makes of an exported program."""
    return convert_job(name, [parse_script(exported.sql, file=f"{name}.sql")])


def jobs(folder: Path) -> Iterator[ConvertedJob]:
    """The converted jobs of a folder that have statements."""
    for one in read_jobs(folder):
        job = convert_job(one.name, one.scripts)
        if job.app_sql and any(statement.sql is not None for statement in job.statements):
            yield job


def main() -> None:
    """Print how many jobs come back as they were, and which do not."""
    counts: Counter[str] = Counter()
    written: list[str] = []
    chosen = [word for word in sys.argv[1:] if not word.startswith("-")]
    for folder in sorted(path for path in corpora.FOLDER.iterdir() if path.is_dir()):
        if chosen and folder.name not in chosen:
            continue
        for job in jobs(folder):
            exported = exported_job(job)
            counts["jobs"] += 1
            counts["statements"] += sum(s.sql is not None for s in job.statements)
            counts["constructs not exported"] += len(exported.refused)
            again = second_import(exported, job.name)
            written += [statement.sql for statement in exported.statements]
            same = statements_of(again.app_sql) == statements_of(job.app_sql)
            counts["the same again"] += same
            counts["the same but for what Flink's grammar wants"] += not same and _loose(again) == _loose(job)
            reason = NOT_FLINKS.get(f"{folder.name}/{job.name}")
            if not same:
                why = reason or [note.message for note in exported.refused][:3]
                print(f"differs{' as it must' if reason else ''}: {folder.name}/{job.name}: {why}")
                if "--diff" in sys.argv:
                    print(
                        "\n".join(
                            list(unified_diff(*(statements_of(one.app_sql).splitlines() for one in (job, again)), n=1))[
                                :40
                            ]
                        )
                    )
    print(", ".join(f"{value} {key}" for key, value in counts.items()))
    if "--parser" in sys.argv:
        _ask_parser(written)


def _loose(job: ConvertedJob) -> str:
    """The program without what an export adds to scripts that Flink's own grammar refuses."""
    return statements_of(job.app_sql).replace("`", "").replace(" NOT ENFORCED", "")


def _ask_parser(written: list[str]) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "tools" / "flink"))
    from statement_parser import parse

    answers = list(zip(written, parse(written), strict=True))
    refused = [(sql, answer.text) for sql, answer in answers if not answer.accepted]
    print(f"Flink's parser takes {len(answers) - len(refused)} of {len(answers)} exported statements")
    for sql, text in refused:
        print(f"--- {text.splitlines()[0]}\n{sql}")


if __name__ == "__main__":
    main()
