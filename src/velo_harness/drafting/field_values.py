"""How values of a field are made, and why: from how the program uses the column, from its name, from its type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from velo_engine.plan.expressions import LiteralValue
from velo_engine.types import FLOATS, INTEGERS, STRINGS, TIMESTAMPS, SqlType, TypeName
from velo_harness.drafting.column_names import is_time, rule_of
from velo_harness.drafting.column_uses import ColumnUse
from velo_harness.drafting.json_texts import json_texts
from velo_harness.drafting.lineage import SourceColumn
from velo_harness.drafting.text_patterns import examples
from velo_harness.drafting.yaml_text import scalar_text

KEY_VALUES = 5
"""Different values of a column that rows are grouped by."""
JOIN_VALUES = 100
"""Of a column that rows are only joined on: every row of a join of many sources multiplies the rows of the others."""
MATCH_RATE = "0.9"
"""Of the keys of a join: some rows must find no partner."""
_FAMILIES = (INTEGERS, STRINGS, FLOATS, TIMESTAMPS)
_MOST = Decimal(10) ** 18
_EXACT_FIRST = 10
"""A text of fewer characters is drawn at random only so long."""


@dataclass(frozen=True, slots=True)
class FieldValues:
    """Constraints of a field in YAML flow style."""

    constraints: tuple[str, ...] = ()
    """`key: value` each."""
    why: str = ""
    null_probability: str | None = None
    few: bool = False
    """Whether two columns with these values share some: rows of one are joined with rows of the other."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the values of one column depend on beside its use."""

    types: Mapping[SourceColumn, SqlType]
    order: Mapping[str, int]
    """Of sources: those first that others refer to."""
    span_ms: int
    """Of the times of the rows."""
    keyed: bool = False
    """Whether the column alone is the primary key."""
    early: bool = False
    """Whether its rows are there before those of other sources, which look them up."""


def field_values(column: SourceColumn, use: ColumnUse, known: FieldValues | None, around: Surroundings) -> FieldValues:
    """The values of a column. `known`: what its declaration or a sample says."""
    found = _field_values(column, use, known, around)
    nullable = around.types[column].nullable and use.delay_ms is None and not around.keyed
    asked = found.null_probability is None and nullable and use.null_matters
    return replace(found, null_probability="0.1") if asked else found


def _field_values(column: SourceColumn, use: ColumnUse, known: FieldValues | None, around: Surroundings) -> FieldValues:
    kind = around.types[column]
    meets = known is not None and known.few
    if not meets and (target := _target(column, use, around)) is not None:
        reference = f"schema: {scalar_text(target.source)}, field: {scalar_text(target.column)}"
        made = f"references: {{ {reference}, match_rate: {MATCH_RATE} }}"
        return FieldValues((made,), f"joined with {target.source}.{target.column}")
    asked = bool(use.compared or use.patterns or use.time_format or use.joined or use.grouped)
    if known is not None and (known.few or not asked or use.delay_ms is not None):
        return known
    found = _made(column.column, kind, use, around)
    if found.constraints or known is None:
        return found
    return known


def nested_values(name: str, kind: SqlType, use: ColumnUse, around: Surroundings) -> FieldValues:
    """The values of a field of a row."""
    return _made(name, kind, use, replace(around, keyed=False))


def _made(name: str, kind: SqlType, use: ColumnUse, around: Surroundings) -> FieldValues:
    if use.json and kind.name in STRINGS:
        return FieldValues((_enum(json_texts(use.json)),), "JSON with the paths that the query reads")
    if (times := _times(name, kind, use, around)) is not None:
        return times
    if around.keyed:
        return FieldValues(tuple(_unique(name, kind)), "the primary key")
    if use.compared or use.patterns or use.sums:
        found = _around_constants(kind, use)
        if found is not None:
            return found
    keyed = use.grouped or bool(use.joined)
    if (rule := rule_of(name, kind)) is not None and (not keyed or rule.few or rule.constraint.startswith("enum")):
        constraint = f"enum: [{', '.join(rule.few)}]" if keyed and rule.few else rule.constraint
        return FieldValues((constraint,), f"{rule.meaning}, by its name")
    if keyed:
        why = "a key of groups: few values, each often" if use.grouped else "the key of a join"
        return FieldValues(tuple(_few(name, kind, use)), why)
    return FieldValues(*_by_type(name, kind, use))


# --- keys ---


def _target(column: SourceColumn, use: ColumnUse, around: Surroundings) -> SourceColumn | None:
    """The column of another source that this one refers to."""
    rank, kind = around.order, around.types[column]
    candidates = (other for other in use.joined if rank[other.source] < rank[column.source])
    return next((other for other in candidates if _alike(kind, around.types[other])), None)


