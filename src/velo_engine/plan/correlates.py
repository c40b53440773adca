"""UNNEST and LATERAL TABLE: FROM items that are made of the columns of what stands left of them."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.functions.signature import SignatureError
from velo_engine.functions.table_functions import TableFunction, Unnest
from velo_engine.functions.user_calls import UserTableFunction
from velo_engine.functions.user_functions import bound_arguments, plan_name, user_function
from velo_engine.plan.constant_rows import one_row
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.plan.joins import join_kind
from velo_engine.plan.nodes import Correlate, JoinKind
from velo_engine.plan.relation import Field, Relation, append
from velo_engine.plan.scope import RelationScope
from velo_engine.schema import Column, RowSchema
from velo_engine.types import TypeName
from velo_engine.udf import FunctionKind

_COLLECTIONS = frozenset({TypeName.ARRAY, TypeName.MAP, TypeName.MULTISET})


def is_table_function(item: exp.Expr) -> bool:
    """Whether a FROM item is UNNEST(…) or LATERAL TABLE(…)."""
    return isinstance(item, exp.Unnest) or (isinstance(item, exp.Lateral) and not isinstance(item.this, exp.Subquery))


def plan_unnested(item: exp.Expr, context: QueryContext) -> Relation:
    """A table function as the first FROM item: its arguments are constants."""
    return _correlated(one_row(), item, JoinKind.INNER, None, context)


def plan_correlate(left: Relation, join: exp.Join, context: QueryContext) -> Relation:
    """`left` joined with the rows that the table function on the right of `join` makes of each of its rows.

    Time attributes stay: the rows are there as soon as the left row is.
    """
    text = context.text
    kind = join_kind(join, text)
    if kind not in (JoinKind.INNER, JoinKind.LEFT):
        raise text.unsupported(f"{kind.value.upper()} JOIN with a table function", join.this, "use LEFT JOIN")
    if join.args.get("using"):
        raise text.unsupported("USING with a table function", join.this, "write ON TRUE")
    condition = join.args.get("on")
    trivial = condition is None or (isinstance(condition, exp.Boolean) and condition.this)
    return _correlated(left, join.this, kind, None if trivial else condition, context)


def _correlated(
    left: Relation, item: exp.Expr, kind: JoinKind, condition: exp.Expr | None, context: QueryContext
) -> Relation:
    function, arguments = _function(item, left, context)
    below, args = _with_arguments(left, arguments)
    made = _named(function.schema, item, context)
    if kind is JoinKind.LEFT:
        made = RowSchema(tuple(Column(c.name, c.type.as_nullable()) for c in made.columns))
    width = len(below.node.schema)
    schema = RowSchema((*below.node.schema.columns, *made.columns))
    node = Correlate(below.node, function, args, kind, None, schema)
    alias = _alias(item)
    fields = (*left.fields, *(Field(name, width + i, alias) for i, name in enumerate(made.names)))
    result = replace(left, node=node, fields=fields)
    if condition is None:
        return result
    bound = context.text.condition(condition, RelationScope(result, context.text, clause="ON"), "ON")
    return result.on(replace(node, condition=bound))


def _function(item: exp.Expr, left: Relation, context: QueryContext) -> tuple[TableFunction, list[Expression]]:
    """The function that a FROM item calls, and its arguments over `left`."""
    text = context.text
    scope = RelationScope(left, text, clause="UNNEST")
    if not isinstance(item, exp.Unnest):
        return _own_function(item, scope, context)
    if len(item.expressions) != 1:
        raise text.unsupported("UNNEST of several collections", item, "unnest one after the other")
    collection = text.bind(item.expressions[0], scope)
    if collection.type.name not in _COLLECTIONS:
        raise text.error(
            ErrorCode.TYPE_MISMATCH,
            f"UNNEST takes an ARRAY, a MAP or a MULTISET, not {collection.type.as_nullable()}",
            item.expressions[0],
        )
    return Unnest(collection.type, bool(item.args.get("offset"))), [collection]


def _own_function(
    item: exp.Expr, scope: RelationScope, context: QueryContext
) -> tuple[TableFunction, list[Expression]]:
    """The table function in Python that LATERAL TABLE(name(…)) calls."""
    text = context.text
    call = item.this
    while isinstance(call, exp.Anonymous) and call.name.upper() == "TABLE" and len(call.expressions) == 1:
        call = call.expressions[0]
    found = user_function(call.name) if isinstance(call, exp.Anonymous) else None
    if found is None or found.kind is not FunctionKind.TABLE:
        raise text.unsupported(
            f"LATERAL TABLE of {call.name.upper() or 'this'}",
            item,
            "table functions are UNNEST and those that @udf names",
        )
    args = tuple(text.bind_column(arg, scope) for arg in call.expressions)
    try:
        bound = bound_arguments(found, args)
    except SignatureError as problem:
        raise text.error(ErrorCode.TYPE_MISMATCH, f"{found.name}: {problem}", item) from None
    except VeloError as problem:
        problem.location = problem.location or text.locate(item)
        raise
    return UserTableFunction(plan_name(found)), list(bound)


def _with_arguments(left: Relation, arguments: list[Expression]) -> tuple[Relation, tuple[int, ...]]:
    """`left` with a column for every argument that is not one, and where the arguments are."""
    width = len(left.node.schema)
    computed = [argument for argument in arguments if not isinstance(argument, ColumnRef)]
    added = [(f"$argument{i}", argument) for i, argument in enumerate(computed)]
    places = iter(range(width, width + len(computed)))
    args = tuple(a.index if isinstance(a, ColumnRef) else next(places) for a in arguments)
    return left.on(append(left.node, added)), args


def _alias(item: exp.Expr) -> str | None:
    alias = item.args.get("alias")
    return str(alias.name) if isinstance(alias, exp.TableAlias) and alias.this is not None else None


def _named(schema: RowSchema, item: exp.Expr, context: QueryContext) -> RowSchema:
    """The function's columns under the names of `AS t (a, b)`."""
    alias = item.args.get("alias")
    names = [column.name for column in (alias.args.get("columns") or ())] if isinstance(alias, exp.TableAlias) else []
    if isinstance(item, exp.Unnest):
        names = _with_ordinality_name(names, item)
    if not names:
        return schema
    if len(names) != len(schema):
        raise context.text.error(
            ErrorCode.TYPE_MISMATCH, f"{len(names)} column names for a relation of {len(schema)} columns", item
        )
    return RowSchema(tuple(Column(n, c.type) for n, c in zip(names, schema.columns, strict=True)))


def _with_ordinality_name(names: list[str], item: exp.Unnest) -> list[str]:
    """The parser takes the last of the names as that of the ordinality."""
    offset = item.args.get("offset")
    return [*names, offset.name] if names and isinstance(offset, exp.Identifier) else names
