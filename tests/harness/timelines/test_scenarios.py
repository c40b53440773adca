"""Scenarios and variables of specs, and files that go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.result import Outcome
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec
from velo_harness.suite import find_spec_files, load_items, one_query, run_items
from velo_harness.validating.files import validate

SPEC = """
application: scenarios
variables: { LEAST: "10", who: ada }
sql: |
  CREATE STREAM large AS SELECT id, amount FROM orders WHERE amount >= ${LEAST}
  WITH ('orders.type' = 'kafka_source', 'orders.topic' = 'orders');
queries:
  - name: large
    inputs: [{ source: orders, rows: [{ id: 1, amount: 5 }, { id: 2, amount: 10 }, { id: 3, amount: 50 }] }]
    expect: { rows: [{ id: 2 }, { id: 3 }] }
scenarios:
  - name: high bar
    description: fewer are large
    variables: { LEAST: "20" }
    queries:
      - name: large
        expect: { rows: [{ id: 3 }] }
  - name: empty
    default_records: 0
    queries:
      - name: large
        inputs: [{ source: orders }]
        expect: { rows: [] }
  - name: bounded
    assertions: [{ type: record_count, equals: 2 }]
"""
SCHEMA = "name: orders\nfields: [{ name: id, type: bigint }, { name: amount, type: bigint }]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "orders.schema.yaml").write_text(SCHEMA)
    return tmp_path


def outcomes(folder: Path, text: str, wanted: tuple[str, ...] = (), **settings: object) -> dict[str, Outcome]:
    path = folder / "app.test.yaml"
    path.write_text(text)
    chosen = RunSettings(debug=True, **settings)  # type: ignore[arg-type]
    items, errors = load_items(find_spec_files([path]), chosen, wanted)
    assert not errors, errors
    return {q.item.partition("::")[2]: q.outcome for q in run_items(items, chosen).queries}


def test_each_query_of_a_scenario_is_an_item(folder: Path) -> None:
    assert outcomes(folder, SPEC) == dict.fromkeys(
        ("large", "high bar/large", "empty/large", "bounded/large"), Outcome.PASSED
    )


@pytest.mark.parametrize(
    ("written", "instead", "failing"),
    [
        ('LEAST: "20"', 'LEAST: "10"', "high bar/large"),
        ("default_records: 0", "default_records: 5", "empty/large"),
        ("equals: 2", "equals: 3", "bounded/large"),
        ("expect: { rows: [{ id: 3 }] }", "expect: { rows: [{ id: 2 }] }", "high bar/large"),
        ('LEAST: "10"', 'LEAST: "60"', "large"),
    ],
)
def test_what_each_key_says_counts(folder: Path, written: str, instead: str, failing: str) -> None:
    assert outcomes(folder, SPEC.replace(written, instead))[failing] is Outcome.FAILED


def test_queries_are_chosen_by_either_name(folder: Path) -> None:
    assert list(outcomes(folder, SPEC, ("empty/large",))) == ["empty/large"]
    assert len(outcomes(folder, SPEC, ("large",))) == 4


def test_the_command_line_counts_before_variables(folder: Path) -> None:
    assert outcomes(folder, SPEC, ("large",), variables={"LEAST": "60"})["large"] is Outcome.FAILED


def test_variables_in_templates(folder: Path) -> None:
    text = SPEC.replace("equals: 2", "equals: '{{ variables.LEAST - 8 }}'")
    assert outcomes(folder, text)["bounded/large"] is Outcome.PASSED
    assert outcomes(folder, text.replace("- 8", "- 7"))["bounded/large"] is Outcome.FAILED


def test_a_seed_of_its_own(folder: Path) -> None:
    (folder / "app.test.yaml").write_text(SPEC.replace("default_records: 0", "seed: 7"))
    seeds = {spec.item_name(query): spec.seed for spec, query in load_spec(folder / "app.test.yaml").runs()}
    assert seeds == {"large": 42, "high bar/large": 42, "empty/large": 7, "bounded/large": 42}


@pytest.mark.parametrize(
    ("written", "instead", "code", "message"),
    [
        ("name: empty", "name: bounded", ErrorCode.BAD_VALUE, 'two scenarios "bounded"'),
        ("name: empty", "name: a/b", ErrorCode.BAD_VALUE, "neither / nor ::"),
        ("        expect: { rows: [] }\n", "", ErrorCode.NOTHING_CHECKED, "checks nothing"),
        ("description: fewer", "descripton: fewer", ErrorCode.UNKNOWN_KEY, 'unknown key "descripton"'),
    ],
)
def test_mistakes(folder: Path, written: str, instead: str, code: ErrorCode, message: str) -> None:
    (folder / "app.test.yaml").write_text(SPEC.replace(written, instead))
    with pytest.raises(VeloError, match=message) as caught:
        load_spec(folder / "app.test.yaml")
    assert caught.value.code is code


def test_pytest_has_an_item_for_each(folder: Path) -> None:
    (folder / "app.test.yaml").write_text(SPEC)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", str(folder)]
    done = subprocess.run([*command, "-k", "bounded or empty"], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout
    assert "app.test.yaml::empty/large PASSED" in done.stdout
    assert "app.test.yaml::bounded/large PASSED" in done.stdout
    assert "high bar" not in done.stdout


WATCHED = """
application: watched
sql: |
  CREATE TABLE per_window AS
  SELECT window_start AS w, COUNT(*) AS n
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(at), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
  CREATE TABLE clicks (who STRING, at TIMESTAMP(3), WATERMARK FOR at AS at)
  WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json');
