"""The page of a running job, on a loopback address. Reads only, and answers only who calls it by that address."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.observability.bounded_server import BoundedHandler, BoundedServer
from velo_harness.dashboard.page import CONTENT_SECURITY_POLICY, page_html

HOST = "127.0.0.1"
LONGEST_WINDOW_S = 900.0


class DashboardServer:
    """Serves the page and, at `/state`, what it shows; in threads of its own, until `close`."""

    def __init__(self, port: int, state: Callable[[float], bytes]) -> None:
        """`state` gives JSON of the last so many seconds. Port 0 takes a free one.

        Raises VeloError INFRASTRUCTURE_MISSING when it cannot listen there.
        """
        try:
            self._server = _Server((HOST, port), state)
        except (OSError, OverflowError) as problem:
            reason = getattr(problem, "strerror", None) or str(problem)
            raise VeloError(
                ErrorCode.INFRASTRUCTURE_MISSING,
                f"the dashboard cannot be served at {HOST}:{port}: {reason}",
                hint="give another port, or 0 for a free one (--dashboard-port)",
            ) from None
        self.port = int(self._server.server_address[1])
        self.address = f"http://{HOST}:{self.port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, name="velo dashboard", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answers nobody any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> DashboardServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(BoundedServer):
    def __init__(self, place: tuple[str, int], state: Callable[[float], bytes]) -> None:
        self.state = state
        super().__init__(place, _Handler)


class _Handler(BoundedHandler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        """The page, or its numbers."""
        if not self._is_ours():
            # A page of somebody else, whose name was made to mean this machine (DNS rebinding), asks by that name.
            text = f"this page is at http://{HOST}:{self.server.server_address[1]}/\n"
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "text/plain; charset=utf-8", text.encode())
            return
        asked = urlsplit(self.path)
        if asked.path == "/":
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", page_html())
        elif asked.path == "/state":
            self._answer(HTTPStatus.OK, "application/json", self.server.state(_window_s(asked.query)))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"there is only the page, /\n")

    def _is_ours(self) -> bool:
        port = self.server.server_address[1]
        return self.headers.get("Host") in (f"{HOST}:{port}", f"localhost:{port}")

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _window_s(query: str) -> float:
    """The time that a request asks for; anything odd means the longest."""
    try:
        asked = float(parse_qs(query).get("seconds", [""])[0])
    except ValueError:
        return LONGEST_WINDOW_S
    return min(max(asked, 1.0), LONGEST_WINDOW_S) if asked == asked else LONGEST_WINDOW_S


def state_json(state: object) -> bytes:
    """As it is sent."""
    return json.dumps(state, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
