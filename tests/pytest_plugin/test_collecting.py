"""Which files are collected: specs of ours, and nobody else's YAML."""

from __future__ import annotations

import subprocess
import sys

import pytest

OTHER_YAML = {
    "tavern": "test_name: get\nstages:\n  - name: one\n    request: {url: http://x}\n",
    "playwright": "- role: button\n  name: ok\n",
    "queries of something else": "queries:\n  - select 1\nversion: 2\n",
    "application of something else": "application: web\nport: 80\n",
    "openapi": "openapi: 3.0.0\npaths: {}\n",
    "broken": "a: [1\n",
    "empty": "",
    "nested only": "x:\n  application: a\n  queries: []\n",
}


@pytest.mark.parametrize("content", OTHER_YAML.values(), ids=OTHER_YAML.keys())
@pytest.mark.parametrize("name", ["x.test.yaml", "x.spec.yaml", "test_spec.yaml"])
def test_other_people_s_yaml_is_left_alone(project, name: str, content: str) -> None:
    project.write(f"other/{name}", content)
    project.run("other").assert_outcomes()


@pytest.mark.parametrize("name", ["x.yaml", "test.yaml", "orders.test.json", "orders.tests.yaml"])
def test_files_of_other_names_are_left_alone(project, name: str) -> None:
    project.write(f"other/{name}", "application: x\nqueries: []\n")
    project.run("other").assert_outcomes()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("aplication: x\nqueries: []\n", "VELO2002"),
        ("application: x\nquerys: []\n", "VELO2002"),
        ("queries:\n  - name: large\n", "VELO2004"),
        ("application: x\n", "VELO2004"),
    ],
)
def test_a_near_miss_beside_a_program_is_an_error(project, content: str, code: str) -> None:
    project.write("specs/orders.test.yaml", content)
    result = project.run("specs")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{code}*"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"# written later\n\n", "the file is empty"),
        ("application: x\nqueries: []\n".encode("utf-16"), "not UTF-8"),
    ],
    ids=["empty", "comments", "UTF-16"],
)
def test_a_spec_that_holds_nothing_beside_a_program_is_not_passed_over(project, content: bytes, told: str) -> None:
    project.write("specs/shop.sql", "SELECT 1")
    project.write("specs/first_day.test.yaml", "").write_bytes(content)
    result = project.run("specs")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{told}*"])


@pytest.mark.parametrize(
    "content", ["", "a: [1\n", "- queries\n", "app: x\n"], ids=["empty", "broken", "a list", "foreign keys"]
)
def test_a_file_named_after_a_program_is_a_spec_whatever_it_contains(project, content: str) -> None:
    project.write("specs/orders.sql", "SELECT 1")
    project.write("specs/orders.test.yaml", content)
    project.run("specs").assert_outcomes(errors=1)


def test_under_velo_paths_every_spec_is_collected_whatever_it_contains(project) -> None:
    project.write("other/x.test.yaml", "queries: []\n")
    project.run("other").assert_outcomes()
    project.write("pytest.ini", "[pytest]\nvelo_paths = other\n")
    project.run("other").assert_outcomes(errors=1)


@pytest.mark.parametrize("head", ["application: x", '"application": x', "test_suite: {name: x}"])
def test_specs_are_recognised_however_their_keys_are_written(project, head: str) -> None:
    project.spec("application: orders", head)
    project.run("specs").assert_outcomes(passed=2)


def test_a_spec_written_as_json_is_recognised(project) -> None:
    project.write(
        "specs/orders.test.yaml",
        '{"application": "x", "queries": [{"name": "large", "inputs": [{"source": "orders", "rows": []}],'
        ' "expect": {"rows": []}}]}',
    )
    project.run("specs").assert_outcomes(passed=1)


def test_python_tests_stand_beside_specs(project) -> None:
    project.write("specs/test_python.py", "def test_one(): pass\n")
    project.run("specs").assert_outcomes(passed=3)


HEAVY = ("duckdb", "pyarrow", "sqlglot", "faker", "confluent_kafka", "numpy", "yaml", "pandas", "rich", "typer")


def loaded_after(code: str) -> list[str]:
    script = f"{code}\nimport sys\nprint(*sorted({{m.split('.')[0] for m in sys.modules}} & set({HEAVY!r})))"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_the_plugin_imports_nothing_heavy() -> None:
    assert loaded_after("import pytest_velo, pytest_velo.plugin, pytest_velo.options, pytest_velo.summary") == []


def test_looking_at_foreign_yaml_imports_nothing_heavy() -> None:
    assert loaded_after("import pytest_velo.items, velo_harness.spec_detection, velo_harness.discovery") == []
