"""Literals of a compiled plan as SQL of the same value and, where it shows, the same type."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from velo_import.inputs.compiled_plan.logical_types import LogicalType, UnreadPart, plain_type, text_literal

_UNITS = (("DAY", 86_400_000), ("HOUR", 3_600_000), ("MINUTE", 60_000), ("SECOND", 1_000))
_LARGEST_INT = 2_147_483_647


def literal(rex: Mapping[str, Any]) -> str:
    """The SQL of a LITERAL node. UnreadPart for types that no literal has."""
    kind = rex.get("type", "NULL")
    if rex.get("symbol"):
        return str(rex["value"]).replace("_", " ")
    return value_text(rex.get("value"), kind)


def value_text(value: Any, kind: LogicalType) -> str:
    """A value of a literal, or of a bound of a SEARCH."""
    name = plain_type(kind)
    if value is None:
        return "NULL" if name == "NULL" else f"CAST(NULL AS {name})"
    base = name.split("(")[0].split("<")[0]
    match base:
        case "BOOLEAN":
            return "TRUE" if value else "FALSE"
        case "CHAR" | "VARCHAR" | "STRING":
            return text_literal(str(value))
        case "INT" | "INTEGER":
            return _number(str(value))
        case "TINYINT" | "SMALLINT" | "BIGINT":
            in_range = abs(int(value)) <= _LARGEST_INT
            return f"CAST({value} AS {base})" if in_range else _number(str(value))
        case "DOUBLE":
            return _number(f"{value}E0" if "e" not in str(value).lower() else str(value))
        case "FLOAT":
            return f"CAST({value} AS FLOAT)"
        case "DECIMAL":
            return _decimal(Decimal(str(value)), name)
        case "DATE":
            return f"DATE '{value}'"
        case "TIME":
            return f"TIME '{value}'"
        case "TIMESTAMP":
            return f"TIMESTAMP '{_padded(str(value), name)}'"
        case "BINARY" | "VARBINARY" | "BYTES":
            return f"X'{base64.b64decode(value).hex()}'"
    if base.startswith("INTERVAL"):
        return months(int(value)) if "MONTH" in base or "YEAR" in base else milliseconds(int(value))
    raise UnreadPart(f"a literal of type {name}")


def milliseconds(count: int) -> str:
    """An interval of so many milliseconds."""
    sign, count = ("-", -count) if count < 0 else ("", count)
    for unit, size in _UNITS:
        if count and count % size == 0:
            digits = len(str(count // size))
            return f"INTERVAL '{sign}{count // size}' {unit}{f'({digits})' if digits > 2 else ''}"
    seconds = str(count // 1000)
    precision = f"({len(seconds)})" if len(seconds) > 2 else ""
    return f"INTERVAL '{sign}{seconds}{f'.{count % 1000:03}' if count % 1000 else ''}' SECOND{precision}"


def months(count: int) -> str:
    """An interval of so many months."""
    if count % 12 == 0 and 0 < abs(count) // 12 <= 99:
        return f"INTERVAL '{count // 12}' YEAR"
    return f"INTERVAL '{count}' MONTH{f'({len(str(abs(count)))})' if abs(count) > 99 else ''}"


def duration_ms(text: str) -> int:
    """The milliseconds of an ISO 8601 duration as Java prints it, such as `PT1H10.5S`. UnreadPart otherwise."""
    total, number = Decimal(0), ""
    units = {"D": 86_400_000, "H": 3_600_000, "M": 60_000, "S": 1_000}
    for character in text.removeprefix("P"):
        if character.isdigit() or character in "-.":
            number += character
        elif character in units and number:
            total += Decimal(number) * units[character]
            number = ""
        elif character != "T":
            raise UnreadPart(f"the duration {text}")
    return int(total)


def _number(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def _decimal(value: Decimal, kind: str) -> str:
    precision, _, scale = kind.partition("(")[2].rstrip(")").partition(",")
    text = f"{value:.{int(scale or 0)}f}"
    digits = len(text.lstrip("-").replace(".", "").lstrip("0")) if abs(value) >= 1 else int(scale or 0) + 1
    if digits == int(precision):
        return _number(text)
    return f"CAST({text} AS {kind})"


def _padded(text: str, kind: str) -> str:
    """A timestamp with as many digits of a second as its type has."""
    precision = int(kind.partition("(")[2].rstrip(")") or 6)
    whole, _, fraction = text.replace("T", " ").partition(".")
    return f"{whole}.{fraction[:precision].ljust(precision, '0')}" if precision else whole
