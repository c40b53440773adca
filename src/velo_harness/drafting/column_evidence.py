"""What is known of the values of columns: from samples or data schemas, from the query, else from their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal, LiteralValue
from velo_engine.plan.nodes import (
    Filter,
    GroupAggregate,
    PlannedStatement,
    PlanNode,
    Project,
    Scan,
    Upstream,
    WindowAggregate,
)
from velo_engine.types import INTEGERS, NUMERICS, TypeName
from velo_harness.constraints import Enumeration
from velo_harness.drafting.lineage import (
    PASSING,
    Constants,
    SourceColumn,
    Statements,
    comparison,
    conditions,
    conjuncts,
    origin,
)
from velo_harness.drafting.metric_names import words_of

if TYPE_CHECKING:
    import pyarrow as pa

    from velo_harness.data_schema import DataSchema

MOST_VALUES = 50
"""A column with more values is no label: each of them is a series that Prometheus keeps."""
ROWS_PER_VALUE = 10
"""So many sampled rows for each value are there before a sample says that there are few values."""

CATEGORIES = frozenset(
    {
        "action", "brand", "browser", "category", "channel", "class", "cluster", "color", "country", "currency",
        "department", "direction", "env", "environment", "event", "exchange", "gender", "grade",
        "kind", "language", "level", "market", "method", "mode", "os", "outcome", "plan", "platform", "priority",
        "product", "protocol", "reason", "region", "result", "role", "segment", "service", "severity", "side",
        "source", "stage", "state", "status", "symbol", "team", "ticker", "tier", "topic", "type", "venue",
        "zone",
    }
)  # fmt: skip
"""Last words of names whose columns have few values, when nothing better is known."""
_CODED = CATEGORIES | {"error", "http", "response", "exit"}
COUNTED = frozenset(
    {
        "bytes", "clicks", "cnt", "count", "counts", "duration", "errors", "events", "hits", "impressions", "items",
        "length", "messages", "num", "orders", "pieces", "qty", "quantity", "records", "requests", "retries", "rows",
        "shares", "size", "units", "views", "visits", "volume",
    }
)  # fmt: skip
"""Last words of names whose values count or measure, and are not negative, when nothing better is known."""
_NEVER_NEGATIVE = frozenset({"abs", "char_length", "octet_length", "count", "exp", "extract", "year", "hour", "minute"})
_KEEPS_SIGN = frozenset({"plus", "times", "divide", "mod", "greatest", "least", "coalesce", "ceil", "floor", "round"})
_AGGREGATES_KEEP_SIGN = frozenset({"sum", "avg", "min", "max", "first_value", "last_value", "percentile"})


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What samples or a data schema say of a column."""

    few: bool | None
    """Whether it has few values; None: that is not known."""
    least: float | None
    """No value is less."""
    greatest: float | None
    """No value is greater."""


Facts: TypeAlias = Mapping[tuple[str, str], ColumnFacts]
"""By source and column."""


