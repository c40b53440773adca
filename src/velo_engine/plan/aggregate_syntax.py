"""Aggregate calls as written: which nodes they are, and their parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.functions.aggregates import UNAVAILABLE_AGGREGATES, aggregate_name
from velo_engine.functions.user_functions import plan_name, user_function
from velo_engine.plan.program_text import ProgramText
from velo_engine.sql.syntax import JsonCall
from velo_engine.type_rules import AGGREGATES
from velo_engine.type_rules.aggregates import written as spelled
from velo_engine.udf import FunctionKind, UserFunction

_DISTINCT_SPELLINGS = {"count_distinct": "count", "approx_count_distinct": "count"}
"""Functions that are another one with DISTINCT. Flink refuses APPROX_COUNT_DISTINCT of streams; here it is exact."""

_JSON_AGGREGATES = {"JSON_OBJECTAGG": "NULL", "JSON_ARRAYAGG": "ABSENT"}
"""What they do with NULL unless they say so."""

_ORDERED_SETS = frozenset({"percentile_cont", "percentile_disc"})
"""Functions that may be written with WITHIN GROUP (ORDER BY x)."""

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
    if isinstance(node, JsonCall):
        return node.name.upper() in _JSON_AGGREGATES
    name = function_name(node)
    return name is not None and (
        _own(name) is not None
        or name in _DISTINCT_SPELLINGS
        or name in UNAVAILABLE_AGGREGATES
        or aggregate_name(name) is not None
    )


def _own(name: str) -> UserFunction | None:
    """The aggregate of one's own that is called `name`."""
    found = user_function(name)
    return found if found is not None and found.kind is FunctionKind.AGGREGATE else None


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
    if isinstance(node, exp.WithinGroup):
        return _ordered_set(node, condition, text)
    nulls = type(node) if isinstance(node, exp.IgnoreNulls | exp.RespectNulls) else None
    if nulls is not None:
        node = node.this
    if isinstance(node, JsonCall):
        return _json_aggregate(node, condition, text)
    name = function_name(node)
    assert name is not None, "is_aggregate recognised it by its name"
    own = _own(name)
    if own is not None:
        args, distinct = _arguments(node, text)
        return AggregateSyntax(plan_name(own), args, distinct, condition)
    if name in UNAVAILABLE_AGGREGATES:
        raise text.unsupported(f"the aggregate {name.upper()}: {UNAVAILABLE_AGGREGATES[name]}", node)
    function = _DISTINCT_SPELLINGS.get(name) or aggregate_name(name)
    assert function is not None, "is_aggregate knows it"
    if nulls is not None and function != "array_agg":
        words = "IGNORE NULLS" if nulls is exp.IgnoreNulls else "RESPECT NULLS"
        raise text.unsupported(words, node, f"{name.upper()} decides by itself; ARRAY_AGG takes {words}")
    if nulls is exp.IgnoreNulls:
        function = "array_agg_ignore_nulls"
    args, distinct = _arguments(node, text)
    return _checked(AggregateSyntax(function, args, distinct or name in _DISTINCT_SPELLINGS, condition), node, text)


def _ordered_set(node: exp.WithinGroup, condition: exp.Expr | None, text: ProgramText) -> AggregateSyntax:
    """`PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY x [DESC])`: the share is the constant of the call."""
    name = function_name(node.this)
    order = node.expression.expressions
    if name not in _ORDERED_SETS or len(node.this.expressions) != 1 or len(order) != 1:
        raise text.unsupported("WITHIN GROUP", node, "it stands with PERCENTILE_CONT(0.5) and PERCENTILE_DISC(0.5)")
    share = node.this.expressions[0]
    if order[0].args.get("desc"):
        raise text.unsupported("WITHIN GROUP (ORDER BY … DESC)", node, "order upwards and take 1 less the share")
    return _checked(AggregateSyntax(str(name), (order[0].this, share), False, condition), node.this, text)


def _json_aggregate(node: JsonCall, condition: exp.Expr | None, text: ProgramText) -> AggregateSyntax:
    name = node.name.upper()
    on_null = node.args.get("on_null") or _JSON_AGGREGATES[name]
    if on_null not in ("NULL", "ABSENT"):
        raise text.error(ErrorCode.SQL_SYNTAX, f"{name} has no {on_null} ON NULL", node)
    function = f"{name.lower()}_{on_null.lower()}_on_null"
    return _checked(AggregateSyntax(function, tuple(node.expressions), False, condition), node, text)


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
        many = str(least) if least == function.maximum_args else f"{least} to {function.maximum_args}"
        wanted = "one argument" if function.maximum_args == 1 else f"{many} arguments"
        raise text.error(
            ErrorCode.TYPE_MISMATCH, f"{spelled(written.function)} takes {wanted}, not {len(written.args)}", node
        )
    if written.distinct and not written.args:
        raise text.error(ErrorCode.SQL_SYNTAX, "DISTINCT needs an argument", node)
    return written
