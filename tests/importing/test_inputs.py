"""Files, folders and programs that hold SQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_import.inputs.files import read_jobs
from velo_import.inputs.programs.embedded import embedded_script
from velo_import.inputs.programs.tokens import Language

T = "CREATE TABLE t (a INT) WITH ('connector' = 'print');\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".sql")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_definitions_come_before_the_job_that_needs_them(tmp_path: Path) -> None:
    write(
        tmp_path,
        a__insert="INSERT INTO t SELECT a FROM v;",
        a__views="CREATE VIEW v AS SELECT a FROM s;",
        a__tables=T + "CREATE TABLE s (a INT) WITH ('connector' = 'datagen');",
        b__tables=T,
        c="SELECT 1;",
    )

    jobs = {job.name: [script.file for script in job.scripts] for job in read_jobs(tmp_path)}

    assert jobs == {
        "a_insert": ["a/tables.sql", "a/views.sql", "a/insert.sql"],
        "b_tables": ["b/tables.sql"],
        "c": ["c.sql"],
    }


def test_definitions_of_another_job_come_without_its_rows(tmp_path: Path) -> None:
    write(tmp_path, first=T + "INSERT INTO t VALUES (1);", second="INSERT INTO t VALUES (2);")

    first, second = read_jobs(tmp_path)

    assert [len(script.statements) for script in first.scripts] == [2]
    assert [(script.file, len(script.statements)) for script in second.scripts] == [("first.sql", 1), ("second.sql", 1)]


JAVA = '''
class Job {
    void run() {
        env.executeSql("CREATE TABLE t (a INT) " +
                "WITH ('connector' = 'print')"); // a comment with "SELECT 1"
        log("Creating things");
        env.executeSql("""
            INSERT INTO t
              VALUES (1)
            """);
    }
}
'''
PYTHON = """
# a comment with 'SELECT 1'
env.execute_sql(
    "CREATE TABLE t (a INT) "
    'WITH (\\'connector\\' = \\'print\\')'
)
env.execute_sql(f'''
    INSERT INTO t VALUES (1);
''')
"""
SCALA = '''
object Job {
  env.executeSql("""CREATE TABLE t (a INT)
    |WITH ('connector' = 'print')""".stripMargin)
  env.executeSql("INSERT INTO t VALUES (1)")
}
'''


@pytest.mark.parametrize(
    ("text", "language", "lines"),
    [(JAVA, Language.JAVA, [4, 8]), (PYTHON, Language.PYTHON, [4, 8]), (SCALA, Language.SCALA, [3, 5])],
)
def test_sql_in_a_program_stands_at_its_place(text: str, language: Language, lines: list[int]) -> None:
    script = embedded_script(text, language)

    assert not script.unread
    assert [type(s).__name__ for s in script.statements] == ["CreateTable", "Insert"]
    assert [s.place.location.line for s in script.statements] == lines


def test_a_folder_of_programs(tmp_path: Path) -> None:
    (tmp_path / "Job.java").write_text(JAVA, encoding="utf-8")

    (job,) = read_jobs(tmp_path)

    assert (job.name, len(job.scripts[0].statements)) == ("Job", 2)


def test_what_cannot_be_imported_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.sql").write_text("Dear all, please find attached", encoding="utf-8")
    (tmp_path / "blank.sql").write_text("-- nothing\n", encoding="utf-8")
    (tmp_path / "binary.sql").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "open.sql").write_text("SELECT 'x", encoding="utf-8")
    wanted = {
        "empty": ErrorCode.EMPTY_INPUT,
        "note.sql": ErrorCode.SQL_SYNTAX,
        "blank.sql": ErrorCode.EMPTY_INPUT,
        "binary.sql": ErrorCode.FILE_UNREADABLE,
        "open.sql": ErrorCode.SQL_SYNTAX,
        "missing.sql": ErrorCode.FILE_NOT_FOUND,
    }

    for name, code in wanted.items():
        with pytest.raises(VeloError) as caught:
            read_jobs(tmp_path / name)
        assert caught.value.code is code, name


def test_a_file_that_cannot_be_split_is_one_statement_that_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, good="SELECT 1;", half="SELECT 'x")

    jobs = read_jobs(tmp_path)

    assert [(job.name, len(job.scripts[0].unread)) for job in jobs] == [("good", 0), ("half", 1)]


def test_a_file_that_is_too_long_to_be_read_is_told(tmp_path: Path) -> None:
    write(tmp_path, good="SELECT 1;", long="SELECT 1;\n" * 500_001)

    with pytest.raises(VeloError, match="at most 5,000,000 are read"):
        read_jobs(tmp_path / "long.sql")
    assert [len(job.scripts[0].unread) for job in read_jobs(tmp_path)] == [0, 1]
