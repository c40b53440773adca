"""Expressions of a compiled plan (Flink's serialised RexNodes) as SQL.

Source of the format: `RexNodeJsonSerializer` of Flink's table planner; a plan names built-in functions `$NAME$version`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from velo_import.inputs.compiled_plan.literals import literal, value_text
from velo_import.inputs.compiled_plan.logical_types import (
    UnreadPart,
    columns_of,
    plain_type,
    quoted,
)

Rex: TypeAlias = Mapping[str, Any]

_INFIX = {"+", "-", "*", "/", "=", "<>", ">", ">=", "<", "<=", "AND", "OR", "||", "%"}
_POSTFIX = {
    *("IS NULL", "IS NOT NULL", "IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE", "IS UNKNOWN"),
    "IS NOT UNKNOWN",
}
_WITHOUT_PARENTHESES = {
    *("CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"),
}
_BETWEEN_UNITS = {1_000: "SECOND", 60_000: "MINUTE", 3_600_000: "HOUR", 86_400_000: "DAY", 12: "YEAR", 3: "QUARTER"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What the references of an expression mean."""

    fields: Sequence[str]
    """The SQL of each input column, by its index."""
    known: Mapping[str, str]
    """Expressions that are columns already: a computed column is read, not computed again."""

    def sql(self, rex: Rex) -> str:
        """The SQL of an expression, in parentheses where it needs some. UnreadPart when a part of it has none."""
        text = _sql(rex, self)
        return self.known.get(text, text)


def name_of(call: Rex) -> str:
    """The name of a function: built in, of the system, of a catalog. UnreadPart for one without a name."""
    internal = call.get("internalName")
    if internal:
        return str(internal).strip("$").rpartition("$")[0] or str(internal).strip("$")
    if call.get("systemName"):
        return quoted(str(call["systemName"]))
    if call.get("catalogName"):
        return str(call["catalogName"])
    raise UnreadPart(f"the function {call.get('class') or call.get('sqlKind') or 'without a name'}")


def _sql(rex: Rex, scope: Scope) -> str:
    kind = rex.get("kind")
    match kind:
        case "INPUT_REF":
            index = int(rex["inputIndex"])
            if index >= len(scope.fields):
                raise UnreadPart(f"column {index} of an input that has {len(scope.fields)}")
            return scope.fields[index]
        case "LITERAL":
            return literal(rex)
        case "CALL":
            return _call(rex, scope)
        case "FIELD_ACCESS":
            return _field(rex, scope)
        case "PATTERN_INPUT_REF":
            column = scope.fields[int(rex["inputIndex"])]
            return column if rex["alpha"] == "*" else f"{quoted(rex['alpha'])}.{column}"
    raise UnreadPart(f"an expression of kind {kind}")


def _field(rex: Rex, scope: Scope) -> str:
    inner = rex["expr"]
    if inner["kind"] == "CORREL_VARIABLE":
        names = [column.name for column in columns_of(inner["type"])]
        if rex["name"] not in names or names.index(rex["name"]) >= len(scope.fields):
            raise UnreadPart(f"the column {rex['name']} of a row outside")
        return scope.fields[names.index(rex["name"])]
    return f"({scope.sql(inner)}).{quoted(rex['name'])}"


def _call(rex: Rex, scope: Scope) -> str:
    name = name_of(rex)
    operands: Sequence[Rex] = rex.get("operands", ())
    if special := _SPECIAL.get(name):
        return special(rex, scope)
    if name in _WRITTEN:
        return _WRITTEN[name].format(*(scope.sql(one) for one in operands))
    if name in _BRACKETS:
        return _BRACKETS[name].format(", ".join(scope.sql(one) for one in operands))
    if name in _INFIX and len(operands) > 1:
        return "(" + f" {name} ".join(scope.sql(one) for one in operands) + ")"
    if name in _POSTFIX:
        return f"({scope.sql(operands[0])} {name})"
    if name in ("NOT", "-", "+"):
        return f"({name} {scope.sql(operands[0])})"
    if rex.get("syntax") in ("INTERNAL", "BINARY"):
        raise UnreadPart(f"the operation {name}")
    if name in _WITHOUT_PARENTHESES:
        return name
    if name == "COUNT" and not operands:
        return "COUNT(*)"
    if any(one.get("symbol") for one in operands):
        raise UnreadPart(f"the function {name} with the word {next(o['value'] for o in operands if o.get('symbol'))}")
    return f"{name}({', '.join(scope.sql(one) for one in operands)})"


