"""Tables that make their own rows (datagen, faker): their options as constraints of data schemas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from velo_engine.types import FLOATS, INTEGERS, STRINGS, TIMESTAMPS, SqlType, TypeName
from velo_harness.drafting.field_values import FieldValues
from velo_import.schemas.faker_expressions import faker_values

MOST_ROWS = 2000
"""Of a table that says how many rows it has."""
FEW = 1000
"""So many different values at most are shared by two columns often enough for a join."""


@dataclass(frozen=True, slots=True)
class GeneratedTable:
    """What the options of a table say of its rows."""

    values: Mapping[str, FieldValues] = field(default_factory=dict)
    records: int | None = None
    notes: tuple[str, ...] = ()
    """What cannot be said as constraints."""


def generated_table(connector: str, options: Mapping[str, str], types: Mapping[str, SqlType]) -> GeneratedTable:
    """The rows of a table of `connector`; nothing is known of another one's."""
    if connector not in ("datagen", "faker"):
        return GeneratedTable()
    values: dict[str, FieldValues] = {}
    notes: list[str] = []
    for name, kind in types.items():
        prefix = f"fields.{name}."
        own = {key.removeprefix(prefix): value.strip() for key, value in options.items() if key.startswith(prefix)}
        if kind.name in (TypeName.ARRAY, TypeName.MAP):
            found, note = _collection(own), None
        else:
            found, note = _datagen(own, kind) if connector == "datagen" else _faker(own, kind)
        if found is not None:
            values[name] = _with_nulls(found, own, kind)
        if note is not None:
            notes.append(f"{name}: {note}")
    rows = _number(options.get("number-of-rows"))
    return GeneratedTable(values, None if rows is None else min(int(rows), MOST_ROWS), tuple(notes))


def _with_nulls(found: FieldValues, own: Mapping[str, str], kind: SqlType) -> FieldValues:
    rate = _number(own.get("null-rate"))
    if not rate or not kind.nullable:
        return found
    return FieldValues(found.constraints, found.why, f"{rate.normalize():f}", found.few)


def _collection(own: Mapping[str, str]) -> FieldValues | None:
    length = own.get("length", "")
    return FieldValues((f"length: {length}",), "as many elements as it says") if length.isdigit() else None


def _faker(own: Mapping[str, str], kind: SqlType) -> tuple[FieldValues | None, str | None]:
    expression = own.get("expression")
    if expression is None:
        return None, None
    found = faker_values(expression, kind)
    if found is None:
        return None, f"{expression} is not known; its values are made by the type"
    return found, None


def _datagen(own: Mapping[str, str], kind: SqlType) -> tuple[FieldValues | None, str | None]:
    """Source: Flink's DataGenConnectorOptions, RandomGeneratorVisitor and SequenceGeneratorVisitor."""
    if own.get("kind") == "sequence":
        start, end = own.get("start", "1"), own.get("end")
        rows = None if end is None else _number(end)
        few = rows is not None and rows - (_number(start) or 0) < FEW
        if kind.name in STRINGS or kind.name in INTEGERS or kind.name in FLOATS or kind.name is TypeName.DECIMAL:
            return FieldValues((f"sequence: {{ start: {start} }}",), "datagen: a sequence", few=few), None
        return None, "a sequence of this type"
    if kind.name in TIMESTAMPS:
        return _times(own), None
    low, high = own.get("min"), own.get("max")
    if kind.name in INTEGERS or kind.name in FLOATS or kind.name is TypeName.DECIMAL:
        return _numbers(low, high, kind), None
    if kind.name in STRINGS and "length" in own:
        length = int(own["length"]) if own["length"].isdigit() else 0
        if not 0 < length <= kind.length:
            return None, f"a length of {own['length']}"
        # Flink's random texts are hexadecimal; as few as one digit make few values.
        made = f'pattern: "[0-9a-f]{{{length}}}"' if length <= 1000 else f"length: {length}"
        return FieldValues((made,), "datagen: a random text of its length", few=length <= 2), None
    return None, None


def _times(own: Mapping[str, str]) -> FieldValues | None:
    past = own.get("max-past")
    found = re.fullmatch(r"\s*(\d+)\s*([A-Za-z]*)\s*", past) if past is not None else None
    if found is None:
        return None
    unit = (found[2] or "ms").lower()
    short = next((s for s in ("ms", "s", "m", "h", "d") if unit == s or unit.startswith(_LONG[s])), None)
    if short is None:
        return None
    parts = (f'start: "-{found[1]}{short}"', "end: now", "sequential: false")
    return FieldValues(parts, "datagen: at most so long ago")


_LONG = {"ms": "milli", "s": "sec", "m": "min", "h": "h", "d": "d"}


def _numbers(low: str | None, high: str | None, kind: SqlType) -> FieldValues | None:
    least, most = _number(low), _number(high)
    if least is None and most is None:
        return None
    ends = [f"min: {least:f}" if least is not None else "", f"max: {most:f}" if most is not None else ""]
    few = least is not None and most is not None and kind.name in INTEGERS and most - least < FEW
    inner = ", ".join(end for end in ends if end)
    return FieldValues((f"range: {{ {inner} }}",), "datagen: its range", few=few)


def _number(text: str | None) -> Decimal | None:
    try:
        found = None if text is None else Decimal(text.strip())
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None