queries:
  - name: per_window
    inputs: [{ source: clicks, source_type: { type: file, path: clicks.csv, format: Csv, watch: true } }]
    expect: { rows: [{ w: 2025-01-01 12:00:00, n: 2 }] }
"""
CLICKS = "who,at\na,2025-01-01 12:00:01\nb,2025-01-01 12:00:02\nc,2025-01-01 12:00:12\n"


def test_a_watched_file_leaves_windows_open(folder: Path) -> None:
    (folder / "clicks.csv").write_text(CLICKS)
    assert outcomes(folder, WATCHED) == {"per_window": Outcome.PASSED}
    assert outcomes(folder, WATCHED.replace(", watch: true", "")) == {"per_window": Outcome.FAILED}
    assert outcomes(folder, WATCHED.replace(", watch: true", ", watch: false")) == {"per_window": Outcome.FAILED}


@pytest.mark.parametrize(
    ("spelling", "text"),
    [
        ("Csv", CLICKS),
        ("CsvNoHeader", CLICKS.partition("\n")[2]),
        ("csv_no_header", CLICKS.partition("\n")[2]),
        (
            "JsonLines",
            '{"who":"a","at":"2025-01-01 12:00:01"}\n{"who":"b","at":"2025-01-01 12:00:02"}\n{"who":"c","at":"2025-01-01 12:00:12"}\n',
        ),
        (
            "Json",
            '[{"who":"a","at":"2025-01-01 12:00:01"},{"who":"b","at":"2025-01-01 12:00:02"},{"who":"c","at":"2025-01-01 12:00:12"}]',
        ),
    ],
)
def test_the_spellings_of_formats(folder: Path, spelling: str, text: str) -> None:
    (folder / "clicks.csv").write_text(text)
    spec = WATCHED.replace("format: Csv", f"format: {spelling}")
    assert outcomes(folder, spec) == {"per_window": Outcome.PASSED}


def test_a_topic_is_not_watched(folder: Path) -> None:
    (folder / "app.test.yaml").write_text(WATCHED.replace("type: file, path: clicks.csv, format: Csv", "type: kafka"))
    with pytest.raises(VeloError, match="watch has no effect on a source of type kafka"):
        load_spec(folder / "app.test.yaml")


def test_validating_looks_into_scenarios(folder: Path) -> None:
    path = folder / "app.test.yaml"
    path.write_text(SPEC.replace("expect: { rows: [{ id: 3 }] }", "expect: { rows: [{ idd: 3 }] }"))

    found = validate([path], RunSettings())

    assert [finding.message for finding in found.findings] == ['large has no column "idd"']


def test_one_query_is_that_of_the_spec_unless_the_scenario_is_named(folder: Path) -> None:
    path = folder / "app.test.yaml"
    path.write_text(SPEC)

    def found(name: str) -> str:
        item = one_query(path, RunSettings(), name)
        return item.spec.item_name(item.query)

    assert found("large") == "large"
    assert found("empty/large") == "empty/large"
    with pytest.raises(VeloError, match="has 4 queries") as caught:
        one_query(path, RunSettings(), None)
    assert caught.value.hint == "name it with --query: large, high bar/large, empty/large, bounded/large"


def test_pytest_runs_one_by_its_id(folder: Path) -> None:
    (folder / "app.test.yaml").write_text(SPEC)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "app.test.yaml::high bar/large"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert "1 passed" in done.stdout
