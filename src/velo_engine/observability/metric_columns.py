"""What a metric's labels, field and condition mean: expressions over the columns that its statement gives out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.functions.user_functions import in_scope
from velo_engine.observability.metric_annotations import MetricDefinition, MetricType
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.plan.nodes import PlannedProgram, PlannedStatement
from velo_engine.sql.expression_binder import bind_condition, bind_expression, bind_field
from velo_engine.sql.locate import locate
from velo_engine.sql.parser import parse_expression
from velo_engine.sql.program import Property
from velo_engine.types import INTEGERS, NUMERICS, STRINGS, TypeName

if TYPE_CHECKING:
    from sqlglot import exp

LABEL_TYPES = INTEGERS | STRINGS | {TypeName.BOOLEAN}
"""Types whose text needs no SQL cast."""

_NOT_IN_A_LABEL = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class BoundMetric:
    """A metric whose columns are known."""

    definition: MetricDefinition
    label_names: tuple[str, ...]
    labels: tuple[Expression, ...]
    field: Expression | None
    condition: Expression | None

    def expressions(self) -> Iterator[Expression]:
        """All that is computed of a row."""
        yield from self.labels
        if self.field is not None:
            yield self.field
        if self.condition is not None:
            yield self.condition


def bound_metric(definition: MetricDefinition, program: PlannedProgram) -> BoundMetric:
    """`definition` over the columns of its statement. VeloError, at its place: UNKNOWN_COLUMN, TYPE_MISMATCH, …"""
    statement = program.statements.get(definition.statement)
    if statement is None:
        raise VeloError(
            ErrorCode.BAD_VALUE,
            f"{definition.statement} gives out no rows for the metric {definition.name}",
            location=definition.location,
            hint="write it before a statement that runs: CREATE STREAM … AS SELECT …, INSERT INTO …, SELECT …",
        )
    binding = _Binding(statement)
    with in_scope(program.functions):
        labels = tuple(binding.label(written) for written in definition.labels)
        field = None if definition.field is None else binding.number(definition.field)
        condition = None if definition.condition is None else binding.condition(definition.condition)
    return BoundMetric(definition, label_names(definition), labels, field, condition)


def label_names(definition: MetricDefinition) -> tuple[str, ...]:
    """Names of labels, which have fewer characters to choose from than columns."""
    names: list[str] = []
    for written in definition.labels:
        name = _NOT_IN_A_LABEL.sub("_", written.value)
        name = f"_{name}" if name[0].isdigit() else name
        taken = name in names or name.startswith("__") or (name == "le" and definition.type is MetricType.HISTOGRAM)
        if taken:
            raise VeloError(
                ErrorCode.BAD_VALUE,
                f'"{name}" cannot be a label of the metric {definition.name}: '
                + ("it is one already" if name in names else "Prometheus keeps the name for itself"),
                location=written.location,
                hint="give the column another name in the SELECT list",
            )
        names.append(name)
    return tuple(names)


@dataclass(frozen=True, slots=True)
class _Binding:
    """Of one statement."""

    statement: PlannedStatement

    def label(self, written: Property) -> Expression:
        """A text."""
        bound = self._expression(written, written.value)
        if bound.type.name in LABEL_TYPES:
            return bound
        return self._expression(written, f"CAST({written.value} AS STRING)")

    def number(self, written: Property) -> Expression:
        """A number."""
        bound = self._expression(written, written.value)
        if bound.type.name not in NUMERICS:
            raise VeloError(
                ErrorCode.TYPE_MISMATCH,
                f"{written.value} is {bound.type.as_nullable()}, and a metric shows a number",
                location=written.location,
                hint="compute a number in the SELECT list, for example by CAST or TIMESTAMPDIFF",
            )
        return bound

    def condition(self, written: Property) -> Expression:
        """True or false."""
        text = written.value
        try:
            scope = _OutputScope(self.statement, text)
            return bind_condition(parse_expression(text), scope, clause="@metric_condition", text=text)
        except VeloError as error:
            raise _at_annotation(error, text, written) from None

    def _expression(self, written: Property, text: str) -> Expression:
        try:
            return bind_expression(parse_expression(text), _OutputScope(self.statement, text), text=text)
        except VeloError as error:
            raise _at_annotation(error, written.value, written) from None


@dataclass(frozen=True, slots=True)
class _OutputScope:
    """The names in an annotation: output columns, their other names, and fields of rows."""

    statement: PlannedStatement
    text: str

    def resolve(self, column: exp.Column) -> Expression:
        """The column, or the field of one. VeloError UNKNOWN_COLUMN with the nearest name."""
        parts = [part.name for part in column.parts]
        whole = self._column(".".join(parts))
        if whole is not None:
            return whole
        place = locate(column, self.text, "")
        found = self._column(parts[0])
        if found is None:
            name, schema = ".".join(parts), self.statement.plan.schema
            raise VeloError(
                ErrorCode.UNKNOWN_COLUMN,
                f'{self.statement.name} gives out no column "{name}"',
                location=place,
                hint=did_you_mean(name, schema.names, noun="column"),
            )
        for part in parts[1:]:
            found = bind_field(found, part, place)
        return found

    def planned(self, node: exp.Expression) -> Expression | None:  # noqa: ARG002 - the scope's protocol
        """Nothing stands for a node."""
        return None

    def _column(self, name: str) -> Expression | None:
        schema = self.statement.plan.schema
        position = schema.index(name)
        if position is None and name in self.statement.aliases:
            position = schema.index(self.statement.aliases[name])
        return None if position is None else ColumnRef(position, schema.columns[position].type)


def _at_annotation(error: VeloError, text: str, written: Property) -> VeloError:
    """The error at its place in the program, when the text stands on one line there."""
    place = written.location
    at = place.text.find(text, max(place.column - 1, 0))
    if at >= 0:
        place = replace(place, column=at + 1, length=len(text))
        if error.location is not None and error.location.line == 1 and error.location.column <= len(text) + 1:
            place = replace(place, column=at + error.location.column, length=error.location.length)
    return VeloError(error.code, error.message, location=place, hint=error.hint)
