"""A plan as text: one node a line, inputs below and indented, for `explain` and for golden files."""

from __future__ import annotations

from collections.abc import Sequence

from velo_engine.plan.changelog_nodes import ChangelogNormalize, Deduplicate, DropUpdateBefore, SinkUpsertMaterialize
from velo_engine.plan.expressions import AggregateCall, Call, Case, Cast, ColumnRef, Expression, Literal, LiteralValue
from velo_engine.plan.match_text import match_text
from velo_engine.plan.nodes import (
    AssignWatermark,
    Filter,
    GroupAggregate,
    IntervalJoin,
    MatchRecognize,
    OverAggregate,
    PlannedProgram,
    PlannedStatement,
    PlanNode,
    Project,
    RegularJoin,
    Scan,
    SortKey,
    TableJoin,
    TemporalJoin,
    TopN,
    Upstream,
    WindowAggregate,
    WindowDeduplicate,
    WindowJoin,
    WindowKind,
    WindowSpec,
    WindowTable,
    WindowTopN,
    inputs,
)
from velo_engine.plan.over_node import PlacedCall
from velo_engine.plan.relation_nodes import Correlate, Expand, TemporalSort, Union, Values
from velo_engine.schema import RowSchema
from velo_engine.types import STRINGS, TEMPORALS, SqlType

_INFIX = {
    "plus": "+",
    "minus": "-",
    "times": "*",
    "divide": "/",
    "mod": "%",
    "equals": "=",
    "not_equals": "<>",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "and": "AND",
    "or": "OR",
}


def render_program(program: PlannedProgram) -> str:
    """All statements, each after those it reads."""
    return "\n".join(render_statement(statement) for statement in program.statements.values())


def render_statement(statement: PlannedStatement) -> str:
    """Name, sink and plan of one statement."""
    sink = ""
    if statement.sink is not None:
        key = ", ".join(statement.plan.schema.names[i] for i in statement.sink.upsert_key)
        sink = f" INTO {statement.sink.name}" + (f" KEY ({key})" if key else "")
    return f"{statement.name}{sink} EMIT {statement.emit.name}\n{render_plan(statement.plan, indent=1)}"


def render_plan(node: PlanNode, indent: int = 0) -> str:
    """The tree below `node`, two spaces a level."""
    lines = ["  " * indent + describe(node)]
    lines += [render_plan(child, indent + 1).rstrip("\n") for child in inputs(node)]
    return "\n".join(lines) + "\n"


def render_expression(expression: Expression, names: Sequence[str]) -> str:
    """An expression with the names of its input columns."""
    match expression:
        case ColumnRef(index=index):
            return names[index]
        case Literal(value=value, type=t):
            return _literal(value, t)
        case Cast(arg=arg, safe=safe):
            return (
                f"{'TRY_CAST' if safe else 'CAST'}({render_expression(arg, names)} AS {expression.type.as_nullable()})"
            )
        case Case(branches=branches, default=default):
            whens = " ".join(
                f"WHEN {render_expression(when, names)} THEN {render_expression(then, names)}"
                for when, then in branches
            )
            return f"CASE {whens} ELSE {render_expression(default, names)} END"
        case Call(function=function, args=args):
            parts = [render_expression(arg, names) for arg in args]
            if function in _INFIX and len(parts) > 1:
                return f"({f' {_INFIX[function]} '.join(parts)})"
            return f"{function}({', '.join(parts)})"


def _literal(value: LiteralValue, t: SqlType) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return f"'{value}'" if t.name in STRINGS | TEMPORALS else str(value)


