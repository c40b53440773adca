"""The text of an inferred data schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from velo_engine.types import STRINGS, SqlType, TypeName
from velo_harness.drafting.source_drafts import type_parts
from velo_harness.drafting.yaml_text import scalar_text
from velo_harness.inference.constraints import LEAST_ROWS, UUID, shown_constraints

MOST_RECORDS = 1000
"""As record_count, however long the sample is."""


@dataclass(frozen=True, slots=True)
class SampledColumn:
    """A column as a source shows it."""

    name: str
    type: SqlType
    """Nullable where the source says or shows so."""
    values: Sequence[Any] = ()
    """The sample; empty when only the declaration is known."""
    constraints: tuple[str, ...] | None = None
    """What the source says about the values; None: what the sample shows."""
    children: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field of a row → what the source says about its values."""


def schema_text(name: str, columns: Sequence[SampledColumn], rows: int, origin: str, editor_line: str) -> str:
    """A data schema in YAML. `rows` is the length of the sample, 0 for none; `origin` where it comes from."""
    lines = [
        editor_line,
        f"name: {scalar_text(name)}",
        f"description: {scalar_text(f'Inferred from {origin}.')}",
    ]
    if rows:
        lines.append(f"record_count: {min(rows, MOST_RECORDS)}")
    lines.append("fields:")
    for column in columns:
        body = ", ".join([f"name: {scalar_text(column.name)}", *_parts(column)])
        lines.append(f"  - {{ {body} }}")
    return "\n".join(lines) + "\n"


def _parts(column: SampledColumn) -> Iterator[str]:
    """The keys of a field behind its name."""
    kind, values = column.type, column.values
    is_uuid = kind.name in STRINGS and bool(values) and all(v is None or UUID.fullmatch(v) for v in values)
    is_uuid = is_uuid and any(value is not None for value in values)
    if is_uuid:
        yield "type: uuid"
    elif kind.name is TypeName.ROW:
        yield "type: row"
        inner = [SampledColumn(n, t, _members(values, n), column.children.get(n)) for n, t in kind.fields]
        shown = (", ".join([f"name: {scalar_text(child.name)}", *_parts(child)]) for child in inner)
        yield "fields: [" + ", ".join(f"{{ {text} }}" for text in shown) + "]"
    elif kind.name is TypeName.ARRAY and kind.element is not None:
        yield "type: array"
        items = [item for value in values if value is not None for item in value]
        yield "items: { " + ", ".join(_parts(SampledColumn("items", kind.element, items))) + " }"
    else:
        yield from type_parts(kind)
    yield from _nullability(kind, values)
    given = column.constraints if column.constraints is not None else shown_constraints(values, kind)
    if given and not is_uuid:
        yield "constraints: { " + ", ".join(given) + " }"


def _nullability(kind: SqlType, values: Sequence[Any]) -> Iterator[str]:
    absent = sum(value is None for value in values)
    if absent and absent < len(values):
        yield "nullable: true"
        yield f"null_probability: {max(round(absent / len(values), 3), 0.001)}"
    elif not kind.nullable or (len(values) >= LEAST_ROWS and not absent):
        yield "nullable: false"


def _members(values: Sequence[Any], name: str) -> list[Any]:
    return [value.get(name) for value in values if value is not None]
