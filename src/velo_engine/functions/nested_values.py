"""Arrays, maps and rows: constructors, access, and functions of arrays and maps.

Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/functions/built-in-functions/#collection-functions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from velo_engine.functions.casts import text_from
from velo_engine.functions.signature import (
    Binding,
    Operand,
    ScalarFunction,
    SignatureError,
    Site,
    argument,
    check_count,
    checked,
    coerced,
    signature,
    text_of,
)
from velo_engine.plan.expressions import Expression, Literal
from velo_engine.type_rules.common import common_type
from velo_engine.types import BOOLEAN, INT, STRING, STRINGS, SqlType, TypeName, array, map_of, row


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
    """The kernel's maps refuse NULL keys and keys that repeat; of those that repeat the last stays."""
    keys = ", ".join(operand.sql for operand in site.operands[0::2])
    values = ", ".join(operand.sql for operand in site.operands[1::2])
    if len(site.operands) == 2:
        return f"CASE WHEN {site.sql(0)} IS NOT NULL THEN map([{keys}], [{values}]) END"
    return f"TRY(map([{keys}], [{values}]))"


def _map_error(site: Site) -> str:
    if all(operand.constant for operand in site.operands[0::2]):
        return ""
    return f"CASE WHEN {_map(site)} IS NULL THEN 'the keys of a MAP are not NULL and differ here' END"


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


def _elements(types: Sequence[SqlType]) -> SqlType:
    element = types[0].element
    assert element is not None
    return element


def _bind_with_element(returns: Callable[[SqlType, SqlType], SqlType]) -> Callable[..., Binding]:
    """An array and a value of its element's type."""

    def bind(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
        check_count(args, 2, 2)
        collection = checked(args[0], "array", 0)
        element = collection.type.element
        assert element is not None
        found = common_type((element, args[1].type))
        if found is None or found.as_nullable() != element.as_nullable():
            raise SignatureError(f"needs a value of type {element.as_nullable()}, not {args[1].type.as_nullable()}")
        value = coerced(args[1], element.as_nullable())
        result = returns(collection.type, value.type)
        return (collection, value), result.as_nullable(collection.type.nullable)

    return bind


def _wider(collection: SqlType, value: SqlType) -> SqlType:
    element = collection.element
    assert element is not None
    return array(element.as_nullable(element.nullable or value.nullable))


def _bind_two_arrays(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 2, None)
    bound = tuple(checked(arg, "array", i) for i, arg in enumerate(args))
    found = _common(bound)
    return tuple(_coerced_all(bound, found)), found


def _bind_map_parts(function: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, 1)
    collection = checked(args[0], "map", 0)
    assert collection.type.key is not None
    assert collection.type.element is not None
    part = collection.type.key if function.name == "map_keys" else collection.type.element
    return (collection,), array(part).as_nullable(collection.type.nullable)


def _array_join(site: Site) -> str:
    values, separator = site.operands[0], site.sql(1)
    element = values.type.element
    assert element is not None
    text = text_from(Operand("x", element), site.time_zone)
    if len(site.operands) > 2:
        text = f"coalesce({text}, {site.sql(2)})"
    return f"velo_array_join(list_transform({values.sql}, lambda x: {text}), {separator})"


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
    ScalarFunction(
        "element",
        "ELEMENT(array)",
        "The only element; NULL of an empty array, a row error of several.",
        signature("array", returns=_elements, nullable=True),
        "{0}[1]",
        "CASE WHEN len({0}) > 1 THEN 'Array has more than one element.' END",
    ),
    ScalarFunction(
        "array_contains",
        "ARRAY_CONTAINS(array, value)",
        "Whether the value is an element.",
        _bind_with_element(lambda _, __: BOOLEAN),
        "CASE WHEN {1} IS NULL THEN CASE WHEN {0} IS NOT NULL THEN len(list_filter({0}, lambda x: x IS NULL)) > 0 END"
        " ELSE list_contains({0}, {1}) END",
    ),
    ScalarFunction(
        "array_append",
        "ARRAY_APPEND(array, value)",
        "With the value at the end.",
        _bind_with_element(_wider),
        "CASE WHEN {0} IS NOT NULL THEN list_append({0}, {1}) END",
    ),
    ScalarFunction(
        "array_prepend",
        "ARRAY_PREPEND(array, value)",
        "With the value at the beginning.",
        _bind_with_element(_wider),
        "CASE WHEN {0} IS NOT NULL THEN list_prepend({1}, {0}) END",
    ),
    ScalarFunction(
        "array_concat",
        "ARRAY_CONCAT(a, b, …)",
        "All elements, one array after the other.",
        _bind_two_arrays,
        lambda site: (
            "CASE WHEN "
            + " AND ".join(f"{operand.sql} IS NOT NULL" for operand in site.operands)
            + f" THEN list_concat({', '.join(operand.sql for operand in site.operands)}) END"
        ),
    ),
    ScalarFunction(
        "array_reverse",
        "ARRAY_REVERSE(array)",
        "Backwards.",
        signature("array", returns=argument(0)),
        "list_reverse({0})",
    ),
    ScalarFunction(
        "array_max",
        "ARRAY_MAX(array)",
        "The largest element.",
        signature("array", returns=_elements, nullable=True),
        "list_max({0})",
    ),
    ScalarFunction(
        "array_min",
        "ARRAY_MIN(array)",
        "The smallest element.",
        signature("array", returns=_elements, nullable=True),
        "list_min({0})",
    ),
    ScalarFunction(
        "array_join",
        "ARRAY_JOIN(array, separator [, null_text])",
        "The elements as text, those that are NULL left out or replaced.",
        signature("array", "string", "string?", returns=STRING),
        _array_join,
    ),
    ScalarFunction("map_keys", "MAP_KEYS(map)", "The keys.", _bind_map_parts, "map_keys({0})"),
    ScalarFunction("map_values", "MAP_VALUES(map)", "The values.", _bind_map_parts, "map_values({0})"),
)
