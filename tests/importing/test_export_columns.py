"""`velo export`: stars of tables that have more columns in Flink, and event times that Flink cannot declare."""

from __future__ import annotations

import pytest

from velo_engine.engine import Engine
from velo_import.export.model import ExportedProgram, Form
from velo_import.export.program import ExportOptions, export_program

EV = (
    "CREATE STREAM ev (k STRING, `value` DOUBLE, ts BIGINT) WITH ('type' = 'kafka_source', 'topic' = 'ev', "
    "'bootstrap.servers' = 'k:9092', 'event.time.field' = 'ts', 'event.time.format' = 'epoch_millis');\n"
    "CREATE STREAM u (k STRING, w INT);\n"
)
WINDOW = "CREATE STREAM z AS SELECT k, COUNT(*) AS n FROM ev WINDOW TUMBLING(ts, 1m) GROUP BY k EMIT FINAL;\n"


def export(text: str) -> ExportedProgram:
    return export_program(text, "p.sql", engine=Engine(), options=ExportOptions())


def inserts(program: ExportedProgram) -> dict[str, str]:
    return {one.name: one.sql.partition("\n")[2] for one in program.statements if one.form is Form.INSERT}


@pytest.mark.parametrize(
    ("written", "flink"),
    [
        ("SELECT * FROM ev WHERE ts > 1", "SELECT k, `value`, ts FROM ev WHERE ts > 1"),
        ("SELECT e.*, e._offset AS o FROM ev e", "SELECT e.k, e.`value`, e.ts, e._offset AS o FROM ev e"),
        ("SELECT *, 1 AS a FROM (SELECT * FROM ev) x", "SELECT *, 1 AS a FROM (SELECT k, `value`, ts FROM ev) x"),
        (
            "WITH c AS (SELECT * FROM ev) SELECT * FROM c",
            "WITH c AS (SELECT k, `value`, ts FROM ev) SELECT * FROM c",
        ),
        ("SELECT u.*, e.k AS ek FROM u JOIN ev e ON u.k = e.k", "SELECT u.*, e.k AS ek FROM u JOIN ev e ON u.k = e.k"),
        (
            "SELECT e.*, u.w FROM ev e JOIN u ON u.k = e.k",
            "SELECT e.k, e.`value`, e.ts, u.w FROM ev e JOIN u ON u.k = e.k",
        ),
        ("SELECT * FROM u", "SELECT * FROM u"),
    ],
)
def test_stars_are_the_columns_of_the_program(written: str, flink: str) -> None:
    program = export(f"{EV}{WINDOW}CREATE STREAM r AS {written};")
    assert program.refused == ()
    assert inserts(program)["r"] == flink


def test_a_star_stays_where_flinks_table_has_no_more_columns() -> None:
    program = export(
        "CREATE STREAM ev (k STRING, ts TIMESTAMP(3)) WITH ('type' = 'kafka_source', 'topic' = 'ev', "
        f"'bootstrap.servers' = 'k:9092', 'event.time.field' = 'ts');\n{WINDOW}CREATE STREAM r AS SELECT * FROM ev;"
    )
    assert inserts(program)["r"] == "SELECT * FROM ev"


WINDOWS = (
    "CREATE TABLE ev (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('type' = 'kafka_source', "
    "'topic' = 'ev', 'bootstrap.servers' = 'k:9092');\n"
    "CREATE TABLE w AS SELECT k, {time}, COUNT(*) AS n FROM ev WINDOW TUMBLING(ts, 1m) GROUP BY k EMIT FINAL;\n"
    "CREATE TABLE w2 AS SELECT MAX(n) AS most FROM w WINDOW TUMBLING({name}, 5m) EMIT FINAL;\n"
    "CREATE STREAM above AS SELECT most FROM w2 WHERE most > 3;\n"
)


def test_what_is_not_exported_is_not_written_nor_what_reads_it() -> None:
    program = export(WINDOWS.format(time="window_start", name="window_start"))
    assert [(note.location.line, note.message) for note in program.refused] == [
        (3, "the event time of w, which is not a column of a source"),
        (4, "above reads w2, which is not exported"),
    ]
    assert {one.name for one in program.statements} == {"ev", "w"}
    assert list(inserts(program)) == ["w"]  # nobody reads it now: its rows are written


def test_the_hint_for_a_window_over_a_window_applies() -> None:
    refused = export(WINDOWS.format(time="window_start", name="window_start")).refused[0]
    assert refused.hint == "give window_time AS rowtime out of w, and cut the window by it: (rowtime, …)"
    followed = export(WINDOWS.format(time="window_time AS rowtime", name="rowtime"))
    assert followed.refused == ()
    assert "DESCRIPTOR(rowtime)" in next(one.sql for one in followed.statements if one.origin == "w2" and one.query)


def test_sinks_take_the_brokers_that_all_sources_have() -> None:
    source = "CREATE STREAM {name} (k INT) WITH ('type' = 'kafka_source', 'topic' = 't'{more});\n"
    one = source.format(name="a", more=", 'bootstrap.servers' = 'k:9092'")
    query = "CREATE STREAM r AS SELECT a.k FROM a JOIN b ON a.k = b.k;\n"
    same = export(one + source.format(name="b", more=", 'bootstrap.servers' = 'k:9092'") + query)
    (sink,) = [found for found in same.statements if found.form is Form.TABLE and found.name == "r"]
    assert sink.options["properties.bootstrap.servers"] == "k:9092"
    assert not [note for note in same.notes if "brokers" in note.message]
    other = export(one + source.format(name="b", more=", 'bootstrap.servers' = 'l:9092'") + query)
    assert [(note.location.line, note.message) for note in other.notes if "brokers" in note.message] == [
        (3, "the program does not say where the brokers of r are: localhost:9092 is written")
    ]
