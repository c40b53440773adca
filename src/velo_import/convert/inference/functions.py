"""Calls: what arguments a function takes, and what it gives, as the engine's function table says it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from sqlglot import exp

from velo_engine.errors import VeloError
from velo_engine.functions.signature import ScalarFunction, SignatureError
from velo_engine.functions.table import WRITTEN
from velo_engine.plan.expressions import ColumnRef, Expression, Literal
from velo_engine.types import BIGINT, DOUBLE, STRING, SqlType, decimal
from velo_import.convert.inference.variables import ANY, CANDIDATES, MOMENT, NUMBER, Term, Variable, agree, restrict

_TRIED = 2
"""Of how many open arguments all combinations of kinds are tried."""
_NUMERIC = frozenset({"SUM", "AVG", "STDDEV_POP", "STDDEV_SAMP", "VAR_POP", "VAR_SAMP", "STDDEV", "VARIANCE"})
_FIRST = frozenset({"MIN", "MAX", "FIRST_VALUE", "LAST_VALUE", "LAG", "LEAD", "FIRST", "LAST", "PREV", "NEXT"})
_ALIKE = frozenset({"COALESCE", "IFNULL", "NULLIF", "GREATEST", "LEAST"})
_PARTS = frozenset(
    ("YEAR", "QUARTER", "MONTH", "WEEK", "DAYOFYEAR", "DAYOFMONTH", "DAYOFWEEK", "HOUR", "MINUTE", "SECOND")
)
_RANKS = frozenset({"COUNT", "ROW_NUMBER", "RANK", "DENSE_RANK", "NTILE", "APPROX_COUNT_DISTINCT"})


def called(name: str, nodes: Sequence[exp.Expr], terms: Sequence[Term]) -> Term:
    """The type of a call with arguments `nodes` of types `terms`, about which the call says something, too."""
    if name in _RANKS:
        return BIGINT
    if name in _NUMERIC:
        restrict(terms[:1], NUMBER)
        return terms[0] if terms and name == "SUM" else None
    if name in _FIRST:
        return terms[0] if terms else None
    if name in _ALIKE:
        return agree(*terms)
    if name in _PARTS:
        restrict(terms, MOMENT, "timestamp")
        return BIGINT
    if name == "LISTAGG":
        restrict(terms, frozenset({"string"}))
        return STRING
    if name == "IF":
        restrict(terms[:1], frozenset({"boolean"}))
        return agree(*terms[1:])
    function = WRITTEN.get(name)
    return None if function is None or function.bind is None else _bound(function, nodes, terms)


def _bound(function: ScalarFunction, nodes: Sequence[exp.Expr], terms: Sequence[Term]) -> Term:
    """Try the kinds of the arguments that are open: those of the combinations that the function takes are left."""
    roots = [term.root() if isinstance(term, Variable) else term for term in terms]
    variables = list(dict.fromkeys(root for root in roots if isinstance(root, Variable)))
    unknown = sum(term is None for term in terms)
    if len(variables) + unknown > _TRIED:
        kinds = [(kind,) * (len(variables) + unknown) for kind in CANDIDATES]
    else:
        kinds = list(product(CANDIDATES, repeat=len(variables) + unknown))
    fitting: list[tuple[tuple[str, ...], SqlType]] = []
    for combination in kinds:
        free = iter(combination[len(variables) :])
        by_variable = dict(zip(variables, combination, strict=False))
        given = [
            CANDIDATES[by_variable[root]] if isinstance(root, Variable) else root or CANDIDATES[next(free)]
            for root in roots
        ]
        result = _result(function, nodes, given)
        if result is not None:
            fitting.append((combination, result))
    for at, variable in enumerate(variables):
        taken = frozenset(combination[at] for combination, _ in fitting)
        variable.restrict(taken or ANY)
    results = {result.as_nullable() for _, result in fitting}
    return results.pop() if len(results) == 1 else None


def _result(function: ScalarFunction, nodes: Sequence[exp.Expr], types: Sequence[SqlType]) -> SqlType | None:
    args = tuple(_argument(node, found) for node, found in zip(nodes, types, strict=True))
    try:
        return function.bind(function, args)[1] if function.bind is not None else None
    except (SignatureError, VeloError):
        return None
    except Exception:  # a rule that looks closer at an argument than its type does not know it from this
        return None


def _argument(node: exp.Expr, found: SqlType) -> Expression:
    if isinstance(node, exp.Literal):
        value = node.name if node.is_string else int(node.name) if node.name.isdigit() else None
        if value is not None:
            return Literal(value, found)
    return ColumnRef(0, found)


def literal_type(node: exp.Literal) -> SqlType:
    """The type of a constant as it is written."""
    if node.is_string:
        return STRING
    if node.name.isdigit():
        return BIGINT
    return DOUBLE if "e" in node.name.lower() else decimal(38, 18)
