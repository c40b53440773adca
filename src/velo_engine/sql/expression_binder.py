"""From expression syntax to bound, typed expressions: names resolved, literals typed, implicit casts made explicit."""

from __future__ import annotations

from typing import Protocol

from sqlglot import exp

from velo_engine.plan.expressions import Expression
from velo_engine.types import SqlType


class Scope(Protocol):
    """What names mean at one place of a query."""

    def resolve(self, column: exp.Column) -> Expression:
        """The input column (or a field of one) that `column` names; VeloError UNKNOWN_COLUMN or AMBIGUOUS_COLUMN."""

    def planned(self, node: exp.Expression) -> Expression | None:
        """The expression that already stands for `node` (an aggregate, a group key, a window function), or None."""


def bind_expression(node: exp.Expression, scope: Scope, *, text: str = "", file: str = "") -> Expression:
    """The typed expression of `node`. `text` and `file` are what it was parsed from, for the places in errors."""
    raise NotImplementedError


def coerce(expression: Expression, target: SqlType) -> Expression:
    """`expression` as a value of `target`, through an implicit cast when its type differs."""
    raise NotImplementedError
