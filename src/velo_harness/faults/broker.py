"""A broker that goes away while a job runs, and comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from velo_engine import JobOptions
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.runtime.ingest import Span
from velo_harness.faults.model import BrokerFaults
from velo_harness.kafka.providers import EmbeddedProvider
from velo_harness.result import FaultCount

if TYPE_CHECKING:
    from velo_harness.kafka.session import KafkaSession


def embedded_provider(wanted: BrokerFaults, kafka: KafkaSession | None) -> EmbeddedProvider:
    """The broker to harm. Raises VeloError INFRASTRUCTURE_MISSING for any other than the embedded one."""
    if kafka is not None and isinstance(kafka.provider, EmbeddedProvider):
        return kafka.provider
    where = "in memory" if kafka is None else f"on a broker ({kafka.provider.name}) that is not ours to stop"
    raise VeloError(
        ErrorCode.INFRASTRUCTURE_MISSING,
        f"fault_injection.broker needs the embedded broker, and topics are {where}",
        location=wanted.location,
        hint="run it with --kafka embedded (in pytest: --velo-kafka embedded)",
    )


@dataclass(slots=True)
class BrokerHarm:
    """Stops the broker, or cuts its connections, as the job goes on."""

    wanted: BrokerFaults
    provider: EmbeddedProvider
    records: int
    """Records of the run."""
    _handled: int = 0
    _restarts: int = 0
    _cuts: int = 0
    _due: list[tuple[int, str]] = field(default_factory=list)

    def watching(self, options: JobOptions) -> JobOptions:
        """The options of a job during which it happens."""
        times = self.wanted.drop_connections
        self._due = [(self.records * (i + 1) // (times + 1), "cut") for i in range(times)]
        if self.wanted.restart_after is not None:
            self._due.append((self.wanted.restart_after, "restart"))
        self._due.sort()
        before = options.on_span

        def handled(sources: Sequence[str], span: Span) -> None:
            if before is not None:
                before(sources, span)
            self._span(span)

        return replace(options, on_span=handled)

    def counts(self) -> tuple[FaultCount, ...]:
        """What happened. The job has gone on, or there would be no result."""
        wanted = self.wanted
        found = []
        if wanted.restart_after is not None:
            fates = {"recovered": self._restarts} if self._restarts else {"not_reached": 1}
            found.append(FaultCount("broker.restart_after", "", self._restarts, fates))
        if wanted.drop_connections:
            found.append(FaultCount("broker.drop_connections", "", self._cuts, {"recovered": self._cuts}))
        return tuple(found)

    def _span(self, span: Span) -> None:
        self._handled += sum(taken.records for taken in span.slices if taken is not None)
        while self._due and self._due[0][0] <= self._handled:
            _, what = self._due.pop(0)
            if what == "cut":
                self.provider.drop_connections()
                self._cuts += 1
            else:
                self.provider.restart()
                self._restarts += 1
