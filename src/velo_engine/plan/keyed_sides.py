"""Both sides of a join with their keys as columns, and what the result of the join looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.plan.join_condition import keys_of
from velo_engine.plan.nodes import JoinKind, PlanNode
from velo_engine.plan.relation import Field, Relation, append
from velo_engine.plan.rewrite import conjunction, map_columns
from velo_engine.schema import Column, RowSchema


@dataclass(frozen=True, slots=True)
class KeyedSides:
    """Both sides, the positions of their keys, and the rest of the condition over the widened left ++ right."""

    left: Relation
    right: Relation
    left_keys: tuple[int, ...]
    right_keys: tuple[int, ...]
    null_safe: frozenset[int]
    condition: Expression | None
    written: JoinKind | None = None
    """The kind of join that stands in the query, when it may have become another: types and names are still its."""

    def schema(self, kind: JoinKind) -> RowSchema:
        """Left ++ right, where a side that may be padded is nullable."""
        kind = self.written or kind
        if kind.one_sided:
            return self.left.node.schema
        pads_left = kind in (JoinKind.RIGHT, JoinKind.FULL)
        pads_right = kind in (JoinKind.LEFT, JoinKind.FULL)
        return RowSchema(_padded(self.left.node.schema, pads_left) + _padded(self.right.node.schema, pads_right))

    def moved(self, right_column: int) -> int:
        """Where a column of the right side is in the result."""
        return len(self.left.node.schema) + right_column

    def result(self, node: PlanNode, kind: JoinKind, using: Sequence[str] = ()) -> Relation:
        """The relation that `node` makes of both sides, without time attributes."""
        bounded = self.left.bounded and self.right.bounded
        return Relation(node, self._fields(self.written or kind, using), bounded=bounded)

    def _fields(self, kind: JoinKind, using: Sequence[str]) -> tuple[Field, ...]:
        """The names of both sides. A USING column without alias is that of the side that is never padded, and first."""
        left, right = self.left, self.right
        if kind.one_sided:
            return left.fields
        moved = tuple(replace(field, position=self.moved(field.position)) for field in right.fields)
        if not using:
            return left.fields + moved
        merged, other = (moved, left.fields) if kind is JoinKind.RIGHT else (left.fields, moved)
        first = [field for name in using for field in merged if field.name == name]
        covered = tuple(replace(field, bare=False) if field.name in using else field for field in other)
        own = tuple(field for field in merged if field not in first)
        rest = covered + own if kind is JoinKind.RIGHT else own + covered
        return (*first, *rest)


def keyed_sides(
    left: Relation, right: Relation, parts: Sequence[Expression], written: JoinKind | None = None
) -> KeyedSides:
    """Both sides with every key that the conjuncts `parts` over left ++ right state as a column."""
    width = len(left.node.schema)
    keys, rest = keys_of(parts, width)
    wide_left, left_keys = _with_keys(left, keys.left)
    wide_right, right_keys = _with_keys(right, keys.right)
    widened = len(wide_left.node.schema) - width
    moved = [map_columns(part, lambda i: i if i < width else i + widened) for part in rest]
    return KeyedSides(wide_left, wide_right, left_keys, right_keys, keys.null_safe, conjunction(moved), written)


def _with_keys(relation: Relation, keys: Sequence[Expression]) -> tuple[Relation, tuple[int, ...]]:
    """`relation` with a column for every key that is not one, and the positions of all keys."""
    width = len(relation.node.schema)
    computed = list(dict.fromkeys(key for key in keys if not isinstance(key, ColumnRef)))
    added = [(f"$key{i}", key) for i, key in enumerate(computed)]
    positions = tuple(key.index if isinstance(key, ColumnRef) else width + computed.index(key) for key in keys)
    return relation.on(append(relation.node, added)), positions


def _padded(schema: RowSchema, pads: bool) -> tuple[Column, ...]:
    return tuple(Column(c.name, c.type.as_nullable()) for c in schema.columns) if pads else schema.columns
