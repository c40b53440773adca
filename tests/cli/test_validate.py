"""`velo-test validate`: every problem with its place, nothing run, nothing imported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SQL = """\
CREATE STREAM orders (id BIGINT, who STRNG);
CREATE STREAM items (id BIGINT, amount INT);
CREATE STREAM big AS SELECT id, amont FROM items;
CREATE STREAM small AS SELECT id FROM items WHER amount < 5;
CREATE STREAM third AS SELECT * FROM big;
CREATE STREAM fourth AS SELECT id, UPPR('a') AS u FROM items;
CREATE STREAM fifth AS SELECT id FROM items;
CREATE STREAM sixth AS SELECT ida, UPPER(nam) AS u, id FROM items i WHERE i.amoun > 3 AND x = 4;
"""
SPEC = """\
application: a
sede: 4
queries:
  - name: fifth
    inputs:
      - source: items
        rows: [{ id: 1, amunt: 2 }]
        recrods: 4
    assertions:
      - type: record_cont
        equals: 3
      - type: no_nulls
      - type: field_values
        field: idd
        greater_than: 3
        severity: bad
  - name: fith
    expect:
      rows: [{ id: 3 }]
  - name: fourth
  - name: third
    assertions:
      - { type: record_count, equals: 4 }
"""
SCHEMA = """\
name: b
fields:
  - { name: a, type: bigin }
  - { nme: b, type: string }
  - { name: c, type: decimal, precision: 60 }
