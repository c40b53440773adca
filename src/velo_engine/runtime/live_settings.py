"""What a program says about how it goes on: its name, its guarantee, its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.sql.durations import parse_duration


class Guarantee(Enum):
    """How often each record of the output is there when a job was killed and started again."""

    AT_LEAST_ONCE = "at-least-once"
    """What was published after the last checkpoint is published again."""
    EXACTLY_ONCE = "exactly-once"
    """Once, for readers of committed records: it is published with the checkpoint."""


INTERVAL_MS = {Guarantee.AT_LEAST_ONCE: 1000, Guarantee.EXACTLY_ONCE: 100}
"""Between checkpoints, when the program does not say. With exactly-once it is what the output waits for."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Of one program."""

    guarantee: Guarantee
    interval_ms: int


def live_settings(properties: Mapping[str, str]) -> LiveSettings:
    """The settings in a program's job properties. Raises VeloError BAD_PROPERTY for a value that means nothing."""
    text = properties.get("delivery.guarantee", Guarantee.AT_LEAST_ONCE.value)
    known = {guarantee.value: guarantee for guarantee in Guarantee}
    guarantee = known.get(text.strip().casefold().replace("_", "-"))
    if guarantee is None:
        raise VeloError(
            ErrorCode.BAD_PROPERTY,
            f'"{text}" is not a value of delivery.guarantee',
            hint=did_you_mean(text, known, noun="value"),
        )
    interval = properties.get("checkpoint.interval")
    return LiveSettings(guarantee, INTERVAL_MS[guarantee] if interval is None else _interval(interval))


def _interval(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError:
        raise VeloError(
            ErrorCode.BAD_PROPERTY, f'checkpoint.interval is a duration such as 10s, not "{text}"'
        ) from None
