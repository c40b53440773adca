"""A circuit breaker: calls to something that keeps failing are given up at once, until it is time to try again.

Source: M. Nygard, Release It!, chapter "Stability Patterns".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from threading import Lock
from typing import TypeVar

from velo_engine.errors import ErrorCode, VeloError

_T = TypeVar("_T")


class CircuitState(Enum):
    """Whether calls go through."""

    CLOSED = "closed"
    """They do."""
    OPEN = "open"
    """They fail at once."""
    HALF_OPEN = "half-open"
    """One goes through, to see."""


class CircuitBreaker:
    """Guards the calls to one outside thing. May be used from several threads.

    After `threshold` failures in a row it opens for `backoff_s` seconds; then one call is let through. When that fails,
    it opens for twice as long, up to `longest_s`; when it succeeds, it closes. Only errors that waiting may mend count:
    INFRASTRUCTURE_MISSING.
    """

    def __init__(
        self,
        name: str,
        *,
        threshold: int = 5,
        backoff_s: float = 1.0,
        longest_s: float = 60.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is what the messages call it; `clock_s` gives seconds that never go back."""
        if threshold < 1 or backoff_s <= 0 or longest_s < backoff_s:
            raise ValueError(f"threshold {threshold}, backoff {backoff_s} s, longest {longest_s} s")
        self.name = name
        self.failures = 0
        """In a row."""
        self._threshold = threshold
        self._backoff_s = backoff_s
        self._longest_s = longest_s
        self._clock_s = clock_s
        self._lock = Lock()
        self._until_s: float | None = None
        """When it may be tried again; None while closed."""
        self._open_for_s = backoff_s
        self._trying = False
        self._problem: VeloError | None = None

    @property
    def state(self) -> CircuitState:
        """Where it stands now."""
        if self._until_s is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self._clock_s() < self._until_s else CircuitState.HALF_OPEN

    def call(self, action: Callable[[], _T]) -> _T:
        """What `action` gives. Raises what it raises; while the circuit is open the last error again, at once."""
        self._enter()
        try:
            result = action()
        except VeloError as problem:
            if problem.code is ErrorCode.INFRASTRUCTURE_MISSING:
                self._failed(problem)
            else:
                self._succeeded()
            raise
        except BaseException:
            with self._lock:
                self._trying = False
            raise
        self._succeeded()
        return result

    def _enter(self) -> None:
        with self._lock:
            state = self.state
            if state is CircuitState.CLOSED:
                return
            if state is CircuitState.HALF_OPEN and not self._trying:
                self._trying = True
                return
            assert self._until_s is not None
            assert self._problem is not None
            left = max(self._until_s - self._clock_s(), 0)
            raise VeloError(
                ErrorCode.INFRASTRUCTURE_MISSING,
                f"{self.name} has failed {self.failures} times and is left alone for {left:.0f} s: "
                f"{self._problem.message}",
                hint=self._problem.hint,
            )

    def _failed(self, problem: VeloError) -> None:
        with self._lock:
            self.failures += 1
            self._problem = problem
            if self._trying:
                self._open_for_s = min(2 * self._open_for_s, self._longest_s)
            if self._trying or self.failures >= self._threshold:
                self._until_s = self._clock_s() + self._open_for_s
            self._trying = False

    def _succeeded(self) -> None:
        with self._lock:
            self.failures = 0
            self._until_s = None
            self._open_for_s = self._backoff_s
            self._trying = False
