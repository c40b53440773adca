"""`velo run`, `velo schema`, `velo quickstart`, `velo --version`."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

PROGRAM = """
CREATE STREAM large AS
SELECT id, amount FROM orders WHERE amount > ${LIMIT:10}
INTO found
WITH (
    'orders.type' = 'file_source', 'orders.path' = 'orders.csv', 'orders.format' = 'csv', 'orders.has_headers' = 'true',
    'found.type' = 'file_sink', 'found.path' = 'found.csv', 'found.format' = 'csv'
);
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app.sql").write_text(PROGRAM)
    (tmp_path / "orders.csv").write_text("id,amount\n1,5.00\n2,12.50\n3,99.00\n")
    return tmp_path


def test_a_program_runs_from_file_to_file(command, app: Path) -> None:
    ran = command("velo", "run", "app.sql")
    assert (ran.code, ran.out) == (0, "")
    assert (app / "found.csv").read_text() == "id,amount\n2,12.50\n3,99.00\n"
    assert "read 3 = accepted 2 + filtered 1" in ran.err
    assert "wrote 2 rows to found.csv" in ran.err


def test_a_file_that_exists_is_never_overwritten(command, app: Path) -> None:
    (app / "found.csv").write_text("mine")
    ran = command("velo", "run", "app.sql")
    assert ran.code == 2
    assert "VELO3003" in ran.err
    assert (app / "found.csv").read_text() == "mine"


def test_variables_and_base_dir(command, app: Path) -> None:
    (app / "elsewhere").mkdir()
    (app / "app.sql").rename(app / "elsewhere/app.sql")
    assert command("velo", "run", "elsewhere/app.sql").code == 2
    assert command("velo", "run", "elsewhere/app.sql", "--base-dir", app, "--var", "LIMIT=50").code == 0
    assert (app / "found.csv").read_text() == "id,amount\n3,99.00\n"


def test_the_summary_is_json_on_request(command, app: Path) -> None:
    ran = command("velo", "run", "app.sql", "--output", "json", "--batch-size", "1")
    summary = json.loads(ran.out)
    assert summary["schema_version"] == 1
    assert summary["records"] == 3
    assert summary["statements"]["large"]["written"] == 2


def test_a_result_without_a_sink_is_shown(command, app: Path) -> None:
    (app / "app.sql").write_text(PROGRAM.replace("INTO found\n", ""))
    ran = command("velo", "run", "app.sql")
    assert ran.code == 0
    assert "large: 2 rows" in ran.err
    assert "12.50" in ran.err


@pytest.mark.parametrize(
    "text",
    ["", "-- nothing yet\n", ";;", "CREATE TABLE orders (id INT) WITH ('path' = 'orders.csv', 'format' = 'csv');"],
)
def test_a_program_without_a_query_is_an_error_not_silence(command, app: Path, text: str) -> None:
    (app / "app.sql").write_text(text)
    ran = command("velo", "run", "app.sql", "--output", "json")
    assert (ran.code, ran.out) == (2, "")
    assert "VELO2010" in ran.err
    assert "--> app.sql:1:1" in ran.err


def test_a_file_for_dead_letters_that_exists_is_refused_before_the_run(command, app: Path) -> None:
    (app / "letters.jsonl").write_text("mine")
    ran = command("velo", "run", "app.sql", "--dead-letters", "letters.jsonl")
    assert ran.code == 2
    assert "VELO3003" in ran.err
    assert not (app / "found.csv").exists()


def test_a_record_that_cannot_be_read_is_kept_with_its_reason(command, app: Path) -> None:
    (app / "orders.jsonl").write_text('{"id": 1, "amount": 50}\nnot json\n{"id": 2, "amount": 60}\n')
    declared = "CREATE TABLE orders (id BIGINT, amount DECIMAL(10, 2));\n" + PROGRAM
    (app / "app.sql").write_text(
        declared.replace("orders.csv", "orders.jsonl").replace("'orders.format' = 'csv'", "'orders.format' = 'json'")
    )
    ran = command("velo", "run", "app.sql", "--dead-letters", "letters.jsonl")
    assert ran.code == 0
    assert "dead-lettered 1" in ran.err
    (letter,) = [json.loads(line) for line in (app / "letters.jsonl").read_text().splitlines()]
    assert letter["raw"] == "not json"
    assert letter["reason"]
    again = command("velo", "run", "app.sql", "--var", "LIMIT=1", "--dead-letters", "letters.jsonl")
    assert again.code == 2


