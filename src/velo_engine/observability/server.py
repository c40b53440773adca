"""`/metrics` and `/health` over HTTP. Reads only, with a bound on everything: the port may be on a network."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socket import AF_INET6, socket
from types import TracebackType
from typing import TYPE_CHECKING, Any

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.observability.health import Health

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

MOST_CONNECTIONS = 16
"""At once; further ones are closed."""
PATIENCE_S = 5.0
"""How long a client may take to send its request."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class MonitoringServer:
    """Answers on a port of its own, in threads of its own, from the start to `close`."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        """Port 0 takes a free one. Raises VeloError INFRASTRUCTURE_MISSING when it cannot listen there."""
        try:
            # An address with colons is one of IPv6.
            self._server = (_Server6 if ":" in host else _Server)((host, port), registry, health)
        except (OSError, OverflowError) as problem:
            reason = getattr(problem, "strerror", None) or str(problem)
            raise VeloError(
                ErrorCode.INFRASTRUCTURE_MISSING,
                f"metrics cannot be served at {host}:{port}: {reason}",
                hint="give another port, or 0 for a free one (--metrics-port)",
            ) from None
        self.port = int(self._server.server_address[1])
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="velo metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answers nobody any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> MonitoringServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, place: tuple[str, int], registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        self.registry = registry
        self.health = health
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(place, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, while there are few."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket | Any, client_address: Any) -> None:
        """A client that goes away in the middle is nobody's concern."""


class _Server6(_Server):
    address_family = AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE_S
    server_version = "velo"
    sys_version = ""

    def do_GET(self) -> None:
        """One of the two pages."""
        match self.path.partition("?")[0]:
            case "/metrics":
                from prometheus_client.exposition import choose_encoder

                encode, kind = choose_encoder(self.headers.get("Accept", ""))
                self._answer(HTTPStatus.OK, kind, encode(self.server.registry))
            case "/health":
                health = self.server.health()
                status = HTTPStatus.OK if health.well else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "application/json", json.dumps(health.document, indent=2).encode() + b"\n")
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there are /metrics and /health\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
