"""The form of what may be proposed: the same definitions are the schema of the question and the check of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from velo_engine.observability.alert_annotations import SEVERITIES

MOST_TEXT = 200
"""Characters of a help text, a description, a reason."""
MOST_ALERTS = 3
"""Of a metric."""
MOST_ASSERTIONS = 4
"""Of a query."""
MOST_ITEMS = 200
"""Of one kind in an answer."""
MOST_VALUES = 50
_SHOWN = 120

Words = Annotated[str, Meta(min_length=1, max_length=MOST_TEXT)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class Alert(Struct, frozen=True, forbid_unknown_fields=True):
    """When a metric calls for a person: a gauge's value, a counter's increase, a histogram's 95th percentile."""

    name: Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=80)]
    operator: Literal[">", ">=", "<", "<="]
    threshold: float
    severity: Literal["critical", "warning", "info"]


class MetricIdea(Struct, frozen=True, forbid_unknown_fields=True):
    """Another name, other words or alerts for a metric that is there."""

    metric: Name
    name: Annotated[str, Meta(pattern="^[a-z_][a-z0-9_]*$", max_length=100)] | None = None
    help: Words | None = None
    alerts: Annotated[tuple[Alert, ...], Meta(max_length=MOST_ALERTS)] = ()


class FieldIdea(Struct, frozen=True, forbid_unknown_fields=True):
    """Which values a column of a source plausibly has: a regular expression for text, a range for numbers."""

    source: Name
    field: Name
    pattern: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    minimum: float | None = None
    maximum: float | None = None


class Assertion(Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold of every row that a query gives out."""

    kind: Literal["between", "one_of", "not_null", "unique"]
    fields: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=10)]
    reason: Words
    minimum: float | None = None
    maximum: float | None = None
    values: Annotated[tuple[str, ...], Meta(max_length=MOST_VALUES)] = ()


class QueryIdea(Struct, frozen=True, forbid_unknown_fields=True):
    """What a query is for, and what should be tested of it."""

    query: Name
    description: Words | None = None
    assertions: Annotated[tuple[Assertion, ...], Meta(max_length=MOST_ASSERTIONS)] = ()


class Suggestions(Struct, frozen=True, forbid_unknown_fields=True):
    """An answer."""

    metrics: tuple[MetricIdea, ...] = ()
    fields: tuple[FieldIdea, ...] = ()
    queries: tuple[QueryIdea, ...] = ()


Item = TypeVar("Item", MetricIdea, FieldIdea, QueryIdea)


def answer_schema() -> dict[str, Any]:
    """The JSON Schema of an answer, as an object."""
    schema = msgspec.json.schema(Suggestions)
    definitions: dict[str, Any] = schema["$defs"]
    return {**definitions.pop("Suggestions"), "$defs": definitions}


def read_suggestions(answer: object, notes: list[str]) -> Suggestions:
    """What of an answer has the right form; `notes` hears what has not."""
    if not isinstance(answer, dict):
        notes.append("the answer is no object")
        return Suggestions()
    notes += [f"the answer has {_shown(key)}, which means nothing" for key in answer if key not in _KINDS]
    return Suggestions(
        metrics=tuple(_items(answer, "metrics", MetricIdea, notes)),
        fields=tuple(_items(answer, "fields", FieldIdea, notes)),
        queries=tuple(_items(answer, "queries", QueryIdea, notes)),
    )


_KINDS = ("metrics", "fields", "queries")


def _items(answer: dict[str, Any], kind: str, form: type[Item], notes: list[str]) -> Sequence[Item]:
    found: list[Item] = []
    given = answer.get(kind, [])
    if not isinstance(given, list):
        notes.append(f"{kind} is no list")
        return found
    for one in given[:MOST_ITEMS]:
        try:
            found.append(msgspec.convert(one, form))
        except msgspec.ValidationError as problem:
            notes.append(f"{kind}: {_shown(one)}: {problem}")
    return found


def _shown(value: object) -> str:
    """Text of somebody else in one line."""
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


assert set(SEVERITIES) == {"critical", "warning", "info"}