def describe(node: PlanNode) -> str:
    """One operator without its inputs: its name and parameters."""
    match node:
        case Scan():
            return f"Scan {node.source.name} {node.source.kind.name} ({_columns(node.schema)})"
        case Upstream():
            return f"Upstream {node.statement} ({_columns(node.schema)})"
        case AssignWatermark():
            return _watermark(node)
        case Filter():
            return f"Filter {render_expression(node.predicate, node.input.schema.names)}"
        case Project():
            return f"Project {_projections(node)}"
        case GroupAggregate():
            names = node.input.schema.names
            return f"GroupAggregate keys=({_pick(names, node.keys)}) calls=({_calls(node.calls, names)})"
        case WindowAggregate():
            return _window(node)
        case WindowTable():
            return _window_table(node)
        case WindowTopN():
            return _window_top_n(node)
        case WindowDeduplicate():
            names = node.input.schema.names
            kept = "last" if node.keeps_last else "first"
            return f"WindowDeduplicate {kept} by {names[node.time_column]} partition=({_pick(names, node.partition)})"
        case WindowJoin():
            return _join("WindowJoin", node, node.left.schema, node.right.schema)
        case TableJoin():
            return _join("TableJoin", node, node.input.schema, node.table.schema)
        case IntervalJoin():
            return _interval_join(node)
        case TemporalJoin():
            return _temporal_join(node)
        case RegularJoin():
            return _join("RegularJoin", node, node.left.schema, node.right.schema)
        case TopN():
            return _top_n(node)
        case Union() | Values() | Correlate() | Expand() | TemporalSort():
            return _relation(node)
        case OverAggregate():
            return _over(node)
        case MatchRecognize():
            return _match(node)
        case DropUpdateBefore():
            return "DropUpdateBefore"
        case SinkUpsertMaterialize():
            return f"SinkUpsertMaterialize keys=({_pick(node.schema.names, node.keys)})"
        case ChangelogNormalize():
            names = node.input.schema.names
            passes = "" if node.passes is None else f" where {names[node.passes]}"
            return f"ChangelogNormalize keys=({_pick(names, node.keys)}){passes}"
        case Deduplicate():
            names = node.input.schema.names
            time = "arrival" if node.by_arrival else names[node.time_column]
            return f"Deduplicate {node.keep.value} by {time} partition=({_pick(names, node.partition)})"


def _over(node: OverAggregate) -> str:
    names = node.input.schema.names
    order = node.order.value if node.order_column is None else names[node.order_column]
    frame = "ROWS" if node.frame.rows else "RANGE"
    unit = "" if node.frame.rows else "ms"
    preceding = "UNBOUNDED" if node.frame.preceding is None else f"{node.frame.preceding}{unit}"
    calls = ", ".join(_call(c, names) if isinstance(c, AggregateCall) else _placed(c, names) for c in node.calls)
    expiry = "" if node.expire_ms is None else f" expire={node.expire_ms}ms"
    return (
        f"OverAggregate {frame} {preceding} PRECEDING by {order} partition=({_pick(names, node.partition)})"
        f" calls=({calls}){expiry}"
    )


def _placed(call: PlacedCall, names: Sequence[str]) -> str:
    parts = [*(names[i] for i in call.args), str(call.number)]
    return f"{call.function}({', '.join(parts)}) {call.type}"


def _relation(node: Union | Values | Correlate | Expand | TemporalSort) -> str:
    match node:
        case Union():
            return f"Union ({_columns(node.schema)})"
        case Values():
            rows = ", ".join(f"({', '.join(render_expression(cell, ()) for cell in row)})" for row in node.rows)
            return f"Values {rows} ({_columns(node.schema)})"
        case Correlate():
            names = node.input.schema.names
            condition = ""
            if node.condition is not None:
                condition = f" on {render_expression(node.condition, node.schema.names)}"
            return f"Correlate {node.kind.name} {node.function.name}({_pick(names, node.args)}){condition}"
        case Expand():
            names = node.input.schema.names
            rows = ", ".join(f"({', '.join(render_expression(e, names) for e in row)})" for row in node.projections)
            return f"Expand {rows}"
        case TemporalSort():
            names = node.input.schema.names
            order = [names[node.time_column], *(_sort_key(key, names) for key in node.order)]
            return f"TemporalSort order=({', '.join(order)})"


def _columns(schema: RowSchema) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in schema.columns)


def _pick(names: Sequence[str], positions: Sequence[int]) -> str:
    return ", ".join(names[i] for i in positions)


def _watermark(node: AssignWatermark) -> str:
    names = node.input.schema.names
    parts = [f"{names[node.time_column]} - {node.delay_ms}ms"]
    if node.partition_column is not None:
        parts.append(f"per {names[node.partition_column]}")
    if node.idle_timeout_ms is not None:
        parts.append(f"idle after {node.idle_timeout_ms}ms")
    return "AssignWatermark " + " ".join(parts)


def _projections(node: Project) -> str:
    names = node.input.schema.names
    parts = []
    for expression, column in zip(node.expressions, node.schema.columns, strict=True):
        text = render_expression(expression, names)
        parts.append(text if text == column.name else f"{text} AS {column.name}")
    return ", ".join(parts)


