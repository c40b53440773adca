"""Comparisons with ANY, SOME and ALL, as the extremes and counts of the subquery tell them.

Source: Calcite's SubQueryRemoveRule.rewriteSome; ALL is the opposite of SOME with the opposite comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from velo_engine.plan.expressions import Call, Case, ColumnRef, Expression, Literal
from velo_engine.types import BIGINT, BOOLEAN

COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)

_OPPOSITE: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
    exp.GT: exp.LTE,
    exp.LTE: exp.GT,
    exp.LT: exp.GTE,
    exp.GTE: exp.LT,
}
_TRUTH = BOOLEAN.as_nullable(False)
_COUNT = BIGINT.as_nullable(False)


@dataclass(frozen=True, slots=True)
class Quantified:
    """`a <comparison> SOME (…)`, or its opposite."""

    comparison: type[exp.Expr]
    opposite: bool

    @property
    def membership(self) -> bool | None:
        """False for IN, True for NOT IN, None for what is neither."""
        return self.opposite if self.comparison is exp.EQ else None

    @property
    def largest(self) -> bool:
        """Whether the largest value decides, not the smallest."""
        return self.comparison not in (exp.GT, exp.GTE)

    @property
    def distinct(self) -> bool:
        """Whether it matters how many different values there are."""
        return self.comparison is exp.NEQ


def quantified(node: exp.Expr) -> Quantified:
    """What the comparison `node` with ANY, SOME or ALL asks."""
    if isinstance(node.expression, exp.Any):
        return Quantified(type(node), opposite=False)
    return Quantified(_OPPOSITE[type(node)], opposite=True)


def quantified_value(asked: Quantified, operand: Expression, compared: Expression, before: int) -> Expression:
    """The answer beside the columns extreme, rows, values, there, which start at `before`.

    `compared` is the comparison of `operand` with the extreme.
    """
    rows, values = ColumnRef(before + 1, _COUNT), ColumnRef(before + 2, _COUNT)
    there = ColumnRef(before + 3, BOOLEAN)
    false, true, unknown = Literal(False, _TRUTH), Literal(True, _TRUTH), Literal(None, BOOLEAN)
    branches: list[tuple[Expression, Expression]] = [
        (Call("is_null", (there,), _TRUTH), false),
        (Call("equals", (rows, Literal(0, _COUNT)), _TRUTH), false),
    ]
    if asked.distinct:
        branches.append((Call("is_null", (operand,), _TRUTH), unknown))
        branches.append((Call("greater", (values, Literal(1, _COUNT)), _TRUTH), true))
    branches.append((Call("is_true", (compared,), _TRUTH), true))
    branches.append((Call("greater", (rows, values), _TRUTH), unknown))
    some = Case(tuple(branches), compared, BOOLEAN)
    return Call("not", (some,), BOOLEAN) if asked.opposite else some
