"""Arrays, maps and rows: constructors, access, and functions of arrays and maps.

Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/functions/built-in-functions/#collection-functions
"""

from __future__ import annotations

from collections.abc import Sequence

from velo_engine.functions.signature import (
    Binding,
    ScalarFunction,
    SignatureError,
    Site,
    check_count,
    checked,
    coerced,
    signature,
    text_of,
)
from velo_engine.plan.expressions import Expression, Literal
from velo_engine.type_rules.merging import common_type
from velo_engine.types import INT, STRING, STRINGS, SqlType, TypeName, array, map_of, row


def _common(args: Sequence[Expression]) -> SqlType:
    found = common_type([arg.type for arg in args])
    if found is None or found.name is TypeName.NULL:
        raise SignatureError("has no common type for " + ", ".join(str(arg.type.as_nullable()) for arg in args))
    return found


def _coerced_all(args: Sequence[Expression], target: SqlType) -> list[Expression]:
    return [coerced(arg, target) for arg in args]


def _bind_array(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, None)
    element = _common(args)
    return tuple(_coerced_all(args, element)), array(element).as_nullable(False)


def _bind_map(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    if not args or len(args) % 2:
        raise SignatureError("needs keys and values in turn")
    key, value = _common(args[0::2]), _common(args[1::2])
    keys, values = _coerced_all(args[0::2], key), _coerced_all(args[1::2], value)
    pairs = [part for pair in zip(keys, values, strict=True) for part in pair]
    return tuple(pairs), map_of(key, value).as_nullable(False)


def _map(site: Site) -> str:
    keys = ", ".join(operand.sql for operand in site.operands[0::2])
    values = ", ".join(operand.sql for operand in site.operands[1::2])
    if len(site.operands) == 2:
        return f"CASE WHEN {site.sql(0)} IS NOT NULL THEN map([{keys}], [{values}]) END"
    return map_of_entries(_zipped(f"[{keys}]", f"[{values}]"))


def _zipped(keys: str, values: str) -> str:
    """Keys and values as structs of `k` and `v`."""
    return f"list_transform(list_zip({keys}, {values}), lambda z: struct_pack(k := z[1], v := z[2]))"


def map_of_entries(entries: str) -> str:
    """A map of a list of structs of `k` and `v`; of keys that repeat the last stays, a NULL key makes it NULL.

    The kernel's maps refuse NULL keys and keys that repeat.
    """
    last = f"list_position(list_reverse(list_transform({entries}, lambda f: f.k)), e.k) = len({entries}) - i + 1"
    kept = f"list_filter({entries}, lambda e, i: {last})"
    return f"CASE WHEN len(list_filter({entries}, lambda e: e.k IS NULL)) = 0 THEN TRY(map_from_entries({kept})) END"


def _map_error(site: Site) -> str:
    nullable = [operand.sql for operand in site.operands[0::2] if operand.type.nullable]
    if not nullable:
        return ""
    return f"CASE WHEN {' OR '.join(f'{key} IS NULL' for key in nullable)} THEN 'a key of a MAP is NULL' END"


def _bind_from_arrays(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 2, 2)
    keys, values = (checked(arg, "array", i) for i, arg in enumerate(args))
    assert keys.type.element is not None
    assert values.type.element is not None
    nullable = keys.type.nullable or values.type.nullable
    return (keys, values), map_of(keys.type.element, values.type.element).as_nullable(nullable)


def _from_arrays(site: Site) -> str:
    keys, values = site.sql(0), site.sql(1)
    return f"CASE WHEN len({keys}) = len({values}) THEN {map_of_entries(_zipped(keys, values))} END"


def _from_arrays_error(site: Site) -> str:
    keys, values = site.sql(0), site.sql(1)
    return (
        f"CASE WHEN len({keys}) <> len({values}) THEN 'MAP_FROM_ARRAYS needs as many keys as values'"
        f" WHEN {values} IS NOT NULL AND len(list_filter({keys}, lambda x: x IS NULL)) > 0"
        " THEN 'a key of a MAP is NULL' END"
    )


def _bind_maps(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, None)
    bound = tuple(checked(arg, "map", i) for i, arg in enumerate(args))
    found = _common(bound)
    return tuple(_coerced_all(bound, found)), found


def _union(site: Site) -> str:
    if len(site.operands) == 1:
        return site.sql(0)
    parts = [
        f"list_transform(map_entries({operand.sql}), lambda e: struct_pack(k := e.key, v := e.value))"
        for operand in site.operands
    ]
    there = " AND ".join(f"{operand.sql} IS NOT NULL" for operand in site.operands)
    joined = map_of_entries(f"list_concat({', '.join(parts)})")
    return f"CASE WHEN {there} THEN {joined} END"


def _str_to_map(site: Site) -> str:
    given = [operand.sql for operand in site.operands]
    text, items, keys = [*given, *("','", "'='")[len(given) - 1 :]]
    return f"velo_str_to_map({text}, {items}, {keys})"


def _bind_entries(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, 1)
    collection = checked(args[0], "map", 0)
    assert collection.type.key is not None
    assert collection.type.element is not None
    entry = row(("key", collection.type.key), ("value", collection.type.element)).as_nullable(False)
    return (collection,), array(entry.as_nullable()).as_nullable(collection.type.nullable)


def _bind_row(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, None)
    if any(arg.type.name is TypeName.NULL for arg in args):
        raise SignatureError("cannot tell the type of NULL; write CAST(NULL AS type)")
    return args, row(*((f"EXPR${i}", arg.type) for i, arg in enumerate(args))).as_nullable(False)


def _row(site: Site) -> str:
    fields = (f'"{name}" := {operand.sql}' for (name, _), operand in zip(site.type.fields, site.operands, strict=True))
    return f"struct_pack({', '.join(fields)})"


def _bind_item(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 2, 2)
    collection, key = args
    if collection.type.name is TypeName.MAP and collection.type.key is not None and collection.type.element is not None:
        if (key.type.name in STRINGS) != (collection.type.key.name in STRINGS):
            raise SignatureError(
                f"needs a key of type {collection.type.key.as_nullable()}, not {key.type.as_nullable()}"
            )
        return (collection, coerced(key, collection.type.key.as_nullable())), collection.type.element.as_nullable()
    if collection.type.name is TypeName.ARRAY and collection.type.element is not None:
        position = checked(key, "integer", 1)
        if isinstance(position, Literal) and isinstance(position.value, int) and position.value < 1:
            raise SignatureError(f"counts elements from 1, not {position.value}")
        return (collection, position), collection.type.element.as_nullable()
    raise SignatureError(f"needs an ARRAY or a MAP, not {collection.type.as_nullable()}")


def _item(site: Site) -> str:
    collection, key = site.operands
    if collection.type.name is TypeName.MAP:
        return f"map_extract_value({collection.sql}, {key.sql})"
    if key.constant:
        return f"{collection.sql}[{key.sql}]"
    return f"CASE WHEN {key.sql} >= 1 THEN {collection.sql}[CAST({key.sql} AS BIGINT)] END"


def _bind_map_parts(function: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, 1)
    collection = checked(args[0], "map", 0)
    assert collection.type.key is not None
    assert collection.type.element is not None
    part = collection.type.key if function.name == "map_keys" else collection.type.element
    return (collection,), array(part).as_nullable(collection.type.nullable)


def _cardinality(site: Site) -> str:
    count = "len" if site.operands[0].type.name is TypeName.ARRAY else "cardinality"
    return f"CAST({count}({site.sql(0)}) AS INTEGER)"


FUNCTIONS: tuple[ScalarFunction, ...] = (
    ScalarFunction(
        "array",
        "ARRAY[a, b, …]",
        "An array.",
        _bind_array,
        lambda site: f"[{', '.join(operand.sql for operand in site.operands)}]",
        operator=True,
    ),
    ScalarFunction("map", "MAP[k, v, …]", "A map.", _bind_map, _map, _map_error),
    ScalarFunction("row", "ROW(a, b, …), (a, b)", "A row.", _bind_row, _row),
    ScalarFunction(
        "field",
        "row.field",
        "A field of a row.",
        value=lambda site: f"struct_extract({site.sql(0)}, {text_of(str(site.operands[1].literal))})",
        operator=True,
    ),
    ScalarFunction(
        "item",
        "array[n], map[key]",
        "An element, from 1, or a value; NULL when there is none.",
        _bind_item,
        _item,
        operator=True,
    ),
    ScalarFunction(
        "cardinality",
        "CARDINALITY(collection)",
        "The number of elements.",
        signature("collection", returns=INT),
        _cardinality,
    ),
    ScalarFunction("map_keys", "MAP_KEYS(map)", "The keys.", _bind_map_parts, "map_keys({0})"),
    ScalarFunction(
        "map_entries",
        "MAP_ENTRIES(map)",
        "The entries as rows of `key` and `value`.",
        _bind_entries,
        "CASE WHEN {0} IS NOT NULL THEN map_entries({0}) END",
    ),
    ScalarFunction(
        "map_from_arrays",
        "MAP_FROM_ARRAYS(keys, values)",
        "A map; a row error when there are more of one than of the other.",
        _bind_from_arrays,
        _from_arrays,
        _from_arrays_error,
    ),
    ScalarFunction(
        "map_union",
        "MAP_UNION(a, b, …)",
        "The entries of all; of a key in several the last.",
        _bind_maps,
        _union,
    ),
    ScalarFunction(
        "str_to_map",
        "STR_TO_MAP(string [, list_delimiter [, key_delimiter]])",
        "A map from `key=value,key=value`; the delimiters are regular expressions.",
        signature("string", "literal string?", "literal string?", returns=map_of(STRING, STRING), nullable=True),
        _str_to_map,
    ),
    ScalarFunction("map_values", "MAP_VALUES(map)", "The values.", _bind_map_parts, "map_values({0})"),
)