def typed(rex: Rex, scope: Scope) -> str:
    """As `Scope.sql`; a literal that is a result of its own has its type: a plain `'x'` would be CHAR(1)."""
    text = scope.sql(rex)
    is_text = rex.get("kind") == "LITERAL" and rex.get("value") is not None and not rex.get("symbol")
    if is_text and "VARCHAR" in plain_type(rex["type"]).replace("STRING", "VARCHAR"):
        return f"CAST({text} AS {plain_type(rex['type'])})"
    return text


# --- operations that are not written as a function ---


def _cast(rex: Rex, scope: Scope) -> str:
    return f"{name_of(rex)}({scope.sql(rex['operands'][0])} AS {plain_type(rex['type'])})"


def _case(rex: Rex, scope: Scope) -> str:
    operands = rex["operands"]
    pairs = zip(operands[:-1:2], operands[1::2], strict=False)
    whens = " ".join(f"WHEN {scope.sql(when)} THEN {typed(then, scope)}" for when, then in pairs)
    return f"CASE {whens} ELSE {typed(operands[-1], scope)} END"


def _reinterpret(rex: Rex, scope: Scope) -> str:
    """The same value as another type: a time attribute, or the months between two dates."""
    operands = rex["operands"]
    inner = operands[0]
    if "INTERVAL" in str(inner.get("type")) and "INTERVAL" not in str(rex["type"]):
        if "MONTH" in str(inner["type"]):
            return _difference(inner, "MONTH", scope)
        raise UnreadPart("an interval read as a number")
    return scope.sql(inner)


def _difference(minus: Rex, unit: str, scope: Scope) -> str:
    end, start = minus["operands"][:2]
    return f"TIMESTAMPDIFF({unit}, {scope.sql(start)}, {scope.sql(end)})"


def _whole_division(rex: Rex, scope: Scope) -> str:
    """TIMESTAMPDIFF is planned as the milliseconds between, divided by the unit's."""
    operands = rex["operands"]
    inner, size = operands[0], operands[1].get("value")
    while inner.get("internalName") in ("$REINTERPRET$1", "$CAST$1"):
        inner = inner["operands"][0]
    unit = _BETWEEN_UNITS.get(int(size)) if isinstance(size, int | str) and str(size).isdigit() else None
    if unit is None or inner.get("internalName") != "$-$1" or "INTERVAL" not in str(inner.get("type")):
        raise UnreadPart("the operation /INT")
    return _difference(inner, unit, scope)


def _search(rex: Rex, scope: Scope) -> str:
    """IN lists and ranges, which the planner merges into one search argument."""
    operands = rex["operands"]
    value, found = operands
    sarg, kind = found["sarg"], found["type"]
    text = scope.sql(value)
    ranges: list[Mapping[str, Any]] = list(sarg["ranges"])
    gaps = [_point_between(low, high) for low, high in pairwise(ranges)]
    if ranges and not ranges[0].get("lower") and not ranges[-1].get("upper") and all(gap is not None for gap in gaps):
        condition = (
            f"{text} NOT IN ({', '.join(value_text(gap, kind) for gap in gaps)})" if gaps else f"{text} = {text}"
        )
    else:
        points = [one["lower"]["value"] for one in ranges if _is_point(one)]
        parts = [f"{text} IN ({', '.join(value_text(point, kind) for point in points)})"] if points else []
        parts += [_range(text, one, kind) for one in ranges if not _is_point(one)]
        condition = " OR ".join(parts) or "FALSE"
    match sarg.get("nullAs"):
        case "TRUE":
            return f"({text} IS NULL OR {condition})"
        case "FALSE":
            return f"({text} IS NOT NULL AND ({condition}))"
    return f"({condition})"


def _is_point(one: Mapping[str, Any]) -> bool:
    low, high = one.get("lower"), one.get("upper")
    return bool(low and high and low["value"] == high["value"])


