"""Metrics of a program as Prometheus sees them: names of series, labels, and how far queries look back."""

from __future__ import annotations

from dataclasses import dataclass

from velo_engine.observability.metric_annotations import MetricDefinition, MetricType
from velo_engine.observability.metric_columns import label_names
from velo_harness.drafting.drafted_metric import duration_text
from velo_harness.drafting.metric_names import prefix_of

LOOK_BACK_MS = 300_000
"""How far rates look back at least: some scrapes must lie in it."""


@dataclass(frozen=True, slots=True)
class ExportedMetric:
    """One metric that a program declares."""

    definition: MetricDefinition

    @property
    def name(self) -> str:
        """As queries call it; of a histogram what its `_bucket`, `_count` and `_sum` begin with."""
        name = self.definition.name
        return name if self.definition.type is not MetricType.COUNTER else f"{name.removesuffix('_total')}_total"

    def title(self, app: str) -> str:
        """What people call it under the heading of its statement: without the words that begin all names there."""
        name = self.definition.name.removesuffix("_total")
        return name.removeprefix(f"{prefix_of(app, self.definition.statement)}_")

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its labels."""
        return label_names(self.definition)

    @property
    def range(self) -> str:
        """The time over which a rule takes rates and increases: at least two windows of the query."""
        window = self.definition.window_ms
        return duration_text(LOOK_BACK_MS if window is None else max(LOOK_BACK_MS, 2 * window))

    @property
    def is_slow(self) -> bool:
        """New values come so seldom that a panel must look back further than it would."""
        window = self.definition.window_ms
        return window is not None and window >= 15_000

    @property
    def unit(self) -> str | None:
        """The unit at the end of its name."""
        words = self.definition.name.removesuffix("_total").split("_")
        return words[-1] if words[-1] in ("seconds", "bytes", "ratio", "celsius") else None
