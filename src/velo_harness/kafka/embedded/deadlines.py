"""Things that happen when nothing did until a certain time: sessions, rebalances and transactions that expire."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Deadline:
    """One of them: moved or called off at any time."""

    def __init__(self, deadlines: Deadlines, due_ms: int, action: Callable[[], None]) -> None:
        self._deadlines = deadlines
        self._action: Callable[[], None] | None = action
        self.due_ms = due_ms

    def move(self, due_ms: int) -> None:
        """Sets another time. Costs nothing when it is later, which is what heartbeats ask for."""
        earlier = due_ms < self.due_ms
        self.due_ms = due_ms
        if earlier:
            self._deadlines.enqueue(self)

    def cancel(self) -> None:
        """It does not happen."""
        self._action = None

    def reached(self, now_ms: int) -> None:
        """Acts when it is time, else waits on."""
        if self._action is None:
            return
        if self.due_ms > now_ms:
            self._deadlines.enqueue(self)
            return
        action, self._action = self._action, None
        action()


class Deadlines:
    """All of them, on one clock (milliseconds). Whoever owns it calls `run_due` from time to time."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.now_ms = clock_ms
        self._queue: list[tuple[int, int, Deadline]] = []
        self._order = count()

    def after(self, delay_ms: int, action: Callable[[], None]) -> Deadline:
        """Calls `action` when `delay_ms` have passed."""
        deadline = Deadline(self, self.now_ms() + delay_ms, action)
        self.enqueue(deadline)
        return deadline

    def enqueue(self, deadline: Deadline) -> None:
        """Puts a deadline where its time is (for `Deadline`)."""
        heapq.heappush(self._queue, (deadline.due_ms, next(self._order), deadline))

    def run_due(self) -> None:
        """Does everything that is due, in order of time."""
        now_ms = self.now_ms()
        while self._queue and self._queue[0][0] <= now_ms:
            heapq.heappop(self._queue)[2].reached(now_ms)
