"""What an assertion is evaluated against, and what an assertion type is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from velo_engine.batch import Int64s
from velo_engine.plan.nodes import WindowSpec
from velo_harness.assertions.run_facts import RunFacts
from velo_harness.relation import Relation
from velo_harness.result import SHOWN_ROWS, Finding
from velo_harness.spec import AssertionSpec
from velo_harness.templates import TemplateScope


class View(Enum):
    """Which rows of the output an assertion type looks at."""

    RECORDS = "records"
    """Every record given out, in order: the +I and +U rows of the changelog, as an append sink writes them."""
    FINAL = "final"
    """What stands at the end: the changelog folded."""
    NONE = "none"
    """No rows: numbers of the run, or files."""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """One assertion's surroundings. `output` is the view its type asks for, after `where`."""

    output: Relation
    final: Relation
    """What stands at the end, after `where`."""
    updates: bool
    """Whether the output changes rows that it gave out before."""
    key: tuple[str, ...]
    """The output's upsert key, declared or proven; empty when there is none."""
    inputs: Mapping[str, Relation]
    scope: TemplateScope
    time_zone: str
    """What times without zone mean."""
    execution_ms: float
    window: WindowSpec | None
    """The window of the query's plan, when it has one."""
    run: RunFacts
    rows: Int64s
    """Where each row of `output` stands in the whole view."""
    outputs: Mapping[str, Relation]
    """Statement → the records it gave out."""


Check: TypeAlias = Callable[[AssertionSpec, CheckContext], Finding | None]
"""Evaluates an assertion: None when it holds. Raises VeloError when it cannot be evaluated as written."""


@dataclass(frozen=True, slots=True)
class AssertionKind:
    """How a type of assertion is evaluated."""

    name: str
    check: Check
    view: View
    needs_rows: bool = True
    """Without a single row to look at, it fails (unless `allow_empty`)."""


def missing_field(relation: Relation, name: str) -> Finding:
    """The finding for a field that the rows do not have."""
    return Finding(
        expected=f'a field "{name}"',
        actual=f"fields {', '.join(relation.schema.names)}",
        notes=(relation.missing(name),),
    )


def offending(relation: Relation, mask: Any) -> tuple[int, tuple[dict[str, Any], ...]]:
    """How many rows `mask` (numpy booleans) marks, and the first `SHOWN_ROWS` of them."""
    import numpy as np

    at = np.flatnonzero(mask)
    return len(at), tuple(relation.row(int(i)) for i in at[:SHOWN_ROWS])


def column_called(relation: Relation, name: str) -> Any:
    """The values of a column, which must exist."""
    position = relation.position(name)
    assert position is not None
    return relation.column(position)
