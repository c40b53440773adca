"""Faults of single values: what a wrong cast, format, unit or encoding makes of a column."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

from tests.shadow.faults.fault import Fault, Kind, Row, Sound, is_same, scope

from velo_engine.types import FLOATS, INTEGERS, NUMERICS, STRINGS, TIMESTAMPS, SqlType, TypeName
from velo_shadow.model import Cause

SUMMER_TIME = datetime(2026, 3, 29, 1)
"""When it begins in Europe, in UTC."""

Change = Callable[[Any], Any]


def _of(*names: Any) -> Callable[[SqlType], bool]:
    return lambda kind: any(kind.name in group for group in names)


def _strike(
    side: Sound,
    chance: random.Random,
    wanted: Callable[[SqlType], bool],
    change: Change,
    *causes: Cause,
    note: str = "",
) -> Fault | None:
    """Change the values of one column in some rows."""
    names = side.columns(wanted)
    if not names:
        return None
    name = chance.choice(names)
    rows: list[Row] = [dict(row) for row in side.rows]
    changed = {i: change(row[name]) for i, row in enumerate(rows) if row[name] is not None}
    able = [i for i, value in changed.items() if value is None or not is_same(value, rows[i][name])]
    if not able:
        return None
    struck, part = scope(side, chance, able)
    for i in struck:
        rows[i][name] = changed[i]
    return Fault(rows, frozenset(causes), part, note=f"{name} {note}".strip())


def rounding(side: Sound, chance: random.Random) -> Fault | None:
    """Decimals rounded to fewer digits, or another way."""
    how = chance.choice((ROUND_HALF_UP, ROUND_DOWN, ROUND_HALF_EVEN, ROUND_CEILING, ROUND_FLOOR))
    digits = chance.choice((0, 1, 2, 3))
    return _strike(
        side, chance, _of({TypeName.DECIMAL}), lambda value: value.quantize(Decimal(1).scaleb(-digits), how),
        Cause.DECIMAL_ROUNDING, note=f"{digits} digits",
    )  # fmt: skip


def scale(side: Sound, chance: random.Random) -> Fault | None:
    """Decimals whose point has moved: cents for euros."""
    by = chance.choice((-2, -1, 1, 2))
    return _strike(side, chance, _of({TypeName.DECIMAL}), lambda value: value.scaleb(by), Cause.DECIMAL_ROUNDING)


def time_precision(side: Sound, chance: random.Random) -> Fault | None:
    """Times cut to milliseconds or seconds."""
    unit = chance.choice((1_000, 1_000_000))
    return _strike(
        side, chance, _of(TIMESTAMPS), lambda time: time.replace(microsecond=time.microsecond // unit * unit),
        Cause.TIME_PRECISION,
    )  # fmt: skip


def hour_offset(side: Sound, chance: random.Random) -> Fault | None:
    """Times of another zone."""
    offset = timedelta(hours=chance.choice((-5, -1, 1, 2, 5.5, 9)))
    return _strike(side, chance, _of(TIMESTAMPS), lambda time: time + offset, Cause.TIME_ZONE, note=f"{offset}")


def summer_time(side: Sound, chance: random.Random) -> Fault | None:
    """Times an hour ahead once summer time has begun."""
    return _strike(
        side, chance, _of(TIMESTAMPS), lambda time: time + timedelta(hours=time >= SUMMER_TIME), Cause.TIME_ZONE
    )


def float_noise(side: Sound, chance: random.Random) -> Fault | None:
    """Floating point a little off, beyond the tolerance."""
    noise = chance.choice((-1, 1)) * 10 ** -chance.uniform(6.2, 8.5)
    return _strike(side, chance, _of(FLOATS), lambda value: value * (1 + noise), Cause.FLOAT_ASSOCIATION)


def truncated_text(side: Sound, chance: random.Random) -> Fault | None:
    """Texts cut off after some characters."""
    length = chance.randrange(3, 12)
    return _strike(side, chance, _of(STRINGS), lambda text: text[:length].rstrip(), Cause.TRUNCATED_TEXT)


def null_for_value(side: Sound, chance: random.Random) -> Fault | None:
    """NULL where there is a value."""
    return _strike(side, chance, lambda _: True, lambda _: None, Cause.NULL_OR_ABSENT)


def empty_for_null(side: Sound, chance: random.Random) -> Fault | None:
    """An empty text for NULL."""
    names = [n for n in side.columns(_of(STRINGS)) if any(row[n] is None for row in side.rows)]
    if not names:
        return None
    name = chance.choice(names)
    rows = [row | {name: ""} if row[name] is None else dict(row) for row in side.rows]
    return Fault(rows, frozenset({Cause.NULL_OR_ABSENT}), note=name)


def null_for_empty(side: Sound, chance: random.Random) -> Fault | None:
    """NULL for an empty text."""
    names = [n for n in side.columns(_of(STRINGS)) if any(row[n] == "" for row in side.rows)]
    if not names:
        return None
    name = chance.choice(names)
    rows = [row | {name: None} if row[name] == "" else dict(row) for row in side.rows]
    return Fault(rows, frozenset({Cause.NULL_OR_ABSENT}), note=name)


def swapped_columns(side: Sound, chance: random.Random) -> Fault | None:
    """Two columns of a type, each with the other's values."""
    types = {c.name: c.type.name for c in side.schema.columns}
    names = side.columns(lambda _: True)
    pairs = [(a, b) for a in names for b in names if a < b and types[a] is types[b]]
    if not pairs:
        return None
    a, b = chance.choice(pairs)
    rows: list[Row] = [dict(row) for row in side.rows]
    struck, part = scope(side, chance, [i for i, row in enumerate(rows) if row[a] != row[b]])
    for i in struck:
        rows[i] |= {a: rows[i][b], b: rows[i][a]}
    return Fault(rows, frozenset({Cause.SWAPPED_COLUMNS}), part, note=f"{a}, {b}")


