"""Ctrl-C and SIGTERM for commands that go on: the first ends them with their result, the second at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set `stop`; the next one is a KeyboardInterrupt. Handlers before are put back at the end."""

    def asked(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
