"""Record what a real Flink answers over REST: a cluster of its running jobs, a SQL gateway of a session.

python -m tests.importing.record_rest

`rest/cluster.json` and `rest/gateway.json` map requests (method, path, body) to answers; `rest/jobs.sql` is what ran.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from tools.flink.gateway import Gateway
from tools.flink.installation import FlinkMissingError

from velo_engine.errors import VeloError
from velo_import.inputs.gateway_session import session_definitions
from velo_import.inputs.rest import RestError, ask

REST = Path(__file__).parent / "rest"

DEFINITIONS = (
    "CREATE TABLE orders (id INT, k STRING, px DECIMAL(10, 2), q INT, ts TIMESTAMP(3), pt AS PROCTIME(), "
    "WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='datagen', 'rows-per-second'='1')",
    "CREATE TABLE payments (order_id INT, amount DECIMAL(10, 2), ts TIMESTAMP(3), "
    "WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='datagen', 'rows-per-second'='1')",
    "CREATE VIEW large_orders AS SELECT id, k, q FROM orders WHERE q > 100",
)

QUERIES = {
    "filtered": (
        "id INT, name STRING, size STRING",
        "SELECT id, UPPER(k) AS name, CASE WHEN q > 10 THEN 'large' ELSE 'small' END AS size FROM orders "
        "WHERE k IN ('a', 'b') AND px IS NOT NULL",
    ),
    "counted": (
        "k STRING, n BIGINT, total DECIMAL(38, 2)",
        "SELECT k, COUNT(*) AS n, SUM(px) AS total FROM orders WHERE q > 3 GROUP BY k",
    ),
    "windowed": (
        "k STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), n BIGINT, total DECIMAL(38, 2)",
        "SELECT k, window_start, window_end, COUNT(*) AS n, SUM(px) AS total "
        "FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY k, window_start, window_end",
    ),
    "joined": (
        "id INT, k STRING, amount DECIMAL(10, 2)",
        "SELECT o.id, o.k, p.amount FROM orders AS o LEFT JOIN payments AS p ON o.id = p.order_id AND p.amount > 1",
    ),
    "near": (
        "id INT, amount DECIMAL(10, 2)",
        "SELECT o.id, p.amount FROM orders AS o JOIN payments AS p ON o.id = p.order_id "
        "AND p.ts BETWEEN o.ts - INTERVAL '10' SECOND AND o.ts + INTERVAL '1' HOUR",
    ),
    "ranked": (
        "k STRING, id INT, q INT",
        "SELECT k, id, q FROM (SELECT k, id, q, ROW_NUMBER() OVER (PARTITION BY k ORDER BY q DESC) AS rn FROM orders) "
        "WHERE rn <= 3",
    ),
    "latest": (
        "k STRING, id INT",
        "SELECT k, id FROM (SELECT k, id, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM orders) "
        "WHERE rn = 1",
    ),
    "united": (
        "id INT, v DECIMAL(10, 2)",
        "SELECT id, px AS v FROM orders UNION ALL SELECT order_id, amount FROM payments WHERE amount > 0",
    ),
    "matched": (
        "k STRING, a INT",
        "SELECT k, a FROM orders MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.id AS a ONE ROW PER MATCH "
        "PATTERN (A B) DEFINE B AS B.q > A.q)",
    ),
}

ELSEWHERE = (
    "CREATE DATABASE other",
    "CREATE TABLE other.archive (k STRING, n BIGINT) WITH ('connector'='blackhole')",
    "CREATE TEMPORARY TABLE passing (a INT) WITH ('connector'='blackhole')",
)

Answers = dict[str, Any]


def request(url: str, body: Any = None) -> Any:
    """The JSON that a request is answered with."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": "application/json"})) as answer:
        return json.load(answer)


def execute(gateway: str, session: str, statement: str) -> None:
    """Carry out a statement in a session."""
    url = f"{gateway}/v2/sessions/{session}"
    operation = request(f"{url}/statements", {"statement": statement})["operationHandle"]
    while request(f"{url}/operations/{operation}/result/0?rowFormat=PLAIN_TEXT")["resultType"] == "NOT_READY":
        time.sleep(0.1)


def cluster_answers(url: str, wait: Callable[[], None]) -> Answers:
    """What the importer may ask of a cluster."""
    wait()
    overview = request(f"{url}/jobs/overview")
    paths = ["/config", *(f"/jobs/{job['jid']}{part}" for job in overview["jobs"] for part in ("", "/plan", "/config"))]
    answers = {path: request(url + path) for path in paths} | {"/jobs/overview": overview}
    try:
        request(f"{url}/jobs/{'0' * 32}")
    except urllib.error.HTTPError as missing:
        answers[f"/jobs/{'0' * 32}"] = {"status": missing.code, "body": json.load(missing)}
    return answers


def gateway_answers(url: str, session: str) -> Any:
    """What the importer asks of a session, and is answered."""
    asked: list[dict[str, Any]] = []

    def recorded(to: str, body: Any = None, *, method: str | None = None) -> Any:
        entry = {"method": method or ("GET" if body is None else "POST"), "path": to.removeprefix(url), "body": body}
        asked.append(entry)
        try:
            entry["answer"] = ask(to, body, method=method)
        except RestError as failed:
            entry |= {"status": failed.status, "answer": {"errors": [failed.message]}}
            raise
        return entry["answer"]

    with mock.patch("velo_import.inputs.gateway_session.ask", recorded):
        session_definitions(url, session)
        with contextlib.suppress(VeloError):
            session_definitions(url, "0" * 32)
    return {"session": session, "asked": asked}


def main() -> int:
    """The command line."""
    REST.mkdir(exist_ok=True)
    statements = list(DEFINITIONS)
    for name, (columns, query) in QUERIES.items():
        statements += [f"CREATE TABLE {name} ({columns}) WITH ('connector'='blackhole')", f"INSERT INTO {name} {query}"]
    (REST / "jobs.sql").write_text("".join(f"{one};\n" for one in statements), encoding="utf-8")
    try:
        with Gateway({"taskmanager.numberOfTaskSlots": "20", "parallelism.default": "1"}) as gateway:
            session = request(f"{gateway.url}/v2/sessions", {"sessionName": "recorded"})["sessionHandle"]
            for statement in ("SET 'table.exec.state.ttl' = '1 h'", *statements):
                execute(gateway.url, session, statement)
            answers = cluster_answers(gateway.cluster_url, lambda: time.sleep(3))
            (REST / "cluster.json").write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
            for statement in ELSEWHERE:
                execute(gateway.url, session, statement)
            told = gateway_answers(gateway.url, session)
            (REST / "gateway.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    except FlinkMissingError as missing:
        print(missing, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