def _point_between(low: Mapping[str, Any], high: Mapping[str, Any]) -> Any:
    """The value between two ranges that leave out nothing else."""
    end, start = low.get("upper"), high.get("lower")
    if end and start and end["value"] == start["value"] and end["boundType"] == start["boundType"] == "OPEN":
        return end["value"]
    return None


def _range(text: str, one: Mapping[str, Any], kind: Any) -> str:
    bounds = []
    for side, sign in (("lower", ">"), ("upper", "<")):
        if bound := one.get(side):
            equal = "=" if bound["boundType"] == "CLOSED" else ""
            bounds.append(f"{text} {sign}{equal} {value_text(bound['value'], kind)}")
    return "(" + " AND ".join(bounds) + ")" if bounds else f"{text} IS NOT NULL"


def _like(rex: Rex, scope: Scope) -> str:
    operands = rex["operands"]
    escape = f" ESCAPE {scope.sql(operands[2])}" if len(operands) > 2 else ""
    return f"({scope.sql(operands[0])} {name_of(rex)} {scope.sql(operands[1])}{escape})"


def _rounded(rex: Rex, scope: Scope) -> str:
    operands = rex["operands"]
    if len(operands) > 1:
        return f"{name_of(rex)}({scope.sql(operands[0])} TO {operands[1]['value']})"
    return f"{name_of(rex)}({scope.sql(operands[0])})"


def _hash_code(rex: Rex, scope: Scope) -> str:
    """Of a string it can be written. Of other values only the planner writes it, to put distinct values into buckets,
    and which bucket makes no difference."""
    operand = rex["operands"][0]
    return (
        f"HASH_CODE({scope.sql(operand)})" if "CHAR" in plain_type(operand["type"]).replace("STRING", "CHAR") else "0"
    )


def _overlay(rex: Rex, scope: Scope) -> str:
    text, new, start, *length = (scope.sql(one) for one in rex["operands"])
    return f"OVERLAY({text} PLACING {new} FROM {start}{f' FOR {length[0]}' if length else ''})"


def _json_object(rex: Rex, scope: Scope) -> str:
    operands = rex["operands"]
    nulls, *rest = operands
    pairs = [f"KEY {scope.sql(k)} VALUE {_unwrapped(v, scope)}" for k, v in zip(rest[::2], rest[1::2], strict=True)]
    return f"JSON_OBJECT({', '.join(pairs)} {nulls['value']} ON NULL)"


def _json_array(rex: Rex, scope: Scope) -> str:
    operands = rex["operands"]
    nulls, *rest = operands
    return f"JSON_ARRAY({', '.join(_unwrapped(one, scope) for one in rest)} {nulls['value']} ON NULL)"


def _unwrapped(rex: Rex, scope: Scope) -> str:
    """The planner wraps values of JSON into JSON_STRING."""
    inner = rex["operands"][0] if rex.get("internalName") == "$JSON_STRING$1" else rex
    return scope.sql(inner)


_SPECIAL: dict[str, Callable[[Rex, Scope], str]] = {
    "CAST": _cast,
    "TRY_CAST": _cast,
    "CASE": _case,
    "REINTERPRET": _reinterpret,
    "/INT": _whole_division,
    "SEARCH": _search,
    "LIKE": _like,
    "SIMILAR TO": _like,
    "FLOOR": _rounded,
    "CEIL": _rounded,
    "OVERLAY": _overlay,
    "HASH_CODE": _hash_code,
    "JSON_OBJECT": _json_object,
    "JSON_ARRAY": _json_array,
}

_WRITTEN = {
    "PROCTIME": "PROCTIME()",
    "PROCTIME_MATERIALIZE": "CAST({0} AS TIMESTAMP_LTZ(3))",
    "EXTRACT": "EXTRACT({0} FROM {1})",
    "POSITION": "POSITION({0} IN {1})",
    "TRIM": "TRIM({0} {1} FROM {2})",
    "ITEM": "{0}[{1}]",
}
"""How operations are written that have words between their operands."""

_BRACKETS = {"ARRAY": "ARRAY[{}]", "MAP": "MAP[{}]", "ROW": "ROW({})"}
