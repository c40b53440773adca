"""Functions of one's own in a program: which are in scope while it is planned, and how a plan names them.

A plan names such a function by its place (`module:function`). What the kernel's function gives (`user_calls`) is a
struct of the value and of the reason why there is none, so that one call answers both questions of the compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from velo_engine.functions.signature import Binding, ScalarFunction, Site, check_count, coerced
from velo_engine.plan.expressions import Expression
from velo_engine.udf import UserFunction

PREFIX = "udf "
"""Before the place of a function in the names that plans use; no name of the function tables has a space."""

_in_scope: ContextVar[Mapping[str, UserFunction]] = ContextVar("functions in scope", default={})  # noqa: B039 - never changed
_known: dict[str, UserFunction] = {}
"""Every function that a plan has named, by that name."""


@contextmanager
def in_scope(functions: Sequence[UserFunction]) -> Iterator[None]:
    """Let programs that are planned within call `functions` by their names."""
    token = _in_scope.set({function.name.upper(): function for function in functions})
    try:
        yield
    finally:
        _in_scope.reset(token)


def user_function(written: str) -> UserFunction | None:
    """The function in scope that people write as `written` (any case)."""
    return _in_scope.get().get(written.upper())


def plan_name(function: UserFunction) -> str:
    """The name of a function in plans; remembered, so that the plan can be run."""
    base = name = f"{PREFIX}{function.place}"
    number = 1
    while (known := _known.get(name)) is not None and not _stands_for(known, function):
        number += 1
        name = f"{base}#{number}"
    if known is None or known.implementation is None:
        _known[name] = function
    return name


def _stands_for(known: UserFunction, function: UserFunction) -> bool:
    """Whether they are one function, of which one may be only declared."""
    either_declared = known.implementation is None or function.implementation is None
    same_types = (known.parameters, known.returns) == (function.parameters, function.returns)
    return known == function or (either_declared and same_types)


def by_plan_name(name: str) -> UserFunction:
    """The function that a plan names."""
    return _known[name]


def bound_arguments(function: UserFunction, args: tuple[Expression, ...]) -> tuple[Expression, ...]:
    """The arguments in the types of the parameters. Raises SignatureError or VeloError."""
    check_count(args, len(function.parameters), len(function.parameters))
    return tuple(coerced(arg, kind) for arg, kind in zip(args, function.parameters, strict=True))


def scalar_function(name: str) -> ScalarFunction:
    """The entry of the function table for a function that a plan names."""
    function = by_plan_name(name)
    usage = f"{function.name}({', '.join(str(kind) for kind in function.parameters)})"
    return ScalarFunction(name, usage, function.place, _bind, _part(name, "v"), _part(name, "e"))


def _bind(table_entry: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    function = by_plan_name(table_entry.name)
    return bound_arguments(function, args), function.returns.as_nullable()


def _part(name: str, field: str) -> Callable[[Site], str]:
    def sql(site: Site) -> str:
        given = [f"a{i} := {operand.sql}" for i, operand in enumerate(site.operands)] or [f"a0 := {site.now}"]
        return f"struct_extract({kernel_name(name)}(struct_pack({', '.join(given)})), '{field}')"

    return sql


_numbers: dict[str, int] = {}


def kernel_name(name: str) -> str:
    """What the kernel calls the function that plans call `name`."""
    return f"velo_udf_{_numbers.setdefault(name, len(_numbers))}"
