"""Values as JSON text, by Flink's JsonGenerateUtils: numbers as BigDecimal prints them, timestamps by ISO 8601, bytes
in Base64, members of objects in the order of their names.
"""

from __future__ import annotations

from velo_engine.functions.casts import float_text
from velo_engine.functions.signature import Operand, SignatureError, text_of
from velo_engine.types import (
    BINARIES,
    DOUBLE,
    FLOATS,
    INT,
    INTEGERS,
    STRINGS,
    TIMESTAMPS,
    SqlType,
    TypeName,
)

_SCALARS = INTEGERS | STRINGS | FLOATS | BINARIES | TIMESTAMPS | {TypeName.DECIMAL, TypeName.BOOLEAN, TypeName.NULL}


def check_json(t: SqlType) -> None:
    """Raise SignatureError unless JSON can hold a `t`."""
    if t.name is TypeName.ROW:
        for _, child in t.fields:
            check_json(child)
    elif t.name in (TypeName.MAP, TypeName.MULTISET):
        key = t.key or t.element
        if key is None or key.name not in STRINGS:
            raise SignatureError(f"cannot hold a {t.as_nullable()}, whose keys are not strings")
        if t.key is not None and t.element is not None:
            check_json(t.element)
    elif t.name is TypeName.ARRAY and t.element is not None:
        check_json(t.element)
    elif t.name not in _SCALARS:
        raise SignatureError(f"cannot hold a {t.as_nullable()}; CAST it to STRING or TIMESTAMP")


def json_text(operand: Operand, depth: int = 0) -> str:
    """Kernel SQL of a value as JSON text, NULL when it is NULL."""
    t, sql = operand.type, operand.sql
    if t.name in STRINGS:
        return f"velo_json_string({sql})"
    if t.name in FLOATS:
        return f"velo_json_number({float_text(f'CAST({sql} AS DOUBLE)', DOUBLE)})"
    if t.name is TypeName.DECIMAL:
        return f"velo_json_number(CAST({sql} AS VARCHAR))"
    if t.name in BINARIES:
        return f"('\"' || base64({sql}) || '\"')"
    if t.name in TIMESTAMPS:
        zone = "Z" if t.name is TypeName.TIMESTAMP_LTZ else ""
        return f"('\"' || rtrim(rtrim(strftime({sql}, '%Y-%m-%dT%H:%M:%S.%f'), '0'), '.') || '{zone}\"')"
    if t.name is TypeName.ROW:
        return _row(sql, t, depth)
    if t.name in (TypeName.ARRAY, TypeName.MAP, TypeName.MULTISET):
        return _collection(sql, t, depth)
    return f"CAST({sql} AS VARCHAR)"


def _row(sql: str, t: SqlType, depth: int) -> str:
    fields = sorted(t.fields, key=lambda field: field[0].encode("utf-16-be"))
    members = [
        f"velo_json_string({text_of(name)}) || ':' || "
        + _or_null(Operand(f"struct_extract({sql}, {text_of(name)})", kind), depth)
        for name, kind in fields
    ]
    return f"CASE WHEN {sql} IS NOT NULL THEN '{{' || {' || chr(44) || '.join(members)} || '}}' END"


def _collection(sql: str, t: SqlType, depth: int) -> str:
    assert t.element is not None
    name = f"j{depth}"
    if t.name is TypeName.ARRAY:
        items = f"list_transform({sql}, lambda {name}: {_or_null(Operand(name, t.element), depth + 1)})"
        return f"('[' || array_to_string({items}, ',') || ']')"
    value = Operand(f"{name}.value", t.element if t.key is not None else INT)
    member = f"velo_json_string({name}.key) || ':' || {_or_null(value, depth + 1)}"
    members = f"list_transform(list_sort(map_entries({sql})), lambda {name}: {member})"
    return f"('{{' || array_to_string({members}, ',') || '}}')"


def _or_null(operand: Operand, depth: int) -> str:
    return f"coalesce({json_text(operand, depth)}, 'null')"
