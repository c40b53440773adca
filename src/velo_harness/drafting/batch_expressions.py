"""Bound expressions in the words of an `sql` assertion (DuckDB's), for recomputing a statement from its inputs.

Only what means the same in both is translated: the rest is None, and whoever asks leaves the column out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum

from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal
from velo_engine.types import FLOATS, INTEGERS, NUMERICS, STRINGS, TIMESTAMPS, SqlType, TypeName

LONGEST = 600
"""Characters of an expression: nobody reads a longer one."""


class Form(Enum):
    """How a value stands in the batch query."""

    VALUE = "value"
    """As it is."""
    ROUNDED = "rounded"
    """A number that depends on the order of additions, or is rounded: only its first digits compare."""
    MILLIS = "millis"
    """A time as milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class BatchColumn:
    """A column of a relation in a batch query."""

    sql: str
    form: Form = Form.VALUE
    ordered: bool = False
    """Which of several equal rows it comes from depends on the order in which rows arrive."""


_INFIX = {
    "equals": "=", "not_equals": "<>", "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<=",
    "and": "AND", "or": "OR", "plus": "+", "minus": "-", "times": "*", "concat_operator": "||",
    "is_distinct_from": "IS DISTINCT FROM", "is_not_distinct_from": "IS NOT DISTINCT FROM",
}  # fmt: skip
_SUFFIX = {
    "is_null": "IS NULL", "is_not_null": "IS NOT NULL", "is_true": "IS TRUE", "is_false": "IS FALSE",
    "is_not_true": "IS NOT TRUE", "is_not_false": "IS NOT FALSE",
}  # fmt: skip
_SAME = frozenset(
    {"upper", "lower", "abs", "coalesce", "nullif", "replace", "reverse", "year", "month", "hour", "minute"}
)
_RENAMED = {"char_length": "LENGTH"}
_SMOOTH = frozenset({"plus", "minus", "times", "divide", "negate", "abs", "round", "coalesce"})
"""Functions whose results change little when their arguments do."""
_PLAIN_LIKE = re.compile(r"'[^\\]*'")


_WORDS = """
    all and any as asc both case cast check collate column constraint create default desc distinct do else end except
    false fetch for foreign from group having in initially intersect into lateral leading limit not null offset on
    only or order primary qualify references returning select some summarize symmetric table then to trailing true
    union unique using variadic when where window with day hour minute month second year date time timestamp interval
    row rows values value key type count sum min max avg output
"""
_RESERVED = frozenset(_WORDS.split())


