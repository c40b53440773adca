"""Job properties in the SQL and under `config` of a spec: each has its effect, or is named as having none."""

from __future__ import annotations

from pathlib import Path

from velo_engine.errors import ErrorCode
from velo_harness.result import Outcome, QueryResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

SCHEMA = "name: t\nfields: [{ name: id, type: bigint }]\n"
SPEC = """application: x
{config}sql: |
  {settings}
  CREATE STREAM s AS SELECT id, 1 / id AS share, CAST(TO_TIMESTAMP_LTZ(0, 3) AS STRING) AS epoch FROM t;
queries:
  - name: s
    inputs: [{{ source: t, rows: [{{ id: 1 }}, {{ id: 0 }}, {{ id: 0 }}] }}]
    expect: {{ rows: [{{ id: 1, epoch: "{epoch}" }}] }}
"""
UTC, BERLIN = "1970-01-01 00:00:00.000", "1970-01-01 01:00:00.000"


def run(folder: Path, *, settings: str = "", config: str = "", epoch: str = UTC, strict: bool = False) -> QueryResult:
    (folder / "pyproject.toml").write_text("")
    (folder / "schemas").mkdir()
    (folder / "schemas" / "t.schema.yaml").write_text(SCHEMA)
    path = folder / "x.test.yaml"
    path.write_text(SPEC.format(settings=settings, config=config and f"config: {config}\n", epoch=epoch))
    spec = load_spec(path)
    return run_query(spec, spec.queries[0], RunSettings(strict=strict), item="", rerun="")


def test_the_program_names_the_time_zone(tmp_path: Path) -> None:
    result = run(tmp_path, settings="SET 'table.local-time-zone' = 'Europe/Berlin';", epoch=BERLIN)
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)


def test_the_spec_wins(tmp_path: Path) -> None:
    settings = "SET 'time_zone' = 'Asia/Tokyo'; SET 'failure_strategy' = 'FailBatch';"
    config = "{ time_zone: Europe/Berlin, failure_strategy: SendToDLQ }"
    result = run(tmp_path, settings=settings, config=config, epoch=BERLIN)
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)


def test_a_time_zone_that_does_not_exist(tmp_path: Path) -> None:
    result = run(tmp_path, settings="SET 'time_zone' = 'Mars/Base';")
    assert result.error is not None
    assert 'no time zone "Mars/Base"' in result.error.message


def test_how_many_dead_letters_are_kept(tmp_path: Path) -> None:
    result = run(tmp_path, config="{ job.dlq_max_size: 1 }")
    assert len(result.dead_letters) == 1
    assert result.numbers is not None
    assert result.numbers.dead_lettered == 2


def test_what_has_no_effect_is_said(tmp_path: Path) -> None:
    result = run(tmp_path, settings="SET 'join.timeout' = '5s';", config="{ job.dlq_max_sise: 1 }")
    notes = "\n".join(result.notes)
    assert "the property 'join.timeout' has no effect in this version" in notes
    assert "the job property 'job.dlq_max_sise' has no effect under config" in notes
    assert "did you mean 'job.dlq_max_size'?" in notes


def test_what_has_no_effect_is_an_error_in_a_strict_run(tmp_path: Path) -> None:
    result = run(tmp_path, config="{ colour: red }", strict=True)
    assert result.error is not None
    assert result.error.location is not None
    assert result.error.location.line == 2


def test_rows_that_the_query_does_not_read_are_named(tmp_path: Path) -> None:
    """They are never read: not even a misspelt column of theirs would be told."""
    (tmp_path / "pyproject.toml").write_text("")
    path = tmp_path / "x.test.yaml"
    path.write_text(
        "application: x\n"
        "sql: |\n"
        "  CREATE TABLE t (id BIGINT);\n"
        "  CREATE TABLE u (id BIGINT);\n"
        "  CREATE STREAM s AS SELECT id FROM t;\n"
        "  CREATE STREAM r AS SELECT id FROM u;\n"
        "queries:\n"
        "  - name: s\n"
        "    inputs:\n"
        "      - { source: t, rows: [{ id: 1 }] }\n"
        "      - { source: u, rows: [{ idd: 1 }] }\n"
        "    expect: { rows: [{ id: 1 }] }\n"
    )
    spec = load_spec(path)
    result = run_query(spec, spec.queries[0], RunSettings(), item="", rerun="")
    assert result.outcome is Outcome.PASSED
    assert result.notes == (f'the query reads no source "u": its rows have no effect ({path}:11:19)',)
    strict = run_query(spec, spec.queries[0], RunSettings(strict=True), item="", rerun="").error
    assert strict is not None
    assert (strict.code, strict.location) == (ErrorCode.BAD_VALUE, spec.queries[0].inputs[1].location)


def test_a_column_of_a_file_that_the_source_does_not_have_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "t.csv").write_text("id,remark\n1,x\n")
    path = tmp_path / "x.test.yaml"
    path.write_text(
        "application: x\n"
        "sql: CREATE TABLE t (id BIGINT); CREATE STREAM s AS SELECT id FROM t;\n"
        "queries:\n"
        "  - name: s\n"
        "    inputs: [{ source: t, data_file: t.csv }]\n"
        "    expect: { rows: [{ id: 1 }] }\n"
    )
    spec = load_spec(path)
    result = run_query(spec, spec.queries[0], RunSettings(), item="", rerun="")
    assert result.outcome is Outcome.PASSED
    (note,) = result.notes
    assert note.startswith('the column "remark" of t.csv is left out: t has no such column (')
    strict = run_query(spec, spec.queries[0], RunSettings(strict=True), item="", rerun="").error
    assert strict is not None
    assert strict.code is ErrorCode.BAD_VALUE


def test_a_query_whose_checks_are_all_warnings_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    path = tmp_path / "x.test.yaml"
    text = (
        "application: x\n"
        "sql: CREATE TABLE t (id BIGINT); CREATE STREAM s AS SELECT id FROM t;\n"
        "queries:\n"
        "  - name: s\n"
        "    inputs: [{ source: t, rows: [{ id: 1 }] }]\n"
        "    assertions:\n"
        "      - { type: record_count, equals: 1, severity: warning }\n"
    )
    path.write_text(text)
    spec = load_spec(path)
    (note,) = run_query(spec, spec.queries[0], RunSettings(), item="", rerun="").notes
    assert note.startswith('every check of "s" has severity: warning: it passes whatever comes out (')
    strict = run_query(spec, spec.queries[0], RunSettings(strict=True), item="", rerun="").error
    assert strict is not None
    assert strict.code is ErrorCode.NOTHING_CHECKED
    path.write_text(text + "      - { type: record_count, greater_than: 0 }\n")
    spec = load_spec(path)
    assert run_query(spec, spec.queries[0], RunSettings(), item="", rerun="").notes == ()
