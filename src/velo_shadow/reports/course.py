"""How a comparison went, in a bounded number of moments."""

from __future__ import annotations

from collections.abc import Callable

from velo_shadow.performance import resident_bytes
from velo_shadow.reports.document import Moment
from velo_shadow.stream.comparator import StreamView

MAX_MOMENTS = 240


class Course:
    """Keeps a moment now and then: at most `most`, evenly over the time however long it is."""

    def __init__(self, *, most: int = MAX_MOMENTS, memory: Callable[[], int | None] = resident_bytes) -> None:
        """`most`: at least 2; `memory` tells the resident bytes of this process."""
        self._most = most
        self._memory = memory
        self._moments: list[Moment] = []
        self._latest: Moment | None = None
        self._apart_s = 0.0

    def add(self, elapsed_s: float, view: StreamView) -> None:
        """How it stands so long after it began; times grow."""
        self._latest = Moment(
            elapsed_s=round(elapsed_s, 3),
            left=view.left,
            right=view.right,
            compared=view.matched + view.different,
            different=view.different,
            pending=view.pending,
            memory_bytes=self._memory(),
        )
        if self._moments and self._latest.elapsed_s < self._moments[-1].elapsed_s + self._apart_s:
            return
        self._moments.append(self._latest)
        if len(self._moments) >= self._most:
            self._moments = self._moments[::2]
            self._apart_s = (self._latest.elapsed_s - self._moments[0].elapsed_s) / (self._most / 2)

    @property
    def moments(self) -> tuple[Moment, ...]:
        """Those that were kept, and the last."""
        if self._latest is None or self._moments[-1] == self._latest:
            return tuple(self._moments)
        return (*self._moments, self._latest)
