"""An HTTP server of a job with a bound on what clients may take: connections at once, and time to ask."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any

MOST_CONNECTIONS = 16
"""At once; further ones are closed."""
PATIENCE_S = 5.0
"""How long a client may take to send its request."""


class BoundedServer(ThreadingHTTPServer):
    """Answers each connection in a thread, while there are few."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, place: tuple[str, int], handler: type[BoundedHandler]) -> None:
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(place, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, or not at all."""
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


class BoundedHandler(BaseHTTPRequestHandler):
    """Says nothing of the Python below it, and logs no request."""

    timeout = PATIENCE_S
    server_version = "velo"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""
