"""OVER by event time a row at a time, timer by timer, as Flink's function classes do it; sums of integers only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Row = tuple[str | None, int, int]
"""(partition, time in milliseconds, value)"""


@dataclass
class _Key:
    last: int = 0
    cleanup: int | None = None
    waiting: dict[int, list[int]] = field(default_factory=dict)
    """Numbers of the rows not given out yet, by time."""
    frame: list[int] = field(default_factory=list)
    """Numbers of the rows given out that may be in a frame."""
    timers: set[int] = field(default_factory=set)


class ReferenceOver:
    """Gives (event, row number, count, sum) for every row that is given out; the last event is the end of input."""

    def __init__(self, kind: str, preceding: int | None, delay: int) -> None:
        self._kind = kind
        self._preceding = preceding
        self._delay = delay

    def run(self, rows: Sequence[Row]) -> list[tuple[int, int, int, int]]:
        """The answer to rows in order of arrival."""
        self._rows = rows
        self._keys: dict[str | None, _Key] = {}
        self._watermark = -(2**63)
        out: list[tuple[int, int, int, int]] = []
        for number, (_, time, _) in enumerate(rows):
            self._arrive(number)
            # Flink's generator gives no watermark out before the first one above 0.
            if time - self._delay > max(self._watermark, 0):
                out += [(number, *fired) for fired in self._advance(time - self._delay)]
        return out + [(len(rows), *fired) for fired in self._advance(2**63 - 1)]

    def _arrive(self, number: int) -> None:
        partition, time, _ = self._rows[number]
        key = self._keys.setdefault(partition, _Key())
        late = time <= (self._watermark if self._preceding is None else key.last)
        if late:
            return
        key.waiting.setdefault(time, []).append(number)
        key.timers.add(time)
        if self._kind == "ROWS" or self._preceding is None:
            return
        if key.cleanup is None or key.cleanup < time + self._preceding + 1:
            key.cleanup = time + int(self._preceding * 1.5) + 1
            key.timers.add(key.cleanup)

    def _advance(self, watermark: int) -> Iterator[tuple[int, int, int]]:
        self._watermark = watermark
        due = sorted((t, str(p), p) for p, key in self._keys.items() for t in key.timers if t <= watermark)
        for time, _, partition in due:
            key = self._keys[partition]
            key.timers.discard(time)
            yield from self._fire(key, time)

    def _fire(self, key: _Key, time: int) -> Iterator[tuple[int, int, int]]:
        if key.cleanup is not None and key.cleanup <= time:
            key.cleanup, key.last = None, 0
            key.waiting.clear()
            key.frame.clear()
            return
        fired = key.waiting.pop(time, [])
        key.last = time
        if self._kind == "ROWS":
            for number in fired:
                key.frame.append(number)
                if self._preceding is not None:
                    del key.frame[: -self._preceding - 1]
                yield number, len(key.frame), sum(self._rows[i][2] for i in key.frame)
            return
        key.frame += fired
        if self._preceding is not None:
            key.frame = [i for i in key.frame if time - self._rows[i][1] <= self._preceding]
        for number in fired:
            yield number, len(key.frame), sum(self._rows[i][2] for i in key.frame)
