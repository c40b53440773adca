"""A dashboard's way into a Grafana: a stub checks each request as Grafana does, and answers as it does."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.dashboard.grafana import Grafana

TOKEN = "glsa_secret-token"
PROMETHEUS = {"name": "Prom", "uid": "prom-1", "type": "prometheus", "isDefault": False}
DASHBOARD = {
    "__inputs": [{"name": "DS_PROMETHEUS", "type": "datasource"}],
    "__requires": [],
    "id": 12,
    "uid": "velo-shop",
    "title": "shop",
    "templating": {"list": [{"name": "DS_PROMETHEUS", "type": "datasource", "query": "prometheus", "current": {}}]},
    "panels": [{"datasource": {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}, "targets": [{"expr": "up"}]}],
}


class Stub(ThreadingHTTPServer):
    """Grafana's answers, of the parts of its API that are used (version 10)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sources: list[dict[str, Any]] = [PROMETHEUS]
        self.folders: list[dict[str, Any]] = [{"title": "Jobs", "uid": "jobs-1"}]
        self.answers: dict[str, tuple[int, object]] = {}
        """What it answers to a path instead of what it should."""
        self.location = ""
        self.saved: list[dict[str, Any]] = []
        self.seen: list[tuple[str, str]] = []
        self.prefix = ""
        self.basic = "Basic " + base64.b64encode(b"admin:p:w").decode()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.prefix}"


class _Handler(BaseHTTPRequestHandler):
    server: Stub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._handle("GET", None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._handle("POST", json.loads(body) if self.headers["Content-Type"] == "application/json" else None)

    def _handle(self, method: str, body: Any) -> None:
        stub, path = self.server, self.path.partition("?")[0]
        stub.seen.append((method, path))
        known = self.headers.get("Authorization") in (f"Bearer {TOKEN}", stub.basic)
        match method, path.removeprefix(stub.prefix):
            case _ if path in stub.answers:
                self._answer(*stub.answers[path])
            case _ if not known:
                self._answer(401, {"message": "Unauthorized"})
            case "GET", "/api/datasources":
                self._answer(200, stub.sources)
            case "GET", "/api/folders":
                self._answer(200, stub.folders)
            case "POST", "/api/folders" if body.get("title"):
                stub.folders.append({"title": body["title"], "uid": "new-1"})
                self._answer(200, stub.folders[-1])
            case "POST", "/api/dashboards/db":
                self._answer(*self._save(body))
            case _:
                self._answer(404, {"message": "Not found"})

    def _save(self, body: dict[str, Any]) -> tuple[int, object]:
        dashboard = body.get("dashboard") or {}
        if not dashboard.get("title"):
            return 400, {"message": "Dashboard title cannot be empty", "status": "empty-name"}
        if dashboard.get("id") is not None:
            return 404, {"message": "Dashboard not found", "status": "not-found"}
        if body.get("folderUid") and body["folderUid"] not in {f["uid"] for f in self.server.folders}:
            return 400, {"message": "folder not found"}
        known = [s for s in self.server.saved if s["dashboard"]["uid"] == dashboard["uid"]]
        if known and not body.get("overwrite"):
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        self.server.saved.append(body)
        uid = dashboard["uid"]
        url = f"{self.server.prefix}/d/{uid}/shop"
        return 200, {"id": 1, "uid": uid, "url": url, "status": "success", "version": len(known) + 1, "slug": "shop"}

    def _answer(self, status: int, body: object) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def grafana(stub: Stub, **environment: str) -> Grafana:
    return Grafana(stub.url, environment or {"GRAFANA_TOKEN": TOKEN}, timeout_s=5)


def refusal(stub: Stub, **environment: str) -> str:
    with pytest.raises(VeloError) as refused:
        grafana(stub, **environment).upload(DASHBOARD, "by velo")
    assert refused.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert "secret" not in str(refused.value)
    return str(refused.value)


def test_a_dashboard_is_made_then_brought_up_to_date(stub: Stub) -> None:
    first = grafana(stub).upload(DASHBOARD, "by velo")
    second = grafana(stub).upload(DASHBOARD, "by velo")

    assert (first.url, first.version, first.datasource) == (f"{stub.url}/d/velo-shop/shop", 1, "Prom")
    assert second.version == 2
    saved = stub.saved[0]
    assert saved["message"] == "by velo"
    assert saved["overwrite"] is True
    assert "folderUid" not in saved
    assert not [key for key in saved["dashboard"] if key.startswith("__")]
    assert saved["dashboard"]["templating"]["list"][0]["current"]["value"] == "prom-1"
    assert saved["dashboard"]["panels"][0]["datasource"]["uid"] == "prom-1"


def test_the_default_prometheus_comes_first(stub: Stub) -> None:
    stub.sources = [
        {"type": "loki", "uid": "l"},
        PROMETHEUS,
        {**PROMETHEUS, "name": "Main", "uid": "m", "isDefault": True},
    ]

    assert grafana(stub).upload(DASHBOARD, "by velo").datasource == "Main"


def test_user_and_password_do_too(stub: Stub) -> None:
    assert grafana(stub, GRAFANA_USER="admin", GRAFANA_PASSWORD="p:w").upload(DASHBOARD, "by velo").version == 1


@pytest.mark.parametrize(("folder", "uid"), [("Jobs", "jobs-1"), ("New ones", "new-1")])
def test_a_folder_is_found_or_made(stub: Stub, folder: str, uid: str) -> None:
    grafana(stub).upload(DASHBOARD, "by velo", folder)

    assert stub.saved[0]["folderUid"] == uid


def test_a_grafana_behind_a_path(stub: Stub) -> None:
    stub.prefix = "/grafana"

    assert grafana(stub).upload(DASHBOARD, "by velo").url == f"{stub.url}/d/velo-shop/shop"


def test_wrong_and_missing_credentials(stub: Stub) -> None:
    assert "does not know these credentials" in refusal(stub, GRAFANA_TOKEN="another-secret")
    assert "wants credentials" in refusal(stub, OTHER="")
    assert stub.saved == []


def test_a_grafana_without_prometheus(stub: Stub) -> None:
    stub.sources = [{"type": "loki", "uid": "l"}]

    assert "has no Prometheus among its data sources" in refusal(stub)
    assert stub.saved == []


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (403, {"message": "Access denied to dashboards:write"}, "does not allow to write dashboards: Access denied"),
        (404, {"message": "Not found"}, "has not what was asked for: Not found"),
        (412, {"message": "A dashboard with the same name"}, "has another dashboard in its place: A dashboard"),
        (400, {"message": "bad\nline"}, "refuses the dashboard with 400: bad line"),
        (500, b"<html>", "fails with 500"),
        (502, {"message": 7}, "fails with 502"),
        (200, b"<html>", "answers something else than a Grafana does"),
        (200, {"status": "success"}, "answers something else than a Grafana does"),
    ],
)
def test_what_it_refuses_is_told(stub: Stub, status: int, body: object, message: str) -> None:
    stub.answers["/api/dashboards/db"] = (status, body)

    assert message in refusal(stub)


