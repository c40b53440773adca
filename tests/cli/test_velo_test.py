"""`velo-test run`: what it finds, what it prints where, and every exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

REPORT_SCHEMA = json.loads((files("velo_harness") / "schemas/report.schema.json").read_text())


def change(project: Path, old: str, new: str) -> None:
    spec = project / "orders.test.yaml"
    text = spec.read_text()
    assert old in text
    spec.write_text(text.replace(old, new))


@pytest.mark.parametrize("path", ["orders.sql", "orders.test.yaml", "."])
def test_a_program_its_spec_or_a_folder_can_be_named(command, project: Path, path: str) -> None:
    ran = command("velo-test", "run", path)
    assert ran.code == 0
    assert ran.out == ""
    assert "1 passed" in ran.err


def test_a_program_runs_with_all_specs_beside_it(command, project: Path) -> None:
    (project / "orders.spec.yaml").write_text(
        (project / "orders.test.yaml").read_text().replace("12.50 }]", "1.00 }]", 1)
    )
    ran = command("velo-test", "run", "orders.sql")
    assert ran.code == 1
    assert "1 failed, 1 passed" in ran.err or "1 passed, 1 failed" in ran.err


def test_a_folder_in_place_of_the_program_is_named(command, project: Path) -> None:
    (project / "x.sql").mkdir()
    change(project, "application: orders", "application: orders\nsql_file: x.sql")
    ran = command("velo-test", "run", "orders.test.yaml")
    assert ran.code == 2
    assert '"x.sql" is a folder' in ran.err


def test_a_runner_that_is_not_there_is_exit_code_3(
    command, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("VELO_CACHE", str(tmp_path_factory.mktemp("empty")))
    ran = command("velo-test", "run", ".", "--runner", "flink")
    assert ran.code == 3
    assert "python -m velo_harness.flink.installation" in ran.err
    ran = command("velo-test", "run", ".", "--runner", "spark")
    assert ran.code == 2
    assert '"spark" is not one of engine, flink, recorded' in ran.err
    assert command("velo-test", "run", ".", "--runner", "engine", "--realtime", "--record").code == 0


def test_a_broker_that_is_not_there_is_exit_code_3(command, project: Path) -> None:
    change(project, "    expect:", "    fault_injection: { broker: { restart_after: 1 } }\n    expect:")
    ran = command("velo-test", "run", ".")
    assert ran.code == 3
    assert "run it with --kafka embedded" in ran.err
    ran = command("velo-test", "run", ".", "--kafka", "embedded")
    assert ran.code == 0
    assert "fault: 1 broker.restart_after → 1 recovered" in ran.err


def test_a_spec_named_twice_runs_once(command, project: Path) -> None:
    assert "1 passed" in command("velo-test", "run", ".", "orders.sql", "orders.test.yaml").err


def test_a_failed_check_is_exit_code_1_and_says_everything(command, project: Path) -> None:
    change(project, "rows: [{ id: 2, amount: 12.50 }]", "rows: [{ id: 2, amount: 12.51 }]")
    ran = command("velo-test", "run", ".")
    assert ran.code == 1
    assert "1 failed" in ran.err
    assert "orders.test.yaml:8:" in ran.err
    assert "run it again: velo-test run orders.test.yaml --query large" in ran.err


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("    expect:", "    expct:", "VELO2002"),
        ("- name: large", "- name: large1\n  - name: lagre", "VELO2006"),
        ("application: orders", "application: [", "VELO2001"),
        ("{ id: 1, amount: 5.00 }", "{ id: one, amount: 5.00 }", "VELO2003"),
        ("rows: [{ id: 2, amount: 12.50 }]", "rows: [{ idd: 2 }]", "VELO1003"),
    ],
)
def test_wrong_input_is_exit_code_2_with_its_code_and_place(command, project, old: str, new: str, code: str) -> None:
    change(project, old, new)
    ran = command("velo-test", "run", ".")
    assert ran.code == 2
    assert f"error[{code}]" in ran.err
    assert "orders.test.yaml:" in ran.err
    assert "Traceback" not in ran.err


def test_a_broken_spec_does_not_keep_others_from_running(command, project: Path) -> None:
    (project / "b.test.yaml").write_text("application: b\nqueries: []\nquerys: []\n")
    ran = command("velo-test", "run", ".")
    assert ran.code == 2
    assert "1 passed, 1 file not loaded" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nowhere"], "VELO3001"),
        (["orders.test.yml"], "VELO3001"),
        (["schemas"], "VELO2010"),
        (["lonely.sql"], "VELO2010"),
        ([".", "--query", "lagre"], "VELO2005"),
    ],
)
def test_nothing_to_run_is_exit_code_2(command, project: Path, arguments: list[str], code: str) -> None:
    (project / "lonely.sql").write_text("SELECT 1;")
    if arguments == ["lonely.sql"]:
        (project / "orders.test.yaml").unlink()
    ran = command("velo-test", "run", *arguments)
    assert ran.code == 2
    assert code in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["run", ".", "--no-such-option"],
        ["run", ".", "--seed", "x"],
        ["run", ".", "--output", "pdf"],
        ["fly"],
    ],
)
def test_wrong_usage_is_exit_code_2(command, project: Path, arguments: list[str]) -> None:
    assert command("velo-test", *arguments).code == 2


def test_an_interrupt_is_exit_code_130(command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("velo_harness.query_run.QueryRun.result", interrupt)
    ran = command("velo-test", "run", ".")
    assert ran.code == 130
    assert ran.err == "interrupted\n"


def test_a_defect_is_a_message_and_a_traceback_only_on_request(command, project, monkeypatch) -> None:
    from velo_harness import suite

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(suite, "load_spec", broken)
    ran = command("velo-test", "run", ".")
    assert ran.code == 1
    assert "error[VELO9001]: ZeroDivisionError: oops" in ran.err
    assert "--debug" in ran.err
    assert "Traceback" not in ran.err
    monkeypatch.setenv("VELO_DEBUG", "")
    with pytest.raises(ZeroDivisionError):
        command("velo-test", "run", ".", "--debug")


def test_json_stands_alone_on_stdout_and_fits_its_schema(command, project: Path) -> None:
    change(project, "rows: [{ id: 2, amount: 12.50 }]", "rows: [{ id: 2, amount: 12.51 }]")
    (project / "b.test.yaml").write_text("application: b\nqueries: []\nquerys: []\n")
    ran = command("velo-test", "run", ".", "--output", "json")
    report = json.loads(ran.out)
    jsonschema.validate(report, REPORT_SCHEMA)
    assert report["schema_version"] == 1
    assert report["exit_code"] == ran.code == 2
    assert report["counts"] == {"passed": 0, "failed": 1, "error": 0, "skipped": 0, "not_loaded": 1}
    (query,) = report["queries"]
    assert query["id"] == "orders.test.yaml::large"
    assert query["inputs"] == {"orders": 2}
    assert query["records"]["read"] == 2
    assert query["records"]["filtered"] == 1
    (failure,) = query["failures"]
    assert failure["check"] == "expect.rows"
    assert failure["location"]["line"] == 8
    assert failure["examples"][0] == {"difference": "missing", "id": 2, "amount": "12.51"}
    assert report["file_errors"][0]["error"]["code"] == "VELO2002"


def test_a_report_has_exactly_the_documented_keys(command, project: Path) -> None:
    report = json.loads(command("velo-test", "run", ".", "--output", "json").out)
    query_schema = REPORT_SCHEMA["$defs"]["query"]
    assert set(report) == set(REPORT_SCHEMA["properties"])
    assert set(report["queries"][0]) == set(query_schema["properties"]) >= set(query_schema["required"])


def test_junit_stands_alone_on_stdout(command, project: Path) -> None:
    change(project, "rows: [{ id: 2, amount: 12.50 }]", "rows: []")
    root = ElementTree.fromstring(command("velo-test", "run", ".", "--output", "junit").out)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("1", "1", "0")
    (case,) = root.iter("testcase")
    assert (case.get("name"), case.get("classname")) == ("large", "orders.test.yaml")
    assert "1 row: 0 missing, 1 unexpected" in (case.findtext("failure") or "")


@pytest.mark.parametrize(("name", "start"), [("out/r.json", "{"), ("out/r.xml", "<?xml"), ("out/r.txt", "orders (")])
def test_a_report_goes_to_a_file_in_the_format_of_its_ending(command, project, name: str, start: str) -> None:
    ran = command("velo-test", "run", ".", "--report", name)
    assert ran.code == 0
    assert ran.out == ""
    assert (project / name).read_text().startswith(start)


def test_a_report_that_cannot_be_written_is_an_error(command, project: Path) -> None:
    ran = command("velo-test", "run", ".", "--report", "schemas")
    assert ran.code == 2
    assert "VELO3002" in ran.err


def test_variables_reach_the_program(command, project: Path) -> None:
    (project / "orders.sql").write_text((project / "orders.sql").read_text().replace("> 10", "> ${LIMIT}"))
    assert command("velo-test", "run", ".").code == 2
    assert command("velo-test", "run", ".", "--var", "LIMIT=10").code == 0
    assert command("velo-test", "run", ".", "--var", "LIMIT=13").code == 1
    assert command("velo-test", "run", ".", "--var", "LIMIT").code == 2


@pytest.mark.parametrize(
    ("mark", "code", "text"),
    [
        ("marks: [skip]", 0, "1 skipped"),
        ("skip: later", 0, "skipped: later"),
        ("marks: [{ xfail: known }]", 1, "the query passed"),
        ("marks: [{ skipif: \"sys.platform != 'plan9'\" }]", 0, "1 skipped"),
    ],
)
def test_marks_count_without_pytest(command, project: Path, mark: str, code: int, text: str) -> None:
    change(project, "    expect:", f"    {mark}\n    expect:")
    ran = command("velo-test", "run", ".")
    assert ran.code == code
    assert text in ran.err


def test_an_expected_failure_counts_as_skipped(command, project: Path) -> None:
    change(
        project,
        "    expect:\n      rows: [{ id: 2, amount: 12.50 }]",
        "    marks: [xfail]\n    expect:\n      rows: []",
    )
    ran = command("velo-test", "run", ".")
    assert ran.code == 0
    assert "failed as expected" in ran.err


def test_the_same_seed_gives_the_same_rows_in_two_processes(project: Path) -> None:
    schema = project / "schemas/orders.schema.yaml"
    schema.write_text(schema.read_text().replace("type: bigint", "type: bigint, constraints: { min: 1, max: 1000000 }"))
    change(project, "        rows: [{ id: 1, amount: 5.00 }, { id: 2, amount: 12.50 }]\n", "        records: 50\n")
    change(project, "rows: [{ id: 2, amount: 12.50 }]", "rows: []")

    def report(seed: int) -> dict:
        code = "from velo_cli.velo_test import main; main()"
        arguments = [sys.executable, "-c", code, "run", ".", "--output", "json", "--seed", str(seed)]
        done = subprocess.run(arguments, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        return json.loads(done.stdout)["queries"][0]["failures"]

    first = report(1)
    assert report(1) == first
    assert report(2) != first


def test_mutants_that_a_failing_query_cannot_judge_are_no_success(command, project: Path) -> None:
    assert command("velo-test", "mutate", "orders.sql", "--max", "1").code == 0
    change(project, "12.50 }]", "1.00 }]")
    ran = command("velo-test", "mutate", "orders.sql", "--max", "1")
    assert ran.code == 1
    assert "cannot judge: " in ran.out
