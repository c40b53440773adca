"""Metrics and alerts as they are written into a program."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlertDraft:
    """One alert of a metric."""

    alert: str
    """A name, or a comparison of the metric's name with a number."""
    severity: str
    name: str | None = None
    """When `alert` compares."""

    def lines(self) -> tuple[str, ...]:
        """The annotations."""
        named = (f"-- @alert_name: {self.name}",) if self.name is not None else ()
        return (f"-- @alert: {self.alert}", *named, f"-- @alert_severity: {self.severity}")


@dataclass(frozen=True, slots=True)
class MetricDraft:
    """One metric of a statement."""

    name: str
    type: str
    """counter, gauge or histogram."""
    statement: str
    help: str
    labels: tuple[str, ...] = ()
    field: str | None = None
    """A column, or an expression that gives it in the unit of the metric's name."""
    condition: str | None = None
    buckets: str | None = None
    window_ms: int | None = None
    alerts: tuple[AlertDraft, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """The annotations."""
        lines = [f"-- @metric: {self.name}", f"-- @metric_type: {self.type}", f"-- @metric_help: {self.help}"]
        window = None if self.window_ms is None else duration_text(self.window_ms)
        optional = {
            "metric_field": self.field,
            "metric_labels": ", ".join(self.labels) or None,
            "metric_condition": self.condition,
            "metric_buckets": self.buckets,
            "metric_window": window,
        }
        lines += [f"-- @{name}: {value}" for name, value in optional.items() if value is not None]
        return (*lines, *(line for alert in self.alerts for line in alert.lines()))


def duration_text(milliseconds: int) -> str:
    """A length of time as Prometheus writes it: `90s`, `5m`, `1d`."""
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % length == 0:
            return f"{milliseconds // length}{unit}"
    return f"{milliseconds}ms"
