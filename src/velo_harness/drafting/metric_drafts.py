"""Metrics that suit a statement, from its plan: rows counted, aggregates shown, amounts distributed.

A counter counts no row twice: only of results that are never changed, of windows that do not overlap, and not behind a
join. What changes is a gauge, of the newest value; it has the keys of its group for labels when all of them can be
said to have few values (`column_evidence`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from velo_engine.errors import VeloError
from velo_engine.observability.alert_annotations import number_text
from velo_engine.plan.changelog import changelog_mode
from velo_engine.plan.nodes import PlannedStatement
from velo_engine.schema import Column
from velo_engine.sql.parser import parse_expression
from velo_engine.types import FLOATS, INTEGERS, NUMERICS, STRINGS, TypeName
from velo_harness.drafting.aggregations import UNNAMED, Grouping, Traced, grouping, traced
from velo_harness.drafting.column_evidence import ColumnFacts, Evidence, FewValues, named_category
from velo_harness.drafting.drafted_metric import MetricDraft, duration_text
from velo_harness.drafting.lineage import Constants, WindowBound, comparison, conjuncts, filters, origin
from velo_harness.drafting.metric_names import NamedMetric, counter_name, name_part, value_name, words_of

MOST_LABELS = 2
MOST_VALUE_METRICS = 4
"""Counters, gauges and histograms of columns of one statement."""
LONGEST_CONDITION = 80
"""Characters of a condition in a help text."""
_BUCKETS = {
    "seconds": "0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60",
    "bytes": "256, 1024, 4096, 16384, 65536, 262144, 1048576, 16777216",
    "ratio": "0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1, 10, 100",
}
_SIGNS = {
    "equals": "=",
    "not_equals": "<>",
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
}
_PLAIN_BUCKETS = "1, 10, 100, 1000, 10000, 100000"
_SHARES = frozenset({"score", "probability", "prob", "confidence", "rate", "share"})
"""Last words of names whose values lie between 0 and 1, when nothing better is known."""
_NO_AMOUNTS = frozenset(
    {
        "id", "key", "ts", "time", "timestamp", "millis", "epoch", "at", "lat", "lon", "lng", "latitude", "longitude",
        "year", "month", "day", "hour", "zip", "zipcode", "postcode", "phone", "version", "offset", "partition",
        "rank", "rownum", "num", "number", "no", "code", "seq", "row", "hash",
    }
)  # fmt: skip
"""Last words of names whose numbers are no amounts."""


@dataclass(frozen=True, slots=True)
class StatementView:
    """One statement as metrics see it."""

    statement: PlannedStatement
    evidence: Evidence
    prefix: str
    """Of the names of its metrics."""
    appends: bool
    """Rows that it gave out never change."""
    grouping: Grouping | None
    labels: tuple[str, ...]
    """Output columns with few values."""
    conditions: tuple[str, ...] = field(default=())
    """Which rows of its sources count, in words."""

    @staticmethod
    def of(statement: PlannedStatement, evidence: Evidence, prefix: str) -> StatementView:
        """What the plan says."""
        statements = evidence.statements
        view = StatementView(
            statement,
            evidence,
            prefix,
            changelog_mode(statement.plan, statements).insert_only,
            grouping(statement, statements),
            (),
            tuple(_conditions(statement)),
        )
        return replace(view, labels=tuple(view.labelling()))

    def labelling(self) -> list[str]:
        """Output columns that may be labels, the surest first: of a grouped result keys of its groups."""
        keys = None if self.grouping is None else set(self.grouping.columns.values())
        found: list[tuple[int, str]] = []
        for i, column in enumerate(self.statement.plan.schema.columns):
            may = column.type.name in STRINGS | INTEGERS | {TypeName.BOOLEAN} and (keys is None or column.name in keys)
            few = self.evidence.few_values(self.statement, i) if may and usable(column.name) else FewValues.NO
            if few is not FewValues.NO:
                found.append((-few, column.name))
        return [name for _, name in sorted(found, key=lambda one: one[0])]

    @property
    def updates_name(self) -> str:
        """The counter of rows and of their changes, for results that change."""
        return f"{self.prefix}_updates_total"

    @property
    def of_all_keys(self) -> bool:
        """Every group has labels of its own."""
        if self.grouping is None:
            return False
        shown = set(self.grouping.columns.values()) & set(self.labels[:MOST_LABELS])
        return len(shown) >= self.grouping.keys

    def only(self) -> str:
        """The conditions, behind a help text."""
        text = " and ".join(self.conditions)
        return f" ({text} only)" if text and len(text) <= LONGEST_CONDITION else ""


def usable(name: str) -> bool:
    """Whether a column can be called by its bare name in an annotation, and be a label."""
    if not name.isascii() or not name.isidentifier() or name.startswith("__"):
        return False
    try:
        return parse_expression(name).name == name
    except VeloError:
        return False


def _conditions(statement: PlannedStatement) -> Iterator[str]:
    """The comparisons with constants that rows of this statement meet."""
    for node in filters(statement.plan):
        for part in conjuncts(node.predicate):
            found = comparison(part)
            name = "" if found is None else node.input.schema.names[found[0]]
            if found is None or not name.isidentifier() or found[1] not in _SIGNS:
                continue
            value = found[2][0]
            shown = f"'{value}'" if isinstance(value, str) else str(value)
            if shown.isprintable():
                yield f"{name} {_SIGNS[found[1]]} {shown}"


def statement_metrics(view: StatementView) -> Iterator[MetricDraft]:
    """Those of one statement."""
    values = list(_value_metrics(view))
    if view.appends and (view.grouping is None or not values):
        yield rows_metric(view)
    yield from values


def rows_metric(view: StatementView) -> MetricDraft:
    """How many rows, or of a result that changes how many changes, the statement gave out."""
    name = view.statement.name
    labels = view.labels[:MOST_LABELS]
    if not view.appends:
        text = f"New and changed rows of {name}, every change counted"
        return MetricDraft(view.updates_name, "counter", name, text, labels)
    status = _status(view)
    if status is not None and view.grouping is None:
        counted = counter_name(view.prefix, f"{name_part(status)}_count").name
        return MetricDraft(counted, "counter", name, f"Rows of {name}{view.only()}", labels)
    return MetricDraft(f"{view.prefix}_rows_total", "counter", name, f"Rows that {name} gave out{view.only()}", labels)


def _status(view: StatementView) -> str | None:
    """The value that a WHERE asks of a status: `error` of `status = 'error'`."""
    found = []
    for node in filters(view.statement.plan):
        for part in conjuncts(node.predicate):
            compared = comparison(part)
            if compared is None or compared[1] != "equals" or not isinstance(value := compared[2][0], str):
                continue
            if named_category(node.input.schema.names[compared[0]]) and words_of(value):
                found.append(value)
    return found[0] if len(found) == 1 and len(found[0]) <= 30 else None


def _value_metrics(view: StatementView) -> Iterator[MetricDraft]:
    number = 0
    for i, column in enumerate(view.statement.plan.schema.columns):
        if number == MOST_VALUE_METRICS or column.type.name not in NUMERICS or "`" in column.name:
            continue
        found = _value_metric(view, i, column)
        if found is not None:
            number += 1
            yield found


def _value_metric(view: StatementView, position: int, column: Column) -> MetricDraft | None:
    """What shows a column: a sum, the newest value or a distribution; nothing of an id, a key or a constant."""
    plan, statements = view.statement.plan, view.evidence.statements
    source = origin(plan, position, statements)
    if isinstance(source, (Constants, WindowBound)):
        return None
    one = traced(plan, position, statements)
    if view.grouping is None:
        return _distribution(view, position, column, column.name) if view.appends and _is_amount(column) else None
    if one is not None and one.call is None:
        return None
    called = one.name if one is not None and column.name.startswith(UNNAMED) else column.name
    if one is not None and view.appends and one.once and not view.grouping.overlapping and _adds_up(view, one):
        named = counter_name(view.prefix, called)
        return _draft(view, column, named, "counter", f"{one.described}{_grouped(view)}", view.labels[:MOST_LABELS])
    if words_of(called)[-1:] in (["id"], ["rank"], ["rownum"]):
        return None
    what = one.described if one is not None else called
    if view.of_all_keys or not view.appends:
        labels = view.labels[:MOST_LABELS] if view.of_all_keys else ()
        which = ", newest" if view.of_all_keys else ", of the group that changed last"
        text = f"{what}{_grouped(view)}{which}"
        return _draft(view, column, value_name(view.prefix, called), "gauge", text, labels)
    return _distribution(view, position, column, called, f"{what}{_grouped(view)}, distribution")


def _adds_up(view: StatementView, one: Traced) -> bool:
    """The sum of all results is a number of its own: a count, or a sum of what is not negative."""
    call = one.call
    if call is None or call.distinct:
        return False
    if call.function == "count":
        return True
    return call.function == "sum" and view.evidence.not_negative(one.node.input, call.args[0])


def _grouped(view: StatementView) -> str:
    """What is read, keys, windows and conditions, behind what a value is."""
    assert view.grouping is not None
    keys = [name for name in view.grouping.columns.values() if name.isidentifier()]
    window = view.grouping.window_ms
    by = f" by {' and '.join(keys)}" if keys else ""
    read = (*view.statement.sources, *view.statement.reads)
    of = f" of {read[0]}" if len(read) == 1 else ""
    return of + by + ("" if window is None else f" in windows of {duration_text(window)}") + view.only()


def _draft(
    view: StatementView, column: Column, named: NamedMetric, kind: str, text: str, labels: Sequence[str]
) -> MetricDraft:
    window = None if view.grouping is None else view.grouping.window_ms
    quoted = column.name if usable(column.name) else f"`{column.name}`"
    shown = quoted if named.factor == "1" else f"{quoted} * {named.factor}"
    return MetricDraft(named.name, kind, view.statement.name, text, tuple(labels), shown, window_ms=window)


def _is_amount(column: Column) -> bool:
    words = words_of(column.name)
    return bool(words) and words[-1] not in _NO_AMOUNTS and column.type.name in FLOATS | INTEGERS | {TypeName.DECIMAL}


def _distribution(
    view: StatementView, position: int, column: Column, called: str, text: str | None = None
) -> MetricDraft:
    named = value_name(view.prefix, called)
    text = text or f"How {column.name} of {view.statement.name} is distributed{view.only()}"
    facts = view.evidence.facts_of(view.statement, position)
    kind = "ratio" if words_of(called)[-1] in _SHARES else named.unit or ""
    buckets = _fitted(facts, float(named.factor)) or _BUCKETS.get(kind, _PLAIN_BUCKETS)
    return replace(_draft(view, column, named, "histogram", text, ()), buckets=buckets)


def _fitted(facts: ColumnFacts | None, factor: float) -> str | None:
    """Bounds 1, 2, 5, 10, … over the values that are known; None when nothing is known of them."""
    if facts is None or facts.least is None or facts.greatest is None or facts.greatest <= 0:
        return None
    greatest = facts.greatest * factor
    least = max(facts.least * factor, greatest / 1000)
    decades = range(math.floor(math.log10(least)), math.ceil(math.log10(greatest)) + 1)
    bounds = [float(f"{step}e{decade}") for decade in decades for step in (1, 2, 5)]
    kept = [bound for bound in bounds if least / 2 < bound < greatest * 5]
    return ", ".join(map(number_text, kept[-12:])) or None