def quoted(name: str) -> str:
    """A name as it is written in a batch query."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def translated(expression: Expression, columns: Sequence[BatchColumn | None]) -> BatchColumn | None:
    """The expression over the columns of a relation; None when it cannot be said here."""
    match expression:
        case ColumnRef():
            return columns[expression.index]
        case Literal():
            text = literal(expression)
            return None if text is None else BatchColumn(text)
        case Cast():
            return _cast(expression, columns)
        case Case():
            return _case(expression, columns)
        case Call():
            return _call(expression, columns)


def literal(constant: Literal) -> str | None:
    """A constant; None for those that mean something else there."""
    value = constant.value
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return None if "\n" in value or "{{" in value else "'" + value.replace("'", "''") + "'"
        case int() if constant.type.name is TypeName.INTERVAL_DAY_TIME:
            return f"INTERVAL '{value}' MILLISECOND"
        case int() if constant.type.name in NUMERICS:
            return str(value)
        case Decimal() if constant.type.name in FLOATS:
            return f"CAST({value} AS DOUBLE)"
        case Decimal():
            return format(value, "f")
        case float():
            return f"CAST({value!r} AS DOUBLE)"
        case datetime() if constant.type.name is TypeName.TIMESTAMP:
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
        case date() if constant.type.name is TypeName.DATE:
            return f"DATE '{value.isoformat()}'"
    return None


def _cast(cast: Cast, columns: Sequence[BatchColumn | None]) -> BatchColumn | None:
    found = translated(cast.arg, columns)
    to, of = cast.type, cast.arg.type
    if found is None:
        return None
    if found.form is Form.MILLIS:
        return found if to.name in TIMESTAMPS else None
    if to.as_nullable() == of.as_nullable() or (to.name in STRINGS and of.name in STRINGS and to.length >= of.length):
        return found
    if isinstance(cast.arg, Literal) and cast.arg.value is None:
        return BatchColumn("NULL")
    if of.name in FLOATS and to.name in (TypeName.DECIMAL, TypeName.DOUBLE):
        text = found.sql if to.name is TypeName.DOUBLE else f"ROUND(CAST({found.sql} AS DOUBLE), {to.scale})"
        return BatchColumn(text, Form.ROUNDED, found.ordered)
    if found.form is Form.ROUNDED and to.name is TypeName.DECIMAL:
        exact = f"TRY_CAST({found.sql} AS DECIMAL(38, {of.scale}))"  # 9.325 is a little less as a DOUBLE
        text = exact if of.name is TypeName.DECIMAL else f"CAST({found.sql} AS DOUBLE)"
        return replace(found, sql=f"ROUND({text}, {to.scale})")
    if found.form is Form.ROUNDED and {of.name, to.name} <= FLOATS | {TypeName.DECIMAL}:
        return found
    if found.form is Form.VALUE and (target := _widened(of, to)) is not None:
        return BatchColumn(f"CAST({found.sql} AS {target})", found.form, found.ordered)
    return None


def _widened(of: SqlType, to: SqlType) -> str | None:
    """The kernel's type of a cast that loses nothing."""
    if of.name in INTEGERS and (to.name in (INTEGERS | {TypeName.DOUBLE}) or to.name in STRINGS):
        return {TypeName.CHAR: "VARCHAR"}.get(to.name, to.name.value)
    if of.name in (INTEGERS | {TypeName.DECIMAL}) and to.name is TypeName.DECIMAL:
        return f"DECIMAL({to.precision}, {to.scale})"
    if of.name is TypeName.DECIMAL and to.name is TypeName.DOUBLE:
        return "DOUBLE"
    return None


def _case(case: Case, columns: Sequence[BatchColumn | None]) -> BatchColumn | None:
    parts: list[str] = []
    ordered = False
    for condition, result in case.branches:
        when, then = translated(condition, columns), translated(result, columns)
        if when is None or then is None or when.form is not Form.VALUE or then.form is not Form.VALUE:
            return None
        parts.append(f"WHEN {when.sql} THEN {then.sql}")
        ordered = ordered or when.ordered or then.ordered
    default = translated(case.default, columns)
    if default is None or default.form is not Form.VALUE:
        return None
    return _short(f"CASE {' '.join(parts)} ELSE {default.sql} END", ordered=ordered or default.ordered)


def _call(call: Call, columns: Sequence[BatchColumn | None]) -> BatchColumn | None:
    if call.function == "to_timestamp_ltz" and len(call.args) == 2:
        return _epoch(call, columns)
    if call.function == "date_format" and len(call.args) == 2:
        return _formatted(call, columns)
    found = [translated(arg, columns) for arg in call.args]
    args = [one for one in found if one is not None]
    forms = {arg.form for arg in args}
    if len(args) < len(found) or Form.MILLIS in forms:
        return None
    if Form.ROUNDED in forms:
        made = _exact(call, [replace(arg, form=Form.VALUE) for arg in args]) if call.function in _SMOOTH else None
        return None if made is None else replace(made, form=Form.ROUNDED)
    return _exact(call, args)


