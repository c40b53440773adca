"""`velo run --engine flink`: against a real SQL gateway, and against a server with its recorded answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tools.flink.gateway import Gateway, why_unavailable
from typer.testing import CliRunner

from velo_cli.flink_run import FlinkRun
from velo_cli.velo import app
from velo_engine.engine import Engine
from velo_engine.errors import ErrorCode, VeloError
from velo_import.export.program import export_program
from velo_import.gateway import GatewaySession, StatementFailedError, root_cause

# As Flink 2.3.0 answers a statement that does not validate, shortened.
STACK = [
    "Internal server error.",
    "<Exception on server side:\n"
    "org.apache.flink.table.gateway.api.utils.SqlGatewayException: "
    "org.apache.flink.table.gateway.api.utils.SqlGatewayException: Failed to fetchResults.\n"
    "\tat org.apache.flink.table.gateway.rest.handler.statement.FetchResultsHandler.handleRequest(X.java:91)\n"
    "Caused by: org.apache.flink.table.gateway.service.utils.SqlExecutionException: Failed to execute the operation 47f1.\n"
    "Caused by: org.apache.flink.table.api.ValidationException: SQL validation failed. From line 1, column 22 to line 1, "
    "column 25: Column 'nope' not found in any table\n\t... 15 more\n"
    "Caused by: org.apache.calcite.sql.validate.SqlValidatorException: Column 'nope' not found in any table\n"
    "\t... 39 more\n\nEnd of exception on server side>",
]
JOB = "6578bd844f4b67a7cef05c4ef9720f5b"
OK = {"columns": [{"name": "result"}], "data": [{"kind": "INSERT", "fields": ["OK"]}]}
INSERTED = {"columns": [{"name": "job id"}], "data": [{"kind": "INSERT", "fields": [JOB]}]}

PROGRAM = """\
CREATE STREAM numbers (n INT) WITH ('type' = 'file_source', 'path' = '/in', 'format' = 'json');

