"""What `velo import` writes: a whole project whose tests pass at once, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.importing import projects
from velo_cli.velo import app
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.result import Outcome
from velo_import.folder import MANIFEST, Written, write_folder
from velo_import.project import ProjectOptions
from velo_import.specs.mutation_score import Budget

TRADES = """\
CREATE TABLE trades (
    symbol STRING, price DECIMAL(19,4), quantity BIGINT, event_time TIMESTAMP(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'trades', 'properties.bootstrap.servers' = 'localhost:9092', 'format' = 'json');
CREATE TABLE volumes (symbol STRING, trade_count BIGINT, total_volume BIGINT)
WITH ('connector' = 'kafka', 'topic' = 'volumes', 'properties.bootstrap.servers' = 'localhost:9092', 'format' = 'json');
INSERT INTO volumes
SELECT symbol, COUNT(*), SUM(quantity) FROM trades GROUP BY symbol, TUMBLE(event_time, INTERVAL '1' MINUTE);
"""
UNKNOWN = "SELECT convert_it(symbol) FROM trades;\n"
STRUCTURE = {
    "app.sql", "original/job.sql", "schemas/trades.schema.yaml", "test_spec.yaml", "dashboards/app.grafana.json",
    "alerts/app.alertmanager.yaml", "shadow_config.yaml", "conversion_report.md", "conversion_report.json",
}  # fmt: skip


def run(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["import", *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, (SystemExit, VeloError)):
        raise result.exception
    return getattr(result.exception, "exit_code", result.exit_code), result.stderr + str(result.exception or "")


def written(folder: Path, *, hidden: bool = False) -> set[str]:
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {name.as_posix() for name in names if hidden or not name.parts[0].startswith(".")}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "job.sql"
    path.write_text(TRADES, encoding="utf-8")
    return path


def test_a_job_becomes_the_whole_project_and_its_tests_pass(script: Path, tmp_path: Path) -> None:
    output = tmp_path / "converted"

    code, said = run(script, "--output", output, "--test")

    assert code == 0
    assert written(output) == STRUCTURE
    assert (output / "original/job.sql").read_text(encoding="utf-8") == TRADES
    assert "✓ 1 of 1 statement converted" in said
    assert "1 passed" in said
    report = json.loads((output / "conversion_report.json").read_text(encoding="utf-8"))
    (job,) = report["jobs"]
    assert job["mutation"]["killed"] + job["mutation"]["survived"] <= job["mutation"]["tried"]
    # Conservation alone notices that COUNT or SUM is another function; two windows in one change the rows.
    survivors = [one["operator"] for one in job["mutation"]["survivors"]]
    assert "aggregate" not in survivors
    assert "window" not in survivors
    assert report["facts"]["assertions"] > 3


def test_velo_fmt_has_nothing_to_do(script: Path, tmp_path: Path) -> None:
    script.write_text(TRADES.replace("SELECT symbol,", "SELECT symbol, -- the stock\n"), encoding="utf-8")
    output = tmp_path / "converted"
    run(script, "--output", output)

    formatted = CliRunner().invoke(app, ["fmt", "--check", str(output)])

    assert formatted.exit_code == 0, formatted.stderr
    program = (output / "app.sql").read_text(encoding="utf-8")
    assert "    symbol,  -- the stock\n" in program
    assert "-- @metric" in program


@pytest.mark.parametrize("files", [("job.sql",), ("a.sql", "b.sql")])
def test_velo_fmt_leaves_the_input_as_it_was(files: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in files:
        (tmp_path / "in" / name).write_text("select   1 as x", encoding="utf-8")
    run(tmp_path / "in", "--output", tmp_path / "converted")
    other = tmp_path / "original"
    other.mkdir()
    (other / "mine.sql").write_text("select   1 as x", encoding="utf-8")

    CliRunner().invoke(app, ["fmt", str(tmp_path)])

    kept = sorted((tmp_path / "converted").rglob("original/*.sql"))
    assert [(path.name, path.read_text(encoding="utf-8")) for path in kept] == [
        (name, "select   1 as x") for name in files
    ]
    assert (other / "mine.sql").read_text(encoding="utf-8") == "SELECT 1 AS x\n"


def test_importing_twice_changes_nothing(script: Path, tmp_path: Path) -> None:
    output = tmp_path / "converted"
    run(script, "--output", output)
    before = {name: (output / name).read_bytes() for name in written(output, hidden=True)}

    code, said = run(script, "--output", output)

    assert code == 0
    assert "nothing was written" in said
    assert {name: (output / name).read_bytes() for name in written(output, hidden=True)} == before


def test_edited_files_are_named_and_nothing_is_written(script: Path, tmp_path: Path) -> None:
    output = tmp_path / "converted"
    run(script, "--output", output)
    for name in ("test_spec.yaml", "app.sql"):
        (output / name).write_text("# mine\n", encoding="utf-8")
    script.write_text(TRADES.replace("'1' MINUTE", "'2' MINUTE"), encoding="utf-8")

    code, said = run(script, "--output", output)

    assert code == 2
    assert str(output / "app.sql") in said
    assert str(output / "test_spec.yaml") in said
    assert "'1' MINUTE" in (output / "original/job.sql").read_text(encoding="utf-8")
    assert run(script, "--output", output, "--force")[0] == 0
    assert (output / "app.sql").read_text(encoding="utf-8") != "# mine\n"


def test_a_job_of_which_nothing_converts_fails_its_tests(tmp_path: Path) -> None:
    script = tmp_path / "job.sql"
    script.write_text(TRADES[: TRADES.index("INSERT")] + UNKNOWN, encoding="utf-8")

    code, said = run(script, "--output", tmp_path / "converted", "--test")

    assert code == 1
    assert "every query of this spec is skipped: nothing is tested" in said
    assert "is not converted: there is no function" in said


def test_what_is_not_converted_is_a_skipped_test_with_its_reason(tmp_path: Path) -> None:
    script = tmp_path / "job.sql"
    script.write_text(TRADES + UNKNOWN, encoding="utf-8")

    code, said = run(script, "--output", tmp_path / "converted", "--test")

    assert code == 0
    assert "skipped: job.sql:9 is not converted: there is no function CONVERT_IT" in said
    assert run(script, "--output", tmp_path / "converted", "--strict")[0] == 1


def test_tables_alone_are_tested_by_their_rows(tmp_path: Path) -> None:
    script, output = tmp_path / "job.sql", tmp_path / "converted"
    script.write_text(TRADES[: TRADES.index("INSERT")], encoding="utf-8")

    code, said = run(script, "--output", output, "--test")

    assert code == 0
    assert "2 passed" in said
    assert {"schemas/trades.schema.yaml", "schemas/volumes.schema.yaml"} <= written(output)


def test_the_topic_to_compare_with_stands_in_the_shadow_config(script: Path, tmp_path: Path) -> None:
    output = tmp_path / "converted"

    code, said = run(script, "--output", output, "--shadow", "--compare-topic", "kafka://flink-output")

    assert code == 0
    assert "left: { topic: flink-output" in (output / "shadow_config.yaml").read_text(encoding="utf-8")
    assert f"shadow: velo shadow {output}/" in said


def test_a_topic_to_compare_with_needs_one_sink(script: Path, tmp_path: Path) -> None:
    script.write_text(TRADES[: TRADES.index("INSERT")] + "SELECT symbol FROM trades;", encoding="utf-8")

    code, said = run(script, "--output", tmp_path / "converted", "--compare-topic", "kafka://out")

    assert (code, (tmp_path / "converted").exists()) == (2, False)
    assert "of a job with one sink" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--compare-topic", "kafka://"], 'error[VELO2003]: --compare-topic: "kafka://" names no topic'),
        (["--compare-topic", "foo"], '"foo" names no topic\n  hint: write kafka://NAME'),
        (["--compare-topic", "kafka://a/b"], '"kafka://a/b" names no topic'),
        (["--grafana-folder", "x"], "--grafana-folder needs --grafana-url"),
        (["--grafana-url", "notaurl"], '"notaurl" is no address of a Grafana'),
        (["--grafana-url", "http://localhost:1", "--no-dashboard"], "--grafana-url needs the dashboard"),
        (["--ai-timeout", "5"], "--ai-timeout needs --ai"),
        (["--keep-samples"], "--keep-samples needs --sample-file or --sample-kafka"),
    ],
)
def test_options_that_mean_nothing_are_refused_before_anything_is_written(
    options: list[str], said: str, script: Path, tmp_path: Path
) -> None:
    code, told = run(script, "--output", tmp_path / "converted", *options)

    assert code == 2
    assert " ".join(said.split()) in " ".join(told.replace("│", " ").split())
    assert not (tmp_path / "converted").exists()


@pytest.mark.parametrize(
    "options",
    [
        "'format' = 'canal-json'",
        "'format' = 'avro-confluent', 'avro-confluent.schema-registry.url' = 'http://nowhere:8081'",
    ],
)
def test_formats_that_need_something_else_are_tested_without_it(options: str, tmp_path: Path) -> None:
    script = tmp_path / "job.sql"
    script.write_text(
        f"CREATE TABLE t (id BIGINT, name STRING) WITH ('connector' = 'kafka', 'topic' = 't', {options});\n"
        "SELECT id, name FROM t WHERE id > 4;",
        encoding="utf-8",
    )

    code, said = run(script, "--output", tmp_path / "converted", "--test")

    assert code == 0
    assert "1 passed" in said


# --- the folder ---


def test_files_that_are_no_longer_made_go_unless_somebody_edited_them(tmp_path: Path) -> None:
    write_folder({"a": "1", "sub/b": "2", "sub/c": "3"}, tmp_path, force=False)
    (tmp_path / "sub/c").write_text("mine", encoding="utf-8")

    result = write_folder({"a": "1"}, tmp_path, force=False)

    assert result == Written((), ("sub/b",), ("sub/c",))
    assert written(tmp_path) == {"a", "sub/c"}
    (tmp_path / "sub/c").unlink()
    (tmp_path / "sub").rmdir()
    write_folder({"a": "1", "sub/b": "2"}, tmp_path, force=False)
    write_folder({"a": "1"}, tmp_path, force=False)
    assert not (tmp_path / "sub").exists()


def test_files_that_no_import_wrote_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine", encoding="utf-8")

    with pytest.raises(VeloError) as caught:
        write_folder({"a": "1", "b": "2"}, tmp_path, force=False)

    assert caught.value.code is ErrorCode.FILE_EXISTS
    assert written(tmp_path, hidden=True) == {"a"}


@pytest.mark.parametrize("text", ["", "[]", '{"files": 3}', '{"files": {"../outside": "x"}}'])
def test_a_spoilt_manifest_is_as_none(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "converted"
    folder.mkdir()
    (tmp_path / "outside").write_text("x", encoding="utf-8")
    (folder / MANIFEST).write_text(text, encoding="utf-8")

    write_folder({"a": "1"}, folder, force=False)

    assert (tmp_path / "outside").exists()
    assert written(folder) == {"a"}


# --- real jobs ---


@pytest.mark.skipif(not projects.corpora.FOLDER.is_dir(), reason="the collection of Flink SQL scripts is not here")
def test_jobs_of_a_collection_are_tested_right_after_import(tmp_path: Path) -> None:
    options = ProjectOptions(budget=Budget(mutants=0))

    for one in projects.imported(projects.corpora.FOLDER / "cookbook", tmp_path, options, most=3):
        assert one.as_expected, (one.name, one.wrong)
        assert one.outcomes[Outcome.PASSED]