def _alike(one: SqlType, other: SqlType) -> bool:
    return one.name is other.name or any({one.name, other.name} <= family for family in _FAMILIES)


def _unique(name: str, kind: SqlType) -> Iterator[str]:
    if kind.name in INTEGERS:
        yield "sequence: true"
    elif kind.name in STRINGS:
        yield f'pattern: "{_prefix(name, kind)[: kind.length]}[0-9]{{4}}"'
        yield "unique: true"
    elif kind.name is TypeName.DECIMAL:
        yield "sequence: true"


def _prefix(name: str, kind: SqlType) -> str:
    return "".join(c for c in name if c.isascii() and c.isalnum())[: max(min(12, kind.length - 4), 0)]


def _few(name: str, kind: SqlType, use: ColumnUse) -> Iterator[str]:
    if use.joined and not use.grouped and use.together == 1 and kind.name in INTEGERS:
        yield "sequence: true"
        return
    count = 2 if use.group_rows > 20 else KEY_VALUES
    if use.joined:
        count = 4 * KEY_VALUES if use.grouped and len(use.joined) < 3 else JOIN_VALUES
        if use.together > 1:
            count = max(3, round(JOIN_VALUES ** (1 / use.together)))
    if use.number and kind.name in STRINGS:
        yield _enum([str(i) for i in range(1, count + 1)])
    elif kind.name in STRINGS and use.joined and kind.length > 2:
        yield f'pattern: "{_prefix(use.pool or name, kind)[: kind.length - 2]}{_numbered(count)}"'
    elif kind.name in STRINGS:
        prefix = "".join(c for c in (use.pool or name) if c.isascii() and c.isalnum())[
            : max(min(12, kind.length - 2), 0)
        ]
        yield _enum([f"{prefix}_{i}"[-kind.length :] for i in range(1, count + 1)])
    elif kind.name in INTEGERS or kind.name in FLOATS or kind.name is TypeName.DECIMAL:
        most = min(count, int(_largest(kind)))
        yield _enum(list(range(1, most + 1))) if kind.name not in INTEGERS else f"range: {{ min: 1, max: {most} }}"


def _numbered(count: int) -> str:
    """A regular expression of about `count` numbers."""
    return "[0-9][0-9]" if count == JOIN_VALUES else "[01][0-9]" if count > 10 else f"0[0-{count - 1}]"


# --- constants ---


def _around_constants(kind: SqlType, use: ColumnUse) -> FieldValues | None:
    numbers = [
        Decimal(str(v)) for v in use.compared if isinstance(v, (int, float, Decimal)) and not isinstance(v, bool)
    ]
    if kind.name in STRINGS and use.number and (numbers or not use.compared):
        low, high = _around(numbers, Decimal(1), Decimal(100))
        texts = [str(int(low + (high - low) * i / 8)) for i in range(9)]
        return FieldValues((_enum(dict.fromkeys(texts)),), "numbers around the constants of the query")
    if kind.name in STRINGS:
        return _texts(kind, use)
    if kind.name in INTEGERS or kind.name in FLOATS or kind.name is TypeName.DECIMAL:
        sums = [Decimal(str(value)) for value in use.sums if isinstance(value, (int, float, Decimal))]
        if not numbers and sums:
            most = min(max(max(sums), Decimal(10)), _largest(kind, Decimal(10) ** 15))
            low = Decimal(0) if kind.name in INTEGERS else (most / 20).quantize(Decimal(1))
            return FieldValues((_range(low, most),), "sums of it pass the constants of the query, or do not")
        if numbers and not use.ordered and all(number == number.to_integral_value() for number in numbers):
            near = [int(number) for number in (*numbers, max(numbers) + 1) if abs(number) <= _largest(kind, _MOST)]
            return FieldValues((_enum(dict.fromkeys(near)),), "the constants of the query, and another")
        if numbers:
            low, high = _around(numbers, Decimal(0), Decimal(100))
            most = _largest(kind, _MOST)
            why = "values on both sides of the constants of the query"
            return FieldValues((_range(max(low, -most), min(high, most)),), why)
    return None


def _texts(kind: SqlType, use: ColumnUse) -> FieldValues | None:
    texts = [value for value in use.compared if isinstance(value, str)]
    texts += [text for pattern in use.patterns for text in examples(pattern)]
    texts = list(dict.fromkeys(text for text in texts if len(text) <= kind.length))
    if not texts:
        return None
    other = "0" if use.number else "other"[: kind.length]
    what = "texts that match, and one that does not" if use.patterns else "the constants of the query, and another"
    return FieldValues((_enum([*texts, *(() if other in texts else (other,))]),), what)


