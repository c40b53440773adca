"""The GROUP BY list: which expressions are keys, and which items name a bound of the query's window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.aggregate_syntax import aggregates_in
from velo_engine.plan.expressions import Expression
from velo_engine.plan.grouping_sets import checked_sets, written_sets
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.select_list import SelectItem
from velo_engine.plan.windows import QueryWindow, bound_column, window_functions
from velo_engine.sql.syntax import GroupWindow


@dataclass(frozen=True, slots=True)
class GroupKey:
    """One GROUP BY item."""

    node: exp.Expr
    expression: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Grouping:
    """GROUP BY without its window."""

    keys: tuple[GroupKey, ...]
    bounds: tuple[str, ...]
    """Bounds of the query's window that are grouped by."""
    sets: tuple[frozenset[int], ...] = ()
    """The grouping sets, as numbers of keys, when there is more than one."""


def group_keys(
    select: exp.Select, items: Sequence[SelectItem], window: QueryWindow | None, below: RelationScope
) -> Grouping:
    """The keys, each once: columns, expressions, ordinals and aliases of select items."""
    text = below.text
    keys: dict[Expression, GroupKey] = {}
    bounds: list[str] = []
    sets: list[frozenset[int]] = []
    for written_keys in written_sets(_group_items(select, text), text):
        chosen: set[int] = set()
        for written in written_keys:
            is_bound = window is not None and bound_column(written, below, window) is not None
            node, alias = (written, None) if is_bound else _referred(written, items, below)
            functions = window_functions([node], window, below)
            bound = functions.get(id(node)) or (None if window is None else bound_column(node, below, window))
            if bound is not None:
                bounds.append(bound)
                continue
            if next(aggregates_in([node]), None) is not None:
                raise text.error(ErrorCode.INVALID_GROUPING, "an aggregate cannot be grouped by", written)
            expression = text.bind_column(node, below)
            name = alias or (node.name if isinstance(node, exp.Column) else f"$key{len(keys)}")
            keys.setdefault(expression, GroupKey(node, expression, name))
            chosen.add(list(keys).index(expression))
        sets.append(frozenset(chosen))
    if len(sets) == 1:
        return Grouping(tuple(keys.values()), tuple(dict.fromkeys(bounds)))
    ordered = checked_sets(sets, len(keys), select.args["group"], text)
    return Grouping(tuple(keys.values()), tuple(dict.fromkeys(bounds)), tuple(ordered))


def _group_items(select: exp.Select, text: ProgramText) -> list[exp.Expr]:
    group = select.args.get("group")
    if group is None:
        return []
    for arg, value in group.args.items():
        if value and arg != "expressions":
            raise text.unsupported(f"GROUP BY {arg.upper()}", group)
    return [item for item in group.expressions if not isinstance(item, GroupWindow)]


def _referred(node: exp.Expr, items: Sequence[SelectItem], below: RelationScope) -> tuple[exp.Expr, str | None]:
    """The expression that a GROUP BY item means, and the alias when it is one: an ordinal counts select items from 1, a
    name that no input column has may be an alias."""
    if isinstance(node, exp.Literal) and node.is_int:
        position = int(node.this)
        if not 1 <= position <= len(items):
            raise below.text.error(
                ErrorCode.INVALID_GROUPING, f"GROUP BY {position}, but the select list has {len(items)} item(s)", node
            )
        return items[position - 1].node, items[position - 1].alias
    if isinstance(node, exp.Column) and not node.table and not below.has(node.name):
        for item in items:
            if item.alias == node.name:
                return item.node, item.alias
    return node, None
