"""What names and calls mean in MEASURES and DEFINE: columns of the rows that a match has taken.

Rules of Calcite's validator (SqlValidatorImpl.validateMatchRecognize) and of Flink's MatchCodeGenerator: `A.x` is the
value in the last row of A; `x` alone that of the last row of the match, in a definition that of the row being judged;
FIRST and LAST may stand around an expression, whose columns then all come from one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from sqlglot import exp

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.functions.aggregates import UNAVAILABLE_AGGREGATES
from velo_engine.functions.signature import NESTED
from velo_engine.plan.aggregate_syntax import aggregate_syntax, function_name, is_aggregate
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.plan.match_nodes import MatchProcessingTime, MatchTime, MatchValue, RowsAggregate, RowValue
from velo_engine.plan.relation import Relation
from velo_engine.plan.rewrite import map_columns
from velo_engine.plan.scope import RelationScope, refuse_misplaced
from velo_engine.sql.match_syntax import Semantics
from velo_engine.type_rules import aggregate_type
from velo_engine.types import timestamp, timestamp_ltz

MATCH_TIME = timestamp(3).as_nullable(False)
"""Of MATCH_ROWTIME without an argument, whatever the type of the event time."""

MATCH_PROCESSING_TIME = timestamp_ltz(3).as_nullable(False)

_NAVIGATIONS = {"first": True, "last": False}
_PHYSICAL = ("prev", "next")
_REFUSED_CALLS = {
    "classifier": "CLASSIFIER()",
    "match_number": "MATCH_NUMBER()",
    "proctime": "PROCTIME() in MATCH_RECOGNIZE",
}


class MatchNames:
    """The columns of the input, and the variables of the pattern before a dot."""

    def __init__(self, relation: Relation, variables: Mapping[str, int], scope: RelationScope) -> None:
        self.relation = relation
        self.variables = variables
        self.scope = scope
        self.text = scope.text

    def resolve(self, column: exp.Column) -> tuple[int | None, Expression]:
        """The variable before the dot, None without one, and the column (or a field of one) of the input."""
        parts = column.parts
        first = parts[0].name
        if len(parts) > 1 and first in self.variables:
            return self.variables[first], self.scope.resolve(_column(parts[1:]))
        if len(parts) > 1 and not self.scope.has(first):
            raise self.text.error(
                ErrorCode.UNKNOWN_TABLE,
                f'"{first}" is not a variable of the pattern',
                column,
                did_you_mean(first, self.variables, noun="variable"),
            )
        return None, self.scope.resolve(column)


def _column(parts: list[exp.Expr]) -> exp.Column:
    """A column out of the identifiers of its name."""
    names = dict(zip(("this", "table", "db", "catalog"), reversed(parts), strict=False))
    return exp.Column(**{key: part.copy() for key, part in names.items()})


class MatchScope:
    """MEASURES, or with a `current` variable the definition of that variable.

    Collects the values that the expressions bound in it use; they refer to them by position.
    """

    def __init__(self, names: MatchNames, current: int | None = None) -> None:
        self._names = names
        self._text = names.text
        self._current = current
        self._values: dict[MatchValue, int] = {}

    @property
    def values(self) -> tuple[MatchValue, ...]:
        """What has been used so far."""
        return tuple(self._values)

    def resolve(self, column: exp.Column) -> Expression:
        """The value in the last row of a variable."""
        variable, found = self._names.resolve(column)
        return self.in_row(found, self._current if variable is None else variable, from_first=False, offset=0)

    def planned(self, node: exp.Expr) -> Expression | None:
        """FIRST, LAST, aggregates, times; None for what is bound part by part."""
        if isinstance(node, Semantics):
            return self._semantics(node)
        name = function_name(node)
        if name in _NAVIGATIONS:
            return self._navigated(node, _NAVIGATIONS[name])
        if name in _PHYSICAL:
            return self._physical(node)
        if name == "match_rowtime":
            return self._rowtime(node)
        if name == "match_proctime":
            return self._processing_time(node)
        if name in _REFUSED_CALLS:
            raise self._text.unsupported(_REFUSED_CALLS[name], node)
        if is_aggregate(node):
            return self._aggregate(node)
        refuse_misplaced(node, self._clause, self._text)
        return None

    def in_row(self, found: Expression, variable: int | None, *, from_first: bool, offset: int) -> Expression:
        """`found`, an expression over the input, as one over a certain row of a variable."""
        types = self._names.relation.node.schema.types

        def value(column: int) -> int:
            return self._position(RowValue(variable, from_first, offset, column, types[column]))

        return map_columns(found, value)

    @property
    def _clause(self) -> str:
        return "MEASURES" if self._current is None else "DEFINE"

    def _position(self, value: MatchValue) -> int:
        return self._values.setdefault(value, len(self._values))

    def _reference(self, value: MatchValue, node: exp.Expr) -> ColumnRef:
        return ColumnRef(self._position(value), value.type, self._text.locate(node))

    def _semantics(self, node: Semantics) -> Expression:
        word = str(node.args["kind"])
        if self._current is not None:
            raise self._text.error(ErrorCode.SQL_SYNTAX, f"{word} has no meaning in DEFINE", node)
        if word == "RUNNING":
            raise self._text.unsupported("RUNNING with ONE ROW PER MATCH", node, "leave it away, or write FINAL")
        return self._text.bind(node.this, self)

    def _navigated(self, node: exp.Expr, from_first: bool) -> Expression:
        """`FIRST(expression, offset)`."""
        written, offset = self._navigation_arguments(node, default=0)
        row = _RowScope(self._names, self, from_first, offset)
        found = self._text.bind(written, row)
        self._one_variable(row.variables, node)
        return found

    def _navigation_arguments(self, node: exp.Expr, default: int) -> tuple[exp.Expr, int]:
        arguments = node.expressions
        if not 1 <= len(arguments) <= 2:
            raise self._text.error(
                ErrorCode.TYPE_MISMATCH, f"{node.name} takes a value and a number of rows, not {len(arguments)}", node
            )
        if len(arguments) == 1:
            return arguments[0], default
        offset = arguments[1]
        if not (isinstance(offset, exp.Literal) and offset.is_int):
            raise self._text.error(
                ErrorCode.TYPE_MISMATCH, f"{node.name} counts rows by a whole number, 0 or more", offset
            )
        return arguments[0], int(offset.this)

    def _physical(self, node: exp.Expr) -> Expression:
        if self._current is None:
            raise self._text.error(ErrorCode.SQL_SYNTAX, f"{node.name} has no meaning in MEASURES", node)
        written, offset = self._navigation_arguments(node, default=1)
        if offset:
            raise self._text.unsupported(
                f"{node.name} (a row outside of the match)", node, "LAST(variable.column, 1) is the row taken before"
            )
        row = _RowScope(self._names, self, from_first=False, offset=0)
        found = self._text.bind(written, row)
        self._one_variable(row.variables, node)
        return found

    def _one_variable(self, variables: set[int | None], node: exp.Expr) -> int | None:
        if len(variables) > 1:
            raise self._text.error(
                ErrorCode.SQL_SYNTAX, f"{node.name} goes over the rows of one variable; this names several", node
            )
        return next(iter(variables), None)

    def _aggregate(self, node: exp.Expr) -> Expression:
        written = aggregate_syntax(node, self._text)
        name = written.function.upper()
        if written.distinct or written.filter is not None:
            what = "DISTINCT" if written.distinct else "FILTER"
            raise self._text.unsupported(f"{name} with {what} in MATCH_RECOGNIZE", node)
        if written.function in UNAVAILABLE_AGGREGATES:
            raise self._text.unsupported(f"the aggregate {name}", node)
        rows = _RowsScope(self._names)
        args = tuple(self._text.bind_column(arg, rows) for arg in written.args)
        variable = self._one_variable(rows.variables, node)
        if args and not rows.variables:
            raise self._text.error(ErrorCode.TYPE_MISMATCH, f"{name} needs a column of a row of the match", node)
        types = [arg.type for arg in args]
        if written.function in ("min", "max") and types[0].name in NESTED:
            raise self._text.error(ErrorCode.TYPE_MISMATCH, f"{name} needs a value with an order, not {types[0]}", node)
        try:
            result = aggregate_type(written.function, types)
        except VeloError as e:
            raise VeloError(e.code, e.message, location=self._text.locate(node), hint=e.hint) from None
        return self._reference(RowsAggregate(variable, written.function, args, result), node)

    def _rowtime(self, node: exp.Expr) -> Expression:
        if self._current is not None:
            raise self._text.unsupported("MATCH_ROWTIME in DEFINE", node, "name the event-time column of the row")
        if not node.expressions:
            return self._reference(MatchTime(MATCH_TIME), node)
        argument = node.expressions[0]
        if len(node.expressions) > 1 or not isinstance(argument, exp.Column):
            raise self._text.error(ErrorCode.TYPE_MISMATCH, "MATCH_ROWTIME takes one column, the event time", node)
        _, found = self._names.resolve(argument)
        if not isinstance(found, ColumnRef) or found.index not in self._names.relation.event_times:
            raise self._text.error(ErrorCode.TYPE_MISMATCH, "MATCH_ROWTIME takes an event-time column", argument)
        return self._reference(MatchTime(found.type), node)

    def _processing_time(self, node: exp.Expr) -> Expression:
        if self._current is not None:
            raise self._text.unsupported("MATCH_PROCTIME in DEFINE", node)
        return self._reference(MatchProcessingTime(MATCH_PROCESSING_TIME), node)


class _InnerScope:
    """What stands inside FIRST, LAST or an aggregate: neither of them again."""

    def __init__(self, names: MatchNames) -> None:
        self._names = names
        self.variables: set[int | None] = set()

    def planned(self, node: exp.Expr) -> Expression | None:
        """Nothing stands for a part."""
        name = function_name(node)
        if name in _NAVIGATIONS or name in _PHYSICAL or isinstance(node, Semantics) or is_aggregate(node):
            self._refuse(node)
        if name in _REFUSED_CALLS or name in ("match_rowtime", "match_proctime"):
            self._refuse(node)
        refuse_misplaced(node, "MATCH_RECOGNIZE", self._names.text)
        return None

    def _refuse(self, node: exp.Expr) -> NoReturn:
        message = "FIRST, LAST, aggregates and times of a match cannot stand inside one another"
        raise self._names.text.error(ErrorCode.SQL_SYNTAX, message, node)

    def _named(self, column: exp.Column) -> tuple[int | None, Expression]:
        variable, found = self._names.resolve(column)
        self.variables.add(variable)
        return variable, found


class _RowScope(_InnerScope):
    """One row, so many from the first or the last of a variable."""

    def __init__(self, names: MatchNames, match: MatchScope, from_first: bool, offset: int) -> None:
        super().__init__(names)
        self._match = match
        self._from_first = from_first
        self._offset = offset

    def resolve(self, column: exp.Column) -> Expression:
        """The column in that row."""
        variable, found = self._named(column)
        return self._match.in_row(found, variable, from_first=self._from_first, offset=self._offset)


class _RowsScope(_InnerScope):
    """Each row of a variable."""

    def resolve(self, column: exp.Column) -> Expression:
        """The column of the input."""
        return self._named(column)[1]
