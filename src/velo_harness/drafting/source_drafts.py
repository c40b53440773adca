"""Data schemas for the sources of a program, with constraints from how the program uses their columns.

Columns that are compared with constants take values on both sides of them; keys of joins and groups repeat, so that
groups have several rows; a key that is joined refers to the other side; event times rise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from velo_engine.explain.expressions import expressions_of
from velo_engine.plan.expressions import Call, Case, ColumnRef, LiteralValue, walk
from velo_engine.plan.nodes import (
    GroupAggregate,
    OverAggregate,
    PlannedProgram,
    PlanNode,
    SourceKind,
    SourceTable,
    TopN,
    WindowAggregate,
    inputs,
)
from velo_engine.types import BINARIES, FLOATS, INTEGERS, STRINGS, TIMESTAMPS, SqlType, TypeName
from velo_harness.drafting.lineage import JOINS, SourceColumn, comparison, nodes, origin
from velo_harness.drafting.yaml_text import scalar_text
from velo_harness.event_times import event_time_columns

STREAM_RECORDS = 200
TABLE_RECORDS = 20
KEY_VALUES = 5
"""Different values of a column that rows are grouped by."""
MATCH_RATE = "0.9"
"""Of the keys of a join: some rows must find no partner."""


@dataclass(slots=True)
class ColumnUse:
    """How the program uses a column of a source."""

    compared: list[LiteralValue] = field(default_factory=list)
    """Constants that it is compared with."""
    grouped: bool = False
    joined: list[SourceColumn] = field(default_factory=list)
    """Columns of other sources that it is joined with."""
    null_matters: bool = False
    """Whether something asks if it is NULL."""


Uses = dict[SourceColumn, ColumnUse]


def column_uses(program: PlannedProgram) -> Uses:
    """How every column of every source is used."""
    uses: Uses = {
        SourceColumn(name, column): ColumnUse() for name, s in program.sources.items() for column in s.schema.names
    }
    for statement in program.statements.values():
        for node in nodes(statement.plan):
            _note_expressions(node, program, uses)
            _note_keys(node, program, uses)
    return uses


def _note_expressions(node: PlanNode, program: PlannedProgram, uses: Uses) -> None:
    if isinstance(node, JOINS) or not inputs(node):
        return
    below = inputs(node)[0]
    for expression in expressions_of(node):
        for part in walk(expression):
            found = comparison(part)
            if found is not None and (use := _use_of(below, found[0], program, uses)) is not None:
                use.compared += [value for value in found[2] if value not in use.compared]
                use.null_matters = use.null_matters or found[1] == "is_not_null"
            if isinstance(part, Call) and part.function in ("is_null", "coalesce", "ifnull"):
                for arg in part.args:
                    if isinstance(arg, ColumnRef) and (use := _use_of(below, arg.index, program, uses)) is not None:
                        use.null_matters = True
            if isinstance(part, Case):
                _note_simple_case(part, below, program, uses)


def _note_simple_case(case: Case, below: PlanNode, program: PlannedProgram, uses: Uses) -> None:
    for condition, _ in case.branches:
        found = comparison(condition)
        if found is not None and (use := _use_of(below, found[0], program, uses)) is not None:
            use.compared += [value for value in found[2] if value not in use.compared]


def _note_keys(node: PlanNode, program: PlannedProgram, uses: Uses) -> None:
    keys: tuple[int, ...] = ()
    match node:
        case GroupAggregate() | WindowAggregate():
            keys = node.keys
        case TopN() | OverAggregate():
            keys = node.partition
    for key in keys:
        if (use := _use_of(inputs(node)[0], key, program, uses)) is not None:
            use.grouped = True
    if isinstance(node, JOINS):
        left, right = inputs(node)
        for a, b in zip(getattr(node, "left_keys", ()), getattr(node, "right_keys", ()), strict=False):
            one, other = origin(left, a, program.statements), origin(right, b, program.statements)
            if not (isinstance(one, SourceColumn) and isinstance(other, SourceColumn)):
                continue
            if one.source != other.source and one in uses and other in uses:
                uses[one].joined.append(other)
                uses[other].joined.append(one)


def _use_of(node: PlanNode, position: int, program: PlannedProgram, uses: Uses) -> ColumnUse | None:
    found = origin(node, position, program.statements)
    return uses.get(found) if isinstance(found, SourceColumn) else None


@dataclass(frozen=True, slots=True)
class SchemaDraft:
    """The text of a data schema."""

    source: str
    text: str


def schema_drafts(program: PlannedProgram, uses: Uses, editor_line: str) -> list[SchemaDraft]:
    """A data schema for each source that has columns; `editor_line` tells editors where its JSON Schema is."""
    times = event_time_columns(program)
    order = _reference_order(program)
    return [
        SchemaDraft(name, _schema_text(source, uses, times.get(name), order, editor_line))
        for name, source in program.sources.items()
        if len(source.schema)
    ]


def _reference_order(program: PlannedProgram) -> dict[str, int]:
    """Sources, those first that others refer to: reference tables, then those with a key, then by appearance."""
    names = list(program.sources)

    def rank(name: str) -> tuple[bool, bool, int]:
        source = program.sources[name]
        return source.kind is SourceKind.STREAM, not source.primary_key, names.index(name)

    return {name: at for at, name in enumerate(sorted(names, key=rank))}


def _schema_text(
    source: SourceTable, uses: Uses, event_time: str | None, order: Mapping[str, int], editor_line: str
) -> str:
    table = source.kind is SourceKind.TABLE or bool(source.primary_key)
    lines = [
        editor_line,
        f"name: {scalar_text(source.name)}",
        f"record_count: {TABLE_RECORDS if table else STREAM_RECORDS}",
        "fields:",
    ]
    for position, column in enumerate(source.schema.columns):
        use = uses.get(SourceColumn(source.name, column.name), ColumnUse())
        unique = source.primary_key == (position,)
        lines += _field_lines(source.name, column.name, column.type, use, order, unique, column.name == event_time)
    return "\n".join(lines) + "\n"


def _field_lines(
    source: str, name: str, type_: SqlType, use: ColumnUse, order: Mapping[str, int], unique: bool, event_time: bool
) -> Iterator[str]:
    parts = [f"name: {scalar_text(name)}", *type_parts(type_)]
    nullable = type_.nullable and not event_time and not unique
    parts.append(f"nullable: {'true' if nullable else 'false'}")
    if nullable and use.null_matters:
        parts.append("null_probability: 0.1")
    constraints = [] if event_time else list(_constraints(source, name, type_, use, order, unique))
    if constraints:
        parts.append("constraints: { " + ", ".join(constraints) + " }")
    yield "  - { " + ", ".join(parts) + " }"


def _constraints(
    source: str, name: str, type_: SqlType, use: ColumnUse, order: Mapping[str, int], unique: bool
) -> Iterator[str]:
    target = next((other for other in use.joined if order[other.source] < order[source]), None)
    if target is not None:
        yield (
            f"references: {{ schema: {scalar_text(target.source)}, field: {scalar_text(target.column)}, "
            f"match_rate: {MATCH_RATE} }}"
        )
        return
    keyed = use.grouped or bool(use.joined)
    if type_.name in INTEGERS:
        yield from _integers(name, use, keyed, unique)
    elif type_.name in FLOATS or type_.name is TypeName.DECIMAL:
        low, high = _around(use.compared, Decimal(1), _largest(type_))
        yield f"range: {{ min: {low}, max: {high} }}"
    elif type_.name in STRINGS:
        yield from _strings(name, type_, use, keyed, unique)


def _integers(name: str, use: ColumnUse, keyed: bool, unique: bool) -> Iterator[str]:
    if unique or (name == "id" and not keyed and not use.compared):
        yield "sequence: true"
    elif use.compared:
        low, high = _around(use.compared, Decimal(0), Decimal(100))
        yield f"range: {{ min: {int(low)}, max: {int(high)} }}"
    else:
        yield f"range: {{ min: 1, max: {KEY_VALUES if keyed else 100} }}"


def _strings(name: str, type_: SqlType, use: ColumnUse, keyed: bool, unique: bool) -> Iterator[str]:
    texts = [value for value in use.compared if isinstance(value, str)]
    prefix = "".join(c for c in name if c.isalnum())[: max(min(12, type_.length - 4), 1)]
    if unique:
        yield f'pattern: "{prefix[: type_.length]}[0-9]{{4}}"'
        yield "unique: true"
    elif texts:
        other = "other"[: type_.length]
        shown = ", ".join(scalar_text(text) for text in (*texts, *((other,) if other not in texts else ())))
        yield f"enum: [{shown}]"
    elif keyed:
        values = ", ".join(scalar_text(f"{prefix}_{i}"[-type_.length :]) for i in range(1, KEY_VALUES + 1))
        yield f"enum: [{values}]"
    elif type_.length < 10:
        yield f"length: {{ min: 1, max: {type_.length} }}"


def _around(values: list[LiteralValue], low: Decimal, high: Decimal) -> tuple[Decimal, Decimal]:
    """A range with room on both sides of the constants; [low, high] when there are none."""
    numbers = [Decimal(str(value)) for value in values if isinstance(value, (int, float, Decimal))]
    if not numbers:
        return low, high
    span = max(max(numbers) - min(numbers), abs(max(numbers)), Decimal(10))
    return (min(numbers) - span / 2).quantize(Decimal(1)), (max(numbers) + span / 2).quantize(Decimal(1))


def _largest(type_: SqlType) -> Decimal:
    """The greatest number of a column that nothing is said of."""
    if type_.name is not TypeName.DECIMAL:
        return Decimal(1000)
    return Decimal(min(1000, 10 ** (type_.precision - type_.scale) - 1 or 1))


def type_parts(type_: SqlType) -> list[str]:
    """The keys of a data schema's field that say its type."""
    match type_.name:
        case TypeName.DECIMAL:
            return ["type: decimal", f"precision: {type_.precision}", f"scale: {type_.scale}"]
        case name if name in TIMESTAMPS:
            word = "timestamp" if name is TypeName.TIMESTAMP else "timestamp_ltz"
            return [f"type: {word}", f"precision: {min(type_.precision, 6)}"]
        case TypeName.TIME:
            return ["type: time", f"precision: {min(type_.precision, 6)}"]
        case TypeName.TINYINT | TypeName.SMALLINT | TypeName.BIGINT | TypeName.BOOLEAN | TypeName.DATE:
            return [f"type: {type_.name.value.lower()}"]
        case TypeName.INT:
            return ["type: integer"]
        case name if name in FLOATS:
            return ["type: double"]
        case name if name in BINARIES:
            return ["type: bytes"]
        case TypeName.ARRAY:
            assert type_.element is not None
            return ["type: array", "items: { " + ", ".join(type_parts(type_.element)) + " }"]
        case TypeName.MAP:
            assert type_.element is not None
            assert type_.key is not None
            key, value = ", ".join(type_parts(type_.key)), ", ".join(type_parts(type_.element))
            return ["type: map", f"key: {{ {key} }}", f"value: {{ {value} }}"]
        case TypeName.ROW:
            inner = [f"{{ name: {scalar_text(n)}, {', '.join(type_parts(t))} }}" for n, t in type_.fields]
            return ["type: row", "fields: [" + ", ".join(inner) + "]"]
    return ["type: string"]