def _calls(calls: Sequence[AggregateCall], names: Sequence[str]) -> str:
    return ", ".join(_call(call, names) for call in calls)


def _call(call: AggregateCall, names: Sequence[str]) -> str:
    args = ("DISTINCT " if call.distinct else "") + (_pick(names, call.args) or "*")
    where = "" if call.filter is None else f" FILTER {names[call.filter]}"
    return f"{call.function}({args}){where} {call.type}"


def _window(node: WindowAggregate) -> str:
    names = node.input.schema.names
    extra = f" lateness={node.allowed_lateness_ms}ms" if node.allowed_lateness_ms else ""
    return (
        f"WindowAggregate {_spec(node.window)} on {names[node.time_column]} keys=({_pick(names, node.keys)})"
        f" calls=({_calls(node.calls, names)}) EMIT {node.emit.name}{extra} late={node.late_data.value}"
    )


def _window_table(node: WindowTable) -> str:
    names = node.input.schema.names
    partition = f" partition=({_pick(names, node.partition)})" if node.partition else ""
    return f"WindowTable {_spec(node.window)} on {names[node.time_column]}{partition}"


def _top_n(node: TopN) -> str:
    names = node.input.schema.names
    limit = str(node.limit) if node.limit_column is None else names[node.limit_column]
    ranks = limit if node.first == 1 else f"{node.first} to {limit}"
    order = ", ".join(_sort_key(key, names) for key in node.order)
    rank = " with rank" if node.with_rank else ""
    return f"TopN {ranks} partition=({_pick(names, node.partition)}) order=({order}){rank}"


def _window_top_n(node: WindowTopN) -> str:
    names = node.input.schema.names
    order = ", ".join(_sort_key(key, names) for key in node.order)
    ranks = str(node.limit) if node.first == 1 else f"{node.first} to {node.limit}"
    rank = " with rank" if node.with_rank else ""
    return f"WindowTopN {ranks} partition=({_pick(names, node.partition)}) order=({order}){rank}"


def _match(node: MatchRecognize) -> str:
    names = node.input.schema.names
    order = ", ".join(_sort_key(key, names) for key in node.order)
    head = f"MatchRecognize partition=({_pick(names, node.partition)}) order=({order})"
    return f"{head} {match_text(node, render_expression)}"


def _spec(window: WindowSpec) -> str:
    if window.kind is WindowKind.ATTACHED:
        return "ATTACHED"
    sizes = f"{window.size_ms}ms"
    if window.kind in (WindowKind.HOP, WindowKind.CUMULATE):
        sizes += f", {window.slide_ms}ms"
    if window.offset_ms:
        sizes += f", offset {window.offset_ms}ms"
    return f"{window.kind.name}({sizes})"


def _interval_join(node: IntervalJoin) -> str:
    left, right = node.left.schema, node.right.schema
    times = "processing times"
    if node.left_time is not None and node.right_time is not None:
        times = f"{left.names[node.left_time]} - {right.names[node.right_time]}"
    return f"{_join('IntervalJoin', node, left, right)} where {node.lower_ms}ms <= {times} <= {node.upper_ms}ms"


def _temporal_join(node: TemporalJoin) -> str:
    left, right = node.left.schema, node.right.schema
    versions = f"{right.names[node.right_time]} as of {left.names[node.left_time]}"
    return f"{_join('TemporalJoin', node, left, right)} versions {versions}"


def _join(
    name: str,
    node: TableJoin | RegularJoin | IntervalJoin | TemporalJoin | WindowJoin,
    left: RowSchema,
    right: RowSchema,
) -> str:
    keys = ", ".join(
        f"{left.names[a]} = {right.names[b]}" for a, b in zip(node.left_keys, node.right_keys, strict=True)
    )
    condition = ""
    if node.condition is not None:
        condition = f" and {render_expression(node.condition, (*left.names, *right.names))}"
    return f"{name} {node.kind.name} on ({keys}){condition}"


def _sort_key(key: SortKey, names: Sequence[str]) -> str:
    direction = " DESC" if key.descending else ""
    nulls = "" if key.nulls_first != key.descending else f" NULLS {'FIRST' if key.nulls_first else 'LAST'}"
    return f"{names[key.column]}{direction}{nulls}"
