"""Data schemas (`*.schema.yaml`): the fields of a source and how rows of it are generated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from velo_engine.errors import Location
from velo_engine.schema import Column, RowSchema
from velo_engine.types import SqlType
from velo_harness.yaml_source import YamlNode, YamlScalar


@dataclass(frozen=True, slots=True)
class FieldConstraints:
    """Draft; filled in next."""


@dataclass(frozen=True, slots=True)
class DataField:
    """One field: its SQL type (with nullability) and how values are made."""

    name: str
    type: SqlType
    null_probability: float | None
    description: str | None
    constraints: FieldConstraints
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class DataSchema:
    """The fields of one source, in order."""

    name: str
    description: str | None
    fields: tuple[DataField, ...]
    record_count: int | None
    key_field: str | None
    file: Path | None
    location: Location = field(compare=False)

    def row_schema(self) -> RowSchema:
        """The engine's columns."""
        return RowSchema(tuple(Column(f.name, f.type) for f in self.fields))