def _around(values: list[Decimal], low: Decimal, high: Decimal) -> tuple[Decimal, Decimal]:
    """A range with room on both sides of the constants; [low, high] when there are none."""
    if not values:
        return low, high
    span = max(max(values) - min(values), abs(max(values)), Decimal(10))
    return (min(values) - span / 2).quantize(Decimal(1)), (max(values) + span / 2).quantize(Decimal(1))


def _largest(kind: SqlType, limit: Decimal = Decimal(1000)) -> Decimal:
    """The greatest whole number of a type, at most `limit`."""
    widths = {TypeName.TINYINT: 127, TypeName.SMALLINT: 32_767, TypeName.INT: 2**31 - 1}
    if kind.name is TypeName.DECIMAL:
        return min(limit, Decimal(10 ** (kind.precision - kind.scale) - 1 or 1))
    return min(limit, Decimal(widths.get(kind.name, 2**63 - 1)))


# --- times ---


def _times(name: str, kind: SqlType, use: ColumnUse, around: Surroundings) -> FieldValues | None:
    """Times of the rows, or around the constants that they are compared with; None for what is no time."""
    form = use.time_format or (_time_form(name, kind, use) if is_time(name) else None)
    if kind.name not in TIMESTAMPS and kind.name is not TypeName.DATE and form is None:
        return None
    moments = [value for value in use.compared if isinstance(value, date)]
    if kind.name is TypeName.DATE and not moments:
        if not (use.grouped or use.joined):
            return FieldValues()
        return FieldValues(('start: "-3d"', "end: now"), "a key: few days")
    if moments and not use.ordered and form is None and use.delay_ms is None:
        near = (moment + timedelta(days=1) for moment in moments[-1:])
        return FieldValues((_enum([*moments, *near]),), "the constants of the query, and another")
    if moments:
        start, end = _written(min(moments), -1), _written(max(moments), 1)
        why = "times on both sides of the constants of the query"
    else:
        span = around.span_ms * (2 if around.early else 1)
        start, end = f"-{_duration(span)}", "now"
        why = "the event time" if use.delay_ms is not None else "as recent as the rows"
    parts = [f'start: "{start}"', f'end: "{end}"' if end != "now" else "end: now"]
    if moments and kind.name in TIMESTAMPS and use.delay_ms is None:
        parts.append("sequential: false")
    if form is not None:
        parts.append(f"format: {scalar_text(form)}")
    if use.delay_ms:
        parts.append(f"jitter: {_duration(min(use.delay_ms, around.span_ms // 4))}")
        why += ", out of order but not late"
    return FieldValues(tuple(parts), why)


def _time_form(name: str, kind: SqlType, use: ColumnUse) -> str | None:
    """How a text or whole number is a time that only its name says to be one."""
    if use.compared or use.patterns or use.joined or use.number:
        return None
    if kind.name in STRINGS:
        form = "yyyy-MM-dd" if name.lower().endswith(("date", "dt")) else "yyyy-MM-dd HH:mm:ss"
        return form if kind.length >= len(form) else None
    return "epoch_ms" if kind.name is TypeName.BIGINT else None


def _written(moment: date, hours: int) -> str:
    """An hour before or behind a constant; a day of a date."""
    if not isinstance(moment, datetime):
        return (moment + timedelta(days=hours)).isoformat()
    return (moment.replace(tzinfo=None) + timedelta(hours=hours)).isoformat()


def _duration(milliseconds: int) -> str:
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")):
        if milliseconds >= size and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


# --- what only the type says ---


def _by_type(name: str, kind: SqlType, use: ColumnUse) -> tuple[tuple[str, ...], str]:
    why = "nothing is known of it"
    if kind.name in INTEGERS:
        made = "sequence: true" if name.lower() == "id" else _range(Decimal(1), Decimal(100))
        return (made,), "an id, by its name" if name.lower() == "id" else why
    if kind.name in FLOATS or kind.name is TypeName.DECIMAL:
        return (_range(Decimal(1), _largest(kind)),), why
    if kind.name in STRINGS and use.number:
        return ('pattern: "[1-9][0-9]{0,2}"',), "read as a number"
    if kind.name in STRINGS and kind.length < _EXACT_FIRST:
        return (f"length: {{ min: 1, max: {kind.length} }}",), "as long as its type allows"
    return (), ""


def _range(low: Decimal, high: Decimal) -> str:
    return f"range: {{ min: {format(low, 'f')}, max: {format(high, 'f')} }}"


def _enum(values: Iterable[LiteralValue]) -> str:
    return f"enum: [{', '.join(map(scalar_text, values))}]"
