"""The registry's HTTP side: the paths of Confluent's API that serializers, Flink and tools ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from velo_harness.kafka.registry.store import TYPES, Json, RegistryError, SchemaStore, StoredSchema

MAX_BODY_BYTES = 4 * 1024 * 1024
_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


class RegistryServer:
    """A registry at `url` until it is closed; a context manager. In memory, without authentication."""

    def __init__(self, port: int = 0, *, host: str = "127.0.0.1", store: SchemaStore | None = None) -> None:
        """Listens on `port` (0: a free one) at once."""
        self.store = store if store is not None else SchemaStore()
        self._http = _Http((host, port), _Handler)
        self._http.store = self.store
        self.url = f"http://{host}:{self._http.server_port}"
        self._thread = Thread(target=self._http.serve_forever, args=(0.05,), name="schema registry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops; nothing answers at `url` afterwards."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> RegistryServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    store: SchemaStore


class _Request:
    """What was asked, beside the path."""

    def __init__(self, store: SchemaStore, query: dict[str, list[str]], body: Json) -> None:
        self.store = store
        self.query = query
        self.body: dict[str, Json] = body if isinstance(body, dict) else {}

    def schema(self) -> StoredSchema:
        references = self.body.get("references") or []
        text = self.body.get("schema")
        if not isinstance(text, str):
            raise RegistryError(42201, "Empty schema")
        return StoredSchema(
            str(self.body.get("schemaType") or "AVRO"),
            text,
            tuple((str(r["name"]), str(r["subject"]), int(r["version"])) for r in references),
        )


def _schema_by_id(request: _Request, schema_id: str) -> Json:
    return request.store.schema(int(schema_id)).to_json()


def _version(request: _Request, subject: str, version: str) -> Json:
    number, schema_id, schema = request.store.version(subject, version)
    return {"subject": subject, "version": number, "id": schema_id, **schema.to_json()}


def _register(request: _Request, subject: str) -> Json:
    return {"id": request.store.register(subject, request.schema())}


def _lookup(request: _Request, subject: str) -> Json:
    schema = request.schema()
    version, schema_id = request.store.lookup(subject, schema)
    return {"subject": subject, "version": version, "id": schema_id, **schema.to_json()}


def _test_compatibility(request: _Request, subject: str, _: str = "latest") -> Json:
    problems = request.store.is_compatible(subject, request.schema())
    return {"is_compatible": not problems, "messages": problems}


def _level(request: _Request, subject: str | None = None) -> Json:
    or_global = request.query.get("defaultToGlobal") == ["true"]
    return {"compatibilityLevel": request.store.level_of(subject, or_global=or_global)}


def _set_level(request: _Request, subject: str | None = None) -> Json:
    level = str(request.body.get("compatibility"))
    request.store.set_level(subject, level)
    return {"compatibility": level}


_ROUTES: tuple[tuple[str, re.Pattern[str], Callable[..., Json]], ...] = tuple(
    (method, re.compile(pattern), answer)
    for method, pattern, answer in (
        ("GET", r"/?", lambda _: {}),
        ("GET", r"/schemas/types", lambda _: list(TYPES)),
        ("GET", r"/schemas/ids/(\d+)", _schema_by_id),
        ("GET", r"/subjects", lambda request: request.store.subjects()),
        ("POST", r"/subjects/([^/]+)", _lookup),
        ("DELETE", r"/subjects/([^/]+)", lambda request, subject: request.store.delete(subject)),
        ("GET", r"/subjects/([^/]+)/versions", lambda request, subject: request.store.versions(subject)),
        ("POST", r"/subjects/([^/]+)/versions", _register),
        ("GET", r"/subjects/([^/]+)/versions/([^/]+)", _version),
        ("POST", r"/compatibility/subjects/([^/]+)/versions", _test_compatibility),
        ("POST", r"/compatibility/subjects/([^/]+)/versions/([^/]+)", _test_compatibility),
        ("GET", r"/config", _level),
        ("GET", r"/config/([^/]+)", _level),
        ("PUT", r"/config", _set_level),
        ("PUT", r"/config/([^/]+)", _set_level),
    )
)


class _Handler(BaseHTTPRequestHandler):
    """Finds the answer to one request."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def _serve(self) -> None:
        try:
            status, answer = 200, self._answer()
        except RegistryError as problem:
            status, answer = problem.status, {"error_code": problem.code, "message": problem.message}
        except (ValueError, TypeError, KeyError) as problem:
            status, answer = 422, {"error_code": 422, "message": f"Malformed request: {problem}"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self) -> Json:
        size = int(self.headers.get("Content-Length") or 0)
        if size > MAX_BODY_BYTES:
            self.close_connection = True
            raise RegistryError(413, f"More than {MAX_BODY_BYTES} bytes")
        body = json.loads(self.rfile.read(size)) if size else {}
        parts = urlsplit(self.path)
        assert isinstance(self.server, _Http)
        request = _Request(self.server.store, parse_qs(parts.query), body)
        for method, pattern, answer in _ROUTES:
            found = pattern.fullmatch(parts.path)
            if found is not None and method == self.command:
                return answer(request, *map(unquote, found.groups()))
        raise RegistryError(404, "HTTP 404 Not Found")

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 (the names that http.server looks for)
