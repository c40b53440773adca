"""How a program uses the columns of its sources: what they are compared with, joined with, grouped by, parsed as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from velo_engine.explain.expressions import expressions_of
from velo_engine.plan.expressions import Call, Expression, LiteralValue, walk
from velo_engine.plan.match_nodes import MatchRecognize
from velo_engine.plan.nodes import (
    AssignWatermark,
    Deduplicate,
    GroupAggregate,
    OverAggregate,
    PlannedProgram,
    PlanNode,
    TopN,
    WindowAggregate,
    WindowDeduplicate,
    WindowTopN,
    inputs,
)
from velo_engine.types import FLOATS, INTEGERS, STRINGS, TIMESTAMPS, SqlType, TypeName
from velo_harness.drafting.lineage import COMPARISONS, JOINS, SourceColumn, nodes
from velo_harness.drafting.text_patterns import regular_expression
from velo_harness.drafting.tracing import Step, Trace, column_traces, definition_traces, traces

_PASSING = frozenset({"cast", "case", "coalesce", "ifnull", "upper", "lower", "trim", "ltrim", "rtrim", "btrim"})
"""Steps behind which a value is compared as if they were not there."""
_NUMERIC_PASSING = frozenset({"round", "floor", "ceil", "ceiling", "abs", "truncate"})
_BEGINNINGS = frozenset({"substring", "substr", "left"})
_JSON = frozenset({"json_value", "json_query", "json_string", "json_exists", "get_json_object"})
_NULL_QUESTIONS = frozenset({"is_null", "is_not_null", "coalesce", "ifnull"})
_PATTERNS = frozenset({"like", "similar", "regexp"})
_SECONDS = "yyyy-MM-dd HH:mm:ss"
_TEXT_TIMES = {"to_timestamp": _SECONDS, "to_timestamp_ltz": _SECONDS, "unix_timestamp": _SECONDS,
               "date_format": _SECONDS, "convert_tz": _SECONDS, "to_date": "yyyy-MM-dd"}  # fmt: skip
"""Functions that read texts as times, with the pattern that they have by default."""


@dataclass(slots=True)
class ColumnUse:
    """How the program uses a column of a source, or a part of one."""

    compared: list[LiteralValue] = field(default_factory=list)
    """Constants that it is compared with."""
    ordered: bool = False
    """Whether something asks if it is less or greater than a constant, not only if it is one."""
    patterns: list[str] = field(default_factory=list)
    """Regular expressions that something asks whether it matches."""
    sums: list[LiteralValue] = field(default_factory=list)
    """Constants that sums of it are compared with."""
    group_rows: int = 0
    """Rows of a group that some condition asks for, when it is a key of groups."""
    grouped: bool = False
    joined: list[SourceColumn] = field(default_factory=list)
    """Columns of other sources that it is joined with."""
    pool: str = ""
    """What the values of all columns that are joined with each other, one by one, are called after."""
    together: int = 1
    """Columns of the widest key that it is joined in."""
    null_matters: bool = False
    """Whether something asks if it is NULL."""
    time_format: str | None = None
    """How it is read as a time: a pattern of DATE_FORMAT, `epoch_ms` or `epoch_s`."""
    number: bool = False
    """A text that is read as a number."""
    delay_ms: int | None = None
    """It is the event time, and rows may be so late. None: it is not."""
    fields: dict[str, ColumnUse] = field(default_factory=dict)
    """ROW: by field."""
    json: dict[str, ColumnUse] = field(default_factory=dict)
    """A text of JSON: by path, such as `$.a.b`."""


Uses = dict[SourceColumn, ColumnUse]


def column_uses(program: PlannedProgram) -> Uses:
    """How every column of every source is used."""
    noting = _Noting(program)
    for statement in program.statements.values():
        for node in nodes(statement.plan):
            noting.node(node)
    _name_pools(noting.uses)
    return noting.uses


def _name_pools(uses: Uses) -> None:
    for first, use in uses.items():
        waiting = [] if use.pool else [first]
        while waiting:
            column = waiting.pop()
            if not uses[column].pool:
                uses[column].pool = first.column
                waiting += uses[column].joined


class _Noting:
    """The uses that were seen so far."""

    def __init__(self, program: PlannedProgram) -> None:
        self._statements = program.statements
        self._types: Mapping[SourceColumn, SqlType] = {
            SourceColumn(name, c.name): c.type for name, s in program.sources.items() for c in s.schema.columns
        }
        self.uses: Uses = {column: ColumnUse() for column in self._types}

    def node(self, node: PlanNode) -> None:
        """What a node of a plan does with columns."""
        for part, found in self._parts(node):
            for trace in found:
                self._step(trace)
            if isinstance(node, JOINS) and isinstance(part, Call) and part.function == "equals":
                left, right = (traces(arg, node, self._statements) for arg in part.args)
                self._joined(left, right)
        self._keys(node)
        if isinstance(node, JOINS):
            sides = inputs(node)
            keys = list(zip(getattr(node, "left_keys", ()), getattr(node, "right_keys", ()), strict=False))
            for positions in keys:
                left, right = (column_traces(s, at, self._statements) for s, at in zip(sides, positions, strict=True))
                self._joined(left, right, together=len(keys))
        if isinstance(node, AssignWatermark):
            for trace in column_traces(node.input, node.time_column, self._statements):
                use, _, _ = self._place(trace)
                use.delay_ms = max(use.delay_ms or 0, node.delay_ms)

    def _parts(self, node: PlanNode) -> Iterator[tuple[Expression, list[Trace]]]:
        """Every expression within the expressions of a node, with what it is computed from."""
        if isinstance(node, MatchRecognize):
            for definition in (v.definition for v in node.pattern if v.definition is not None):
                for part in walk(definition.condition):
                    yield part, definition_traces(part, definition, node, self._statements)
            return
        if not inputs(node):
            return
        below = node if isinstance(node, JOINS) else inputs(node)[0]
        for expression in expressions_of(node):
            for part in walk(expression):
                yield part, traces(part, below, self._statements)

    def _place(self, trace: Trace) -> tuple[ColumnUse, SqlType, tuple[Step, ...]]:
        """The use of the part of a column that a trace goes to, the part's type, and what is done to that part."""
        use, kind = self.uses[trace.column], self._types[trace.column]
        steps = trace.steps
        while steps and steps[0].name == "field" and kind.name is TypeName.ROW:
            name = str(steps[0].constants[0])
            use = use.fields.setdefault(name, ColumnUse())
            kind = dict(kind.fields).get(name, kind)
            steps = steps[1:]
        if steps and steps[0].name in _JSON and steps[0].constants and kind.name in STRINGS:
            use = use.json.setdefault(str(steps[0].constants[0]), ColumnUse())
            steps = steps[1:]
        return use, kind, steps

    def _step(self, trace: Trace) -> None:
        """The last step of a trace: what asks for the value that the steps before it made."""
        use, kind, steps = self._place(trace)
        if not steps:
            return
        *path, last = steps
        name = last.name
        if name in COMPARISONS or name == "in":
            self._compared(use, path, [value for value in last.constants if value is not None])
            use.ordered = use.ordered or name not in ("equals", "not_equals", "in")
        elif name in _PATTERNS and last.constants and _passes(path):
            pattern = regular_expression(name, [str(value) for value in last.constants])
            if pattern is not None and pattern not in use.patterns:
                use.patterns.append(pattern)
        elif name == "position" and last.constants and _passes(path):
            use.compared += [value for value in last.constants[:1] if value not in use.compared]
        if name in _NULL_QUESTIONS and not path:
            use.null_matters = True
        if kind.name in STRINGS and name == "cast" and last.type is not None and _passes(path):
            use.number = use.number or last.type.name in (*INTEGERS, *FLOATS, TypeName.DECIMAL)
        if use.time_format is None:
            use.time_format = _time_format(kind, path, last)

    def _compared(self, use: ColumnUse, path: list[Step], values: list[LiteralValue]) -> None:
        aggregate = next((step.name for step in path if step.name.startswith("aggregate ")), None)
        numbers = [
            value for value in values if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
        ]
        if aggregate == "aggregate count":
            use.group_rows = max([use.group_rows, *(int(value) + 1 for value in numbers)])
        elif aggregate in ("aggregate sum", "aggregate sum0"):
            use.sums += [value for value in numbers if value not in use.sums]
        elif (found := _undone(path, values)) is not None:
            use.compared += [value for value in found if value not in use.compared]

    def _keys(self, node: PlanNode) -> None:
        keys: tuple[int, ...] = ()
        match node:
            case GroupAggregate() | WindowAggregate():
                keys = node.keys
            case TopN() | OverAggregate() | Deduplicate() | WindowTopN() | WindowDeduplicate() | MatchRecognize():
                keys = node.partition
        for key in keys:
            for trace in column_traces(inputs(node)[0], key, self._statements):
                use, _, steps = self._place(trace)
                use.grouped = use.grouped or _passes(steps)

    def _joined(self, left: list[Trace], right: list[Trace], *, together: int = 1) -> None:
        for a in left:
            for b in right:
                if not (_passes(a.steps) and _passes(b.steps)) or a.column.source == b.column.source:
                    continue
                for one, other in ((a.column, b.column), (b.column, a.column)):
                    self.uses[one].together = max(self.uses[one].together, together)
                    if other not in self.uses[one].joined:
                        self.uses[one].joined.append(other)


