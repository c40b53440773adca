"""Casts between arrays, maps and rows: part by part (Flink's ArrayToArrayCastRule and its neighbours)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from velo_engine.functions.signature import Operand, text_of
from velo_engine.types import INT, SqlType, TypeName, kernel_type

Compiled: TypeAlias = tuple[str, str | None]
Compile: TypeAlias = Callable[[Operand, SqlType, int], Compiled]
"""Value and error of a cast of a part; the number is how deep it lies."""


def cast_nested(operand: Operand, target: SqlType, compile_part: Compile, depth: int) -> Compiled:
    """The cast of an ARRAY, MAP, MULTISET or ROW to a type of the same kind."""
    if operand.type.name is TypeName.ROW:
        return _row(operand, target, compile_part, depth)
    if operand.type.name is TypeName.ARRAY:
        return _array(operand, target, compile_part, depth)
    return _map(operand, target, compile_part, depth)


def _array(operand: Operand, target: SqlType, compile_part: Compile, depth: int) -> Compiled:
    assert operand.type.element is not None
    assert target.element is not None
    x = f"c{depth}_"
    value, error = compile_part(Operand(x, operand.type.element), target.element, depth + 1)
    items = value if value == x else f"list_transform({operand.sql}, lambda {x}: {value})"
    return (operand.sql if value == x else items), _first(operand.sql, x, error)


def _map(operand: Operand, target: SqlType, compile_part: Compile, depth: int) -> Compiled:
    source_key, source_value = _parts(operand.type)
    target_key, target_value = _parts(target)
    x = f"c{depth}_"
    key, key_error = compile_part(Operand(f"{x}.key", source_key), target_key, depth + 1)
    value, value_error = compile_part(Operand(f"{x}.value", source_value), target_value, depth + 1)
    entries = f"list_transform(map_entries({operand.sql}), lambda {x}: struct_pack(k := {key}, v := {value}))"
    errors = [e for e in (key_error, value_error) if e is not None]
    error = f"coalesce({', '.join(errors)}, NULL)" if errors else None
    made = f"CAST(TRY(map_from_entries({entries})) AS {kernel_type(target)})"
    cast = f"CASE WHEN {operand.sql} IS NOT NULL THEN {made} END"
    return cast, _first(f"map_entries({operand.sql})", x, error)


def _parts(t: SqlType) -> tuple[SqlType, SqlType]:
    """Types of key and value; of a MULTISET the element and its count."""
    assert t.element is not None
    return (t.key, t.element) if t.key is not None else (t.element, INT)


def _row(operand: Operand, target: SqlType, compile_part: Compile, depth: int) -> Compiled:
    fields, errors = [], []
    for (source_name, source), (name, kind) in zip(operand.type.fields, target.fields, strict=True):
        part = Operand(f"struct_extract({operand.sql}, {text_of(source_name)})", source)
        value, error = compile_part(part, kind, depth + 1)
        quoted = name.replace('"', '""')
        fields.append(f'"{quoted}" := {value}')
        errors += [] if error is None else [error]
    value = f"CASE WHEN {operand.sql} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"
    return value, f"coalesce({', '.join(errors)}, NULL)" if errors else None


def _first(items: str, x: str, error: str | None) -> str | None:
    """The first error among the items."""
    if error is None:
        return None
    return f"list_filter(list_transform({items}, lambda {x}: {error}), lambda {x}: {x} IS NOT NULL)[1]"
