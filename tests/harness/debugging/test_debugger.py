"""The debugger, driven by scripts. What it shows follows from the SQL and the rows, by hand."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.debugging.command_reader import ScriptReader
from velo_harness.debugging.debugged_query import QueryDebugger, debugged_item
from velo_harness.debugging.screen import Screen
from velo_harness.debugging.shell import command_named
from velo_harness.settings import RunSettings

SQL = """CREATE TABLE orders (id BIGINT, kind STRING, amount DECIMAL(10, 2), at TIMESTAMP(3),
  WATERMARK FOR at AS at - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json');

CREATE STREAM large AS
SELECT id, kind, amount, at FROM orders WHERE amount > 10;

CREATE TABLE per_kind AS
SELECT kind, COUNT(*) AS n, SUM(amount) AS total FROM large GROUP BY kind;
"""
SPEC = """application: orders
{debug}
queries:
  - name: per_kind
    inputs:
      - source: orders
        rows:
          - {{id: 1, kind: a, amount: 5.00, at: 2025-01-01 10:00:01}}
          - {{id: 2, kind: a, amount: 12.50, at: 2025-01-01 10:00:20}}
          - {{id: 3, kind: b, amount: 99.00, at: 2025-01-01 10:01:30}}
          - {{id: 4, kind: a, amount: 30.00, at: 2025-01-01 10:00:59}}
    expect:
      rows: [{{kind: a, n: 2, total: 42.50}}, {{kind: b, n: 1, total: 99.00}}]
"""

Session = Callable[..., str]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Runs a script; gives what was shown. `.failed` tells whether a command was wrong."""

    def run(script: str, debug: str = "", *, yes: bool = False, fails: bool = False) -> str:
        (tmp_path / "pyproject.toml").write_text("")
        (tmp_path / "app.sql").write_text(SQL)
        (tmp_path / "app.test.yaml").write_text(SPEC.format(debug=debug))
        item = debugged_item(tmp_path / "app.test.yaml", RunSettings(), None)
        shown = io.StringIO()
        screen = Screen(shown)
        debugger = QueryDebugger(screen, ScriptReader(script.splitlines(), screen), assumes_yes=yes)
        debugger.run(item.spec, item.query, RunSettings(), item="per_kind", rerun="again")
        assert debugger.failed is fails, shown.getvalue()
        return shown.getvalue()

    return run


def answers(shown: str) -> list[str]:
    """What is shown after each command."""
    return [part.partition("\n")[2].rstrip() for part in shown.split("velo> ")]


def test_it_pauses_before_the_first_record_and_steps(session: Session) -> None:
    start, one, three, at_end = answers(session("step\nstep 2\nquit"))
    assert start == "  before record 1 of 4"
    assert one == "paused: step\n  record 1 of 4: orders {id: 1, kind: a, amount: 5.00, at: 2025-01-01 10:00:01}"
    assert three == (
        "paused: step\n"
        "  record 3 of 4: orders {id: 3, kind: b, amount: 99.00, at: 2025-01-01 10:01:30}\n"
        "changes: 4 rows\n"
        "  record  statement  op  row\n"
        "  ------  ---------  --  ------------------------------------------------------------\n"
        "  2       large      +I  {id: 2, kind: a, amount: 12.50, at: 2025-01-01 10:00:20}\n"
        "  2       per_kind   +I  {kind: a, n: 1, total: 12.50}\n"
        "  3       large      +I  {id: 3, kind: b, amount: 99.00, at: 2025-01-01 10:01:30}\n"
        "  3       per_kind   +I  {kind: b, n: 1, total: 99.00}"
    ).replace("------------------------------------------------------------", "-" * 56)
    assert at_end == ""


def test_it_goes_on_by_statements_and_operators(session: Session) -> None:
    shown = answers(session("next\nnext\nnext\ninto\ninto\nquit"))
    pauses = [text.splitlines()[0] for text in shown[1:-1]]
    assert pauses == [
        "paused: large: the condition and projection",
        "paused: per_kind: the projection",
        "paused: large: the condition and projection",
        "paused: per_kind: the aggregation",
        "paused: per_kind: the projection",
    ]


def test_where_says_record_statement_watermark_and_processing_time(session: Session) -> None:
    assert answers(session("step 3\nwhere\nquit"))[2] == (
        "record 3 of 4: orders {id: 3, kind: b, amount: 99.00, at: 2025-01-01 10:01:30}\n"
        "statement per_kind, the projection\n"
        "watermark of orders (large, at): 2025-01-01 10:01:25.000\n"
        "processing time 2025-01-01 00:00:00.000"
    )
    assert answers(session("where\nquit"))[1] == "before record 1 of 4"


def test_breakpoints_of_all_kinds(session: Session) -> None:
    script = "break large\nbreak per_kind:3\nbreak when n > 1\nbreak large when amount > 50\nlist\nquit"
    assert answers(session(script))[5] == (
        "1: large when it gives out a change\n2: per_kind after record 3\n"
        "3: any statement when n > 1\n4: large when amount > 50"
    )


@pytest.mark.parametrize(
    ("where", "pauses"),
    [
        ("large", [2, 3, 4]),
        ("per_kind:3", [3]),
        ("per_kind:4", [4]),
        ("when n > 1", [4]),
        ("large when amount > 50", [3]),
        ("per_kind when total = 12.5", [2, 4]),
    ],
)
def test_continue_stops_at_breakpoints(session: Session, where: str, pauses: list[int]) -> None:
    shown = session(f"break {where}\n" + "continue\n" * (len(pauses) + 1) + "quit")
    lines = shown.splitlines()
    found = [lines[i + 1].split()[1] for i, line in enumerate(lines) if line.startswith("paused: breakpoint 1")]
    assert found == [str(record) for record in pauses]
    assert "paused: the end" in shown


def test_a_breakpoint_that_is_deleted_pauses_no_more(session: Session) -> None:
    shown = session("break large\nbreak per_kind:3\ndelete 1\ncontinue\ndelete\nlist\nquit")
    assert [line for line in shown.splitlines() if line.startswith("paused")] == [
        "paused: start",
        "paused: breakpoint 2: per_kind after record 3",
    ]
    assert answers(shown)[6] == "no breakpoints"


@pytest.mark.parametrize(
    "command",
    [
        "break larg",
        "break large:0",
        "break when amont > 5",
        "break when amount",
        "break large:3 when n > 1",
        "break a b",
        "delete 7",
        "inspect step 99",
        "inspect input order",
        "inspect larg",
        "filter amount >",
        "filter",
        "export large",
        "export large x.txt",
        "step no",
        "step 0",
        "explain {}",
        "explain 7",
        "frobnicate",
        "help me",
        "history larg",
    ],
)
def test_a_wrong_command_is_explained_and_the_session_goes_on(session: Session, command: str) -> None:
    shown = answers(session(f"step 2\n{command}\nwhere\nquit", fails=True))
    assert shown[2]
    assert "Traceback" not in shown[2]
    assert shown[3].startswith("record 2 of 4")


def test_the_message_for_a_wrong_name_names_the_nearest(session: Session) -> None:
    assert answers(session("break larg\nquit", fails=True))[1] == 'there is no statement "larg" (did you mean "large"?)'


def test_contents_input_and_state(session: Session) -> None:
    shown = answers(session("step 4\ninspect large\ninspect output\ninspect input\ninspect state per_kind\nquit"))
    assert shown[2].splitlines()[0] == "large: 3 rows"
    assert shown[3].splitlines() == [
        "per_kind: 2 rows",
        "  kind  n  total",
        "  ----  -  -----",
        "  b     1  99.00",
        "  a     2  42.50",
    ]
    assert shown[4].splitlines()[0] == "input orders: 4 rows"
    assert "per_kind, the aggregation: keys: 2 rows" in shown[5]
    assert "large" not in shown[5]


def test_what_each_step_made_of_the_record(session: Session) -> None:
    shown = answers(session("step 2\ninspect record\ninspect step 2\ninspect steps\nquit"))
    assert [line for line in shown[2].splitlines() if line.startswith("step")] == [
        "step 0 large, the source orders: 1 row",
        "step 1 large, the watermark: 1 row",
        "step 2 large, the condition and projection: 1 row",
        "step 3 per_kind, the aggregation: 1 row",
        "step 4 per_kind, the projection: 1 row",
    ]
    assert shown[3].startswith("step 2 reads: 2 rows")
    assert "step 2, the condition and projection, gives out: 1 row" in shown[3]
    assert shown[4].splitlines()[0] == "steps: 5 rows"


def test_filter_shows_the_rows_of_a_predicate(session: Session) -> None:
    shown = answers(session("step 4\nfilter large amount < 50\nfilter n = 1\nquit"))
    assert [line.split()[0] for line in shown[2].splitlines()[3:]] == ["2", "4"]
    assert [line.split() for line in shown[3].splitlines()[3:]] == [["b", "1", "99.00"]]


def test_history_and_back(session: Session) -> None:
    shown = answers(session("step 4\nhistory per_kind\nhistory 1\nhistory back 2\nhistory back 1 large\nquit"))
    assert [line.split()[:3] for line in shown[2].splitlines()[3:]] == [
        ["2", "per_kind", "+I"],
        ["3", "per_kind", "+I"],
        ["4", "per_kind", "-U"],
        ["4", "per_kind", "+U"],
    ]
    assert shown[3].splitlines()[-1].split() == ["4", "per_kind", "+U", "a", "2", "42.50"]
    assert shown[4].splitlines() == [
        "per_kind after record 2: 1 row",
        "  kind  n  total",
        "  ----  -  -----",
        "  a     1  12.50",
    ]
    assert shown[5].splitlines()[0] == "large after record 3: 2 rows"


def test_export_writes_rows_and_overwrites_nothing_that_it_has_not_written(session: Session, tmp_path: Path) -> None:
    csv, parquet, lines = (tmp_path / f"out.{ending}" for ending in ("csv", "parquet", "jsonl"))
    script = f"step 3\nexport per_kind {csv}\nstep\nexport per_kind {csv}\nexport large {parquet}\nexport large {lines}\nquit"
    session(script)
    assert csv.read_text() == "kind,n,total\nb,1,99.00\na,2,42.50\n"
    assert pyarrow.parquet.read_table(parquet).column("id").to_pylist() == [2, 3, 4]
    assert [json.loads(line)["id"] for line in lines.read_text().splitlines()] == [2, 3, 4]
    refused = answers(session(f"step 3\nexport per_kind {csv}\nquit", fails=True))
    assert refused[2].splitlines()[-1] == f"{csv} exists"
    session(f"step 3\nexport per_kind {csv}\nquit", yes=True)
    assert csv.read_text() == "kind,n,total\na,1,12.50\nb,1,99.00\n"


def test_why_a_row_is_missing_so_far(session: Session) -> None:
    shown = answers(session('step 2\nexplain {"kind": "b"}\nstep\nexplain {"kind": "b"}\nquit'))
    assert shown[2].splitlines()[1].strip().startswith("the input orders never held a row {kind: b}")
    assert shown[4].splitlines()[1].strip() == "it is there: {kind: b, n: 1, total: 99.00}"


def test_the_end_gives_the_verdict_and_answers_questions(session: Session) -> None:
    shown = session("continue\ninspect\nstep\nquit")
    assert "\nper_kind: 1 check holds\npaused: the end\n" in shown
    assert "all 4 records are read" in shown
    assert answers(shown)[3] == "the job has ended: restart, or quit"


def test_restart_begins_anew_with_the_same_breakpoints(session: Session) -> None:
    shown = session("break per_kind:3\nstep 2\nrestart\nhistory\ncontinue\nquit")
    assert answers(shown)[3].startswith("from the start\npaused: start\n  before record 1 of 4")
    assert answers(shown)[4] == "changes: 0 rows"
    assert answers(shown)[5].startswith("paused: breakpoint 1: per_kind after record 3")


def test_a_script_that_ends_leaves_the_job(session: Session) -> None:
    assert session("# nothing\n\nstep").endswith("at: 2025-01-01 10:00:01}\n")


def test_a_spec_says_how_it_starts(session: Session) -> None:
    debug = "debug: {enabled: true, pause_on_start: false, breakpoints: [{query: large, after_record: 2}]}"
    shown = session("list\nquit", debug)
    assert shown.startswith("paused: breakpoint 1: large after record 2\n  record 2 of 4")
    assert answers(shown)[1] == "1: large after record 2"


def test_settings_that_are_not_enabled_do_not_count(session: Session) -> None:
    debug = "debug: {enabled: false, pause_on_start: false, breakpoints: [{query: large, after_record: 2}]}"
    assert answers(session("list\nquit", debug))[1] == "no breakpoints"


def test_intermediate_values_at_every_pause(session: Session) -> None:
    shown = session("step\nquit", "debug: {enabled: true, show_intermediate_values: true}")
    assert "step 1 large, the watermark: 1 row" in shown
    assert "step 2 large" not in shown  # record 1 does not pass


@pytest.mark.parametrize(
    ("level", "lines"),
    [
        ("error", []),
        ("warn", []),
        ("info", ["paused: start", "paused: the end"]),
        ("debug", ["paused: start", "  large: +I {id: 2, kind: a, amount: 12.50, at: 2025-01-01 10:00:20}"]),
        ("trace", ["  large, the watermark: {op: +I, id: 1, kind: a, amount: 5.00, at: 2025-01-01 10:00:01}"]),
    ],
)
def test_log_levels(session: Session, level: str, lines: list[str]) -> None:
    shown = session("continue\nquit", f"debug: {{enabled: true, log_level: {level}}}").splitlines()
    assert set(lines) <= set(shown)
    assert ("paused: start" in shown) is (level in ("info", "debug", "trace"))
    assert any(line.startswith("  large: +I") for line in shown) is (level in ("debug", "trace"))


def test_a_breakpoint_of_the_spec_at_a_query_that_is_not_there(session: Session) -> None:
    with pytest.raises(VeloError) as refused:
        session("quit", "debug: {enabled: true, breakpoints: [{query: larg}]}")
    assert refused.value.code is ErrorCode.UNKNOWN_QUERY
    assert refused.value.location is not None
    assert refused.value.location.line == 2


def test_a_sql_file_without_spec_runs_over_generated_rows(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "alone.sql").write_text(SQL)
    with pytest.raises(VeloError) as several:
        debugged_item(tmp_path / "alone.sql", RunSettings(), None)
    assert several.value.hint == "name it with --query: large, per_kind"
    with pytest.raises(VeloError) as unknown:
        debugged_item(tmp_path / "alone.sql", RunSettings(), "larg")
    assert unknown.value.code is ErrorCode.UNKNOWN_QUERY
    item = debugged_item(tmp_path / "alone.sql", RunSettings(), "large")
    shown = io.StringIO()
    screen = Screen(shown)
    reader = ScriptReader(["step 3", "where", "inspect input", "quit"], screen)
    QueryDebugger(screen, reader, assumes_yes=True).run(item.spec, item.query, RunSettings(), item="large", rerun="")
    assert "record 3 of 1000" in shown.getvalue()
    assert "input orders: 3 rows" in shown.getvalue()


@pytest.mark.parametrize(
    ("word", "command"),
    [
        ("s", "step"),
        ("c", "continue"),
        ("l", "breakpoints"),
        ("insp", "inspect"),
        ("?", "help"),
        ("q", "quit"),
        ("ex", None),
    ],
)
def test_commands_may_be_short(word: str, command: str | None) -> None:
    if command is None:
        with pytest.raises(VeloError):
            command_named(word)
    else:
        assert command_named(word) == command


WINDOWS = """CREATE TABLE orders (id BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json');
CREATE TABLE per_minute AS
SELECT window_start, COUNT(id) AS n
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
"""
WINDOW_SPEC = """application: orders
queries:
  - name: per_minute
    inputs:
      - source: orders
        rows:
          - {id: 1, at: 2025-01-01 10:00:01}
          - {id: 2, at: 2025-01-01 10:01:30}
          - {id: 3, at: 2025-01-01 10:00:59}
    expect:
      rows: [{window_start: 2025-01-01 10:00:00, n: 1}, {window_start: 2025-01-01 10:01:00, n: 1}]
"""


def test_windows_that_have_not_closed_and_late_rows(tmp_path: Path) -> None:
    for name, text in (("pyproject.toml", ""), ("app.sql", WINDOWS), ("app.test.yaml", WINDOW_SPEC)):
        (tmp_path / name).write_text(text)
    item = debugged_item(tmp_path / "app.test.yaml", RunSettings(), None)
    shown = io.StringIO()
    screen = Screen(shown)
    script = ["step", 'explain {"id": 1}', "step", 'explain {"id": 1}', "step", 'explain {"id": 3}', "quit"]
    reader = ScriptReader(script, screen)
    QueryDebugger(screen, reader, assumes_yes=True).run(item.spec, item.query, RunSettings(), item="q", rerun="")
    told = answers(shown.getvalue())
    assert told[2].splitlines()[1].strip() == (
        "still in state of all rows: its window has not closed, the watermark stands at 2025-01-01 09:59:56.000"
    )
    assert told[4].splitlines()[1].strip() == "it is in the output, as {window_start: 2025-01-01 10:00:00, n: 1}"
    assert told[5].splitlines()[0] == "  per_minute: a row came too late"
    assert told[6].splitlines()[1].strip() == (
        "late: the watermark stood at 2025-01-01 10:01:25.000, its time is 2025-01-01 10:00:59 "
        "and its last window [2025-01-01 10:00:00, 2025-01-01 10:01:00) had closed"
    )


def test_ctrl_c_pauses_a_job_that_runs(tmp_path: Path) -> None:
    for name, text in (("pyproject.toml", ""), ("app.sql", SQL), ("app.test.yaml", SPEC.format(debug=""))):
        (tmp_path / name).write_text(text)

    class Pressing(ScriptReader):
        """Presses Ctrl-C in the moment in which the job goes on from its second pause."""

        def read(self) -> str | None:
            command = super().read()
            if command == "continue":
                signal.raise_signal(signal.SIGINT)
            return command

    item = debugged_item(tmp_path / "app.test.yaml", RunSettings(), None)
    shown = io.StringIO()
    screen = Screen(shown)
    debugger = QueryDebugger(screen, Pressing(["step", "continue", "quit"], screen), assumes_yes=True)
    before = signal.getsignal(signal.SIGINT)
    debugger.run(item.spec, item.query, RunSettings(), item="per_kind", rerun="")
    pauses = [line for line in shown.getvalue().splitlines() if line.startswith("paused")]
    assert pauses == ["paused: start", "paused: step", "paused: interrupted"]
    assert signal.getsignal(signal.SIGINT) is before
