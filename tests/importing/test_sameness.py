"""What the import makes of real jobs answers as Flink answered the jobs themselves.

The jobs are those of tests/oracle/definitions/imported.yaml, queries of public collections. Flink's answers were recorded
with the oracle's own sources in place of the jobs' connectors (kafka, jdbc, faker, …): same columns, watermarks and
keys, rows in a known order. Here each job is imported with its connectors, and what was made of it, `app.sql`, runs on
the engine with the same rows: values, types and row kinds must be Flink's. Nothing but the program says how to emit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.importing.proof import agreed
from tests.oracle.case import CASES, load
from tests.oracle.comparison import difference
from tests.oracle.definition_files import FOLDER
from tests.oracle.engine_runner import program_text, run_program
from velo_engine.sql.flink.script import parse_script
from velo_import.convert import window_clauses, windows
from velo_import.convert.job import convert_job
from velo_import.model import ConvertedJob, Outcome

_JOBS = {"imported", "exported"}
"""Groups of recorded cases that are jobs of others."""
CORPORA = Path(__file__).parents[3] / "shared" / "corpora" / "flink-sql"
ENTRIES: Mapping[str, Any] = yaml.safe_load((FOLDER / "imported.yaml").read_text(encoding="utf-8"))

_AGREED = [f"{c.definition.group}/{c.definition.name}" for c in agreed() if c.definition.group not in _JOBS]
SAMPLE = ["values/in_values", *_AGREED[::45]]
"""Some of the other recorded queries."""

_OPTIONS = {
    "kafka": {"topic": "in", "properties.bootstrap.servers": "localhost:9092", "format": "json"},
    "upsert-kafka": {
        "topic": "in",
        "properties.bootstrap.servers": "localhost:9092",
        "key.format": "json",
        "value.format": "json",
    },
    "jdbc": {"url": "jdbc:mysql://localhost:3306/shop", "table-name": "in"},
}


def script(entry: Mapping[str, Any]) -> str:
    """The job as somebody would hand it in."""
    parts = [_table(name, table["columns"], table["connector"]) for name, table in entry["inputs"].items()]
    parts += [f"CREATE TEMPORARY VIEW {name} AS\n{query}" for name, query in entry.get("views", {}).items()]
    query = entry["query"]
    if "sink" in entry:
        parts.append(_table("results", entry["sink"]["columns"], entry["sink_connector"]))
        query = f"INSERT INTO results\n{query}"
    return "".join(f"{part};\n\n" for part in (*parts, query))


def _table(name: str, columns: str, connector: str) -> str:
    options = {"connector": connector, **_OPTIONS.get(connector, {})}
    written = ",\n    ".join(f"'{key}' = '{value}'" for key, value in options.items())
    return f"CREATE TABLE `{name}` (\n    {columns}\n) WITH (\n    {written}\n)"


@lru_cache
def imported(name: str) -> ConvertedJob:
    return convert_job(name, [parse_script(script(ENTRIES[name]), file=f"{name}.sql")])


@pytest.mark.parametrize("name", ENTRIES)
def test_the_converted_job_answers_as_flink(name: str) -> None:
    case = load(CASES / "imported" / f"{name}.json")
    job = imported(name)

    assert [c.reason for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED] == []
    answer = run_program(job.app_sql, case.definition)

    found = difference(case.answer, answer, case.definition.compare)
    if found is not None:
        pytest.fail(f"{found}\n\n{job.app_sql}", pytrace=False)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_recorded_query_answers_as_flink_when_it_is_imported(name: str) -> None:
    case = load(CASES / f"{name}.json")
    job = convert_job("job", [parse_script(program_text(case.definition), file=f"{name}.sql")])

    assert [c.reason for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED] == []
    found = difference(case.answer, run_program(job.app_sql, case.definition), case.definition.compare)
    if found is not None:
        pytest.fail(f"{found}\n\n{job.app_sql}", pytrace=False)


def test_the_jobs_are_of_every_shape() -> None:
    features = {c.feature for name in ENTRIES for s in imported(name).statements for c in s.constructs}

    assert features >= {
        *("window table tumble", "window table hop", "window table cumulate"),
        *("group window tumble", "group window hop", "group window session"),
        *("join", "temporal or lookup join", "top-n or deduplication", "over window", "row pattern", "unnest"),
        *("set operation", "aggregation", "stateless query", "lateral table function or subquery"),
    }
    assert len(ENTRIES) >= 25


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the collection of Flink SQL scripts is not here")
@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if "/" in entry["source"]])
def test_a_job_is_as_its_collection_has_it(name: str) -> None:
    entry = ENTRIES[name]
    written = _plain((CORPORA / entry["source"]).read_text(encoding="utf-8"))
    for query in (entry["query"], *entry.get("views", {}).values()):
        assert _plain(query) in written


def _plain(text: str) -> str:
    """Without comments, space, and the catalogs of one collection."""
    return re.sub(r"\s+|dt_catalog\.dt_db\.", "", re.sub(r"--[^\n]*", "", text))


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("hopping_table", ("hop", ("SLIDE", "SLIDE"))),
        ("sliding_sensors", ("hop", ("SIZE", "SIZE"))),
        ("cumulating_table", ("cumulate", ("SIZE", "SIZE"))),
    ],
)
def test_a_wrong_rule_would_be_found(
    name: str, rule: tuple[str, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another length for the size of a window, and nobody to compare the plans, Flink's answer is another."""
    kind, lengths = rule
    monkeypatch.setitem(windows._CLAUSE_LENGTHS, kind, lengths)
    kept = convert_job(name, [parse_script(script(ENTRIES[name]), file=f"{name}.sql")])
    assert kept.statements[0].constructs[0].became == "kept as written"

    monkeypatch.setattr(window_clauses, "same_program", lambda one, other: True)
    wrong = convert_job(name, [parse_script(script(ENTRIES[name]), file=f"{name}.sql")])
    case = load(CASES / "imported" / f"{name}.json")
    found = difference(case.answer, run_program(wrong.app_sql, case.definition), case.definition.compare)
    assert found is not None, wrong.app_sql
