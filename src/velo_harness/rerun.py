"""The command that runs just one query again, as it ran: a failure names it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from velo_harness.kafka.providers import CONTAINERS, EMBEDDED, EXTERNAL
from velo_harness.settings import RunSettings

if TYPE_CHECKING:
    from velo_harness.kafka.session import KafkaSession


def rerun_options(settings: RunSettings, kafka: KafkaSession | None, prefix: str = "--") -> str:
    """The options that say the same as `settings`, each with a blank before it; `prefix` is `--velo-` in pytest."""
    return "".join(f" {prefix}{option}" for option in _options(settings, kafka))


def _options(settings: RunSettings, kafka: KafkaSession | None) -> Iterator[str]:
    numbers = (("seed", settings.seed), ("timeout-ms", settings.timeout_ms), ("batch-size", settings.batch_size))
    for name, number in numbers:
        if number is not None:
            yield f"{name} {number}"
    for name, value in settings.variables.items():
        yield f"var {shlex.quote(f'{name}={value}')}"
    if settings.permute:
        yield f"permute {settings.permute}"
    if settings.runner is not None:
        yield f"runner {settings.runner.value}"
    if settings.realtime:
        yield "realtime"
    if settings.strict:
        yield "strict"
    if kafka is not None:
        yield from _place(kafka)


def _place(kafka: KafkaSession) -> Iterator[str]:
    """Where topics are."""
    provider = kafka.provider
    match provider.name:
        case name if name == CONTAINERS:
            yield "use-testcontainers"
        case name if name == EXTERNAL:
            yield f"kafka {shlex.quote(str(getattr(provider, 'address', EXTERNAL)))}"
        case name if name == EMBEDDED:
            yield f"kafka {EMBEDDED}"
        case name:
            yield f"kafka {shlex.quote(name)}"
