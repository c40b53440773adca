"""Running jobs and sessions: recorded answers of a real Flink, given again on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.importing.conftest import Ran
from tests.importing.record_rest import QUERIES, REST
from velo_engine.errors import ErrorCode, VeloError
from velo_import.convert.job import convert_job
from velo_import.inputs.running_job.descriptions import parts_of
from velo_import.inputs.running_job.expressions import UnreadText, sql_of
from velo_import.inputs.sources import Source, read_source, with_notes
from velo_import.model import ConvertedJob, Outcome

CLUSTER: dict[str, Any] = json.loads((REST / "cluster.json").read_text(encoding="utf-8"))
GATEWAY: dict[str, Any] = json.loads((REST / "gateway.json").read_text(encoding="utf-8"))
JOBS = {job["name"].rpartition(".")[2]: job["jid"] for job in CLUSTER["/jobs/overview"]["jobs"]}


@contextmanager
def serving(answers: dict[tuple[str, str, str], list[tuple[int, bytes]]]) -> Iterator[str]:
    """A server that gives each request its recorded answers in their order, the last one again and again."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            found = answers.get((self.command, self.path, body), [(404, b'{"errors": ["Not found"]}')])
            status, text = found.pop(0) if len(found) > 1 else found[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def cluster(*, only: str | None = None) -> Iterator[str]:
    """The recorded cluster; with `only` one job of it runs, the others are over."""
    answers = dict(CLUSTER)
    if only is not None:
        jobs = [
            {**j, "state": "RUNNING" if j["jid"] == JOBS[only] else "FINISHED"}
            for j in answers["/jobs/overview"]["jobs"]
        ]
        answers["/jobs/overview"] = {"jobs": jobs}
    with serving({("GET", path, ""): [(200, json.dumps(one).encode())] for path, one in answers.items()}) as url:
        yield url


@contextmanager
def gateway() -> Iterator[str]:
    """The recorded gateway."""
    answers: dict[tuple[str, str, str], list[tuple[int, bytes]]] = {}
    for one in GATEWAY["asked"]:
        body = "" if one["body"] is None else json.dumps(one["body"])
        given = (one.get("status", 200), json.dumps(one["answer"]).encode())
        answers.setdefault((one["method"], one["path"], body), []).append(given)
    with serving(answers) as url:
        yield url


def imported(source: Source) -> ConvertedJob:
    (one,) = read_source(source)
    return with_notes(convert_job(one.name, one.scripts), one.notes)


@pytest.mark.parametrize("name", sorted(set(QUERIES) - {"matched"}))
def test_a_running_job_becomes_a_program(name: str) -> None:
    with cluster() as url:
        job = imported(Source(flink_api=url, job_id=JOBS[name]))

    assert [c.reason for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED] == []
    (statement,) = job.statements
    assert statement.sink == name
    note = job.constructs[0]
    assert (note.outcome, note.feature) == (Outcome.DIFFERS, "running job")
    assert "no types, no options of tables, no watermarks" in (note.reason or "")


def test_the_sql_of_a_running_job_says_what_its_operators_do() -> None:
    with cluster() as url:
        texts = {name: read_source(Source(flink_api=url, job_id=JOBS[name]))[0].scripts[-1].text for name in JOBS}

    assert "CASE WHEN (`q` > 10) THEN 'large' ELSE 'small' END AS `size`" in texts["filtered"]
    assert "WHERE ((`k` IN ('a', 'b')) AND `px` IS NOT NULL)" in texts["filtered"]
    assert "SELECT `k`, COUNT(*) AS `n`, SUM(`px`) AS `total` FROM calc_2 GROUP BY `k`" in texts["counted"]
    assert "TABLE(TUMBLE(TABLE calc_1, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE))" in texts["windowed"]
    assert "LEFT JOIN (SELECT `order_id`, `amount` FROM calc_3) AS r ON (`id` = `order_id`)" in texts["joined"]
    assert "(`ts0` <= (`ts` + INTERVAL '1' HOUR))" in texts["near"]
    assert "ROW_NUMBER() OVER (PARTITION BY `k` ORDER BY `q` DESC) AS `row_num`" in texts["ranked"]
    assert "ROW_NUMBER() OVER (PARTITION BY `k` ORDER BY `ts` DESC)" in texts["latest"]
    assert "UNION ALL SELECT `order_id` AS `id`, `amount` AS `v`" in texts["united"]
    assert texts["counted"].startswith("-- Rebuilt from the plan of the running job insert-into_")


def test_an_operator_that_is_not_read_is_named() -> None:
    with cluster() as url:
        job = imported(Source(flink_api=url, job_id=JOBS["matched"]))

    (left_out,) = (c for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED)
    assert "operators of this kind (Match) are not read; the operator is Match(partitionBy=[k]" in (
        left_out.reason or ""
    )


def test_the_only_running_job_is_taken_of_several_one_is_named() -> None:
    with cluster(only="counted") as url:
        assert imported(Source(flink_api=url)).statements[0].sink == "counted"
    with cluster() as url, pytest.raises(VeloError, match=r"9 jobs run at .*--job-id") as caught:
        read_source(Source(flink_api=url))
    assert caught.value.code is ErrorCode.BAD_VALUE
    assert f"{JOBS['ranked']} (insert-into_default_catalog.default_database.ranked, RUNNING)" in (
        caught.value.hint or ""
    )
    with cluster() as url, pytest.raises(VeloError, match="has no job abc"):
        read_source(Source(flink_api=url, job_id="abc"))


def test_a_session_declares_what_a_script_does_not(tmp_path: Path) -> None:
    script = tmp_path / "q.sql"
    script.write_text("INSERT INTO other.archive SELECT k, COUNT(*) FROM large_orders GROUP BY k;", encoding="utf-8")
    with gateway() as url:
        (one,) = read_source(Source(path=script, gateway=url, session=GATEWAY["session"]))

    job = with_notes(convert_job(one.name, one.scripts), one.notes)

    assert [c.reason for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED] == []
    assert set(job.tables) == {"orders", "archive"}
    assert job.tables["orders"].connector == "datagen"
    assert job.settings["state.ttl"] == "1 h"
    assert "jobs that it shows" in (job.constructs[0].reason or "")


def test_a_table_of_the_script_counts_before_that_of_the_session(tmp_path: Path) -> None:
    script = tmp_path / "q.sql"
    own = "CREATE TABLE orders (k STRING, mine INT) WITH ('connector'='print'); SELECT mine FROM orders;"
    script.write_text(own, encoding="utf-8")
    with gateway() as url:
        (one,) = read_source(Source(path=script, gateway=url, session=GATEWAY["session"]))

    assert [c.name for c in convert_job(one.name, one.scripts).tables["orders"].schema.columns] == ["k", "mine"]


def test_a_session_alone_gives_its_definitions_and_an_unknown_one_is_told() -> None:
    with gateway() as url:
        job = imported(Source(gateway=url, session=GATEWAY["session"]))
        with pytest.raises(VeloError, match="does not know the session 0000"):
            read_source(Source(gateway=url, session="0" * 32))

    assert {"orders", "payments", "archive", "passing", *QUERIES} <= set(job.tables)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        ([], 2, "what shall be imported?"),
        (["--flink-api", "localhost:8081"], 2, "needs a URL of HTTP"),
        (["--flink-api", "http://127.0.0.1:1"], 3, "no answer from http://127.0.0.1:1"),
        (["--flink-gateway", "http://127.0.0.1:1"], 3, "no answer from"),
        (["x.sql", "--job-id", "a"], 2, "--job-id needs --flink-api"),
        (["x.sql", "--session", "a"], 2, "--session needs --flink-gateway"),
        (["x.sql", "--flink-api", "http://127.0.0.1:1"], 2, "give no PATH"),
    ],
)
def test_what_cannot_be_asked_is_told(
    arguments: list[str], exit_code: int, message: str, velo_import: Callable[..., Ran]
) -> None:
    result = velo_import(*arguments)

    assert (result.code, message in result.err) == (exit_code, True), result.err


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"jobs": 1}'])
def test_what_is_no_flink_is_told(body: bytes) -> None:
    with serving({("GET", "/jobs/overview", ""): [(200, body)]}) as url, pytest.raises(VeloError) as caught:
        read_source(Source(flink_api=url))
    assert caught.value.code is ErrorCode.INFRASTRUCTURE_MISSING


