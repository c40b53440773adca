"""Aggregate calls as written: which nodes they are, and their parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.functions.aggregates import aggregate_name
from velo_engine.plan.program_text import ProgramText
from velo_engine.type_rules import AGGREGATES

_DISTINCT_SPELLINGS = {"count_distinct": "count"}
"""Functions that are another one with DISTINCT."""

_AROUND_AGGREGATES = (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)
_REFUSED_ARGUMENTS = {exp.Order: "ORDER BY", exp.IgnoreNulls: "IGNORE NULLS", exp.Kwarg: "a named argument"}


@dataclass(frozen=True, slots=True)
class AggregateSyntax:
    """An aggregate call as written."""

    function: str
    args: tuple[exp.Expr, ...]
    distinct: bool
    filter: exp.Expr | None


def function_name(node: exp.Expr) -> str | None:
    """The lower-case name of a function call, None for anything else."""
    return node.name.lower() if isinstance(node, exp.Anonymous) else None


def is_aggregate(node: exp.Expr) -> bool:
    """Whether `node` is an aggregate call, with or without FILTER."""
    while isinstance(node, _AROUND_AGGREGATES):
        node = node.this
    name = function_name(node)
    return name is not None and (name in _DISTINCT_SPELLINGS or aggregate_name(name) is not None)


def aggregates_in(nodes: Iterable[exp.Expr]) -> Iterator[exp.Expr]:
    """The outermost aggregate calls in `nodes`; not those of OVER windows and subqueries."""
    for root in nodes:
        for node in root.walk(prune=_is_closed):
            if is_aggregate(node):
                yield node


def _is_closed(node: exp.Expr) -> bool:
    return isinstance(node, exp.Window | exp.Query) or is_aggregate(node)


def aggregate_syntax(node: exp.Expr, text: ProgramText) -> AggregateSyntax:
    """The parts of an aggregate call. Raises VeloError for what none can have, and for a wrong number of arguments."""
    condition = None
    if isinstance(node, exp.Filter):
        condition = node.expression.this
        node = node.this
    if isinstance(node, exp.WithinGroup | exp.IgnoreNulls):
        raise text.unsupported("WITHIN GROUP" if isinstance(node, exp.WithinGroup) else "IGNORE NULLS", node)
    if isinstance(node, exp.RespectNulls):
        node = node.this
    name = function_name(node)
    assert name is not None, "is_aggregate recognised it by its name"
    function = _DISTINCT_SPELLINGS.get(name) or aggregate_name(name)
    assert function is not None, "is_aggregate knows it"
    args, distinct = _arguments(node, text)
    return _checked(AggregateSyntax(function, args, distinct or name in _DISTINCT_SPELLINGS, condition), node, text)


def _arguments(node: exp.Expr, text: ProgramText) -> tuple[tuple[exp.Expr, ...], bool]:
    """The arguments of a call, and whether DISTINCT stands before them; `*` is no argument."""
    raw: list[exp.Expr] = node.expressions
    if len(raw) == 1 and isinstance(raw[0], exp.Star):
        return (), False
    args: list[exp.Expr] = []
    distinct = False
    for arg in raw:
        if isinstance(arg, exp.Distinct):
            distinct = True
            args.extend(arg.expressions)
        elif isinstance(arg, exp.Order | exp.IgnoreNulls | exp.Kwarg):
            raise text.unsupported(f"{_REFUSED_ARGUMENTS[type(arg)]} inside an aggregate", arg)
        else:
            args.append(arg)
    return tuple(args), distinct


def _checked(written: AggregateSyntax, node: exp.Expr, text: ProgramText) -> AggregateSyntax:
    function = AGGREGATES[written.function]
    if not function.minimum_args <= len(written.args) <= function.maximum_args:
        least = max(function.minimum_args, 1)
        wanted = "one argument" if function.maximum_args == 1 else f"{least} to {function.maximum_args} arguments"
        raise text.error(
            ErrorCode.TYPE_MISMATCH, f"{written.function.upper()} takes {wanted}, not {len(written.args)}", node
        )
    if written.distinct and not written.args:
        raise text.error(ErrorCode.SQL_SYNTAX, "DISTINCT needs an argument", node)
    return written
