"""The metrics of a run as assertions look at them: those that the program declares, and the engine's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from velo_engine.observability.program_metrics import ProgramMetrics
    from velo_engine.runtime.job import Job

OWN_METRICS_OF_TESTS = frozenset(
    {
        "records_in",
        "rows_in",
        "changes_out",
        "records_out",
        "late_records",
        "state_rows",
        "dead_letters",
        "metric_skipped_rows",
    }
)
"""The engine's metrics that a run over bounded input has. Lags, checkpoints and connections are those of `velo run`."""


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """One series of a metric."""

    labels: Mapping[str, str]
    value: float = 0.0
    """Of a counter or a gauge."""
    count: float = 0.0
    """Of a histogram: how many values."""
    total: float = 0.0
    """Of a histogram: their sum."""
    buckets: tuple[tuple[float, float], ...] = ()
    """Of a histogram: upper bounds, increasing, and how many values are at most that."""


@dataclass(frozen=True, slots=True)
class MetricReading:
    """One metric at the end of a run."""

    name: str
    """Without `_total`."""
    type: str
    """counter, gauge or histogram."""
    series: tuple[MetricSeries, ...]


def metric_readings(job: Job, metrics: ProgramMetrics) -> tuple[MetricReading, ...]:
    """The metrics of a job that has ended, in the order in which they are exposed."""
    from velo_engine.observability.exposition import JobCollector
    from velo_engine.observability.metric_annotations import OWN_METRICS
    from velo_engine.runtime.measurements import Distribution
    from velo_engine.runtime.statistics import CheckpointStatistics, JobStatistics, SourceStatistics

    nothing = Distribution((), (0,), 0.0)
    statistics = JobStatistics(
        records=job.records,
        sources={name: SourceStatistics(records, None) for name, records in job.source_records.items()},
        statements=job.statement_statistics(),
        dead_letters=job.dead_letter_count,
        checkpoints=CheckpointStatistics(),
        connections={},
        batches=nothing,
        latency=nothing,
        seconds={},
        silent_s=0.0,
    )
    found = []
    for family in JobCollector("test", lambda: statistics, metrics).collect():
        own = family.name.startswith(OWN_METRICS) or family.type == "info"
        if not own or family.name.removeprefix(OWN_METRICS) in OWN_METRICS_OF_TESTS:
            found.append(MetricReading(family.name, family.type, _series(family.type, family.samples)))
    return tuple(found)


def _series(kind: str, samples: Sequence[object]) -> tuple[MetricSeries, ...]:
    by_labels: dict[tuple[tuple[str, str], ...], list[tuple[str, str | None, float]]] = {}
    for name, labels, value, *_ in _tuples(samples):
        own = tuple((label, text) for label, text in labels.items() if not (kind == "histogram" and label == "le"))
        by_labels.setdefault(own, []).append((name, labels.get("le"), value))
    if kind != "histogram":
        return tuple(MetricSeries(dict(labels), value=values[0][2]) for labels, values in by_labels.items())
    return tuple(_histogram(dict(labels), values) for labels, values in by_labels.items())


def _tuples(samples: Iterable[object]) -> Iterable[tuple[str, Mapping[str, str], float]]:
    return samples  # type: ignore[return-value]  # prometheus_client's Sample is a named tuple that begins so


def _histogram(labels: Mapping[str, str], values: Sequence[tuple[str, str | None, float]]) -> MetricSeries:
    buckets = tuple((float(bound), value) for _, bound, value in values if bound is not None)
    count = next((value for name, bound, value in values if bound is None and name.endswith("_count")), 0.0)
    total = next((value for name, bound, value in values if bound is None and name.endswith("_sum")), 0.0)
    return MetricSeries(labels, count=count, total=total, buckets=buckets)
