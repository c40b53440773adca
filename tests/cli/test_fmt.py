"""`velo fmt`: what it writes, what it leaves alone, its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

UGLY = "create stream large as select id,amount from orders where amount>10;\n"
PRETTY = "CREATE STREAM large AS\nSELECT id, amount\nFROM orders\nWHERE amount > 10;\n"


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    (tmp_path / "a.sql").write_text(UGLY)
    (tmp_path / "a.test.yaml").write_text("application: a   \nqueries:\n- name: large\n")
    (tmp_path / "other.yaml").write_text("x:\n     y: 1\n")
    return tmp_path


def test_files_are_written_and_named(command, ugly: Path) -> None:
    ran = command("velo", "fmt", ".")

    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "formatted: a.sql\nformatted: a.test.yaml\n2 files: 2 formatted\n"
    assert (ugly / "a.sql").read_text() == PRETTY
    assert (ugly / "a.test.yaml").read_text() == "application: a\nqueries:\n  - name: large\n"
    assert (ugly / "other.yaml").read_text() == "x:\n     y: 1\n", "other people's YAML is left alone"
    assert command("velo", "fmt", ".").err == "2 files: nothing to change\n"


def test_check_writes_nothing_and_fails(command, ugly: Path) -> None:
    ran = command("velo", "fmt", ".", "--check")
    assert ran.code == 1
    assert "would change: a.sql" in ran.err
    assert (ugly / "a.sql").read_text() == UGLY
    command("velo", "fmt", ".")
    assert command("velo", "fmt", ".", "--check").code == 0


def test_diff_shows_lines_on_stdout(command, ugly: Path) -> None:
    ran = command("velo", "fmt", "a.sql", "--diff")
    assert ran.code == 0
    assert ran.out.startswith("--- a.sql\n+++ a.sql (formatted)\n")
    assert "-create stream" in ran.out
    assert "+WHERE amount > 10;" in ran.out
    assert (ugly / "a.sql").read_text() == UGLY
    assert command("velo", "fmt", "a.sql", "--diff", "--check").code == 1


def test_a_file_that_does_not_parse_is_left_and_the_others_are_formatted(command, ugly: Path) -> None:
    (ugly / "b.sql").write_text("select   from\n")
    ran = command("velo", "fmt", ".")
    assert ran.code == 2
    assert "left as it is: b.sql\nerror[VELO1001]" in ran.err
    assert (ugly / "b.sql").read_text() == "select   from\n"
    assert (ugly / "a.sql").read_text() == PRETTY


@pytest.mark.parametrize(("name", "code"), [("nowhere.sql", 2), ("notes.txt", 2)])
def test_wrong_paths(command, tmp_path: Path, name: str, code: int) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert command("velo", "fmt", name).code == code


def test_variables_need_no_values(command, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("select a from ${SOURCE} limit ${MOST:10};\n")
    assert command("velo", "fmt", "a.sql").code == 0
    assert (tmp_path / "a.sql").read_text() == "SELECT a\nFROM ${SOURCE}\nLIMIT ${MOST:10};\n"
