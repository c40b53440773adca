"""What names mean above an aggregation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sqlglot import exp

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.aggregate_syntax import aggregates_in
from velo_engine.plan.expressions import ColumnRef, Expression, walk
from velo_engine.plan.rewrite import map_columns
from velo_engine.plan.scope import RelationScope


class AggregateScope:
    """Keys, aggregates, window bounds, and aliases of earlier select items."""

    def __init__(
        self,
        below: RelationScope,
        keys: Mapping[Expression, ColumnRef],
        compound_keys: Iterable[exp.Expr],
        planned: Mapping[int, Expression],
        window_column: Callable[[exp.Column], ColumnRef | None],
        aliases: Mapping[str, Expression],
    ) -> None:
        self.text = below.text
        self._below = below
        self._keys = keys
        """The output column of each key."""
        self._compound = frozenset(type(node) for node in compound_keys)
        """The node types of keys that are not plain columns: only those are compared with a key."""
        self._planned = planned
        """By node id: the columns of aggregates and of TUMBLE_START and its like."""
        self._window_column = window_column
        self._aliases = aliases

    def resolve(self, column: exp.Column) -> Expression:
        """A window bound, a key, or an alias of an earlier item."""
        bound = self._window_column(column)
        if bound is not None:
            return bound
        try:
            found = self._below.resolve(column)
        except VeloError:
            if not column.table and column.name in self._aliases:
                return self._aliases[column.name]
            raise
        over_keys = self._over_keys(found)
        if over_keys is not None:
            return over_keys
        raise self.text.error(
            ErrorCode.INVALID_GROUPING,
            f'"{column.name}" is neither in GROUP BY nor inside an aggregate',
            column,
            f"add {column.sql()} to GROUP BY, or aggregate it, for example with LAST_VALUE({column.sql()})",
        )

    def _over_keys(self, found: Expression) -> Expression | None:
        """`found` over the output: a key, or a field of a key that is a ROW."""
        if found in self._keys:
            return self._keys[found]
        inputs = [part for part in walk(found) if isinstance(part, ColumnRef)]
        if not all(column in self._keys for column in inputs):
            return None
        positions = {column.index: self._keys[column].index for column in inputs}
        return map_columns(found, positions.__getitem__)

    def planned(self, node: exp.Expr) -> Expression | None:
        """The output column of an aggregate, of a window function, or of a key that is an expression."""
        found = self._planned.get(id(node))
        if found is not None:
            return found
        if type(node) in self._compound:
            key = self._matching_key(node)
            if key is not None:
                return key
        return self._below.planned(node)

    def _matching_key(self, node: exp.Expr) -> Expression | None:
        """The key that `node` computes, if any; what is not an expression of the input is none."""
        if next(aggregates_in([node]), None) is not None:
            return None
        try:
            return self._keys.get(self.text.bind(node, self._below))
        except VeloError:
            return None
