"""The metrics of a job in the form that Prometheus reads: the engine's own, and those of the program."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from velo_engine.batch import FINAL_WATERMARK, INITIAL_WATERMARK
from velo_engine.connectors.circuit import CircuitState
from velo_engine.observability.metric_annotations import OWN_METRICS, MetricType
from velo_engine.observability.program_metrics import ProgramMetric, ProgramMetrics
from velo_engine.runtime.measurements import Distribution
from velo_engine.runtime.statistics import JobStatistics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric


class JobCollector:
    """Gives the metrics of a job when they are asked for."""

    def __init__(
        self,
        job: str,
        statistics: Callable[[], JobStatistics],
        metrics: ProgramMetrics,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """`job` is its name, a label of everything; `statistics` where it stands."""
        self._job = job
        self._statistics = statistics
        self._metrics = metrics
        self._now_s = now_s

    def collect(self) -> Iterator[Metric]:
        """All of them, as they are now."""
        yield from _own(self._job, self._statistics(), self._now_s())
        yield from _declared(self._metrics)

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: which there are is known when they are collected."""
        return ()


def registry_of(collector: JobCollector) -> CollectorRegistry:
    """The job's metrics and those of the process (memory, CPU time), apart from any other in this process."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    ProcessCollector(registry=registry)
    return registry


def _own(job: str, now: JobStatistics, now_s: float) -> Iterator[Metric]:
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        InfoMetricFamily,
        SummaryMetricFamily,
    )

    def counter(name: str, text: str, values: Iterable[tuple[tuple[str, ...], float]], *labels: str) -> Metric:
        family = CounterMetricFamily(OWN_METRICS + name, text, labels=labels)
        for label, value in values:
            family.add_metric(label, value)
        return family

    def gauge(name: str, text: str, values: Iterable[tuple[tuple[str, ...], float]], *labels: str) -> Metric:
        family = GaugeMetricFamily(OWN_METRICS + name, text, labels=labels)
        for label, value in values:
            family.add_metric(label, value)
        return family

    yield InfoMetricFamily(OWN_METRICS.rstrip("_"), "The job", {"name": job})
    sources = [((name,), source) for name, source in now.sources.items()]
    yield counter("records_in", "Records read", [(n, s.records) for n, s in sources], "source")
    lags = [(n, s.lag) for n, s in sources if s.lag is not None]
    yield gauge("source_lag_records", "Records of the topics still to be read", lags, "source")

    statements = [((name,), statement) for name, statement in now.statements.items()]
    yield counter(
        "rows_in", "Records and rows that a statement read", [(n, s.read) for n, s in statements], "statement"
    )
    yield counter("changes_out", "Changes given out", [(n, s.emitted) for n, s in statements], "statement")
    yield counter("records_out", "Records written to the sink", [(n, s.written) for n, s in statements], "statement")
    yield counter("late_records", "Records that came too late", [(n, s.late) for n, s in statements], "statement")
    yield gauge("state_rows", "Rows of state", [(n, s.state_rows) for n, s in statements], "statement")
    reached = [
        (n, s.watermark_ms / 1000)
        for n, s in statements
        if s.watermark_ms is not None and INITIAL_WATERMARK < s.watermark_ms < FINAL_WATERMARK
    ]
    yield gauge("watermark_timestamp_seconds", "Event time reached, Unix time", reached, "statement")
    behind = [(n, now_s - watermark) for n, watermark in reached]
    yield gauge("watermark_lag_seconds", "How far event time is behind the clock", behind, "statement")
    yield counter("dead_letters", "Records set aside", [((), now.dead_letters)])

    checkpoints = now.checkpoints
    name = OWN_METRICS + "checkpoint_duration_seconds"
    text = "Time of checkpoints, with the output that they waited for"
    yield SummaryMetricFamily(name, text, checkpoints.count, checkpoints.total_seconds)
    yield gauge("last_checkpoint_duration_seconds", "Of the last one", [((), checkpoints.seconds)])
    yield gauge("last_checkpoint_size_bytes", "Of the last one", [((), checkpoints.size)])
    if checkpoints.at_ms is not None:
        yield gauge("last_checkpoint_age_seconds", "Since the last one", [((), now_s - checkpoints.at_ms / 1000)])

    yield _histogram(OWN_METRICS + "batch_duration_seconds", "Time that a batch takes", now.batches)
    text = "From a record's timestamp until what it causes is handed out, or with exactly-once committed"
    yield _histogram(OWN_METRICS + "latency_seconds", text, now.latency)
    times = [((activity,), seconds) for activity, seconds in now.seconds.items()]
    text = "What the time goes into; delivering is backpressure: waiting for the sinks"
    yield counter("time_seconds", text, times, "activity")
    circuits = [
        ((name, state.value), float(connection.circuit == state.value))
        for name, connection in now.connections.items()
        for state in CircuitState
    ]
    text = "1 for the state of a connection: closed when brokers answer"
    yield gauge("connection_state", text, circuits, "connection", "state")


def _histogram(name: str, text: str, values: Distribution) -> Metric:
    from prometheus_client.metrics_core import HistogramMetricFamily

    return HistogramMetricFamily(name, text, _cumulated(values.bounds, values.counts), values.total)


def _cumulated(bounds: Iterable[float], counts: Iterable[float]) -> list[tuple[str, float]]:
    upper = [*(repr(float(bound)) for bound in bounds), "+Inf"]
    total, pairs = 0.0, []
    for bound, count in zip(upper, counts, strict=True):
        total += count
        pairs.append((bound, total))
    return pairs


def _declared(metrics: ProgramMetrics) -> Iterator[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily

    skipped = CounterMetricFamily(
        OWN_METRICS + "metric_skipped_rows", "Rows that a metric could not count", labels=("metric", "reason")
    )
    families = []
    for metric in metrics.read():  # at once: the job waits as long as they are read
        families.append(_family(metric))
        for reason, rows in metric.skipped.items():
            skipped.add_metric((metric.definition.name, reason), rows)
    yield from families
    yield skipped


def _family(metric: ProgramMetric) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    definition, names = metric.definition, metric.bound.label_names
    match definition.type:
        case MetricType.COUNTER:
            counter = CounterMetricFamily(definition.name, definition.help, labels=names)
            for labels, values in metric.series:
                counter.add_metric(labels, values[0])
            return counter
        case MetricType.GAUGE:
            gauge = GaugeMetricFamily(definition.name, definition.help, labels=names)
            for place, (labels, values) in enumerate(metric.series):
                if place != metric.series.other:
                    gauge.add_metric(labels, values[0])
            return gauge
        case MetricType.HISTOGRAM:
            histogram = HistogramMetricFamily(definition.name, definition.help, labels=names)
            for labels, values in metric.series:
                histogram.add_metric(labels, _cumulated(definition.buckets, values[:-1].tolist()), values[-1])
            return histogram