CREATE STREAM doubled AS
SELECT n * 2 AS d FROM numbers WITH ('type' = 'file_sink', 'path' = '/out', 'format' = 'json');
"""


class Recorded:
    """A gateway that answers as a real one did. `failing` statements fail; jobs are in the states that they are given."""

    def __init__(self) -> None:
        self.versions: list[str] | None = ["V1", "V2", "V3", "V4"]
        self.failing = "\0"
        self.stuck = "\0"
        self.states = ["RUNNING", "FINISHED"]
        self.statements: list[str] = []
        self.requests: list[str] = []

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.requests.append(f"{method} {path}")
        parts = path.strip("/").split("/")
        if path == "/info":
            return 200, {"productName": "Apache Flink", "version": "2.3.0"}
        if path == "/api_versions":
            return (200, {"versions": self.versions}) if self.versions is not None else (404, {"errors": ["Not found"]})
        if parts[-1] == "sessions":
            return 200, {"sessionHandle": "s"}
        if parts[-1] == "statements":
            self.statements.append(body["statement"])
            return 200, {"operationHandle": str(len(self.statements) - 1)}
        if parts[-1] in ("status", "cancel"):
            sql = self.statements[int(parts[-2])]
            running = "RUNNING" if self.stuck in sql else "ERROR" if self.failing in sql else "FINISHED"
            return 200, {"status": "CANCELED" if parts[-1] == "cancel" else running}
        if "result" in parts:
            return self._result(self.statements[int(parts[parts.index("result") - 1])])
        return 200, {"status": "CLOSED", "properties": {}}

    def _result(self, sql: str) -> tuple[int, Any]:
        if self.failing in sql:
            return 500, {"errors": STACK}
        results = OK
        if sql.startswith("INSERT"):
            results = INSERTED
        elif sql == "SHOW JOBS":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            columns = [{"name": name} for name in ("job id", "job name", "status", "start time")]
            results = {"columns": columns, "data": [{"kind": "INSERT", "fields": [JOB, "x", state, "now"]}]}
        return 200, {"resultType": "EOS", "isQueryResult": False, "results": results}


@contextmanager
def served(recorded: Recorded) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            status, found = recorded.answer(self.command, self.path.partition("?")[0], body)
            data = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *_: Any) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *_: Any) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


DIVIDED = (
    "org.apache.flink.table.gateway.service.utils.SqlExecutionException: Failed to execute the operation 0.\n"
    "Caused by: java.lang.RuntimeException: Failed to fetch next result\n"
    "Caused by: org.apache.flink.runtime.client.JobExecutionException: Job execution failed.\n"
    "Caused by: java.lang.ArithmeticException: / by zero\n"
)


def run(url: str, *, detach: bool = False, sleep: Callable[[float], None] = lambda _: None) -> int:
    program = export_program(PROGRAM, "p.sql", engine=Engine())
    with GatewaySession(url, sleep=lambda _: None) as session:
        return FlinkRun(program, session, detach, sleep).run()


def test_statements_are_carried_out_and_the_job_is_followed(capsys: pytest.CaptureFixture[str]) -> None:
    recorded = Recorded()
    with served(recorded) as url:
        assert run(url) == 0
    assert [sql.split("(")[0].split("\n")[0].strip() for sql in recorded.statements] == [
        "CREATE TABLE numbers",
        "CREATE TABLE doubled",
        "INSERT INTO doubled",
        "SHOW JOBS",
        "SHOW JOBS",
    ]
    assert capsys.readouterr().err == f"job {JOB}: doubled\njob {JOB}: finished\n"
    assert "POST /v4/sessions" in recorded.requests
    assert recorded.requests[-1] == "DELETE /v4/sessions/s"


@pytest.mark.parametrize(("offered", "spoken"), [(["V1", "V2"], "v2"), (["V4", "V9"], "v4"), (None, "v1")])
def test_the_best_version_that_both_know_is_spoken(offered: list[str] | None, spoken: str) -> None:
    recorded = Recorded()
    recorded.versions = offered
    with served(recorded) as url, GatewaySession(url) as session:
        assert session.version == spoken
        assert session.execute("SHOW JOBS")[0].rows[0][1][0] == JOB


def test_unknown_versions_are_said() -> None:
    recorded = Recorded()
    recorded.versions = ["V9"]
    with served(recorded) as url, pytest.raises(VeloError) as caught:
        GatewaySession(url)
    assert caught.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert "speaks V9" in caught.value.message


def test_an_error_of_flinks_stands_at_the_statement_of_the_program() -> None:
    recorded = Recorded()
    recorded.failing = "INSERT INTO doubled"
    with served(recorded) as url, pytest.raises(VeloError) as caught:
        run(url)
    assert caught.value.code is ErrorCode.JOB_FAILED
    assert caught.value.message == "Flink refuses: Column 'nope' not found in any table"
    assert caught.value.location is not None
    assert (caught.value.location.file, caught.value.location.line) == ("p.sql", 3)
    assert recorded.requests[-1] == "DELETE /v4/sessions/s"


def test_a_statement_that_takes_too_long_is_cancelled() -> None:
    recorded = Recorded()
    recorded.stuck = "SELECT"
    now = iter(range(100))
    with (
        served(recorded) as url,
        GatewaySession(url, sleep=lambda _: None, clock=lambda: float(next(now))) as session,
        pytest.raises(VeloError) as caught,
    ):
        session.execute("SELECT 1", seconds=3)
    assert caught.value.code is ErrorCode.TIMEOUT
    assert "POST /v4/sessions/s/operations/0/cancel" in recorded.requests


def test_a_job_that_fails_is_an_error_at_its_statement() -> None:
    recorded = Recorded()
    recorded.states = ["FAILED"]
    with served(recorded) as url, pytest.raises(VeloError) as caught:
        run(url)
    assert caught.value.message == "the job failed on Flink: its reason is in the cluster's own log"
    assert caught.value.location is not None
    assert caught.value.location.line == 3


def test_detached_nothing_is_waited_for() -> None:
    recorded = Recorded()
    with served(recorded) as url:
        assert run(url, detach=True) == 0
    assert "SHOW JOBS" not in recorded.statements


@pytest.mark.parametrize(("state", "said"), [("CANCELED", "canceled"), ("RUNNING", "running; it goes on")])
def test_ctrl_c_stops_the_job_and_says_whether_it_goes_on(
    state: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = Recorded()
    recorded.states = ["RUNNING", state]

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with served(recorded) as url:
        assert run(url, sleep=interrupted) == 130
    assert f"STOP JOB '{JOB}'" in recorded.statements
    assert capsys.readouterr().err.splitlines()[-1] == f"job {JOB}: {said}"


def test_no_gateway_is_missing_infrastructure() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_address[1]
    with pytest.raises(VeloError) as caught:
        GatewaySession(f"http://127.0.0.1:{port}")
    assert caught.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    with pytest.raises(VeloError) as caught:
        GatewaySession("localhost:8083")
    assert caught.value.code is ErrorCode.BAD_VALUE


def test_the_last_cause_says_why() -> None:
    assert root_cause(STACK) == "Column 'nope' not found in any table"
    assert root_cause(["Not found: /x"]) == "Not found: /x"
    assert root_cause([]) == "it failed, and Flink does not say why"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "flink"], "--engine flink needs a SQL gateway of Flink"),
        (["--flink-gateway", "http://x"], "--flink-gateway and --detach are for --engine flink"),
        (
            ["--engine", "flink", "--flink-gateway", "http://x", "--checkpoint-dir", "c"],
            "--checkpoint-dir: for the engine of velostream, not for Flink",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], message: str, tmp_path: Path) -> None:
    program = tmp_path / "p.sql"
    program.write_text(PROGRAM)
    result = CliRunner().invoke(app, ["run", str(program), *arguments])
    assert isinstance(result.exception, VeloError)
    assert result.exception.message == message


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            200,
            b'{"jobs": "x", "sessionHandle": 5}',
            "does not answer as a SQL gateway of Flink does: an answer has no productName",
        ),
        (200, b"<html>Welcome</html>", "what it answers is no JSON object"),
        (200, b"[]", "what it answers is no JSON object"),
        (404, b"<html>Not found</html>", "is no SQL gateway of Flink: the gateway answers 404"),
    ],
)
def test_what_is_no_gateway_is_said_in_plain_words(
    status: int, body: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "p.sql"
    program.write_text(PROGRAM)
    with answering(status, body) as url:
        result = CliRunner().invoke(app, ["run", str(program), "--engine", "flink", "--flink-gateway", url])
    assert isinstance(result.exception, VeloError)
    assert result.exception.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert said in result.exception.message
    assert "html" not in result.exception.message


def test_versions_that_are_no_list_are_no_gateways() -> None:
    with answering(200, b'{"productName": "x", "versions": "V1"}') as url, pytest.raises(VeloError) as caught:
        GatewaySession(url)
    assert caught.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert caught.value.message == f"{url} does not answer as a SQL gateway of Flink does"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://", "--flink-gateway needs a URL of HTTP, not http://"),
        ("http://h:x", "--flink-gateway needs a URL of HTTP, not http://h:x"),
        ("http://me:pw@h:8083", "--flink-gateway takes no user and password in its URL"),
    ],
)
def test_a_bad_url_is_refused_before_anything_is_exported(url: str, message: str, tmp_path: Path) -> None:
    arguments = ["run", str(tmp_path / "absent.sql"), "--engine", "flink", "--flink-gateway", url]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, VeloError)
    assert (result.exception.code, result.exception.message) == (ErrorCode.BAD_VALUE, message)


def test_rows_before_an_error_are_shown_and_it_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """As Flink answers SELECT 1 / a when a is 0 in a later row: the second page is an error."""
    recorded = Recorded()
    rows = {"columns": [{"name": "a"}], "data": [{"kind": "INSERT", "fields": [7]}]}
    pages = [
        (
            200,
            {
                "resultType": "PAYLOAD",
                "isQueryResult": True,
                "results": rows,
                "nextResultUri": "/v4/sessions/s/operations/0/result/1",
            },
        ),
        (500, {"errors": [DIVIDED]}),
    ]
    recorded._result = lambda _: pages.pop(0)  # type: ignore[method-assign]
    program = export_program("SELECT a FROM (VALUES (7)) AS t (a);", "p.sql", engine=Engine())
    with (
        served(recorded) as url,
        GatewaySession(url, sleep=lambda _: None) as session,
        pytest.raises(VeloError) as caught,
    ):
        FlinkRun(program, session, False, lambda _: None).run()
    assert caught.value.message == "it failed on Flink: / by zero"
    assert capsys.readouterr().out == "+I 7\n"


def test_what_flink_cannot_say_is_not_run(tmp_path: Path) -> None:
    program = tmp_path / "p.sql"
    program.write_text("CREATE STREAM t (a INT);\nCREATE STREAM r AS SELECT HEADER('x') AS h FROM t;")
    arguments = ["run", str(program), "--engine", "flink", "--flink-gateway", "http://127.0.0.1:1"]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, VeloError)
    assert result.exception.message == "Flink cannot say the function HEADER"
    assert result.exception.location is not None
    assert result.exception.location.line == 2


# --- a real gateway ---


@pytest.mark.flink
@pytest.mark.slow
def test_a_real_gateway_runs_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = why_unavailable()
    if problem is not None:
        pytest.skip(problem)
    rows = [(1, "DE", "2.50", "00:00:01"), (2, "FR", "1.00", "00:00:09"), (3, "DE", "4.00", "00:01:30")]
    lines = [{"id": i, "country": c, "amount": a, "at": f"2024-01-01 {t}"} for i, c, a, t in rows]
    (tmp_path / "orders.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = (
        "CREATE STREAM orders (id BIGINT, country STRING, amount DECIMAL(10, 2), at TIMESTAMP(3))\n"
        f"WITH ('type' = 'file_source', 'path' = '{tmp_path}/orders.json', 'format' = 'json_lines');\n"
    )
    minutes = (
        "CREATE TABLE minutes AS SELECT country, window_start, SUM(amount{}) AS total FROM orders\n"
        "WINDOW TUMBLING(at, 1m) GROUP BY country EMIT FINAL\n"
        f"WITH ('minutes.type' = 'file_sink', 'minutes.path' = '{tmp_path}/out', 'minutes.format' = 'json');\n"
    )
    shown = "SELECT country, COUNT(*) AS n FROM orders GROUP BY country;"
    with Gateway() as gateway:
        with GatewaySession(gateway.url) as session:
            assert session.version == "v4"
            program = export_program(source + minutes.format("") + shown, "p.sql", engine=Engine())
            assert FlinkRun(program, session).run() == 0
            printed = capsys.readouterr()
            assert sorted(printed.out.splitlines()) == ["+I DE, 1", "+I FR, 1", "+U DE, 2", "-U DE, 1"]
            assert printed.err.splitlines()[-1].endswith(": finished")
            written = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
            assert sorted(map(_row, written.splitlines())) == [
                ("DE", "2024-01-01 00:00:00", 2.5),
                ("DE", "2024-01-01 00:01:00", 4),
                ("FR", "2024-01-01 00:00:00", 1),
            ]
            with pytest.raises(StatementFailedError, match="nope"):
                session.execute("SELECT nope FROM orders")
        with GatewaySession(gateway.url) as session:
            failing = export_program(source + minutes.format(" / 0"), "p.sql", engine=Engine())
            with pytest.raises(VeloError) as caught:
                FlinkRun(failing, session).run()
            assert caught.value.message == "the job failed on Flink: Division by zero"
            assert caught.value.location is not None
            assert caught.value.location.line == 3


def _row(line: str) -> tuple[str, str, float]:
    row = json.loads(line)
    return row["country"], row["window_start"], row["total"]
