"""Which row is asked about: the columns of a key with their values, as a person writes them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.schema import RowSchema
from velo_engine.types import arrow_type
from velo_harness.typed_values import typed_value
from velo_harness.yaml_source import YamlScalar

_NAMED = re.compile(r"[^\W\d]\w*\s*=")
_PLACE = Location("KEY", 1)


def parse_key(text: str, names: Sequence[str]) -> dict[str, str]:
    """The text of each column: `customer=ann,day=2026-01-01`, or the values alone in the order of `names`, the key.

    A value with a comma stands in quotation marks, `"a,b"`; NULL is `null`. Errors: BAD_VALUE, UNKNOWN_COLUMN.
    """
    hint = f"write {','.join(f'{name}=…' for name in names)}" if names else "name columns: column=value,…"
    parts = [part.strip() for part in next(csv.reader([text], skipinitialspace=True), [])]
    if not parts or not any(parts):
        raise VeloError(ErrorCode.BAD_VALUE, "the key is empty", hint=hint)
    if any(_NAMED.match(part) for part in parts) or not names:
        found = dict(_named(part, names, hint) for part in parts)
    elif len(parts) == len(names):
        found = dict(zip(names, parts, strict=True))
    else:
        message = f"the key has {', '.join(names)}, and {len(parts)} values are given"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint)
    lacking = [name for name in names if name not in found]
    if lacking:
        message = f"the key has {', '.join(names)}: {', '.join(lacking)} is not given"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint)
    return found


def _named(part: str, names: Sequence[str], hint: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    name = name.strip()
    if not equals:
        raise VeloError(ErrorCode.BAD_VALUE, f'"{part}" names no column', hint=hint)
    if names and name not in names:
        near = did_you_mean(name, names, noun="column of the key")
        raise VeloError(ErrorCode.UNKNOWN_COLUMN, f'"{name}" is no column of the key', hint=near or hint)
    return name, value.strip().strip('"')


def typed_key(texts: Mapping[str, str], schema: RowSchema, label: str) -> dict[str, Any]:
    """The values in the types of `schema`, which `label` names. Errors: UNKNOWN_COLUMN, BAD_VALUE."""
    found: dict[str, Any] = {}
    for name, text in texts.items():
        position = schema.index(name)
        if position is None:
            hint = did_you_mean(name, schema.names, noun="column")
            raise VeloError(ErrorCode.UNKNOWN_COLUMN, f'{label} has no column "{name}"', hint=hint)
        node = YamlScalar(text, text == "null", _PLACE)
        found[name] = typed_value(node, schema.columns[position].type.as_nullable())
    return found


def rows_with(table: pa.Table, key: Mapping[str, Any], schema: RowSchema) -> pa.Table:
    """The rows of a key; `table` has columns of these names and types."""
    mask = None
    for name, value in key.items():
        column = table.column(name)
        position = schema.index(name)
        assert position is not None
        kind = arrow_type(schema.columns[position].type)
        same = pc.is_null(column) if value is None else pc.equal(column, pa.scalar(value, kind))
        same = pc.fill_null(same, fill_value=False)
        mask = same if mask is None else pc.and_(mask, same)
    return table if mask is None else table.filter(mask)