@pytest.mark.parametrize(
    ("old", "new", "exit_code", "code"),
    [
        ("SELECT id, amount", "SELECT id, amout", 2, "VELO1003"),
        ("SELECT", "SELEKT", 2, "VELO1001"),
        ("'orders.path' = 'orders.csv'", "'orders.path' = 'order.csv'", 2, "VELO3001"),
        (
            "'orders.type' = 'file_source', 'orders.path' = 'orders.csv'",
            "'orders.type' = 'kafka_source'",
            3,
            "VELO5001",
        ),
        ("${LIMIT:10}", "${LIMIT}", 2, "VELO1011"),
    ],
)
def test_what_is_wrong_has_a_code_an_exit_code_and_no_traceback(command, app, old, new, exit_code, code) -> None:
    text = PROGRAM.replace(old, new)
    if "kafka_source" in new:
        text = "CREATE TABLE orders (id BIGINT, amount DECIMAL(10, 2));\n" + text
    (app / "app.sql").write_text(text)
    ran = command("velo", "run", "app.sql")
    assert ran.code == exit_code
    assert f"error[{code}]" in ran.err
    assert "Traceback" not in ran.err
    assert not (app / "found.csv").exists()


def test_a_missing_program_is_exit_code_2(command) -> None:
    assert command("velo", "run", "no.sql").code == 2


@pytest.mark.parametrize("name", ["spec", "data", "shadow-config", "report"])
def test_schemas_are_printed(command, name: str) -> None:
    ran = command("velo", "schema", name)
    assert ran.code == 0
    assert json.loads(ran.out)["type"] == "object"


@pytest.mark.parametrize("name", ["velo", "velo-test"])
def test_the_version_is_printed(command, name: str) -> None:
    assert command(name, "--version").out == f"velostream {version('velostream')}\n"


def test_quickstart_writes_a_project_whose_tests_pass(command, tmp_path: Path) -> None:
    ran = command("velo", "quickstart", "first")
    assert ran.code == 0, ran.err
    assert "2 passed" in ran.err
    assert "pytest" in ran.err
    assert (tmp_path / "first/orders.sql").exists()


def test_quickstart_works_in_an_empty_folder(command, tmp_path: Path) -> None:
    assert command("velo", "quickstart").code == 0
    assert command("velo-test", "run", ".").code == 0
    assert command("velo", "run", "orders.sql").code == 0


def test_quickstart_overwrites_nothing(command, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/orders.csv").write_text("mine")
    ran = command("velo", "quickstart")
    assert ran.code == 2
    assert "VELO3003" in ran.err
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
    assert (tmp_path / "data/orders.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'orders.format' = 'csv'", "'orders.format' = 'cvs'"),
        ("'file_source'", "'flie_source'"),
        ("'orders.csv'", "'order.csv'"),
        ("'orders.csv'", "'.'"),
    ],
)
@pytest.mark.parametrize("declared", ["", "CREATE TABLE orders (id BIGINT, amount DECIMAL(10, 2));"])
def test_a_source_that_cannot_be_opened_is_shown_in_the_program(
    command, app: Path, declared: str, old: str, new: str
) -> None:
    (app / "app.sql").write_text(declared + PROGRAM.replace(old, new))
    ran = command("velo", "run", "app.sql")
    assert ran.code == 2
    line = next(text for text in PROGRAM.split("\n") if old in text).replace(old, new)
    written = new.rsplit(" = ", 1)[-1]
    assert f"--> app.sql:6:{line.index(written) + 1}" in ran.err
