"""Which column of a source is its event time, as the plan has it."""

from __future__ import annotations

from velo_engine.plan import nodes
from velo_engine.plan.expressions import ColumnRef
from velo_engine.plan.nodes import AssignWatermark, PlannedProgram, PlanNode, Project, Scan
from velo_engine.types import SqlType


def event_time_columns(program: PlannedProgram) -> dict[str, str]:
    """Source → its event-time column, for sources whose time is one of their columns."""
    found: dict[str, str] = {}
    for statement in program.statements.values():
        waiting: list[PlanNode] = [statement.plan]
        while waiting:
            node = waiting.pop()
            waiting.extend(nodes.inputs(node))
            if isinstance(node, AssignWatermark):
                source, column = _origin(node.input, node.time_column)
                if source is not None and column is not None:
                    found.setdefault(source, column)
    return found


def event_time_types(program: PlannedProgram) -> dict[str, SqlType]:
    """Source → the type of its event time, computed or not, for sources that have one."""
    found: dict[str, SqlType] = {}
    for statement in program.statements.values():
        waiting: list[PlanNode] = [statement.plan]
        while waiting:
            node = waiting.pop()
            waiting.extend(nodes.inputs(node))
            below: PlanNode = node
            while isinstance(below, AssignWatermark | Project | nodes.Filter):
                below = below.input
            if isinstance(node, AssignWatermark) and isinstance(below, Scan):
                found.setdefault(below.source.name, node.schema.columns[node.time_column].type)
    return found


def _origin(node: PlanNode, position: int) -> tuple[str | None, str | None]:
    """The source column that a column of `node` passes on unchanged."""
    while not isinstance(node, Scan):
        if isinstance(node, Project):
            expression = node.expressions[position]
            if not isinstance(expression, ColumnRef):
                return None, None
            position = expression.index
        elif not isinstance(node, nodes.Filter):
            return None, None
        node = node.input
    columns = node.source.schema.columns
    return (node.source.name, columns[position].name) if position < len(columns) else (None, None)