key_field: d
"""
PROBLEMS = [
    ("a.sql", 1, 38, "VELO1001"),  # STRNG
    ("a.sql", 3, 33, "VELO1003"),  # amont
    ("a.sql", 4, 45, "VELO1001"),  # WHER
    ("a.sql", 6, 36, "VELO1006"),  # UPPR; line 5 is a consequence of line 3
    ("a.sql", 8, 31, "VELO1003"),  # ida
    ("a.sql", 8, 42, "VELO1003"),  # nam
    ("a.sql", 8, 75, "VELO1003"),  # i.amoun
    ("a.sql", 8, 91, "VELO1003"),  # x
    ("a.test.yaml", 2, 1, "VELO2002"),  # sede
    ("a.test.yaml", 7, 16, "VELO1003"),  # amunt
    ("a.test.yaml", 8, 9, "VELO2002"),  # recrods
    ("a.test.yaml", 10, 15, "VELO2014"),  # record_cont
    ("a.test.yaml", 12, 9, "VELO2004"),  # no_nulls without fields
    ("a.test.yaml", 14, 16, "VELO1003"),  # idd
    ("a.test.yaml", 16, 19, "VELO2003"),  # bad
    ("a.test.yaml", 17, 11, "VELO2005"),  # fith
    ("a.test.yaml", 20, 11, "VELO2006"),  # fourth checks nothing
    ("b.schema.yaml", 3, 22, "VELO2003"),  # bigin
    ("b.schema.yaml", 4, 7, "VELO2002"),  # nme
    ("b.schema.yaml", 5, 42, "VELO2003"),  # 60
    ("b.schema.yaml", 6, 12, "VELO1003"),  # d
]


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    (tmp_path / "a.sql").write_text(SQL)
    (tmp_path / "a.test.yaml").write_text(SPEC)
    (tmp_path / "b.schema.yaml").write_text(SCHEMA)
    return tmp_path


def places(text: str) -> list[tuple[str, int, int, str]]:
    return [(f["file"], f["line"], f["column"], f["code"]) for f in json.loads(text)["findings"]]


def test_every_problem_is_told_once_with_its_place(command, wrong: Path) -> None:
    ran = command("velo-test", "validate", ".", "--output", "json")

    assert ran.code == 2
    assert places(ran.out) == PROBLEMS
    assert json.loads(ran.out)["errors"] == len(PROBLEMS)


def test_the_text_shows_lines_hints_and_the_count(command, wrong: Path) -> None:
    ran = command("velo-test", "validate", "a.test.yaml")

    assert ran.out == ""
    assert "--> a.test.yaml:2:1" in ran.err
    assert 'did you mean "seed"?' in ran.err
    assert "--> a.sql:3:33" in ran.err, "the program under test is checked with the spec"
    assert ran.err.rstrip().endswith("1 file checked: 17 errors")


def test_lines_are_shown_as_they_stand_in_the_file(command, wrong: Path) -> None:
    (wrong / "a.test.yaml").unlink()
    ran = command("velo-test", "validate", "a.sql")
    shown = [line.split(" | ", 1)[1] for line in ran.err.splitlines() if " | " in line and "^" not in line]
    assert shown
    assert set(shown) <= set(SQL.splitlines())


def test_nothing_to_mend_is_exit_code_0(command, project: Path) -> None:
    ran = command("velo-test", "validate", ".")
    assert (ran.code, ran.err) == (0, "3 files checked: nothing to mend\n")


def test_warnings_count_under_strict_only(command, project: Path) -> None:
    sql = project / "orders.sql"
    sql.write_text("-- @metrik: x\n" + sql.read_text())

    assert command("velo-test", "validate", ".").code == 0
    ran = command("velo-test", "validate", ".", "--strict")
    assert ran.code == 2
    assert "warning[VELO1010]" in ran.err


def test_a_program_alone_is_checked_with_the_schemas_beside_it(command, project: Path) -> None:
    (project / "orders.test.yaml").unlink()
    assert command("velo-test", "validate", "orders.sql").code == 0
    (project / "schemas/orders.schema.yaml").unlink()
    ran = command("velo-test", "validate", "orders.sql")
    assert ran.code == 2
    assert 'the columns of "orders" are not known' in ran.err


def test_functions_of_users_are_not_imported(command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('imported')")
    (tmp_path / "a.sql").write_text(
        "-- @udf: mine:twice(BIGINT) RETURNS BIGINT\n"
        "CREATE STREAM s (id BIGINT);\nCREATE STREAM t AS SELECT twice(id) AS two FROM s;\n"
    )
    ran = command("velo-test", "validate", "a.sql", "--output", "json")
    assert "imported" not in ran.err + ran.out
    assert ran.code == 0


def test_a_query_that_expects_its_error_is_no_finding(command, project: Path) -> None:
    (project / "orders.sql").write_text(
        "CREATE STREAM orders (id BIGINT);\nCREATE STREAM x AS SELECT idd FROM orders;\n"
    )
    (project / "schemas/orders.schema.yaml").unlink()
    (project / "orders.test.yaml").write_text(
        "application: a\nqueries:\n  - name: x\n    expect: { error: { code: VELO1003 } }\n"
    )
    assert command("velo-test", "validate", ".").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [(["nowhere"], 'no file or folder "nowhere"'), (["empty"], "there is nothing to check in empty")],
)
def test_nothing_to_check_is_wrong_input(command, tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "empty").mkdir()
    ran = command("velo-test", "validate", *words)
    assert ran.code == 2
    assert message in ran.err


@pytest.mark.parametrize("text", ["", "\n", "-- @app: x\n-- nothing yet\n", ";\n"])
def test_a_program_without_a_statement_is_an_error(command, tmp_path: Path, text: str) -> None:
    (tmp_path / "empty.sql").write_text(text)
    ran = command("velo-test", "validate", "empty.sql", "--output", "json")
    assert ran.code == 2
    assert places(ran.out) == [("empty.sql", 1, 1, "VELO3006")]
    assert "the program has no statement" in ran.out
    (tmp_path / "empty.sql").write_text(text + "CREATE STREAM s (id BIGINT);\n")
    assert command("velo-test", "validate", "empty.sql").code == 0


def test_a_spec_of_which_nothing_is_left_has_the_findings_that_emptied_it(command, project: Path) -> None:
    spec = project / "orders.test.yaml"
    spec.write_text(spec.read_text().replace("expect:", "expct:"))
    ran = command("velo-test", "validate", ".", "--output", "json")
    assert places(ran.out) == [("orders.test.yaml", 7, 5, "VELO2002")]


def test_variables_of_the_spec_count(command, project: Path) -> None:
    sql, spec = project / "orders.sql", project / "orders.test.yaml"
    sql.write_text(sql.read_text().replace("amount > 10", "amount > ${LEAST}"))
    assert command("velo-test", "validate", ".").code == 2
    assert command("velo-test", "validate", ".", "--var", "LEAST=10").code == 0
    spec.write_text(spec.read_text() + "variables: { LEAST: 10 }\n")
    assert command("velo-test", "validate", ".").code == 0


def test_findings_can_be_sarif(command, wrong: Path) -> None:
    ran = command("velo-test", "validate", ".", "--output", "sarif")
    assert ran.code == 2
    document = json.loads(ran.out)
    assert document["version"] == "2.1.0"
    assert len(document["runs"][0]["results"]) == len(PROBLEMS)


def test_a_broken_yaml_file_has_one_finding(command, tmp_path: Path) -> None:
    (tmp_path / "a.test.yaml").write_text("application: [\n")
    ran = command("velo-test", "validate", "a.test.yaml", "--output", "json")
    assert [f["code"] for f in json.loads(ran.out)["findings"]] == ["VELO2001"]


def test_the_examples_of_the_repository_are_clean(command, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    monkeypatch.chdir(root)
    ran = command("velo-test", "validate", "specs")
    assert (ran.code, "nothing to mend" in ran.err) == (0, True), ran.err
