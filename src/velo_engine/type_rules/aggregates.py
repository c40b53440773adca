"""The aggregate functions: lower-case names, aliases, arguments and result types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.type_rules.numeric import division_type
from velo_engine.types import (
    BIGINT,
    DOUBLE,
    INTEGERS,
    MAX_PRECISION,
    NUMERICS,
    STRINGS,
    SqlType,
    TypeName,
    array,
    decimal,
    varchar,
)


@dataclass(frozen=True, slots=True)
class AggregateFunction:
    """One aggregate: its name in plans, other spellings, and which arguments it takes."""

    name: str
    aliases: tuple[str, ...] = ()
    minimum_args: int = 1
    maximum_args: int = 1
    constants: tuple[int, ...] = ()
    """Positions of the arguments that are constants of the call."""
    counts_nulls: bool = False
    """Whether rows count in which an argument is NULL."""
    written_as: str | None = None
    """Set for a form of another function: how that is spelled, with its clause. Such a name cannot be written."""


_REGRESSIONS = ("count", "avgx", "avgy", "sxx", "syy", "sxy", "slope", "intercept", "r2")
PAIRED = frozenset({"corr", "covar_pop", "covar_samp", *(f"regr_{what}" for what in _REGRESSIONS)})
"""Aggregates over pairs of numbers."""

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
        AggregateFunction("listagg", ("string_agg", "group_concat"), maximum_args=2, constants=(1,)),
        AggregateFunction("collect"),
        AggregateFunction("array_agg", counts_nulls=True),
        AggregateFunction("array_agg_ignore_nulls", written_as="ARRAY_AGG(x) IGNORE NULLS"),
        AggregateFunction(
            "json_objectagg_null_on_null",
            minimum_args=2,
            maximum_args=2,
            counts_nulls=True,
            written_as="JSON_OBJECTAGG([KEY] k VALUE v [NULL ON NULL])",
        ),
        AggregateFunction(
            "json_objectagg_absent_on_null",
            minimum_args=2,
            maximum_args=2,
            counts_nulls=True,
            written_as="JSON_OBJECTAGG([KEY] k VALUE v ABSENT ON NULL)",
        ),
        AggregateFunction("json_arrayagg_null_on_null", counts_nulls=True, written_as="JSON_ARRAYAGG(x NULL ON NULL)"),
        AggregateFunction("json_arrayagg_absent_on_null", written_as="JSON_ARRAYAGG(x [ABSENT ON NULL])"),
        AggregateFunction("percentile", minimum_args=2, maximum_args=3, constants=(1,)),
        AggregateFunction("percentile_cont", minimum_args=2, maximum_args=2, constants=(1,)),
        AggregateFunction("percentile_disc", minimum_args=2, maximum_args=2, constants=(1,)),
        AggregateFunction("median"),
        AggregateFunction("delta"),
        AggregateFunction("single_value", counts_nulls=True),
        *(AggregateFunction(name, minimum_args=2, maximum_args=2) for name in sorted(PAIRED)),
    )
}

_SAME_AS_ARGUMENT = frozenset({"min", "max", "first_value", "last_value", "single_value"})
_DOUBLE = frozenset({"percentile_cont", "median", *PAIRED} - {"regr_count"})


def aggregate_type(
    function: str,
    args: Sequence[SqlType],
    distinct: bool = False,  # noqa: ARG001
    constants: Sequence[object] = (),
) -> SqlType:
    """The result type of aggregate `function` (lower case) over `args`; nullable except counts and collections.

    VeloError UNKNOWN_FUNCTION, TYPE_MISMATCH.
    """
    name = function.lower()
    if name not in AGGREGATES:
        raise VeloError(
            ErrorCode.UNKNOWN_FUNCTION,
            f"there is no aggregate function {function.upper()}",
            hint=did_you_mean(name, AGGREGATES, noun="aggregate function"),
        )
    if name in ("count", "regr_count"):
        return BIGINT.as_nullable(False)
    arg = args[0]
    if name in _SAME_AS_ARGUMENT:
        return arg.as_nullable()
    if name.startswith(("listagg", "json_objectagg")) and arg.name not in STRINGS:
        raise _mismatch(name, "a string", arg, hint="write CAST(… AS STRING)")
    match name:
        case "listagg":
            return arg  # although the result may be longer
        case "collect":
            return SqlType(TypeName.MULTISET, nullable=False, element=arg)
        case "array_agg" | "array_agg_ignore_nulls":
            return array(arg).as_nullable(arg.nullable)
        case _ if name.startswith("json_"):
            return varchar(2000).as_nullable(False)
    for number in args[:2] if name in PAIRED else args[:1]:
        if number.name not in NUMERICS:
            raise _mismatch(name, "a number", number)
    if name == "percentile":
        if len(args) > 1 and args[1].name not in INTEGERS:
            raise _mismatch(name, "an integer as frequency", args[1])
        return array(DOUBLE) if isinstance(constants[0], tuple) else DOUBLE
    if name in _DOUBLE:
        return DOUBLE
    if arg.name is not TypeName.DECIMAL or name == "percentile_disc":
        return arg.as_nullable()
    if name == "delta":
        return decimal(min(MAX_PRECISION, arg.precision + 1), arg.scale)
    return decimal(38, arg.scale) if name == "sum" else division_type(decimal(38, arg.scale), decimal(20, 0))


def _mismatch(name: str, wanted: str, found: SqlType, hint: str | None = None) -> VeloError:
    message = f"{written(name)} needs {wanted}, not {found.as_nullable()}"
    return VeloError(ErrorCode.TYPE_MISMATCH, message, hint=hint)


def written(name: str) -> str:
    """How people write the aggregate `name`, without arguments."""
    form = AGGREGATES[name].written_as if name in AGGREGATES else None
    return (form or name.upper()).partition("(")[0]