def facts_of_samples(samples: Mapping[str, pa.Table]) -> dict[tuple[str, str], ColumnFacts]:
    """What sampled rows of sources say; columns of rows and lists say nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    for source, table in samples.items():
        for name, column in zip(table.column_names, table.columns, strict=True):
            rows = len(column) - column.null_count
            if pa.types.is_nested(column.type) or not rows:
                continue
            values = pc.count_distinct(column).as_py()
            few = values <= MOST_VALUES and rows >= ROWS_PER_VALUE * values
            many = values > MOST_VALUES
            bounds: tuple[float | None, float | None] = None, None
            numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
            if numeric or pa.types.is_decimal(column.type):
                ends = pc.min_max(column).as_py()
                bounds = float(ends["min"]), float(ends["max"])
            found[source, name] = ColumnFacts(True if few else False if many else None, *bounds)
    return found


def facts_of_schemas(schemas: Mapping[str, DataSchema]) -> dict[tuple[str, str], ColumnFacts]:
    """What data schemas say: those of people, who know their data."""
    found = {}
    for source, schema in schemas.items():
        for column in schema.fields:
            made, bounds = column.constraints.source, column.constraints.range
            if isinstance(made, Enumeration):
                found[source, column.name] = ColumnFacts(len(made.values) <= MOST_VALUES, None, None)
            elif bounds is not None and column.type.name in NUMERICS:
                least = None if bounds.minimum is None else float(bounds.minimum.text)
                greatest = None if bounds.maximum is None else float(bounds.maximum.text)
                few = None
                if column.type.name in INTEGERS and least is not None and greatest is not None:
                    few = greatest - least < MOST_VALUES
                found[source, column.name] = ColumnFacts(few, least, greatest)
    return found


class FewValues(IntEnum):
    """Whether a column has few values; the surer, the greater."""

    NO = 0
    """It has many, or nothing is known."""
    BY_NAME = 1
    KNOWN = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the columns of a program."""

    facts: Facts
    statements: Statements

    def few_values(self, statement: PlannedStatement, position: int) -> FewValues:
        """Whether an output column has few values, so that it may be a label."""
        column = statement.plan.schema.columns[position]
        found = origin(statement.plan, position, self.statements)
        if isinstance(found, Constants) or column.type.name is TypeName.BOOLEAN:
            return FewValues.KNOWN
        for condition in conditions(statement.plan, self.statements):
            if condition.column == position and condition.operator in ("equals", "in"):
                return FewValues.KNOWN
        facts = self.facts.get((found.source, found.column)) if isinstance(found, SourceColumn) else None
        if facts is not None and facts.few is not None:
            return FewValues.KNOWN if facts.few else FewValues.NO
        named = named_category(found.column if isinstance(found, SourceColumn) else column.name)
        return FewValues.BY_NAME if named else FewValues.NO

    def facts_of(self, statement: PlannedStatement, position: int) -> ColumnFacts | None:
        """Of the source column that an output column shows unchanged."""
        found = origin(statement.plan, position, self.statements)
        return self.facts.get((found.source, found.column)) if isinstance(found, SourceColumn) else None

    def greatest(self, node: PlanNode, position: int) -> float | None:
        """The greatest value of the source column that an output column of `node` shows; None when it is not known."""
        found = origin(node, position, self.statements)
        facts = self.facts.get((found.source, found.column)) if isinstance(found, SourceColumn) else None
        return None if facts is None else facts.greatest

    def not_negative(self, node: PlanNode, position: int) -> bool:
        """Whether an output column of `node` is never less than 0, as far as can be said."""
        match node:
            case Scan():
                return self._source_not_negative(node, position)
            case Upstream():
                return self.not_negative(self.statements[node.statement].plan, position)
            case Project():
                return self._value_not_negative(node.expressions[position], node.input)
            case GroupAggregate() | WindowAggregate() if len(node.keys) <= position < len(node.keys) + len(node.calls):
                call = node.calls[position - len(node.keys)]
                if call.function == "count":
                    return True
                return call.function in _AGGREGATES_KEEP_SIGN and self.not_negative(node.input, call.args[0])
            case GroupAggregate() | WindowAggregate() if position < len(node.keys):
                return self.not_negative(node.input, node.keys[position])
        if isinstance(node, Filter) and any(_bounds(part, position) for part in conjuncts(node.predicate)):
            return True
        if isinstance(node, PASSING) and position < len(node.input.schema):
            return self.not_negative(node.input, position)
        return False

    def _source_not_negative(self, node: Scan, position: int) -> bool:
        name = node.schema.names[position]
        facts = self.facts.get((node.source.name, name))
        if facts is not None and facts.least is not None:
            return facts.least >= 0
        return node.schema.columns[position].type.name in NUMERICS and _counted(name)

    def _value_not_negative(self, value: Expression, below: PlanNode) -> bool:
        match value:
            case ColumnRef():
                return self.not_negative(below, value.index)
            case Literal():
                return value.value is None or _number_of(value.value) >= 0
            case Cast():
                return self._value_not_negative(value.arg, below)
            case Case():
                results = (*(result for _, result in value.branches), value.default)
                return all(self._value_not_negative(result, below) for result in results)
            case Call():
                if value.function in _NEVER_NEGATIVE:
                    return True
                return value.function in _KEEPS_SIGN and all(self._value_not_negative(a, below) for a in value.args)


def named_category(name: str) -> bool:
    """Whether a column has few values, by its name."""
    words = words_of(name)
    return bool(words) and (words[-1] in CATEGORIES or (words[-1] == "code" and bool(_CODED & set(words[:-1]))))


def _counted(name: str) -> bool:
    words = words_of(name)
    return bool(words) and words[-1] in COUNTED


def _bounds(part: Expression, position: int) -> bool:
    """Whether a condition says that a column is not negative."""
    found = comparison(part)
    if found is None or found[0] != position or found[1] not in ("greater", "greater_equal", "equals", "in"):
        return False
    return all(_number_of(value) >= 0 for value in found[2])


def _number_of(value: LiteralValue) -> float:
    """A number; -1 of what is none."""
    return float(value) if isinstance(value, (int, float, Decimal)) else -1.0
