"""Operators that cannot take rows back, and what they read.

Source: Flink's FlinkChangelogModeInferenceProgram. DELTA, which only Velostream has, follows the order of arrival; a
reference table is loaded once and never changes.
"""

from __future__ import annotations

from collections.abc import Iterator

from velo_engine.errors import Location
from velo_engine.plan.changelog import Statements, changelog_mode
from velo_engine.plan.nodes import (
    GroupAggregate,
    IntervalJoin,
    MatchRecognize,
    PlanNode,
    TableJoin,
    WindowAggregate,
    WindowDeduplicate,
    WindowJoin,
    WindowTopN,
    inputs,
)
from velo_engine.plan.over_node import OverAggregate, OverOrder
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation_nodes import TemporalSort

_NOT_RETRACTABLE = frozenset({"delta"})


def check_insert_only(node: PlanNode, statements: Statements, text: ProgramText, at: Location | None) -> None:
    """Refuse, by name, an operator in the plan below `node` that would have to take rows back and cannot.

    `at` is the statement, for operators that have no place of their own.
    """
    for child in inputs(node):
        check_insert_only(child, statements, text, at)
    for what, needs_insert_only, place in _requirements(node):
        if not changelog_mode(needs_insert_only, statements).insert_only:
            raise text.unsupported(f"{what} over rows that change", place or at, _HINT)


_HINT = "an aggregate, a join or a Top-N below it updates its results; aggregate in a window instead"


def _requirements(node: PlanNode) -> Iterator[tuple[str, PlanNode, Location | None]]:
    """What in `node` needs insert-only input, and which input."""
    match node:
        case WindowTopN() | WindowDeduplicate():
            yield "a Top-N per window", node.input, None
        case IntervalJoin():
            yield "an interval join", node.left, None
            yield "an interval join", node.right, None
        case MatchRecognize():
            yield "MATCH_RECOGNIZE", node.input, node.location
        case WindowJoin():
            yield "a window join", node.left, None
            yield "a window join", node.right, None
        case TemporalSort():
            yield "ORDER BY event time", node.input, None
        case TableJoin():
            yield "a join with a reference table", node.table, None
        case OverAggregate() if node.order is not OverOrder.VALUES:
            yield f"OVER by {node.order.value}", node.input, None
        case GroupAggregate() | WindowAggregate():
            for call in node.calls:
                if call.function in _NOT_RETRACTABLE:
                    yield call.function.upper(), node.input, call.location
        case _:
            return
