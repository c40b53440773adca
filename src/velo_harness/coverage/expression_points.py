"""Coverage of expressions: each condition true, false and NULL, each branch of CASE, each default of COALESCE.

A point's outcomes are SQL conditions over the rows that reach the expression, counted a batch at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from velo_engine.compile_expression import Compiled, compile_expression
from velo_engine.errors import Location
from velo_engine.plan.expressions import Call, Case, Cast, Expression, Literal, columns_of
from velo_engine.types import TypeName
from velo_harness.coverage.points import CoverPoint
from velo_harness.coverage.sites import StatementSites

EVERYWHERE = "TRUE"


@dataclass(slots=True)
class ExpressionPoint:
    """A point of an expression and the SQL that counts its outcomes."""

    location: Location
    kind: str
    text: str
    statement: str
    conditions: Mapping[str, str]
    """Outcome → SQL that is true for a row that has it."""
    counts: dict[str, int] = field(default_factory=dict)

    def point(self) -> CoverPoint:
        """What was counted."""
        seen = {outcome: self.counts.get(outcome, 0) for outcome in self.conditions}
        place = self.location
        return CoverPoint(
            place.file, place.line, place.column, self.kind, self.text, self.statement, seen, len(self.text)
        )


class ExpressionPoints:
    """Finds the points of the expressions of one statement."""

    def __init__(self, statement: str, sites: StatementSites, time_zone: str) -> None:
        self._statement = statement
        self._sites = sites
        self._time_zone = time_zone

    def compiled(self, expression: Expression) -> Compiled:
        """The SQL of an expression over a row `i`."""
        return compile_expression(
            expression, lambda n: f"i.c{n}", time_zone=self._time_zone, now="make_timestamp(i.pt * 1000)"
        )

    def holds(self, expression: Expression) -> str:
        """SQL that is true where a condition is."""
        sql = self.compiled(expression)
        return f"({sql.value})" if sql.error is None else f"({sql.error} IS NULL AND ({sql.value}))"

    def of_condition(self, expression: Expression, guard: str, at: Location) -> Iterator[ExpressionPoint]:
        """The points of a condition: its parts without AND, OR and NOT, and what is below them."""
        place = expression.location or at
        if isinstance(expression, Call) and expression.function in ("and", "or", "not"):
            for part in expression.args:
                yield from self.of_condition(part, guard, place)
            return
        if columns_of(expression) and not isinstance(expression, Case):
            sql = self.compiled(expression)
            known = "" if sql.error is None else f"{sql.error} IS NULL AND "
            conditions = {
                "true": f"{guard} AND {known}({sql.value})",
                "false": f"{guard} AND {known}(NOT ({sql.value}))",
            }
            if expression.type.nullable:
                conditions["NULL"] = f"{guard} AND {known}(({sql.value}) IS NULL)"
            function = expression.function if isinstance(expression, Call) else ""
            yield self._point(place, "condition", self._sites.text_at(place, function), conditions)
        yield from self.of_value(expression, guard, place)

    def of_value(self, expression: Expression, guard: str, at: Location) -> Iterator[ExpressionPoint]:
        """The points below a value: CASE and COALESCE."""
        place = expression.location or at
        match expression:
            case Case():
                yield from self._of_case(expression, guard, place)
            case Call(function="coalesce", args=args):
                yield from self._of_coalesce(args, guard, place)
            case Call(args=args):
                for part in args:
                    yield from self.of_value(part, guard, place)
            case Cast(arg=arg):
                yield from self.of_value(arg, guard, place)
            case _:
                return

    def _of_case(self, case: Case, guard: str, place: Location) -> Iterator[ExpressionPoint]:
        reached = guard
        for condition, value in case.branches:
            at = condition.location or value.location or place
            function = condition.function if isinstance(condition, Call) else ""
            taken = f"{reached} AND coalesce({self.holds(condition)}, FALSE)"
            text = self._sites.text_at(at, function) if condition.location is not None else "NULLIF"
            yield self._point(at, "branch", f"WHEN {text}", {"taken": taken})
            yield from self.of_value(condition, reached, at)
            yield from self.of_value(value, taken, at)
            reached = f"{reached} AND NOT coalesce({self.holds(condition)}, FALSE)"
        written = case.default.location is not None and not _is_null(case.default)
        at = case.default.location or place
        yield self._point(
            at if written else place, "branch", "ELSE" if written else "ELSE (absent)", {"taken": reached}
        )
        yield from self.of_value(case.default, reached, at)

    def _of_coalesce(self, args: tuple[Expression, ...], guard: str, place: Location) -> Iterator[ExpressionPoint]:
        reached = guard
        conditions: dict[str, str] = {}
        for number, arg in enumerate(args, 1):
            sql = self.compiled(arg)
            conditions[f"argument {number}"] = f"{reached} AND ({sql.value}) IS NOT NULL"
            yield from self.of_value(arg, reached, place)
            if not arg.type.nullable:
                break
            reached = f"{reached} AND ({sql.value}) IS NULL"
        if len(conditions) > 1:
            yield self._point(place, "default", self._sites.text_at(place, "coalesce"), conditions)

    def _point(self, place: Location, kind: str, text: str, conditions: Mapping[str, str]) -> ExpressionPoint:
        return ExpressionPoint(place, kind, text, self._statement, conditions)


def _is_null(expression: Expression) -> bool:
    while isinstance(expression, Cast):
        expression = expression.arg
    return isinstance(expression, Literal) and expression.value is None


def is_boolean(expression: Expression) -> bool:
    """Whether a value of the select list is a condition."""
    return expression.type.name is TypeName.BOOLEAN and isinstance(expression, Call)
