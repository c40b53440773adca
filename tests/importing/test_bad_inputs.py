"""What people give to `velo import` that is no Flink SQL: a plain message at its place, the right exit code, no traceback."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.importing.conftest import Ran
from velo_engine.errors import ErrorCode, VeloError
from velo_import.convert.job import convert_job
from velo_import.inputs.dialects import dialect_hint
from velo_import.inputs.files import read_jobs
from velo_import.model import Outcome

GOOD = "CREATE TABLE t (a INT) WITH ('connector'='datagen');\nSELECT a FROM t;\n"
NOT_READ = {
    "binary.sql": (bytes(range(256)), "is a binary file"),
    "elf": (b"\x7fELF\x02\x01\x01\0\0\0\xff", "is a binary file"),
    "image.sql": (b"\x89PNG\r\n\x1a\n\0\0\0", "is a binary file"),
    "packed.gz": (b"\x1f\x8b\x08\0", "is a gzip archive"),
    "latin1.sql": ("-- für\nSELECT 1;".encode("latin-1"), "no text in UTF-8: its first other byte is 0xfc"),
    "empty.sql": (b"", "has no statement"),
    "comments.sql": (b"-- only\n/* comments */\n", "has no statement"),
    "Nothing.java": (b'log("Creating things");', "has no statement"),
    "prose.sql": (b"Dear all, please find attached\n", 'cannot start with "Dear"'),
    "page.sql": (b"<!DOCTYPE html><html></html>\n", 'cannot start with "<"'),
    "config.yaml": (b"a: 1\n", 'cannot start with "a"'),
    "list.json": (b"[1, 2]\n", "no compiled plan"),
    "half_quote.sql": (b"SELECT 'abc", "the string that starts here is never closed"),
    "half_query.sql": (b"SELECT a FROM (SELECT 1 AS a", "the statement ends here"),
    "half_table.sql": (b"CREATE TABLE t (a INT) WITH ('connector'='x'", "the statement ends here"),
}
DIALECTS = {
    "CREATE STREAM p (v BIGINT) WITH (KAFKA_TOPIC='p', VALUE_FORMAT='JSON');": "ksqlDB",
    "CREATE TABLE events USING DELTA AS SELECT * FROM raw;": "Spark SQL",
    "CREATE TABLE e (a INT) ROW FORMAT DELIMITED STORED AS TEXTFILE;": "Hive",
    "COPY INTO t FROM @stage;": "Snowflake",
    "SELECT SAFE_CAST(x AS INT64) FROM t;": "BigQuery",
    "CREATE TABLE users (id BIGSERIAL PRIMARY KEY, data JSONB);": "PostgreSQL",
    "SELECT TOP 10 * FROM [dbo].[t]": "SQL Server",
    "CREATE TABLE t (a VARCHAR2(10), b NUMBER(10));": "Oracle",
    "CREATE TABLE t (id INT UNSIGNED NOT NULL AUTO_INCREMENT) ENGINE=InnoDB;": "MySQL",
    "{{ config(materialized='table') }}\nSELECT * FROM {{ ref('orders') }}": "a template (Jinja",
    "{% if x %}\nSELECT 1;\n{% endif %}": "a template (Jinja",
}


@pytest.mark.parametrize("name", NOT_READ)
def test_what_is_no_flink_sql_is_told(name: str, tmp_path: Path, velo_import: Callable[..., Ran]) -> None:
    content, message = NOT_READ[name]
    (tmp_path / name).write_bytes(content)

    result = velo_import(tmp_path / name, "--output", tmp_path / "out")

    assert (result.code, message in result.err) == (2, True), result.err
    assert "Traceback" not in result.err
    assert name in result.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", DIALECTS)
def test_other_dialects_are_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(text, encoding="utf-8")

    with pytest.raises(VeloError) as caught:
        read_jobs(tmp_path / "q.sql")

    assert f"this looks like {DIALECTS[text]}" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["SELEKT 1", "INSERT INTO", "SELECT a FROM t WHERE", "CREATE TABLE t (a INT) WITH ("])
def test_half_statements_look_like_no_dialect(text: str) -> None:
    assert dialect_hint(text) is None


def test_half_a_statement_counts_as_one_that_is_not_converted(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(GOOD + "INSERT INTO\n", encoding="utf-8")
    (one,) = read_jobs(tmp_path / "q.sql")

    job = convert_job(one.name, one.scripts)

    assert [statement.location.line for statement in job.unconverted] == [3]
    assert len(job.statements) == 2


def test_one_statement_of_another_dialect_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(GOOD + "CREATE STREAM x AS SELECT * FROM t EMIT CHANGES;\n", encoding="utf-8")
    (one,) = read_jobs(tmp_path / "q.sql")

    job = convert_job(one.name, one.scripts)

    (left_out,) = (c for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED)
    assert left_out.location.line == 3
    assert "this looks like ksqlDB" in (left_out.alternative or "")
    assert "SELECT a FROM t" in " ".join(job.app_sql.split())


@pytest.mark.parametrize(
    "content",
    [
        GOOD.encode("utf-16"),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
    ],
    ids=["utf-16", "byte order mark", "CRLF", "CR"],
)
def test_text_as_other_systems_write_it_is_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_bytes(content)

    (job,) = read_jobs(tmp_path / "q.sql")

    assert [type(one).__name__ for one in job.scripts[0].statements] == ["CreateTable", "Query"]


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.sql")
    (tmp_path / "loop.sql").symlink_to("loop.sql")
    (tmp_path / "dangling.sql").symlink_to("nowhere")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("q.sql", GOOD)
    wanted = {
        "pipe.sql": (ErrorCode.FILE_UNREADABLE, "is a named pipe"),
        "loop.sql": (ErrorCode.FILE_UNREADABLE, "Too many levels of symbolic links"),
        "dangling.sql": (ErrorCode.FILE_NOT_FOUND, "is a link to nothing"),
        "all.zip": (ErrorCode.FILE_UNREADABLE, "is a zip or jar archive"),
        "missing.sql": (ErrorCode.FILE_NOT_FOUND, "there is no"),
    }
    for name, (code, message) in wanted.items():
        with pytest.raises(VeloError, match=message) as caught:
            read_jobs(tmp_path / name)
        assert caught.value.code is code


def test_folders_without_sql_and_with_loops(tmp_path: Path) -> None:
    many, loops = tmp_path / "many", tmp_path / "loops"
    many.mkdir()
    loops.mkdir()
    for number in range(1000):
        (many / f"{number}.txt").touch()
    (loops / "q.sql").write_text(GOOD, encoding="utf-8")
    (loops / "up").symlink_to("..")
    (loops / "self").symlink_to(".")

    with pytest.raises(VeloError, match="no Flink SQL in"):
        read_jobs(many)
    assert [job.name for job in read_jobs(loops)] == ["q"]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_read_is_told(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "q.sql").write_text(GOOD, encoding="utf-8")
    refused = PermissionError(13, "Permission denied", str(tmp_path))

    def refuse(*arguments: object, **more: object) -> None:
        raise refused

    # Root may read everything, so permissions alone would not show it.
    monkeypatch.setattr(*((Path, "read_bytes", refuse) if what == "file" else (os, "scandir", refuse)))

    with pytest.raises(VeloError, match=r"cannot read .*: Permission denied") as caught:
        read_jobs(tmp_path / "q.sql" if what == "file" else tmp_path)
    assert (caught.value.code, caught.value.hint) == (ErrorCode.FILE_UNREADABLE, "look at its permissions")


def test_ten_megabytes_are_told_at_once(tmp_path: Path, velo_import: Callable[..., Ran]) -> None:
    (tmp_path / "generated.sql").write_text("SELECT 1 AS a;\n" * 700_000, encoding="utf-8")

    result = velo_import(tmp_path / "generated.sql")

    assert result.code == 2
    assert "at most 5,000,000 are read" in result.err


def test_the_place_of_a_quote_that_is_not_closed_is_told(tmp_path: Path, velo_import: Callable[..., Ran]) -> None:
    (tmp_path / "q.sql").write_text(GOOD + "SELECT a FROM t WHERE b = 'x\n", encoding="utf-8")

    result = velo_import(tmp_path / "q.sql", "--output", tmp_path / "out", "--strict")

    assert result.code == 1
    assert "not converted: q.sql:3: the string that starts here is never closed" in result.err
    assert "SELECT a\nFROM t;" in (tmp_path / "out/app.sql").read_text(encoding="utf-8")


UNCLOSED = {
    # What stands between two statements: line and column of what is not closed, how many statements are read.
    "SELECT 'x;\n": (3, 8, 3),
    "SELECT 'x;\nSELECT 'y' FROM t;\n": (3, 8, 4),
    "SELECT `x FROM t;\n": (3, 8, 3),
    "-- it's\nSELECT 'a\nb', 'x;\n": (5, 5, 3),
    "SELECT 'it''s', 'x;\n": (3, 17, 3),
    "SELECT a /* x;\n": (3, 10, 2),
}


@pytest.mark.parametrize("text", UNCLOSED)
def test_a_quote_that_is_not_closed_does_not_stop_the_others(text: str, tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(GOOD + text + "SELECT a FROM t;\n", encoding="utf-8")

    (job,) = read_jobs(tmp_path / "q.sql")

    (script,) = job.scripts
    (unread,) = script.unread
    place = unread.error.location
    assert place is not None
    assert (place.line, place.column, len(script.statements) - 1) == UNCLOSED[text]


def test_a_string_over_lines_is_closed(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(GOOD + "SELECT 'x;\ny' FROM t;\n", encoding="utf-8")

    (job,) = read_jobs(tmp_path / "q.sql")

    assert (len(job.scripts[0].statements), job.scripts[0].unread) == (3, ())


def test_a_file_that_is_no_text_does_not_stop_its_folder(tmp_path: Path, velo_import: Callable[..., Ran]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.sql").write_text(GOOD, encoding="utf-8")
    (folder / "binary.sql").write_bytes(b"\0\1\2\xff")
    (folder / "latin.sql").write_bytes("-- a\n-- für\nSELECT 1;".encode("latin-1"))

    result = velo_import(folder, "--output", tmp_path / "out")
    strict = velo_import(folder, "--dry-run", "--strict")

    assert (result.code, strict.code) == (0, 1), result.err
    assert "not converted: binary.sql:1: binary.sql is a binary file, no text" in result.err
    assert "not converted: latin.sql:2: latin.sql is no text in UTF-8" in result.err
    assert "SELECT a\nFROM t;" in (tmp_path / "out/app.sql").read_text(encoding="utf-8")


def test_a_folder_of_files_that_are_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.sql").write_bytes(b"\0\1\2\xff")

    with pytest.raises(VeloError, match="binary file") as caught:
        read_jobs(tmp_path)

    assert caught.value.code is ErrorCode.FILE_UNREADABLE


def test_a_file_that_is_too_long_is_to_be_split(tmp_path: Path, velo_import: Callable[..., Ran]) -> None:
    (tmp_path / "q.sql").write_text(GOOD * 100_000, encoding="utf-8")

    result = velo_import(tmp_path / "q.sql", "--output", tmp_path / "out")

    assert result.code == 2
    assert "split it into several files of one folder" in result.err
    assert "quote" not in result.err


def test_no_folder_is_not_the_current_one(tmp_path: Path, velo_import: Callable[..., Ran]) -> None:
    (tmp_path / "q.sql").write_text(GOOD, encoding="utf-8")

    result = velo_import(tmp_path / "q.sql", "--output", "")

    assert (result.code, "has no name" in result.err) == (2, True), result.err