@pytest.mark.parametrize(
    ("printed", "sql"),
    [
        ("(q > 3)", "(`q` > 3)"),
        ("SEARCH(q, Sarg[1, (5..7]])", "(`q` IN (1) OR (`q` > 5 AND `q` <= 7))"),
        ("SEARCH(q, Sarg[(-∞..1), [10..+∞)])", "((`q` < 1) OR (`q` >= 10))"),
        ("CASE((q > 1), _UTF-16LE'a, (b', _UTF-16LE'c':VARCHAR(2147483647) CHARACTER SET \"UTF-16LE\")",
         "CASE WHEN (`q` > 1) THEN 'a, (b' ELSE 'c' END"),
        ("(ts - 90000:INTERVAL MINUTE TO SECOND)", "(`ts` - INTERVAL '90' SECOND)"),
        ("CAST($f1 AS VARCHAR(2147483647))", "CAST(`$f1` AS STRING)"),
        ("q(q, 5:BIGINT)", "q(`q`, 5)"),
    ],
)  # fmt: skip
def test_printed_expressions_are_sql_again(printed: str, sql: str) -> None:
    assert sql_of(printed, ["q", "ts", "$f1"]) == sql


def test_what_only_the_planner_says_is_no_sql() -> None:
    with pytest.raises(UnreadText):
        sql_of("__TEMPORAL_JOIN_CONDITION(a, b)", ["a", "b"])
    assert parts_of("a, f(b, c), 'd, e', [g, h]") == ["a", "f(b, c)", "'d, e'", "[g, h]"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, b"<html><body>Not found</body></html>"), "{url} refuses: its answer is not one of Flink's (status 404)"),
        ((200, b'{"jobs": "x"}'), "{url} does not answer as a SQL gateway of Flink does: an answer has no versions"),
        ((200, b'{"versions": "x"}'), "{url} does not answer as a SQL gateway of Flink does"),
        ((200, b"null"), "{url} does not answer as a SQL gateway of Flink does"),
    ],
)
def test_what_is_no_gateway_is_told_in_plain_words(answer: tuple[int, bytes], message: str) -> None:
    with serving({("GET", "/api_versions", ""): [answer]}) as url, pytest.raises(VeloError) as caught:
        read_source(Source(gateway=url))
    assert caught.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert caught.value.message == message.format(url=url)


def test_a_cluster_whose_plan_is_another_is_told_in_plain_words() -> None:
    jobs = b'{"jobs": [{"jid": "a", "name": "n", "state": "RUNNING"}]}'
    answers = {("GET", "/jobs/overview", ""): [(200, jobs)], ("GET", "/jobs/a/plan", ""): [(200, b"[]")]}
    with serving(answers) as url, pytest.raises(VeloError) as caught:
        read_source(Source(flink_api=url))
    assert caught.value.message == f"{url} does not answer as a cluster of Flink does"


@pytest.mark.parametrize("option", ["flink_api", "gateway"])
def test_a_url_with_a_password_is_refused_without_saying_it(option: str) -> None:
    with pytest.raises(VeloError, match="takes no user and password in its URL") as caught:
        read_source(Source(**{option: "http://me:hush@h:8081"}))  # type: ignore[arg-type]
    assert caught.value.code is ErrorCode.BAD_VALUE
    assert "hush" not in f"{caught.value.message}{caught.value.hint}"
