"""Names of metrics as Prometheus wants them: words with `_`, base units at the end, `_total` of counters alone.

Source: https://prometheus.io/docs/practices/naming/, and what `promtool check metrics` says of names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OF_OTHER_KINDS = ("total", "count", "sum", "bucket", "info")
"""Endings that the names of gauges may not have: Prometheus knows other kinds of metrics by them."""
_KINDS = frozenset({"gauge", "counter", "histogram", "summary"})
_SUMS = frozenset({"total", "sum"})
LONGEST_APP = 40
"""Characters of the name of an app at the beginning of a metric's."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A base unit, and what a value in another one is multiplied by."""

    name: str
    factor: str
    """As SQL has it; `1` when the value is in the base unit already."""


_SECONDS = {
    "1": ("seconds", "secs", "sec", "second"),
    "0.001": ("milliseconds", "millis", "ms", "msec", "msecs", "millisecond"),
    "0.000001": ("microseconds", "micros", "us", "usec", "microsecond"),
    "0.000000001": ("nanoseconds", "nanos", "ns", "nanosecond"),
    "60": ("minutes", "mins", "minute"),
    "3600": ("hours", "hrs", "hour"),
    "86400": ("days",),
}
_BYTES = {"1": ("bytes",), "1024": ("kb", "kib", "kilobytes"), "1048576": ("mb", "mib", "megabytes")}
_BYTES["1073741824"] = ("gb", "gib", "gigabytes")
_UNITS = {
    **{word: Unit("seconds", factor) for factor, words in _SECONDS.items() for word in words},
    **{word: Unit("bytes", factor) for factor, words in _BYTES.items() for word in words},
    **{word: Unit("ratio", "0.01") for word in ("percent", "percentage", "pct")},
    "ratio": Unit("ratio", "1"),
    "celsius": Unit("celsius", "1"),
}


@dataclass(frozen=True, slots=True)
class NamedMetric:
    """A name, and how the value becomes one in the unit that the name says."""

    name: str
    unit: str | None
    factor: str = "1"


def words_of(name: str) -> list[str]:
    """The words of a column's or statement's name, in lower case: `avgPrice` and `avg_price` have the same."""
    return [word.lower() for part in _NOT_IN_A_NAME.split(name) for word in _HUMP.split(part) if word]


def name_part(text: str) -> str:
    """A part of a metric's name."""
    name = "_".join(words_of(text)) or "app"
    return f"_{name}" if name[0].isdigit() else name


def prefix_of(app: str, statement: str) -> str:
    """What the names of a statement's metrics begin with; of a long name of an app the last words."""
    words = words_of(app)
    while len("_".join(words)) > LONGEST_APP and len(words) > 1:
        words = words[1:]
    return f"{name_part(' '.join(words))}_{'_'.join(words_of(statement)) or 'statement'}"


def counter_name(prefix: str, column: str) -> NamedMetric:
    """The name of a counter of what `column` sums up."""
    words, unit = _measured(column)
    return _joined(prefix, [word for word in words if word not in _KINDS | _SUMS], unit, "total")


def value_name(prefix: str, column: str) -> NamedMetric:
    """The name of a gauge or histogram that shows `column`."""
    words, unit = _measured(column)
    words = [word for word in words if word not in _KINDS]
    if unit is None and words and words[-1] in _OF_OTHER_KINDS:
        words.append("latest")
    return _joined(prefix, words, unit)


def rows_name(prefix: str, *parts: str) -> str:
    """The name of a counter of rows that `parts` describe; their units are left out, for it counts rows."""
    words = [word for part in parts for word in _measured(part)[0]]
    return "_".join((prefix, *words, "rows", "total"))


def _measured(column: str) -> tuple[list[str], Unit | None]:
    """The words of a name without its unit, and the unit."""
    words = words_of(column) or ["value"]
    unit = _UNITS.get(words[-1])
    moment = words[-1] in ("minute", "hour", "second") and len(words) == 1
    if unit is None or moment or (len(words) > 1 and words[-2].isdigit()):  # the last 30_days are no number of days
        return words, None
    return words[:-1], unit


def _joined(prefix: str, words: list[str], unit: Unit | None, *behind: str) -> NamedMetric:
    words = words or ([] if unit is not None else ["value"])
    parts = [prefix, *words, *((unit.name,) if unit is not None else ()), *behind]
    return NamedMetric("_".join(parts), None if unit is None else unit.name, "1" if unit is None else unit.factor)
