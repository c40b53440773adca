"""Trying again, later and later: `failure_strategy = RetryWithBackoff`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.durations import parse_duration

_T = TypeVar("_T")

LONGEST_WAIT_MS = 60_000
"""Between two tries."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long to try again what waiting may mend: a broker or a registry that is not there."""

    max_retries: int = 3
    """Tries after the first one."""
    backoff_ms: int = 1000
    """Before the second try; it doubles with each."""

    def waits_ms(self) -> tuple[int, ...]:
        """The waits between the tries."""
        return tuple(min(self.backoff_ms << min(i, 20), LONGEST_WAIT_MS) for i in range(self.max_retries))


NO_RETRIES = RetryPolicy(max_retries=0)


def retry_policy(properties: Mapping[str, str]) -> RetryPolicy:
    """What a program's job properties say: nothing is tried again unless `failure_strategy` is RetryWithBackoff.

    Raises VeloError BAD_PROPERTY for a value that means nothing.
    """
    strategy = properties.get("failure_strategy", "")
    if strategy.replace("_", "").casefold() != "retrywithbackoff":
        return NO_RETRIES
    retries = properties.get("max_retries", "3")
    if not retries.strip().isdecimal():
        raise VeloError(ErrorCode.BAD_PROPERTY, f'max_retries is a whole number, not "{retries}"')
    backoff = properties.get("retry_backoff", "1s")
    try:
        return RetryPolicy(int(retries), int(backoff) if backoff.strip().isdecimal() else parse_duration(backoff))
    except ValueError:
        raise VeloError(ErrorCode.BAD_PROPERTY, f'retry_backoff is a duration such as 500ms, not "{backoff}"') from None


def retried(action: Callable[[], _T], policy: RetryPolicy, sleep_s: Callable[[float], None] = time.sleep) -> _T:
    """What `action` gives, tried again after INFRASTRUCTURE_MISSING as `policy` says. Raises its last error."""
    for wait_ms in policy.waits_ms():
        try:
            return action()
        except VeloError as problem:
            if problem.code is not ErrorCode.INFRASTRUCTURE_MISSING:
                raise
            sleep_s(wait_ms / 1000)
    return action()
