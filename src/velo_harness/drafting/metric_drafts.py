"""Metrics that suit a program, from its plan: rows counted, newest aggregates, distributions of amounts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from velo_engine.plan.nodes import PlannedProgram, PlannedStatement
from velo_engine.sql.program import Program, StatementKind
from velo_engine.types import FLOATS, INTEGERS, NUMERICS, STRINGS, TypeName
from velo_harness.drafting.lineage import Aggregated, Constants, SourceColumn, WindowBound, nodes, origin
from velo_harness.drafting.lineage import Origin as ColumnOrigin

MOST_LABELS = 2
MOST_VALUE_METRICS = 4
"""Gauges or histograms of one statement."""
BUCKETS = "1, 10, 100, 1000, 10000, 100000"
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_]+")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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

    @property
    def exported(self) -> str:
        """The name of the series that Prometheus reads; of a histogram that of the number of values."""
        return f"{self.name}_count" if self.type == "histogram" else self.name

    def lines(self) -> tuple[str, ...]:
        """The annotations."""
        lines = [f"-- @metric: {self.name}", f"-- @metric_type: {self.type}", f"-- @metric_help: {self.help}"]
        if self.field is not None:
            lines.append(f"-- @metric_field: {self.field}")
        if self.labels:
            lines.append(f"-- @metric_labels: {', '.join(self.labels)}")
        if self.type == "histogram":
            lines.append(f"-- @metric_buckets: {BUCKETS}")
        return tuple(lines)


def metric_drafts(written: Program, program: PlannedProgram, app: str) -> list[MetricDraft]:
    """Metrics for every statement that gives rows out and has none yet."""
    has_some = {
        s.name
        for s in written.statements
        if s.kind is not StatementKind.SOURCE and any(name == "metric" for name, _ in s.annotations)
    }
    found: list[MetricDraft] = []
    for name, statement in program.statements.items():
        if name not in has_some:
            found += _of_statement(statement, program, f"{_named(app)}_{_named(name)}")
    unique: dict[str, MetricDraft] = {}
    for metric in found:
        unique.setdefault(metric.name.removesuffix("_total"), metric)
    return list(unique.values())


def _named(text: str) -> str:
    """A part of a metric's name."""
    name = _NOT_IN_A_NAME.sub("_", text).strip("_").lower() or "app"
    return f"_{name}" if name[0].isdigit() else name


def _of_statement(statement: PlannedStatement, program: PlannedProgram, prefix: str) -> Iterator[MetricDraft]:
    columns = statement.plan.schema.columns
    origins = {c.name: origin(statement.plan, i, program.statements) for i, c in enumerate(columns)}
    keys = _group_keys(statement, program)
    few = [name for name, found in origins.items() if isinstance(found, Constants) and _IDENTIFIER.fullmatch(name)]
    yield MetricDraft(
        f"{prefix}_rows_total",
        "counter",
        statement.name,
        f"Rows that {statement.name} gave out",
        tuple(few[:MOST_LABELS]),
    )
    grouped = [c.name for c in columns if c.name in keys and c.type.name in STRINGS | INTEGERS | {TypeName.BOOLEAN}]
    labels = tuple(name for name in grouped if _IDENTIFIER.fullmatch(name))[:MOST_LABELS]
    values = [c for c in columns if c.type.name in NUMERICS and _IDENTIFIER.fullmatch(c.name) and c.name not in keys]
    aggregated = any(isinstance(found, Aggregated) for found in origins.values())
    number = 0
    for column in values:
        kind = _kind(column.name, column.type.name, origins[column.name], aggregated=aggregated)
        if kind is not None and number < MOST_VALUE_METRICS:
            number += 1
            newest = f"The newest {column.name} of {statement.name}"
            text = newest if kind == "gauge" else f"How {column.name} of {statement.name} is distributed"
            chosen = labels if kind == "gauge" else ()
            yield MetricDraft(f"{prefix}_{_named(column.name)}", kind, statement.name, text, chosen, column.name)


def _kind(name: str, type_name: TypeName, found: ColumnOrigin, *, aggregated: bool) -> str | None:
    """What shows a number: the newest value of an aggregate, the distribution of an amount, nothing of an id."""
    if isinstance(found, (Constants, WindowBound)):
        return None
    if aggregated:
        return "gauge"
    is_amount = type_name is TypeName.DECIMAL or type_name in FLOATS
    identifies = name.lower() == "id" or name.lower().endswith("_id")
    counts = isinstance(found, SourceColumn) and type_name in INTEGERS and not identifies
    return "histogram" if is_amount or counts else None


def _group_keys(statement: PlannedStatement, program: PlannedProgram) -> frozenset[str]:
    """The output columns that rows are grouped by."""
    from velo_engine.plan.nodes import GroupAggregate, WindowAggregate
    from velo_engine.plan.upsert_keys import upsert_keys

    if not any(isinstance(node, (GroupAggregate, WindowAggregate)) for node in nodes(statement.plan)):
        return frozenset()
    names = statement.plan.schema.names
    found = upsert_keys(statement.plan, program.statements)
    return frozenset(names[i] for key in found for i in key)