def test_no_redirect_takes_the_token_elsewhere(stub: Stub) -> None:
    stub.answers["/api/datasources"] = (302, {})
    stub.location = f"{stub.url}/elsewhere?token=secret"

    assert "sends its callers on to http://127.0.0.1" in refusal(stub)
    assert stub.seen == [("GET", "/api/datasources")]


def test_nobody_there(stub: Stub) -> None:
    unused = Grafana("http://127.0.0.1:1", {"GRAFANA_TOKEN": TOKEN}, timeout_s=5)

    with pytest.raises(VeloError, match=r"Grafana at http://127\.0\.0\.1:1 does not answer"):
        unused.upload(DASHBOARD, "by velo")


@pytest.mark.parametrize("url", ["grafana.example", "ftp://x", "http://", "file:///etc/passwd", "https://a:secret@x"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(VeloError) as refused:
        Grafana(url, {})
    assert refused.value.code is ErrorCode.BAD_VALUE
    assert "secret" not in str(refused.value)


def test_credentials_in_clear_over_a_network_are_known() -> None:
    assert Grafana("http://grafana.example", {"GRAFANA_TOKEN": TOKEN}).in_clear
    assert not Grafana("http://grafana.example", {}).in_clear
    assert not Grafana("https://grafana.example", {"GRAFANA_TOKEN": TOKEN}).in_clear
    assert not Grafana("http://localhost:3000", {"GRAFANA_TOKEN": TOKEN}).in_clear
