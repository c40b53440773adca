"""Constants as kernel SQL. Text is quoted, never pasted; every constant has the kernel type of its SQL type."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from decimal import Decimal

from velo_engine.functions.signature import text_of
from velo_engine.plan.expressions import Literal, LiteralValue
from velo_engine.types import SqlType, TypeName, kernel_type


def literal_sql(literal: Literal) -> str:
    """Kernel SQL of a constant."""
    if literal.value is None:
        return f"CAST(NULL AS {kernel_type(literal.type)})"
    if literal.type.name is TypeName.INT or literal.type.name is TypeName.BOOLEAN:
        return _plain(literal.value)
    return f"CAST({_spelled(literal.value, literal.type)} AS {kernel_type(literal.type)})"


def _plain(value: LiteralValue) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    assert isinstance(value, int)
    return str(value) if value >= 0 else f"({value})"


def _spelled(value: LiteralValue, t: SqlType) -> str:
    match value:
        case bool() | int():
            return str(int(value))
        case float():
            return text_of("NaN" if math.isnan(value) else repr(value))
        case Decimal():
            return text_of(format(value, "f"))
        case str():
            return text_of(value)
        case bytes():
            return f"unhex('{value.hex()}')"
        case datetime():
            return text_of(value.isoformat(sep=" "))
        case date() | time():
            return text_of(value.isoformat())
        case _:
            raise TypeError(f"no literal of {t} is a {type(value).__name__}")
