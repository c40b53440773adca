"""Assertions that a statement's plan promises, as YAML. Each can fail: other programs break what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from velo_engine.plan.changelog import changelog_mode
from velo_engine.plan.expressions import AggregateCall
from velo_engine.plan.nodes import (
    JoinKind,
    PlannedProgram,
    PlannedStatement,
    PlanNode,
    Project,
    Scan,
    SourceKind,
    TemporalSort,
    TopN,
    Upstream,
    WindowAggregate,
    WindowKind,
    inputs,
)
from velo_engine.plan.upsert_keys import upsert_keys
from velo_engine.types import FLOATS, NUMERICS
from velo_harness.drafting.lineage import (
    JOINS,
    Aggregated,
    Condition,
    Constants,
    SourceColumn,
    WindowBound,
    conditions,
    nodes,
    origin,
)
from velo_harness.drafting.recomputation import recomputed_rows
from velo_harness.drafting.yaml_text import scalar_text

_OPERATORS = {
    "greater": "greater_than",
    "greater_equal": "greater_than_or_equal",
    "less": "less_than",
    "less_equal": "less_than_or_equal",
    "equals": "equals",
    "not_equals": "not_equals",
}


RECOMPUTED = "the same rows, computed from the inputs in one batch"
"""The reason of assertions that say of all rows what they must be."""


@dataclass(frozen=True, slots=True)
class CheckDraft:
    """One assertion: the lines of its mapping, and why it is there."""

    lines: tuple[str, ...]
    reason: str

    @property
    def shown(self) -> str:
        """The assertion in a few words: its type, and why it was there."""
        kind = self.lines[0].removeprefix("type: ")
        return f"{kind} ({self.reason})"


def check_drafts(statement: PlannedStatement, program: PlannedProgram) -> list[CheckDraft]:
    """All assertions for a statement, without the number of its rows."""
    found = [
        _schema(statement),
        *_not_null(statement),
        *_keys(statement, program),
        *_windows(statement, program),
        *_values(statement, program),
        *_counts(statement, program),
        *_conservation(statement, program),
        *_join_coverage(statement, program),
        *_order(statement),
        *_recomputed(statement, program),
    ]
    return list(dict.fromkeys(found))


def _names(statement: PlannedStatement, positions: Sequence[int]) -> str:
    return ", ".join(scalar_text(statement.plan.schema.names[i]) for i in positions)


def _schema(statement: PlannedStatement) -> CheckDraft:
    columns = statement.plan.schema.columns
    types = ", ".join(f"{scalar_text(c.name)}: {scalar_text(str(c.type.as_nullable()))}" for c in columns)
    names = _names(statement, range(len(columns)))
    return CheckDraft(
        ("type: schema_contains", f"fields: [{names}]", f"types: {{ {types} }}", "exact: true"),
        "the columns and their types",
    )


def _not_null(statement: PlannedStatement) -> Iterator[CheckDraft]:
    positions = [i for i, column in enumerate(statement.plan.schema.columns) if not column.type.nullable]
    if positions:
        yield CheckDraft(("type: no_nulls", f"fields: [{_names(statement, positions)}]"), "NOT NULL in the plan")


def _keys(statement: PlannedStatement, program: PlannedProgram) -> Iterator[CheckDraft]:
    keys = [key for key in upsert_keys(statement.plan, program.statements) if key]
    if keys:
        key = min(keys, key=lambda key: (len(key), sorted(key)))
        yield CheckDraft(
            ("type: unique_values", f"fields: [{_names(statement, sorted(key))}]"), "these columns identify a row"
        )


def _windows(statement: PlannedStatement, program: PlannedProgram) -> Iterator[CheckDraft]:
    found: dict[str, tuple[int, WindowBound]] = {}
    for position in range(len(statement.plan.schema)):
        bound = origin(statement.plan, position, program.statements)
        if isinstance(bound, WindowBound):
            found.setdefault(bound.part, (position, bound))
    if {"start", "end"} <= set(found):
        start, bound = found["start"]
        fixed = bound.window.kind in (WindowKind.TUMBLE, WindowKind.HOP) and not bound.window.offset_ms
        if fixed:
            yield CheckDraft(
                (
                    "type: window_boundary",
                    f"window_start_field: {_names(statement, [start])}",
                    f"window_end_field: {_names(statement, [found['end'][0]])}",
                    f"window_size_ms: {bound.window.size_ms}",
                    *(() if bound.window.kind is WindowKind.TUMBLE else ("verify_alignment: false",)),
                ),
                f"windows of {bound.window.size_ms} ms",
            )


def _values(statement: PlannedStatement, program: PlannedProgram) -> Iterator[CheckDraft]:
    """Value domains: constants of CASE, conditions of WHERE, ranks, counts."""
    for position, column in enumerate(statement.plan.schema.columns):
        name = scalar_text(column.name)
        found = origin(statement.plan, position, program.statements)
        if isinstance(found, Constants) and found.values and not found.nullable:
            values = ", ".join(scalar_text(value) for value in found.values)
            yield CheckDraft(
                ("type: field_in_set", f"field: {name}", f"values: [{values}]"), "what the expression can give"
            )
        if isinstance(found, Aggregated) and _counts_rows(found.call):
            yield CheckDraft(
                ("type: field_values", f"field: {name}", "greater_than: 0"), "a group has at least one row"
            )
    for condition in conditions(statement.plan, program.statements):
        yield from _of_condition(condition, statement)
    yield from _rank(statement)


def _counts_rows(call: AggregateCall) -> bool:
    """Whether it is COUNT(*) of all rows of a group, of which there is at least one."""
    return call.function == "count" and not call.args and call.filter is None


def _of_condition(condition: Condition, statement: PlannedStatement) -> Iterator[CheckDraft]:
    column = statement.plan.schema.columns[condition.column]
    name = scalar_text(column.name)
    clause = "HAVING" if condition.is_of_groups else "WHERE"
    if condition.operator == "is_not_null":
        if column.type.nullable:
            yield CheckDraft(("type: no_nulls", f"fields: [{name}]"), f"{clause} … IS NOT NULL")
    elif condition.operator == "in":
        values = ", ".join(scalar_text(value) for value in condition.values)
        yield CheckDraft(("type: field_in_set", f"field: {name}", f"values: [{values}]"), f"{clause} … IN (…)")
    elif condition.operator in _OPERATORS:
        operator = _OPERATORS[condition.operator]
        yield CheckDraft(
            ("type: field_values", f"field: {name}", f"{operator}: {scalar_text(condition.values[0])}"),
            f"a condition of {clause}",
        )


def _rank(statement: PlannedStatement) -> Iterator[CheckDraft]:
    node = statement.plan
    while isinstance(node, Project):
        below = node.input
        if isinstance(below, TopN) and below.with_rank and below.limit_column is None:
            rank = len(below.schema) - 1
            for position, expression in enumerate(node.expressions):
                if getattr(expression, "index", None) == rank:
                    name = _names(statement, [position])
                    yield CheckDraft(
                        ("type: field_values", f"field: {name}", f"between: [{below.first}, {below.limit}]"),
                        "the ranks that are kept",
                    )
        node = below


def _only_source(node: PlanNode, program: PlannedProgram) -> str | None:
    """The source whose rows the plan gives out one for one, when there is nothing but projections."""
    while True:
        match node:
            case Scan() if node.source.kind is SourceKind.STREAM:
                return node.source.name
            case Upstream():
                node = program.statements[node.statement].plan
            case Project():
                node = node.input
            case _ if type(node).__name__ == "AssignWatermark":
                node = inputs(node)[0]
            case _:
                return None


def _counts(statement: PlannedStatement, program: PlannedProgram) -> Iterator[CheckDraft]:
    source = _only_source(statement.plan, program)
    if source is not None and source.isidentifier():
        yield CheckDraft(
            ("type: record_count", f'equals: "{{{{ inputs.{source}.count }}}}"'), "a row for each row of the input"
        )


def _conservation(statement: PlannedStatement, program: PlannedProgram) -> Iterator[CheckDraft]:
    """Counts and sums over all groups are those of the input, where no row is left out or counted twice."""
    for position, column in enumerate(statement.plan.schema.columns):
        found = origin(statement.plan, position, program.statements)
        if not isinstance(found, Aggregated) or found.call.distinct or found.call.filter is not None:
            continue
        source = _only_source(_unwindowed(found.node.input), program)
        sliding = isinstance(found.node, WindowAggregate) and found.node.window.kind not in (
            WindowKind.TUMBLE,
            WindowKind.SESSION,
        )
        if source is None or sliding or not source.isidentifier():
            continue
        expected = None
        if found.call.function == "count" and not found.call.args:
            expected = f"inputs.{source}.count"
        elif found.call.function == "sum" and isinstance(found.of, SourceColumn) and found.of.column.isidentifier():
            expected = f"inputs.{source}.sum_{found.of.column}"
        if expected is None or column.type.name not in NUMERICS:
            continue
        lines = ["type: aggregate_check", "function: sum", f"field: {scalar_text(column.name)}"]
        lines.append(f'equals: "{{{{ {expected} }}}}"')
        if column.type.name in FLOATS:
            lines.append("tolerance: 0.001")
        yield CheckDraft(tuple(lines), "no row of the input is lost or counted twice")


def _unwindowed(node: PlanNode) -> PlanNode:
    """The input of window table functions."""
    while type(node).__name__ == "WindowTable":
        node = inputs(node)[0]
    return node


def _join_coverage(statement: PlannedStatement, program: PlannedProgram) -> Iterator[CheckDraft]:
    for node in nodes(statement.plan):
        if not isinstance(node, JOINS) or node.kind not in (JoinKind.INNER, JoinKind.LEFT):
            continue
        left, right = inputs(node)
        pairs = [
            (origin(left, a, program.statements), origin(right, b, program.statements))
            for a, b in zip(getattr(node, "left_keys", ()), getattr(node, "right_keys", ()), strict=False)
        ]
        sides = [pair for pair in pairs if all(isinstance(side, SourceColumn) for side in pair)]
        if not pairs or len(sides) != len(pairs):
            continue
        columns = [(a, b) for a, b in sides if isinstance(a, SourceColumn) and isinstance(b, SourceColumn)]
        if len({a.source for a, _ in columns}) != 1 or len({b.source for _, b in columns}) != 1:
            continue
        keys = ", ".join(f"{scalar_text(a.column)}: {scalar_text(b.column)}" for a, b in columns)
        yield CheckDraft(
            (
                "type: join_coverage",
                f"left_source: {scalar_text(columns[0][0].source)}",
                f"right_source: {scalar_text(columns[0][1].source)}",
                f"join_key: {{ {keys} }}",
                "min_match_rate: 0.5",
            ),
            "the inputs have partners for each other",
        )


def _order(statement: PlannedStatement) -> Iterator[CheckDraft]:
    node, shown = statement.plan, {i: i for i in range(len(statement.plan.schema))}
    while isinstance(node, Project):
        below = {getattr(e, "index", -1): shown[i] for i, e in enumerate(node.expressions) if i in shown}
        node, shown = node.input, below
    if isinstance(node, TemporalSort) and node.time_column in shown:
        name = _names(statement, [shown[node.time_column]])
        yield CheckDraft(("type: ordering", f"field: {name}", "direction: ascending"), "ORDER BY")
    elif isinstance(node, WindowAggregate):
        end = len(node.keys) + len(node.calls) + 1
        if end in shown:
            yield CheckDraft(
                ("type: ordering", f"field: {_names(statement, [shown[end]])}", "direction: ascending"),
                "windows close in the order of their ends",
            )


def _recomputed(statement: PlannedStatement, program: PlannedProgram) -> Iterator[CheckDraft]:
    lines = recomputed_rows(statement, program)
    if lines is not None:
        yield CheckDraft(lines, RECOMPUTED)


def has_updates(statement: PlannedStatement, program: PlannedProgram) -> bool:
    """Whether the statement changes rows that it gave out before."""
    return not changelog_mode(statement.plan, program.statements).insert_only
