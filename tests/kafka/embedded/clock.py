"""A clock that stands still until a test moves it."""

from __future__ import annotations

from velo_harness.kafka.embedded.deadlines import Deadlines

START_MS = 1_700_000_000_000


class ManualClock:
    """Time for a broker without network."""

    def __init__(self) -> None:
        self.now = START_MS
        self.deadlines = Deadlines(lambda: self.now)

    def advance(self, ms: int) -> None:
        """Lets time pass, and everything that was due by then happen at its own time."""
        end = self.now + ms
        while self.now < end:
            self.now += min(100, end - self.now)
            self.deadlines.run_due()
