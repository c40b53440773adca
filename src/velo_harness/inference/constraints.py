"""What a sample shows about the values of a column, as constraints of a data schema in YAML flow style.

A sample proves nothing about rows that are not in it, so a constraint is only written where enough rows speak for it:
every row of the sample has it, and what it generates could have been in the sample.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from velo_engine.types import BINARIES, FLOATS, INTEGERS, STRINGS, TIMESTAMPS, SqlType, TypeName
from velo_harness.constraint_keys import LONGEST
from velo_harness.drafting.yaml_text import scalar_text

LEAST_ROWS = 20
"""Fewer rows show nothing about what is never there."""
FITTED_ROWS = 100
"""Fewer rows fit every distribution."""
MOST_VALUES = 20
"""Values that a set may have; each comes `LEAST_REPEATS` times on average."""
LEAST_REPEATS = 4
UNIQUE_ROOM = 20
"""How many times as many values as rows there must be for keys to be drawn at random."""
MOST_LITERAL = 40

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_EMAIL = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_RUN = re.compile(r"[0-9]+|[A-Z]+|[a-z]+|[^0-9A-Za-z]")
_CLASSES = (("0", "9", "[0-9]"), ("A", "Z", "[A-Z]"), ("a", "z", "[a-z]"))
_SPECIAL = frozenset(r"\.^$*+?{}[]|()")


def shown_constraints(values: Sequence[Any], kind: SqlType) -> list[str]:
    """Constraints, `key: value` each, that every value which is not NULL has."""
    present = [value for value in values if value is not None]
    if not present:
        return []
    if kind.name is TypeName.BOOLEAN:
        return [f"probability: {round(sum(present) / len(present), 2)}"] if len(present) >= LEAST_ROWS else []
    if kind.name in INTEGERS:
        return _spread(list(_integers(present)), present, kind)
    if kind.name in FLOATS or kind.name is TypeName.DECIMAL:
        finite = [value for value in present if value - value == 0]
        return _spread([_range(min(finite), max(finite))], finite, kind) if finite else []
    if kind.name in STRINGS:
        return list(_texts(present))
    if kind.name in TIMESTAMPS or kind.name is TypeName.DATE:
        return list(_times(present, kind))
    if kind.name is TypeName.TIME:
        return [_range(min(present), max(present))]
    if kind.name in BINARIES or kind.name in (TypeName.ARRAY, TypeName.MAP):
        return [_length([len(value) for value in present])]
    return []


def _spread(made: list[str], values: Sequence[Any], kind: SqlType) -> list[str]:
    """The constraints with the distribution of the values over their range, if a test finds one."""
    if len(values) < FITTED_ROWS or len(made) != 1 or not made[0].startswith("range"):
        return made
    from velo_harness.inference.fitting import fitted_distribution

    fitted = fitted_distribution([float(value) for value in values], kind)
    if fitted is None or fitted.constraint == "uniform":  # what a range alone says
        return made
    return [*made, f"distribution: {fitted.constraint}"]


def _range(low: Any, high: Any) -> str:
    return f"range: {{ min: {scalar_text(low)}, max: {scalar_text(high)} }}"


def _length(lengths: Sequence[int]) -> str:
    """Lengths as they are, but never longer than a schema may say."""
    return f"length: {{ min: {min(*lengths, LONGEST)}, max: {min(max(lengths), LONGEST)} }}"


def _integers(values: Sequence[int]) -> Iterator[str]:
    step = values[1] - values[0] if len(values) > 1 else 0
    if step > 0 and len(values) >= 5 and all(b - a == step for a, b in pairwise(values)):
        yield f"sequence: {{ start: {values[0]}, step: {step} }}"
        return
    low, high, distinct = min(values), max(values), len(set(values))
    if _is_set(values) and high - low + 1 > 2 * distinct:
        yield _enumeration(values)
        return
    yield _range(low, high)
    if distinct == len(values) >= LEAST_ROWS and high - low >= UNIQUE_ROOM * distinct:
        yield "unique: true"


def _texts(values: Sequence[str]) -> Iterator[str]:
    if _is_set(values):
        yield _enumeration(values)
        return
    if len(values) >= LEAST_ROWS and all(_EMAIL.fullmatch(value) for value in values):
        yield "faker: email"
        return
    pattern = text_pattern(values) if len(values) >= LEAST_ROWS else None
    yield _length([len(value) for value in values]) if pattern is None else f"pattern: {scalar_text(pattern)}"


def _is_set(values: Sequence[Any]) -> bool:
    distinct = len(set(values))
    return len(values) >= LEAST_ROWS and distinct <= MOST_VALUES and distinct * LEAST_REPEATS <= len(values)


def _enumeration(values: Sequence[Any]) -> str:
    """The values with how often each comes, the most frequent first."""
    counts = sorted(Counter(values).items(), key=lambda item: (-item[1], str(item[0])))
    shown = ", ".join(scalar_text(value) for value, _ in counts)
    weights = ", ".join(str(count) for _, count in counts)
    return f"enum: {{ values: [{shown}], weights: [{weights}] }}"


def text_pattern(values: Sequence[str]) -> str | None:
    """A regular expression of the form that all values have; None when they have none in common."""
    shapes = {tuple(_kind(run) for run in _RUN.findall(value)) for value in values}
    if len(shapes) != 1:
        return None
    shape = shapes.pop()
    if not shape or all(kind == shape[0] for kind in shape):
        return None  # one run of letters or digits: its length says as much
    runs = list(zip(*(_RUN.findall(value) for value in values), strict=True))
    pattern = "".join(_part(kind, texts) for kind, texts in zip(shape, runs, strict=True))
    return pattern if all(re.fullmatch(pattern, value) for value in values) else None


def _kind(run: str) -> str:
    """The class of a run of characters, or the character itself."""
    return next((name for low, high, name in _CLASSES if low <= run[0] <= high), run)


def _part(kind: str, texts: Sequence[str]) -> str:
    if len(set(texts)) == 1 and len(texts[0]) <= MOST_LITERAL:
        return "".join(f"\\{c}" if c in _SPECIAL else c for c in texts[0])
    shortest, longest = min(map(len, texts)), max(map(len, texts))
    return f"{kind}{{{shortest}}}" if shortest == longest else f"{kind}{{{shortest},{longest}}}"


def _times(values: Sequence[date], kind: SqlType) -> Iterator[str]:
    """From the first to just behind the last; rising or not, as the rows are."""
    unit = timedelta(days=1) if kind.name is TypeName.DATE else timedelta(microseconds=10 ** (6 - kind.precision))
    try:
        end = max(values) + unit
    except OverflowError:
        return
    zone = "Z" if kind.name is TypeName.TIMESTAMP_LTZ else ""
    yield f'start: "{_written(min(values))}{zone}"'
    yield f'end: "{_written(end)}{zone}"'
    rising = len(values) > 1 and all(a <= b for a, b in pairwise(values))
    if rising != (kind.name is not TypeName.DATE) and len(values) > 1:
        yield f"sequential: {'true' if rising else 'false'}"


def _written(value: date | time) -> str:
    return value.isoformat() if not isinstance(value, datetime) else value.isoformat(sep="T")
