"""The metrics that a program declares, kept while its job runs: each batch of a statement's changes moves them on.

The rows that count are those that are there after a change (+I, +U); what a change takes away (-U, -D) does not. Whole
batches: conditions and casts are one kernel statement, the sums per set of labels numpy's; only the sets of labels of a
batch are walked through one by one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int64s, RowKind, numpy_column
from velo_engine.compile_expression import compile_expression
from velo_engine.kernel import Kernel
from velo_engine.observability.metric_annotations import MetricDefinition, MetricType
from velo_engine.observability.metric_columns import BoundMetric, bound_metric
from velo_engine.observability.series import LABEL_LENGTH, MOST_SERIES, OTHER, Floats, Labels, Series
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.types import NUMERICS, STRINGS, TypeName

_PLAIN = NUMERICS | STRINGS | {TypeName.BOOLEAN}
"""Types whose columns need no kernel to become labels or numbers."""
_NOW = "make_timestamp(i.pt * 1000)"


class Skipped:
    """Why rows that should count did not."""

    CONDITION = "condition"
    """The condition has no value for the row (a division by zero)."""
    FIELD = "field"
    """The column has no value that counts: NULL, NaN, for a counter a negative one."""
    SERIES = "series"
    """A gauge has as many series as it may have; a joint one would mean nothing."""


@dataclass(slots=True)
class ProgramMetric:
    """One metric and its values."""

    bound: BoundMetric
    series: Series
    skipped: dict[str, int] = field(default_factory=dict)
    """Rows, by the reason."""

    @property
    def definition(self) -> MetricDefinition:
        """As declared."""
        return self.bound.definition


class ProgramMetrics:
    """All metrics of a program. `observe` belongs to the job's thread; what they show may be read from any."""

    def __init__(
        self,
        program: PlannedProgram,
        definitions: Sequence[MetricDefinition],
        *,
        time_zone: str = "UTC",
        most_series: int = MOST_SERIES,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`warn` hears once of each metric that has more sets of labels than series.

        Raises VeloError: a column that is not there, a condition that is none, each at its place.
        """
        self._warn = warn
        self._lock = threading.Lock()
        self._by_statement: dict[str, list[ProgramMetric]] = {}
        for definition in definitions:
            bound = bound_metric(definition, program)
            width = len(definition.buckets) + 2 if definition.type is MetricType.HISTOGRAM else 1
            metric = ProgramMetric(bound, Series(len(bound.labels), width, most_series))
            if not bound.labels and definition.type is not MetricType.GAUGE:
                metric.series.places([()])  # 0 from the start: Prometheus sees the first row as an increase
            self._by_statement.setdefault(definition.statement, []).append(metric)
        self._computed = {name: _Computed(metrics, time_zone) for name, metrics in self._by_statement.items()}

    def observe(self, statement: str, changes: pa.Table) -> None:
        """Count a batch of changes, in physical form."""
        metrics = self._by_statement.get(statement)
        if not metrics:
            return
        kind = numpy_column(changes, "kind")
        rows = changes.filter(pa.array((kind == RowKind.INSERT) | (kind == RowKind.UPDATE_AFTER)))
        if not rows.num_rows:
            return
        columns = self._computed[statement].columns(rows)
        with self._lock:
            for metric in metrics:
                overflowing = metric.series.overflowing
                _count(metric, columns, rows.num_rows)
                if metric.series.overflowing and not overflowing:
                    self._warn(_too_many(metric))

    def read(self) -> Iterator[ProgramMetric]:
        """Every metric, while nothing moves it."""
        with self._lock:
            for metrics in self._by_statement.values():
                yield from metrics

    def close(self) -> None:
        """Give back the connections."""
        for computed in self._computed.values():
            computed.close()


class _Columns:
    """The values of expressions over the rows of one batch."""

    def __init__(self, rows: pa.Table, computed: Mapping[Expression, tuple[pa.ChunkedArray, pa.ChunkedArray]]) -> None:
        self._rows = rows
        self._computed = computed

    def values(self, expression: Expression) -> pa.ChunkedArray:
        """Of each row."""
        if expression in self._computed:
            return self._computed[expression][0]
        assert isinstance(expression, ColumnRef)
        return self._rows.column(expression.index)

    def failed(self, expression: Expression) -> Bools:
        """Whether a row has none."""
        if expression not in self._computed:
            return np.zeros(self._rows.num_rows, bool)
        return np.asarray(self._computed[expression][1].is_valid())


class _Computed:
    """What one statement's metrics need of its rows besides plain columns: one kernel statement a batch."""

    def __init__(self, metrics: Sequence[ProgramMetric], time_zone: str) -> None:
        wanted = dict.fromkeys(e for m in metrics for e in m.bound.expressions() if not _is_plain(e))
        self._expressions = tuple(wanted)
        self._kernel = Kernel() if wanted else None
        if self._kernel is None:
            return
        self._input = self._kernel.input_name("metrics")
        parts = []
        for i, expression in enumerate(wanted):
            compiled = compile_expression(expression, lambda c: f"i.c{c}", time_zone=time_zone, now=_NOW)
            parts += [f"{compiled.value} AS v{i}", f"{compiled.error or 'CAST(NULL AS VARCHAR)'} AS e{i}"]
        self._sql = f"SELECT {', '.join(parts)} FROM {self._input} i ORDER BY i.seq, i.sub"

    def columns(self, rows: pa.Table) -> _Columns:
        """Of a batch."""
        if self._kernel is None:
            return _Columns(rows, {})
        now_ms = pa.repeat(time.time_ns() // 1_000_000, rows.num_rows)
        found = self._kernel.query(self._sql, **{self._input: rows.append_column("pt", now_ms)})
        pairs = {e: (found.column(2 * i), found.column(2 * i + 1)) for i, e in enumerate(self._expressions)}
        return _Columns(rows, pairs)

    def close(self) -> None:
        if self._kernel is not None:
            self._kernel.close()


def _is_plain(expression: Expression) -> bool:
    return isinstance(expression, ColumnRef) and expression.type.name in _PLAIN


def _count(metric: ProgramMetric, columns: _Columns, rows: int) -> None:
    """Add a batch to one metric."""
    bound, definition = metric.bound, metric.bound.definition
    counts = np.ones(rows, bool)
    if bound.condition is not None:
        failed = columns.failed(bound.condition)
        _skip(metric, Skipped.CONDITION, int(failed.sum()))
        counts = np.asarray(columns.values(bound.condition).cast(pa.bool_()).fill_null(False)) & ~failed
    values = np.ones(rows)
    if bound.field is not None:
        values = np.asarray(columns.values(bound.field).cast(pa.float64(), safe=False).fill_null(np.nan))
        usable = ~np.isnan(values)
        if definition.type is MetricType.COUNTER:
            usable &= values >= 0
        _skip(metric, Skipped.FIELD, int((counts & ~usable).sum()))
        counts &= usable
    if not counts.any():
        return
    kept = pa.array(counts)
    sets, which = _label_sets([columns.values(label).filter(kept) for label in bound.labels], int(counts.sum()))
    _add(metric, metric.series.places(sets)[which], values[counts])


def _add(metric: ProgramMetric, places: Int64s, values: Floats) -> None:
    series, definition = metric.series, metric.definition
    match definition.type:
        case MetricType.COUNTER:
            sums = np.bincount(places, weights=values)
            series.values[: len(sums), 0] += sums
        case MetricType.GAUGE:
            other = series.other
            if other is not None:
                known = places != other
                _skip(metric, Skipped.SERIES, int((~known).sum()))
                places, values = places[known], values[known]
            series.values[places, 0] = values  # of equal places the last one stays
        case MetricType.HISTOGRAM:
            width = len(definition.buckets) + 1
            buckets = np.searchsorted(definition.buckets, values, side="left")
            counts = np.bincount(places * width + buckets, minlength=width * (int(places.max()) + 1))
            sums = np.bincount(places, weights=values)
            series.values[: len(sums), :width] += counts.reshape(-1, width)
            series.values[: len(sums), width] += sums


def _label_sets(columns: Sequence[pa.ChunkedArray], rows: int) -> tuple[list[Labels], Int64s]:
    """The different sets of labels in the order of their first rows, and which one each row has."""
    if not columns:
        return [()], np.zeros(rows, np.int64)
    joint = np.zeros(rows, np.int64)
    labels: list[tuple[list[str], Int64s]] = []
    for column in columns:
        encoded = column.cast(pa.string()).fill_null("").combine_chunks().dictionary_encode()
        values, codes = encoded.dictionary.to_pylist(), np.asarray(encoded.indices).astype(np.int64)
        labels.append((values, codes))
        # Numbered again label by label: products of many numbers of values would overflow.
        _, joint = np.unique(joint * len(values) + codes, return_inverse=True)
    _, first, which = np.unique(joint, return_index=True, return_inverse=True)
    order = np.argsort(first)
    sets = [tuple(values[codes[row]][:LABEL_LENGTH] for values, codes in labels) for row in first[order].tolist()]
    return sets, np.argsort(order)[which]


def _skip(metric: ProgramMetric, reason: str, rows: int) -> None:
    if rows:
        metric.skipped[reason] = metric.skipped.get(reason, 0) + rows


def _too_many(metric: ProgramMetric) -> str:
    definition = metric.definition
    rest = "are not shown" if definition.type is MetricType.GAUGE else f'count as one, labelled "{OTHER}"'
    shown = len(metric.series) - (metric.series.other is not None)
    return f"{definition.location}: {definition.name} has more than {shown:,} sets of labels; further ones {rest}"