def _exact(call: Call, args: Sequence[BatchColumn]) -> BatchColumn | None:
    ordered = any(arg.ordered for arg in args)
    texts = [arg.sql for arg in args]
    name = call.function
    if name in ("plus", "minus", "times") and _wraps(call):
        return None
    if name == "field" and isinstance(call.args[1], Literal) and isinstance(call.args[1].value, str):
        return _short(f"STRUCT_EXTRACT({texts[0]}, {texts[1]})", ordered=ordered)
    if name in _INFIX and len(texts) == 2:
        return _short(f"({texts[0]} {_INFIX[name]} {texts[1]})", ordered=ordered)
    if name in ("and", "or"):
        return _short(f"({f' {name.upper()} '.join(texts)})", ordered=ordered)
    if name in _SUFFIX and len(texts) == 1:
        return _short(f"({texts[0]} {_SUFFIX[name]})", ordered=ordered)
    if name in ("not", "negate") and len(texts) == 1:
        return _short(f"({'NOT ' if name == 'not' else '-'}{texts[0]})", ordered=ordered)
    if name == "in":
        return _short(f"({texts[0]} IN ({', '.join(texts[1:])}))", ordered=ordered)
    if name == "like" and len(texts) == 2 and _PLAIN_LIKE.fullmatch(texts[1]):
        return _short(f"({texts[0]} LIKE {texts[1]})", ordered=ordered)
    if name == "concat":
        return _short(f"({' || '.join(texts)})", ordered=ordered)
    if name == "divide" and call.type.name in FLOATS:
        return _short(f"({texts[0]} / {texts[1]})", ordered=ordered, form=Form.ROUNDED)
    if name == "to_timestamp" and len(texts) == 1:
        return _short(f"TRY_CAST({texts[0]} AS TIMESTAMP)", ordered=ordered)
    if name == "round" and all(isinstance(arg, Literal) for arg in call.args[1:]):
        return _short(f"ROUND({', '.join(texts)})", ordered=ordered, form=Form.ROUNDED)
    if name == "mod" and all(arg.type.name in INTEGERS for arg in call.args):
        return _short(f"({texts[0]} % {texts[1]})", ordered=ordered)
    if name in _SAME or name in _RENAMED:
        return _short(f"{_RENAMED.get(name, name.upper())}({', '.join(texts)})", ordered=ordered)
    return None


def _wraps(call: Call) -> bool:
    """Whether the result may not fit where the kernel would refuse it, or is rounded."""
    if call.type.name in TIMESTAMPS:
        return any(arg.type.name not in (*TIMESTAMPS, TypeName.INTERVAL_DAY_TIME) for arg in call.args)
    return call.type.name not in NUMERICS


def _epoch(call: Call, columns: Sequence[BatchColumn | None]) -> BatchColumn | None:
    """TO_TIMESTAMP_LTZ(number, precision)."""
    number, precision = translated(call.args[0], columns), call.args[1]
    if number is None or number.form is not Form.VALUE or not isinstance(precision, Literal):
        return None
    if call.args[0].type.name not in INTEGERS or precision.value not in (0, 3):
        return None
    text = number.sql if precision.value == 3 else f"({number.sql} * 1000)"
    return BatchColumn(text, Form.MILLIS, number.ordered)


_DATE_PARTS = (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"))


def _formatted(call: Call, columns: Sequence[BatchColumn | None]) -> BatchColumn | None:
    """DATE_FORMAT of a timestamp by a pattern of digits."""
    time, pattern = translated(call.args[0], columns), call.args[1]
    if time is None or time.form is not Form.VALUE or call.args[0].type.name is not TypeName.TIMESTAMP:
        return None
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        return None
    text = pattern.value
    for part, there in _DATE_PARTS:
        text = text.replace(part, there)
    if re.search(r"(?<!%)[A-Za-z]|'", text):
        return None
    return _short(f"STRFTIME({time.sql}, '{text}')", ordered=time.ordered)


def _short(text: str, *, ordered: bool, form: Form = Form.VALUE) -> BatchColumn | None:
    return BatchColumn(text, form, ordered) if len(text) <= LONGEST else None