def letter_case(side: Sound, chance: random.Random) -> Fault | None:
    """Texts in another case."""
    change: Change = chance.choice((str.upper, str.lower))
    return _strike(side, chance, _of(STRINGS), change, Cause.UNKNOWN)


def sign_flip(side: Sound, chance: random.Random) -> Fault | None:
    """Numbers with the other sign."""
    return _strike(side, chance, _of(NUMERICS), lambda value: -value, Cause.UNKNOWN)


def off_by_one(side: Sound, chance: random.Random) -> Fault | None:
    """Whole numbers one too high or too low."""
    by = chance.choice((-1, 1))
    return _strike(side, chance, _of(INTEGERS), lambda value: value + by, Cause.UNKNOWN)


def negated(side: Sound, chance: random.Random) -> Fault | None:
    """Booleans the other way round."""
    return _strike(side, chance, _of({TypeName.BOOLEAN}), lambda value: not value, Cause.UNKNOWN)


def other_text(side: Sound, chance: random.Random) -> Fault | None:
    """Texts that have nothing to do with those that should be there."""
    word = chance.choice(("n/a", "see below", "0xDEADBEEF"))
    return _strike(side, chance, _of(STRINGS), lambda _: word, Cause.UNKNOWN)


def type_change(side: Sound, chance: random.Random) -> Fault | None:
    """Numbers written as texts."""
    name = chance.choice(side.columns(_of(NUMERICS)))
    return Fault(side.rows, frozenset({Cause.TYPE_CHANGE}), as_texts=(name,), note=name)


KINDS: Mapping[str, Kind] = {
    "rounding": rounding,
    "scale": scale,
    "time precision cut": time_precision,
    "offset of hours": hour_offset,
    "summer time": summer_time,
    "float noise": float_noise,
    "truncated text": truncated_text,
    "null for a value": null_for_value,
    "empty for null": empty_for_null,
    "null for empty": null_for_empty,
    "swapped columns": swapped_columns,
    "letter case": letter_case,
    "sign flip": sign_flip,
    "off-by-one count": off_by_one,
    "negated flag": negated,
    "other text": other_text,
    "type change": type_change,
}
