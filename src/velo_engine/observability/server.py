"""`/metrics` and `/health` over HTTP. Reads only, with a bound on everything: the port may be on a network."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address
from socket import AF_INET6
from types import TracebackType
from typing import TYPE_CHECKING

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.observability.bounded_server import BoundedHandler, BoundedServer
from velo_engine.observability.health import Health

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


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


class _Server(BoundedServer):
    def __init__(self, place: tuple[str, int], registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        self.registry = registry
        self.health = health
        super().__init__(place, _Handler)


class _Server6(_Server):
    address_family = AF_INET6


class _Handler(BoundedHandler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
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

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
