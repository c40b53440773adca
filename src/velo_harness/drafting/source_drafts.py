"""Data schemas for the sources of a program, with constraints from how the program uses their columns.

Columns that are compared with constants take values on both sides of them; keys of joins and groups repeat, so that
groups have several rows; a key that is joined refers to the other side; event times rise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from velo_engine.plan.nodes import (
    IntervalJoin,
    PlannedProgram,
    PlannedStatement,
    SourceKind,
    SourceTable,
    TemporalJoin,
    WindowAggregate,
    WindowKind,
    WindowSpec,
    WindowTable,
)
from velo_engine.types import BINARIES, FLOATS, TIMESTAMPS, SqlType, TypeName
from velo_harness.drafting.column_uses import ColumnUse, Uses
from velo_harness.drafting.column_uses import column_uses as column_uses
from velo_harness.drafting.field_values import FieldValues, Surroundings, field_values, nested_values
from velo_harness.drafting.lineage import JOINS, SourceColumn, nodes
from velo_harness.drafting.yaml_text import scalar_text

STREAM_RECORDS = 200
TABLE_RECORDS = 20
MOST_RECORDS = 2000
JOINED_RECORDS = 40
"""Of streams that a statement joins many of, or joins without keys: its rows would be too many."""
MANY_JOINS, MANY_CROSS_JOINS = 8, 2
DEFAULT_SPAN_MS = 3_600_000
"""Of the times of rows, where no window says more."""
LEAST_SPAN_MS, MOST_SPAN_MS = 60_000, 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class KnownSource:
    """What is known of a source beside its declaration's types: from its comments and options, or from a sample."""

    values: Mapping[str, FieldValues] = field(default_factory=dict)
    """By column."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """Of columns."""
    description: str | None = None
    records: int | None = None
    origin: str | None = None
    """Where the schema is taken from."""
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class SchemaDraft:
    """The text of a data schema."""

    source: str
    text: str


def schema_drafts(
    program: PlannedProgram, uses: Uses, editor_line: str, known: Mapping[str, KnownSource] | None = None
) -> list[SchemaDraft]:
    """A data schema for each source that has columns; `editor_line` tells editors where its JSON Schema is.

    `known`, by source, goes before what is guessed from uses and names.
    """
    drafting = _Drafting(program, uses, known or {})
    return [
        SchemaDraft(name, "\n".join((editor_line, *drafting.lines(source))) + "\n")
        for name, source in program.sources.items()
        if len(source.schema)
    ]


def reference_order(program: PlannedProgram) -> dict[str, int]:
    """Sources, those first that others refer to: reference tables, then those with a key, then by appearance."""
    names = list(program.sources)

    def rank(name: str) -> tuple[bool, bool, int]:
        source = program.sources[name]
        return source.kind is SourceKind.STREAM, not source.primary_key, names.index(name)

    return {name: at for at, name in enumerate(sorted(names, key=rank))}


class _Drafting:
    """The schemas of one program."""

    def __init__(self, program: PlannedProgram, uses: Uses, known: Mapping[str, KnownSource]) -> None:
        self._program, self._uses, self._known = program, uses, known
        self._types = {
            SourceColumn(name, c.name): c.type for name, s in program.sources.items() for c in s.schema.columns
        }
        self._order = reference_order(program)
        self._span = time_span_ms(program)
        self._versions = any(
            isinstance(node, TemporalJoin) for s in program.statements.values() for node in nodes(s.plan)
        )
        self._joins_many = any(_joins_many(statement) for statement in program.statements.values())

    def lines(self, source: SourceTable) -> Iterator[str]:
        """The schema of a source."""
        known = self._known.get(source.name, KnownSource())
        yield f"name: {scalar_text(source.name)}"
        if known.description:
            yield f"description: {scalar_text(known.description)}"
        yield f"record_count: {self._records(source, known)}"
        if known.origin:
            yield f"source: {scalar_text(known.origin)}"
        if known.topic:
            yield f"kafka_topic: {scalar_text(known.topic)}"
        yield "fields:"
        for position, column in enumerate(source.schema.columns):
            place = SourceColumn(source.name, column.name)
            unique = source.primary_key == (position,)
            around = Surroundings(
                self._types, self._order, self._span, unique, self._versions and bool(source.primary_key)
            )
            use = self._uses.get(place, ColumnUse())
            made = field_values(place, use, known.values.get(column.name), around)
            fixed = unique or use.delay_ms is not None
            described = known.descriptions.get(column.name)
            yield _field_line(column.name, column.type, use, made, around, fixed=fixed, described=described)

    def _records(self, source: SourceTable, known: KnownSource) -> int:
        if known.records is not None:
            return known.records
        if source.kind is SourceKind.TABLE or source.primary_key:
            return TABLE_RECORDS
        if self._joins_many:
            return JOINED_RECORDS
        uses = [self._uses.get(SourceColumn(source.name, name), ColumnUse()) for name in source.schema.names]
        wanted = max((use.group_rows for use in uses), default=0)
        return min(max(STREAM_RECORDS, 10 * wanted), MOST_RECORDS)


def _joins_many(statement: PlannedStatement) -> bool:
    joins = [node for node in nodes(statement.plan) if isinstance(node, JOINS)]
    crossed = sum(not getattr(node, "left_keys", ()) for node in joins)
    return len(joins) >= MANY_JOINS or crossed >= MANY_CROSS_JOINS


def time_span_ms(program: PlannedProgram) -> int:
    """How long the rows of a program's sources are spread: over some of its windows, with several rows in each."""
    spans = []
    for statement in program.statements.values():
        for node in nodes(statement.plan):
            if isinstance(node, WindowAggregate | WindowTable):
                spans.append(_span_of(node.window))
            elif isinstance(node, IntervalJoin):
                spans.append(10 * max(abs(node.lower_ms), abs(node.upper_ms)))
    return min(max(*spans, LEAST_SPAN_MS), MOST_SPAN_MS) if spans else DEFAULT_SPAN_MS


def _span_of(window: WindowSpec) -> int:
    return window.size_ms * (40 if window.kind is WindowKind.SESSION else 10)


def _field_line(
    name: str,
    kind: SqlType,
    use: ColumnUse,
    made: FieldValues,
    around: Surroundings,
    *,
    fixed: bool,
    described: str | None,
) -> str:
    parts = [f"name: {scalar_text(name)}", *_shape(kind, use, around)]
    nullable = kind.nullable and not fixed
    parts.append(f"nullable: {'true' if nullable else 'false'}")
    if nullable and made.null_probability is not None:
        parts.append(f"null_probability: {made.null_probability}")
    if described:
        parts.append(f"description: {scalar_text(described)}")
    if made.constraints:
        parts.append("constraints: { " + ", ".join(made.constraints) + " }")
    why = f"  # {' '.join(made.why.split())}" if made.why and made.constraints else ""
    return "  - { " + ", ".join(parts) + " }" + why


def _shape(kind: SqlType, use: ColumnUse, around: Surroundings) -> list[str]:
    """The keys that say the type; fields of rows with constraints of their own."""
    if kind.name is not TypeName.ROW:
        return type_parts(kind)
    inner = []
    for name, of_field in kind.fields:
        own = use.fields.get(name, ColumnUse())
        made = nested_values(name, of_field, own, around)
        parts = [f"name: {scalar_text(name)}", *_shape(of_field, own, around)]
        if made.constraints:
            parts.append("constraints: { " + ", ".join(made.constraints) + " }")
        inner.append("{ " + ", ".join(parts) + " }")
    return ["type: row", "fields: [" + ", ".join(inner) + "]"]


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
