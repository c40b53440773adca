"""`velo export`: Flink SQL of programs, text by text; what Flink cannot say is refused at its place."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from tests.importing.fixpoint import exported_job, second_import, statements_of
from velo_cli.velo import app
from velo_engine.engine import Engine
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.flink.script import parse_script
from velo_import.convert.job import convert_job
from velo_import.export.model import ExportedProgram, Form, NoteKind
from velo_import.export.options import Brokers, Use, flink_options
from velo_import.export.program import ExportOptions, export_program

CLICKS = "CREATE STREAM clicks (who STRING, at TIMESTAMP(3), n INT);\n"
MARKED = "CREATE TABLE clicks (who STRING, at TIMESTAMP(3), n INT, WATERMARK FOR at AS at - INTERVAL '5' SECOND);\n"


def export(text: str, **options: object) -> ExportedProgram:
    return export_program(text, "p.sql", engine=Engine(), options=ExportOptions(**options))  # type: ignore[arg-type]


def insert(program: ExportedProgram) -> str:
    (found,) = [one.sql for one in program.statements if one.form is Form.INSERT]
    return found


def notes(program: ExportedProgram, kind: NoteKind) -> list[tuple[int, str]]:
    return [(note.location.line, note.message) for note in program.notes if note.kind is kind]


def test_a_whole_program() -> None:
    program = export(
        "-- Revenue of a minute.\n"
        "CREATE TABLE minutes AS SELECT who PRIMARY KEY, window_start PRIMARY KEY, SUM(n) AS total\n"
        "FROM clicks WINDOW TUMBLING(at, 1m) GROUP BY who EMIT FINAL\n"
        "WITH ('clicks.watermark.max_out_of_orderness' = '10s', 'minutes.topic' = 'shop.minutes');\n"
        "SET 'state.ttl' = '1 h';\n"
        "CREATE STREAM clicks (who STRING, at TIMESTAMP(3), n INT) WITH ('type' = 'kafka_source', 'brokers' = 'k:9092');\n"
    )
    assert program.sql == dedent(
        """\
        SET 'table.exec.state.ttl' = '1 h';

        CREATE TABLE clicks (who STRING, `at` TIMESTAMP(3), n INT,
            WATERMARK FOR `at` AS `at` - INTERVAL '10' SECOND
        ) WITH (
            'connector' = 'kafka',
            'topic' = 'clicks',
            'properties.bootstrap.servers' = 'k:9092',
            'scan.startup.mode' = 'earliest-offset',
            'format' = 'json'
        );

        -- Revenue of a minute.
        CREATE TABLE minutes (
            who STRING,
            window_start TIMESTAMP(3),
            total INT
        ) WITH (
            'connector' = 'kafka',
            'topic' = 'shop.minutes',
            'properties.bootstrap.servers' = 'k:9092',
            'key.format' = 'json',
            'key.fields' = 'who;window_start',
            'value.format' = 'json'
        );

        INSERT INTO minutes
        SELECT who, window_start, SUM(n) AS total
        FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(`at`), INTERVAL '1' MINUTE)) GROUP BY who, window_start, window_end;

        """
    )


@pytest.mark.parametrize(
    ("written", "flink"),
    [
        ("SELECT who::BIGINT AS b FROM clicks", "SELECT CAST(who AS BIGINT) AS b FROM clicks"),
        ("SELECT n FROM clicks WHERE n != 1", "SELECT n FROM clicks WHERE n <> 1"),
        ('SELECT n AS "value", n AS date FROM clicks', "SELECT n AS `value`, n AS `date` FROM clicks"),
        ("SELECT n * 2 AS d, d + 1 AS e FROM clicks", "SELECT n * 2 AS d, (n * 2) + 1 AS e FROM clicks"),
        ("SELECT n AS who, who AS n FROM clicks", "SELECT n AS who, who AS n FROM clicks"),
        (
            "SELECT COUNT_DISTINCT(n) AS c FROM clicks GROUP BY who",
            "SELECT COUNT(DISTINCT n) AS c FROM clicks GROUP BY who",
        ),
        ("SELECT who FROM clicks EMIT CHANGES", "SELECT who FROM clicks"),
        ("SELECT CAST(n AS LONG) AS l FROM clicks", "SELECT CAST(n AS BIGINT) AS l FROM clicks"),
        ("SELECT DATE_ADD('day', 1, at) AS x FROM clicks", "SELECT TIMESTAMPADD(DAY, 1, `at`) AS x FROM clicks"),
    ],
)
def test_queries(written: str, flink: str) -> None:
    program = export(f"{CLICKS}CREATE STREAM r AS {written};")
    assert insert(program) == f"INSERT INTO r\n{flink}"


@pytest.mark.parametrize(
    ("window", "flink"),
    [
        (
            "SLIDING(at, 10m, 1m)",
            "TABLE(HOP(TABLE clicks, DESCRIPTOR(`at`), INTERVAL '1' MINUTE, INTERVAL '10' MINUTE))",
        ),
        (
            "CUMULATING(at, 1m, 1h)",
            "TABLE(CUMULATE(TABLE clicks, DESCRIPTOR(`at`), INTERVAL '1' MINUTE, INTERVAL '1' HOUR))",
        ),
        ("SESSION(at, 90s)", "TABLE(SESSION(TABLE clicks PARTITION BY who, DESCRIPTOR(`at`), INTERVAL '90' SECOND))"),
        (
            "TUMBLING(500ms)",
            "TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(`at`), INTERVAL '0 00:00:00.500' DAY TO SECOND(3)))",
        ),
    ],
)
def test_windows(window: str, flink: str) -> None:
    program = export(f"{MARKED}CREATE STREAM r AS SELECT who, COUNT(*) AS c FROM clicks WINDOW {window} GROUP BY who;")
    assert insert(program) == (
        f"INSERT INTO r\nSELECT who, COUNT(*) AS c FROM {flink} GROUP BY who, window_start, window_end"
    )


def test_a_session_behind_where_is_a_group_window() -> None:
    program = export(
        f"{MARKED}CREATE STREAM r AS SELECT who, window_start FROM clicks WHERE n > 1 WINDOW SESSION(at, 1m) GROUP BY who;"
    )
    assert insert(program) == (
        "INSERT INTO r\nSELECT who, SESSION_START(`at`, INTERVAL '1' MINUTE) AS window_start FROM clicks WHERE n > 1 "
        "GROUP BY who, SESSION(`at`, INTERVAL '1' MINUTE)"
    )


def test_two_watermarks_of_a_source_are_two_tables() -> None:
    query = (
        "SELECT COUNT(*) AS n FROM clicks WINDOW TUMBLING(at, 1m) WITH ('clicks.watermark.max_out_of_orderness' = '{}')"
    )
    program = export(f"{CLICKS}CREATE STREAM soon AS {query.format('1s')}; CREATE STREAM late AS {query.format('1m')};")
    tables = {one.name: one.columns for one in program.statements if one.form is Form.TABLE}
    assert "`at` - INTERVAL '1' SECOND" in tables["clicks"]
    assert "`at` - INTERVAL '1' MINUTE" in tables["clicks_2"]
    late = next(one.sql for one in program.statements if one.form is Form.INSERT and one.name == "late")
    assert "TABLE clicks_2, DESCRIPTOR" in late


def test_what_others_read_is_a_view_and_a_changing_result_has_its_key() -> None:
    program = export(
        f"{CLICKS}CREATE TABLE sums AS SELECT who, SUM(n) AS s FROM clicks GROUP BY who;"
        "CREATE TABLE r AS SELECT s, COUNT(*) AS n FROM sums GROUP BY s;"
    )
    assert [(one.form, one.name) for one in program.statements] == [
        (Form.TABLE, "clicks"),
        (Form.VIEW, "sums"),
        (Form.TABLE, "r"),
        (Form.INSERT, "r"),
    ]
    table = program.statements[2]
    assert table.options["connector"] == "upsert-kafka"
    assert "PRIMARY KEY (s) NOT ENFORCED" in table.columns
    assert (2, "sums is a view: its own rows are written nowhere") in notes(program, NoteKind.NOTE)


def test_inserts_that_follow_one_another_are_one_job() -> None:
    program = export(
        f"{CLICKS}CREATE STREAM a AS SELECT n FROM clicks WHERE n > 1; CREATE STREAM b AS SELECT n FROM clicks WHERE n < 1;"
    )
    assert "EXECUTE STATEMENT SET\nBEGIN\nINSERT INTO a\n" in program.sql
    assert program.sql.rstrip().endswith("INSERT INTO b\nSELECT n FROM clicks WHERE n < 1;\nEND;")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT COUNT(*) AS c FROM clicks\nWINDOW TUMBLING(at, 1m) EMIT CHANGES", "EMIT CHANGES over a window"),
        (
            "SELECT SUM(n) OVER (ROWS WINDOW BUFFER 3 ROWS\nPARTITION BY who) AS s FROM clicks",
            "ROWS WINDOW BUFFER 3 ROWS",
        ),
        ("SELECT HEADER('x') AS h FROM clicks", "the function HEADER"),
        ("SELECT MEDIAN(n) AS m, DELTA(n) AS d FROM clicks GROUP BY who", "the function DELTA"),
        ("SELECT who, at AS _EVENT_TIME FROM clicks", "AS _EVENT_TIME"),
        (
            "SELECT COUNT(*) AS c FROM clicks WINDOW TUMBLING(at, 1m) WITH ('allowed.lateness' = '1m')",
            "allowed.lateness: windows that late rows correct",
        ),
    ],
)
def test_what_flink_cannot_say_is_refused_at_its_line(query: str, message: str) -> None:
    program = export(f"{CLICKS}CREATE STREAM kept AS SELECT n FROM clicks;\nCREATE STREAM r AS\n{query};")
    refused = program.refused
    assert [note.message for note in refused] == [message]
    assert refused[0].location.line in (3, 4)
    assert refused[0].hint
    assert [one.name for one in program.statements if one.form is Form.INSERT] == ["kept"]
    assert f": {message}\n" in program.sql


def test_what_reads_a_refused_statement_is_refused() -> None:
    program = export(
        f"{CLICKS}CREATE STREAM a AS SELECT HEADER('x') AS h FROM clicks;\nCREATE STREAM b AS SELECT h FROM a;"
    )
    assert [note.message for note in program.refused] == ["the function HEADER", "b reads a, which is not exported"]
    assert not any(one.form is Form.INSERT for one in program.statements)


def test_the_result_of_an_aggregate_that_did_not_change_is_a_difference() -> None:
    query = "CREATE TABLE r AS SELECT who, MAX(n) AS m FROM clicks GROUP BY who;"
    message = "r: Flink does not give out a result again that has not changed"
    assert (2, message) in notes(export(CLICKS + query), NoteKind.DIFFERS)
    as_flink = notes(export("SET 'emit.semantics' = 'flink';" + CLICKS + query), NoteKind.DIFFERS)
    assert as_flink == [(2, "r: a row whose key who is NULL ends the job in Flink")]


def test_a_window_over_a_join_with_a_table_is_refused() -> None:
    table = "CREATE TABLE people (who STRING, country STRING) WITH ('type' = 'file_source', 'path' = 'p.csv', 'format' = 'csv');\n"
    join = "CREATE STREAM j AS SELECT c.who, c.at, p.country FROM clicks c JOIN people p ON c.who = p.who;\n"
    window = "CREATE TABLE r AS SELECT country, COUNT(*) AS n FROM j WINDOW TUMBLING(at, 1m) GROUP BY country;"
    program = export(MARKED + table + join + window)
    assert [(note.location.line, note.message) for note in program.refused] == [
        (4, "a window over a join with a table: Flink has no event time behind it")
    ]


def test_variables_have_their_values_and_those_of_an_import_stay() -> None:
    text = (
        "CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = '${TOPIC:orders}', 'format' = '${FORM:FORM}');"
    )
    program = export_program(text.replace("${FORM:FORM}", "json"), "p.sql", engine=Engine())
    assert "'topic' = 'orders'" in program.sql
    assert (
        "'topic' = '${NAME}'"
        in export(text.replace("${TOPIC:orders}", "${NAME:NAME}").replace("${FORM:FORM}", "json")).sql
    )
    given = export(
        "CREATE TABLE t (a INT) WITH ('connector' = 'print', 'x' = '${NAME:NAME}');", variables={"NAME": "it's"}
    )
    assert "'x' = 'it''s'" in given.sql


def test_options_of_production_come_back_without_secrets() -> None:
    script = (
        "CREATE TABLE c (id INT) WITH ('connector' = 'jdbc', 'url' = 'jdbc:x', 'password' = 'p'); SELECT id FROM c;"
    )
    job = convert_job("j", [parse_script(script, file="j.sql")])
    program = exported_job(job)
    (table,) = [one for one in program.statements if one.form is Form.TABLE]
    assert dict(table.options) == {"connector": "jdbc", "url": "jdbc:x", "password": "***"}
    assert "password of c: the import kept no secrets" in [note.message for note in program.notes]


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE t (`user` STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)\n"
        "WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');\n"
        "CREATE TABLE s (k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'jdbc', 'url' = '${URL}');\n"
        "INSERT INTO s SELECT `user`, COUNT(*) FROM t GROUP BY `user`;",
        "CREATE TABLE t (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');\n"
        "CREATE VIEW w AS SELECT k, window_start, COUNT(*) AS n\n"
        "FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))\nGROUP BY k, window_start, window_end;\n"
        "SELECT * FROM w;",
        "CREATE TABLE t (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'kafka', 'topic' = 't', "
        "'format' = 'json');\n"
        "SELECT k, HOP_START(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) AS s, COUNT(*) AS n FROM t\n"
        "GROUP BY k, HOP(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE);",
        "CREATE TABLE a (id INT) WITH ('connector' = 'kafka', 'topic' = 'a', 'format' = 'json');\n"
        "CREATE TABLE b (id INT) WITH ('connector' = 'print');\n"
        "EXECUTE STATEMENT SET BEGIN INSERT INTO b SELECT id FROM a; INSERT INTO b SELECT id + 1 FROM a; END;",
    ],
    ids=["upserts", "window table", "group window", "statement set"],
)
def test_the_second_import_is_the_first(script: str) -> None:
    """`python -m tests.importing.fixpoint` does this over the corpora."""
    job = convert_job("j", [parse_script(script, file="j.sql")])
    assert all(statement.sql is not None for statement in job.statements)
    exported = exported_job(job)
    assert not exported.refused
    assert statements_of(second_import(exported, "j").app_sql) == statements_of(job.app_sql)


def test_options_of_connectors() -> None:
    reads, writes = Use("t", True, False, False), Use("t", False, True, False)
    csv = flink_options({"type": "file", "path": "a.csv", "format": "csv", "delimiter": ";"}, reads, brokers=Brokers())
    assert dict(csv.options) == {
        "connector": "filesystem",
        "path": "a.csv",
        "format": "csv",
        "csv.field-delimiter": ";",
        "csv.ignore-parse-errors": "true",
    }
    assert csv.remarks == ("Flink reads the line of column names of a csv file as a row",)
    keyed = flink_options({"type": "kafka", "key.field": "id", "acks": "1"}, writes, brokers=Brokers("b:1"))
    assert keyed.options["properties.bootstrap.servers"] == "b:1"
    assert keyed.options["key.fields"] == "id"
    assert keyed.left_out == ("acks",)


# --- the command ---


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["export", *arguments])
    if isinstance(result.exception, VeloError):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_command_writes_a_file_once(tmp_path: Path) -> None:
    program, output = tmp_path / "p.sql", tmp_path / "flink.sql"
    program.write_text(f"{CLICKS}CREATE STREAM r AS SELECT n FROM clicks;")
    code, out, err = run(str(program), "--output", str(output))
    assert (code, out) == (0, "")
    assert f"written: {output}" in err
    assert output.read_text() == run(str(program))[1]
    output.write_text("mine")
    with pytest.raises(VeloError) as caught:
        run(str(program), "--output", str(output))
    assert caught.value.code is ErrorCode.FILE_EXISTS
    assert output.read_text() == "mine"


def test_strict_leaves_with_1_when_something_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "p.sql"
    program.write_text(f"{CLICKS}CREATE STREAM r AS SELECT HEADER('x') AS h FROM clicks;")
    assert run(str(program))[0] == 0
    code, _, err = run(str(program), "--strict")
    assert code == 1
    assert "p.sql:2: the function HEADER" in err


def test_a_converted_folder_and_data_schemas_beside_a_program(tmp_path: Path) -> None:
    (tmp_path / "app.sql").write_text(
        "CREATE TABLE c (id INT) WITH ('type' = 'kafka', 'topic' = 'c', 'format' = 'json'); SELECT id, n FROM c JOIN d ON id = n;"
    )
    table = {"name": "c", "production": {"connector": "mysql-cdc", "hostname": "h"}}
    (tmp_path / "conversion_report.json").write_text(json.dumps({"jobs": [{"name": "j", "tables": [table]}]}))
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "d.schema.yaml").write_text("name: d\nfields:\n  - {name: n, type: INT}\n")
    _, out, _ = run(str(tmp_path))
    assert "'connector' = 'mysql-cdc'" in out
    assert "CREATE TABLE d (\n    n " in out


def test_a_folder_without_a_program_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VeloError) as caught:
        run(str(tmp_path))
    assert caught.value.code is ErrorCode.FILE_NOT_FOUND


def test_a_source_that_is_a_uri_and_system_columns(tmp_path: Path) -> None:
    (tmp_path / "p.sql").write_text("CREATE STREAM r AS SELECT id, _timestamp AS t FROM 'kafka://k1:9092/shop-orders';")
    (tmp_path / "shop-orders.schema.yaml").write_text("name: shop-orders\nfields:\n  - {name: id, type: INT}\n")
    _, out, _ = run(str(tmp_path / "p.sql"))
    assert "CREATE TABLE `shop-orders` (\n    id " in out
    assert "`_timestamp` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL" in out
    assert "'topic' = 'shop-orders'" in out
    assert "'properties.bootstrap.servers' = 'k1:9092'" in out
    assert "SELECT id, _timestamp AS t FROM `shop-orders`;" in out


def test_a_table_that_only_an_unconverted_statement_looks_up_is_one_by_key_both_times() -> None:
    tables = (
        "CREATE TABLE t (id BIGINT, proc AS PROCTIME()) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json',"
        " 'properties.bootstrap.servers' = 'k:9092');\n"
        "CREATE TABLE users (id BIGINT, name STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'jdbc',"
        " 'url' = 'jdbc:mysql://db/x', 'table-name' = 'users');\n"
        "SELECT id FROM t;\n"
    )
    lost = "SELECT NOSUCH(t.id), u.name FROM t JOIN users FOR SYSTEM_TIME AS OF t.proc AS u ON t.id = u.id;\n"
    job = convert_job("j", [parse_script(tables + lost, file="j.sql")])
    assert [statement.sql is not None for statement in job.statements] == [True, False]
    assert "'connector' = 'upsert-kafka',\n    'topic' = 'users'" in job.app_sql
    assert statements_of(second_import(exported_job(job), "j").app_sql) == statements_of(job.app_sql)
    found = lost.replace("NOSUCH(t.id)", "t.id")
    job = convert_job("j", [parse_script(tables + found, file="j.sql")])
    assert "'type' = 'kafka',\n    'topic' = 'users'" in job.app_sql
    assert statements_of(second_import(exported_job(job), "j").app_sql) == statements_of(job.app_sql)


def test_the_event_time_of_confluents_tables_is_declared_once() -> None:
    script = "CREATE TABLE r (k STRING);\nSELECT k, `$rowtime` FROM r;"
    job = convert_job("j", [parse_script(script, file="j.sql")])
    again = second_import(exported_job(job), "j")
    assert again.app_sql.count("METADATA FROM 'timestamp'") == 1
    assert statements_of(again.app_sql) == statements_of(job.app_sql)