def _passes(steps: tuple[Step, ...] | list[Step]) -> bool:
    return all(step.name in _PASSING for step in steps)


def _undone(path: list[Step], values: list[LiteralValue]) -> list[LiteralValue] | None:
    """What the column has when the steps of `path` give `values`; None when nobody knows."""
    for step in reversed(path):
        passing = _PASSING | _NUMERIC_PASSING | _BEGINNINGS
        if step.name in passing or step.name.startswith("aggregate "):
            continue
        factor = step.constants[0] if len(step.constants) == 1 else None
        if step.name == "mod" and isinstance(factor, int):
            values = [value + factor * k for value in values if isinstance(value, int) for k in (1, 2)]
            continue
        if step.name not in ("divide", "multiply") or not isinstance(factor, int) or not factor:
            return None
        by = Decimal(factor) if step.name == "divide" else 1 / Decimal(factor)
        values = [Decimal(str(value)) * by for value in values if isinstance(value, (int, float, Decimal))]
    return values


def _time_format(kind: SqlType, path: list[Step], last: Step) -> str | None:
    """How a value of type `kind` is read as a time by the step `last` behind the steps of `path`."""
    if kind.name in STRINGS:
        if last.name == "cast" and last.type is not None:
            return (
                _SECONDS if last.type.name in TIMESTAMPS else "yyyy-MM-dd" if last.type.name is TypeName.DATE else None
            )
        if last.name in _TEXT_TIMES and all(step.name in (*_PASSING, "replace") for step in path):
            given = [value for value in last.constants if isinstance(value, str) and "/" not in value]
            is_pattern = given and last.name not in ("date_format", "convert_tz")
            return given[0] if is_pattern else _TEXT_TIMES[last.name]
        return None
    if kind.name not in INTEGERS:
        return None
    scale = Decimal(1)
    for step in path:
        factor = step.constants[0] if len(step.constants) == 1 else None
        if step.name in ("divide", "multiply") and isinstance(factor, int) and factor:
            scale = scale / factor if step.name == "divide" else scale * factor
        elif step.name not in _PASSING:
            return None
    if last.name == "from_unixtime":
        return {Decimal("0.001"): "epoch_ms", Decimal(1): "epoch_s"}.get(scale)
    if last.name in ("to_timestamp_ltz", "to_timestamp"):
        milliseconds = 3 in last.constants or last.constants == ()
        return {
            (Decimal(1), True): "epoch_ms",
            (Decimal(1000), True): "epoch_s",
            (Decimal(1), False): "epoch_s",
            (Decimal("0.001"), False): "epoch_ms",
        }.get((scale, milliseconds))
    return None
