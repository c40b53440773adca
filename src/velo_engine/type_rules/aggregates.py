"""The aggregate functions: lower-case names, aliases, argument counts and result types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.type_rules.numeric import division_type
from velo_engine.types import BIGINT, NUMERICS, STRING, SqlType, TypeName, array, decimal


@dataclass(frozen=True, slots=True)
class AggregateFunction:
    """One aggregate: its name in plans, other spellings, and how many arguments it takes."""

    name: str
    aliases: tuple[str, ...] = ()
    minimum_args: int = 1
    maximum_args: int = 1


AGGREGATES: dict[str, AggregateFunction] = {
    f.name: f
    for f in (
        AggregateFunction("count", minimum_args=0),
        AggregateFunction("sum"),
        AggregateFunction("avg", ("mean",)),
        AggregateFunction("min"),
        AggregateFunction("max"),
        AggregateFunction("first_value", ("first",)),
        AggregateFunction("last_value", ("last",)),
        AggregateFunction("stddev_pop"),
        AggregateFunction("stddev_samp", ("stddev",)),
        AggregateFunction("var_pop"),
        AggregateFunction("var_samp", ("variance",)),
        AggregateFunction("listagg", ("string_agg", "group_concat"), maximum_args=2),
        AggregateFunction("collect"),
        AggregateFunction("array_agg"),
    )
}


def aggregate_type(function: str, args: Sequence[SqlType], distinct: bool = False) -> SqlType:  # noqa: ARG001
    """The result type of aggregate `function` (lower case) over `args`; nullable except counts and collections."""
    name = function.lower()
    if name not in AGGREGATES:
        raise VeloError(
            ErrorCode.UNKNOWN_FUNCTION,
            f"there is no aggregate function {function.upper()}",
            hint=did_you_mean(name, AGGREGATES, noun="aggregate function"),
        )
    if name == "count":
        return BIGINT.as_nullable(False)
    if name == "listagg":
        return STRING
    arg = args[0]
    if name == "collect":
        return SqlType(TypeName.MULTISET, nullable=False, element=arg)
    if name == "array_agg":
        return array(arg).as_nullable(False)
    if name in ("min", "max", "first_value", "last_value"):
        return arg.as_nullable()
    if arg.name not in NUMERICS:
        raise VeloError(ErrorCode.TYPE_MISMATCH, f"{name.upper()} needs a number, not {arg}")
    if arg.name is not TypeName.DECIMAL:
        return arg.as_nullable()
    return decimal(38, arg.scale) if name == "sum" else division_type(decimal(38, arg.scale), decimal(20, 0))
