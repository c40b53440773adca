"""What an entry of the function table is: its arguments, its type rule, and its meaning as kernel SQL.

A kernel expression never raises: where a call has no value for a row the value is NULL and the entry's error
expression says why. Argument errors come before a call's own, in source order, as in Flink, which evaluates every
operand first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.expressions import Cast, Expression, Literal, LiteralValue
from velo_engine.type_rules.casting import can_coerce
from velo_engine.types import (
    BIGINT,
    BINARIES,
    DOUBLE,
    INT,
    INTEGERS,
    INTERVALS,
    NUMERICS,
    STRINGS,
    TEMPORALS,
    TIMESTAMPS,
    SqlType,
    TypeName,
    arrow_type,
)


@dataclass(frozen=True, slots=True)
class Operand:
    """An argument of a call that is being compiled."""

    sql: str
    """Kernel SQL of its value; an atom, or in parentheses."""
    type: SqlType
    constant: bool = False
    literal: LiteralValue = None
    """The value of a constant."""
    function: str = ""
    """The function whose call it is, empty when it is none."""


@dataclass(frozen=True, slots=True)
class Site:
    """A call that is being compiled: its operands, its type, and what it takes from the session."""

    operands: tuple[Operand, ...]
    type: SqlType
    time_zone: str
    now: str
    """Kernel SQL of the processing time, a TIMESTAMP in UTC."""

    def sql(self, index: int) -> str:
        """Kernel SQL of operand `index`."""
        return self.operands[index].sql


Template: TypeAlias = "str | Callable[[Site], str]"
"""Kernel SQL with `{0}`, `{1}`, … for the operands, or a function that writes it."""

Binding: TypeAlias = tuple[tuple[Expression, ...], SqlType]
"""Arguments with implicit casts made explicit, and the type of the call."""

Bind: TypeAlias = Callable[["ScalarFunction", tuple[Expression, ...]], Binding]

Expand: TypeAlias = Callable[[tuple[Expression, ...]], Expression]
"""What a call of bound arguments stands for, in terms of other expressions."""


@dataclass(frozen=True, slots=True)
class ScalarFunction:
    """One scalar function or operator."""

    name: str
    """Its name in plans, lower case."""
    usage: str
    """How it is written, for example `UPPER(string)`."""
    summary: str
    """What it gives, in one line."""
    bind: Bind | None = None
    value: Template = ""
    error: Template | None = None
    expand: Expand | None = None
    """Instead of `bind` and `value`."""
    """A VARCHAR: why a row has no value, else NULL."""
    aliases: tuple[str, ...] = ()
    """Other names, upper case."""
    operator: bool = False
    """Written as an operator or with syntax of its own, so it has no name to call it by."""


class SignatureError(Exception):
    """Arguments that do not fit a signature; the caller adds the function and the place."""


_KINDS: dict[str, tuple[frozenset[TypeName], str]] = {
    "string": (STRINGS, "a string"),
    "number": (NUMERICS, "a number"),
    "double": (NUMERICS, "a number"),
    "integer": (INTEGERS, "an integer"),
    "int": (INTEGERS, "an integer"),
    "bigint": (INTEGERS, "an integer"),
    "boolean": (frozenset({TypeName.BOOLEAN}), "a BOOLEAN"),
    "date": (frozenset({TypeName.DATE}), "a DATE"),
    "timestamp": (TIMESTAMPS, "a TIMESTAMP"),
    "temporal": (TEMPORALS, "a date or time"),
    "day_or_time": (frozenset({TypeName.DATE}) | TIMESTAMPS, "a DATE or TIMESTAMP"),
    "interval": (INTERVALS, "an INTERVAL"),
    "binary": (BINARIES, "BYTES"),
    "bytes": (BINARIES | STRINGS, "a string or BYTES"),
    "array": (frozenset({TypeName.ARRAY}), "an ARRAY"),
    "collection": (frozenset({TypeName.ARRAY, TypeName.MAP, TypeName.MULTISET}), "an ARRAY, MAP or MULTISET"),
    "map": (frozenset({TypeName.MAP}), "a MAP"),
    "any": (frozenset(TypeName) - {TypeName.NULL}, "a value"),
}
NESTED = frozenset({TypeName.ARRAY, TypeName.MULTISET, TypeName.MAP, TypeName.ROW})
_COERCED = {"double": DOUBLE, "int": INT, "bigint": BIGINT}

Returns: TypeAlias = "SqlType | Callable[[Sequence[SqlType]], SqlType]"


def signature(*kinds: str, returns: Returns, nullable: bool | None = None) -> Bind:
    """A type rule from argument kinds.

    A kind is a key of the table above, `literal string` and the like for constants, with `?` when the argument may be
    left out and `...` when it may repeat. The result is nullable when an argument is, unless `nullable` says so.
    """

    def bind(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
        check_count(args, *argument_counts(kinds))
        wanted = [kinds[min(i, len(kinds) - 1)] for i in range(len(args))]
        bound = tuple(checked(arg, kind, i) for i, (arg, kind) in enumerate(zip(args, wanted, strict=True)))
        types = [arg.type for arg in bound]
        result = returns if isinstance(returns, SqlType) else returns(types)
        return bound, result.as_nullable(any(t.nullable for t in types) if nullable is None else nullable)

    return bind


def argument_counts(kinds: Sequence[str]) -> tuple[int, int | None]:
    """The least and the largest number of arguments of a signature; None for no limit."""
    required = sum(1 for kind in kinds if not kind.endswith("?"))
    return required, None if kinds and kinds[-1].endswith("...") else len(kinds)


def check_count(args: Sequence[Expression], least: int, most: int | None) -> None:
    """Raise SignatureError unless there are `least` to `most` arguments."""
    if least <= len(args) and (most is None or len(args) <= most):
        return
    if most is None:
        wanted = f"at least {least}"
    elif least == most:
        wanted = str(least)
    else:
        wanted = f"{least} to {most}"
    raise SignatureError(f"takes {wanted} argument{'' if wanted == '1' else 's'}, not {len(args)}")


def checked(arg: Expression, kind: str, position: int) -> Expression:
    """`arg` as a value of `kind`, through an implicit cast when that needs one."""
    word = kind.removesuffix("...").removesuffix("?").strip()
    constant = word.startswith("literal ")
    names, meaning = _KINDS[word.removeprefix("literal ")]
    if arg.type.name is TypeName.NULL:
        raise SignatureError(f"cannot tell the type of NULL in argument {position + 1}; write CAST(NULL AS type)")
    if arg.type.name not in names:
        raise SignatureError(f"needs {meaning} as argument {position + 1}, not {arg.type.as_nullable()}")
    if constant and not isinstance(arg, Literal):
        raise SignatureError(f"needs a constant as argument {position + 1}")
    target = _COERCED.get(word.removeprefix("literal "))
    return coerced(arg, target) if target is not None else arg


def coerced(expression: Expression, target: SqlType) -> Expression:
    """`expression` as a value of `target` (its own nullability kept), through an implicit cast when the types differ.

    VeloError TYPE_MISMATCH when there is no implicit cast.
    """
    source = expression.type
    wanted = target.as_nullable(source.nullable or source.name is TypeName.NULL)
    if source == wanted:
        return expression
    if isinstance(expression, Literal) and expression.value is None:
        return replace(expression, type=wanted)
    if source.name is target.name and source.name in STRINGS and source.length <= target.length:
        return expression
    if arrow_type(source) == arrow_type(target) and source.name in NESTED:
        return expression
    if not can_coerce(source, target):
        raise VeloError(
            ErrorCode.TYPE_MISMATCH,
            f"{source.as_nullable()} does not fit where {target.as_nullable()} is expected",
            location=expression.location,
            hint=f"write CAST(… AS {target.as_nullable()})",
        )
    return Cast(expression, wanted, location=expression.location)


def argument(index: int) -> Callable[[Sequence[SqlType]], SqlType]:
    """The type of argument `index`."""
    return lambda types: types[index]


def as_varchar(index: int) -> Callable[[Sequence[SqlType]], SqlType]:
    """VARCHAR of the length of string argument `index`."""
    return lambda types: SqlType(TypeName.VARCHAR, length=types[index].length)


def constant_text(value: LiteralValue) -> str:
    """The text of a string constant."""
    assert isinstance(value, str)
    return value


def text_of(constant: str) -> str:
    """A kernel SQL string literal."""
    parts = ("'" + part.replace("'", "''") + "'" for part in constant.split("\0"))
    joined = " || chr(0) || ".join(parts)
    return f"({joined})" if "\0" in constant else joined
