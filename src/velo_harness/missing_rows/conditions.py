"""Which part of a condition a row fails, with the values and the place in the SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from velo_engine.compile_expression import compile_expression
from velo_engine.errors import Location
from velo_engine.kernel import Kernel
from velo_engine.plan.expressions import Call, Case, Cast, Expression, columns_of, walk
from velo_engine.plan.render import render_expression


@dataclass(frozen=True, slots=True)
class FailedPart:
    """One conjunct that is not true for a row."""

    text: str
    """As the SQL has it where that is at hand."""
    outcome: str
    """`false`, `NULL`, or the error of the expression."""
    values: Mapping[str, Any]
    location: Location | None
    is_error: bool


def failed_part(
    condition: Expression, names: Sequence[str], row: pa.Table, *, time_zone: str, now_ms: int
) -> FailedPart | None:
    """The first conjunct that is not true for the only row of `row` (physical columns); None when all are."""
    for part in _conjuncts(condition):
        value, error = evaluated(part, row, time_zone=time_zone, now_ms=now_ms)
        if error is None and value is True:
            continue
        outcome = error or ("NULL" if value is None else "false")
        values = {names[i]: row.column(i)[0].as_py() for i in sorted(columns_of(part))}
        place = span_of(part)
        written = source_text(place) if _is_infix(part) else None
        text = written or render_expression(part, names)
        return FailedPart(text, outcome, values, place, error is not None)
    return None


def evaluated(expression: Expression, row: pa.Table, *, time_zone: str, now_ms: int) -> tuple[Any, str | None]:
    """The value of an expression over one row, and why there is none."""
    now = f"make_timestamp(CAST({now_ms} AS BIGINT) * 1000)"
    compiled = compile_expression(expression, lambda i: f"c{i}", time_zone=time_zone, now=now)
    table = row.rename_columns([f"c{i}" for i in range(row.num_columns)])
    with Kernel() as kernel:
        found = kernel.query(f"SELECT {compiled.value} AS v, {compiled.error or 'NULL'} AS e FROM given", given=table)
    return found.column("v")[0].as_py(), found.column("e")[0].as_py()


def _conjuncts(condition: Expression) -> Iterator[Expression]:
    if isinstance(condition, Call) and condition.function == "and":
        for part in condition.args:
            yield from _conjuncts(part)
    else:
        yield condition


_INFIX = frozenset(
    {"plus", "minus", "times", "divide", "mod", "and", "or", "like"}
    | {"equals", "not_equals", "less", "less_equal", "greater", "greater_equal"}
)


def _is_infix(expression: Expression) -> bool:
    """Whether the text from its first to its last operand is all of it."""
    return all(part.function in _INFIX for part in walk(expression) if isinstance(part, Call)) and not any(
        isinstance(part, Cast | Case) for part in walk(expression)
    )


def span_of(expression: Expression) -> Location | None:
    """Where the expression stands, from its first part to its last one on that line."""
    places = [part.location for part in walk(expression) if part.location is not None]
    if not places:
        return None
    first = min(places, key=lambda place: (place.line, place.column))
    end = max(p.column + p.length for p in places if (p.file, p.line) == (first.file, first.line))
    return replace(first, length=end - first.column)


def source_text(place: Location | None) -> str | None:
    """What stands at a place; None when the line is not at hand or the brackets in it do not close."""
    if place is None or not place.text:
        return None
    text = place.text[place.column - 1 : place.column - 1 + place.length]
    return text if text.count("(") == text.count(")") and text.count("'") % 2 == 0 else None
