"""Functions that make arrays out of arrays, and look for elements in them.

Sets of elements (ARRAY_DISTINCT, _UNION, _EXCEPT, _INTERSECT) take NULL for equal to NULL, at any depth; searches
(ARRAY_CONTAINS, _POSITION, _REMOVE) compare as `=` does.
Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/functions/built-in-functions/#collection-functions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from velo_engine.functions.nested_equality import NESTED, is_equal_sql
from velo_engine.functions.signature import (
    Binding,
    ScalarFunction,
    SignatureError,
    Site,
    argument,
    check_count,
    checked,
    coerced,
    signature,
)
from velo_engine.plan.expressions import Expression
from velo_engine.type_rules.merging import merged_type
from velo_engine.types import BOOLEAN, FLOATS, INT, STRING, STRINGS, SqlType, array


def _bind_with_element(returns: Callable[[SqlType, SqlType], SqlType]) -> Callable[..., Binding]:
    """An array and a value of its element's type."""

    def bind(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
        check_count(args, 2, 2)
        collection = checked(args[0], "array", 0)
        element = _element(collection.type)
        found = merged_type((element, args[1].type))
        if found is None or found.as_nullable() != element.as_nullable():
            raise SignatureError(f"needs a value of type {element.as_nullable()}, not {args[1].type.as_nullable()}")
        value = coerced(args[1], element.as_nullable())
        result = returns(collection.type, value.type)
        return (collection, value), result.as_nullable(collection.type.nullable)

    return bind


def _bind_search(returns: Callable[[SqlType, SqlType], SqlType], *, null_of_null: bool) -> Callable[..., Binding]:
    """As above; `null_of_null`: looking for NULL gives NULL."""
    inner = _bind_with_element(returns)

    def bind(function: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
        bound, result = inner(function, args)
        return bound, result.as_nullable(result.nullable or (null_of_null and bound[1].type.nullable))

    return bind


def _element(t: SqlType) -> SqlType:
    assert t.element is not None
    return t.element


def _wider(collection: SqlType, value: SqlType) -> SqlType:
    element = _element(collection)
    return array(element.as_nullable(element.nullable or value.nullable))


def _bind_arrays(least: int) -> Callable[..., Binding]:
    """Arrays of one type, which their elements have in common."""

    def bind(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
        check_count(args, least, None if least == 1 else least)
        bound = tuple(checked(arg, "array", i) for i, arg in enumerate(args))
        found = merged_type([arg.type for arg in bound])
        if found is None:
            raise SignatureError("has no common type for " + ", ".join(str(arg.type.as_nullable()) for arg in bound))
        return tuple(coerced(arg, found) for arg in bound), found

    return bind


def _all_there(site: Site, value: str) -> str:
    conditions = [f"{operand.sql} IS NOT NULL" for operand in site.operands if operand.type.nullable]
    return f"CASE WHEN {' AND '.join(conditions)} THEN {value} END" if conditions else value


def _concat(site: Site) -> str:
    if len(site.operands) == 1:
        return site.sql(0)
    return _all_there(site, f"list_concat({', '.join(operand.sql for operand in site.operands)})")


def _distinct_items(items: str) -> str:
    return f"list_filter({items}, lambda x, i: list_position({items}, x) = i)"


def _except(site: Site) -> str:
    left, right = site.sql(0), site.sql(1)
    chosen = f"list_position({left}, x) = i AND list_position({right}, x) IS NULL"
    return _all_there(site, f"list_filter({left}, lambda x, i: {chosen})")


def _intersect(site: Site) -> str:
    left, right = site.sql(0), site.sql(1)
    chosen = f"list_position({left}, x) = i AND list_position({right}, x) IS NOT NULL"
    return _all_there(site, f"list_filter({left}, lambda x, i: {chosen})")


def _union(site: Site) -> str:
    joined = f"list_concat({site.sql(0)}, {site.sql(1)})"
    return _all_there(site, f"list_filter({joined}, lambda x, i: list_position({joined}, x) = i)")


def _same(site: Site) -> str:
    return is_equal_sql("x", site.sql(1), _element(site.operands[0].type))


def _plain(site: Site) -> bool:
    """Whether the kernel compares the elements as Flink does."""
    return _element(site.operands[0].type).name not in NESTED | FLOATS


def _contains(site: Site) -> str:
    values, value = site.sql(0), site.sql(1)
    holds_null = f"CASE WHEN {values} IS NOT NULL THEN len(list_filter({values}, lambda x: x IS NULL)) > 0 END"
    found = f"list_contains({values}, {value})"
    if not _plain(site):
        found = f"len(list_filter({values}, lambda x: {_same(site)})) > 0"
    return f"CASE WHEN {value} IS NULL THEN {holds_null} ELSE {found} END"


def _position(site: Site) -> str:
    values, value = site.sql(0), site.sql(1)
    if _plain(site):
        found = f"list_position({values}, {value})"
    else:
        places = f"list_transform({values}, lambda x, i: CASE WHEN {_same(site)} THEN i END)"
        found = f"list_filter({places}, lambda i: i IS NOT NULL)[1]"
    return f"CASE WHEN {values} IS NOT NULL AND {value} IS NOT NULL THEN CAST(coalesce({found}, 0) AS INTEGER) END"


def _remove(site: Site) -> str:
    values, value = site.sql(0), site.sql(1)
    without = f"list_filter({values}, lambda x: NOT {_same(site)})"
    return f"CASE WHEN {value} IS NULL THEN list_filter({values}, lambda x: x IS NOT NULL) ELSE {without} END"


def _slice(site: Site) -> str:
    values, start = site.sql(0), f"CAST({site.sql(1)} AS BIGINT)"
    size = f"len({values})"
    first = f"CASE WHEN {start} < 0 THEN greatest({size} + {start} + 1, 1) ELSE greatest({start}, 1) END"
    if len(site.operands) == 2:
        return _all_there(site, f"list_slice({values}, {first}, {size})")
    end = f"CAST({site.sql(2)} AS BIGINT)"
    last = f"CASE WHEN {end} IN (0, -{size} - 1) THEN 1 WHEN {end} < 0 THEN {size} + {end} + 1 ELSE {end} END"
    return _all_there(site, _between(values, first, last, size))


def _between(values: str, first: str, last: str, size: str) -> str:
    chosen = f"list_slice({values}, {first}, least({last}, {size}))"
    return f"CASE WHEN ({last}) < ({first}) THEN list_slice({values}, 1, 0) ELSE {chosen} END"


def _bind_sort(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, 3)
    collection = _ordered(checked(args[0], "array", 0))
    flags = tuple(checked(arg, "boolean", i + 1) for i, arg in enumerate(args[1:]))
    nullable = any(arg.type.nullable for arg in (collection, *flags))
    return (collection, *flags), collection.type.as_nullable(nullable)


def _ordered(collection: Expression) -> Expression:
    element = _element(collection.type)
    if element.name in NESTED:
        raise SignatureError(f"needs elements with an order, not {element.as_nullable()}")
    return collection


def _sort(site: Site) -> str:
    values = site.sql(0)
    if _element(site.operands[0].type).name in FLOATS:
        values = f"list_reverse({values})"  # Flink's comparator gives -1 for equal elements: 0.0 and -0.0 change places
    ascending = site.sql(1) if len(site.operands) > 1 else "TRUE"
    nulls_first = site.sql(2) if len(site.operands) > 2 else ascending
    choices = " ".join(
        f"WHEN {'' if up else 'NOT '}{ascending} AND {'' if first else 'NOT '}{nulls_first}"
        f" THEN list_sort({values}, '{'ASC' if up else 'DESC'}', 'NULLS {'FIRST' if first else 'LAST'}')"
        for up in (True, False)
        for first in (True, False)
    )
    return f"CASE {choices} END"


def _bind_extreme(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, 1)
    collection = _ordered(checked(args[0], "array", 0))
    return (collection,), _element(collection.type).as_nullable()


def _extreme(name: str) -> Callable[[Site], str]:
    def value(site: Site) -> str:
        values = site.sql(0)
        if _element(site.operands[0].type).name not in FLOATS:
            return f"list_{name}({values})"
        return f"list_filter({values}, lambda x: x = list_{name}({values}))[1]"  # of 0.0 and -0.0 the first

    return value


def _bind_join(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 2, 3)
    collection = checked(args[0], "array", 0)
    if _element(collection.type).name not in STRINGS:
        given = collection.type.as_nullable()
        raise SignatureError(f"needs an ARRAY of strings, not {given}; write CAST(… AS ARRAY<STRING>)")
    others = tuple(checked(arg, "string", i + 1) for i, arg in enumerate(args[1:]))
    return (collection, *others), STRING.as_nullable(any(arg.type.nullable for arg in (collection, *others)))


def _join(site: Site) -> str:
    values = site.sql(0)
    if len(site.operands) > 2:
        values = f"list_transform({values}, lambda x: coalesce(x, {site.sql(2)}))"
        return _all_there(site, f"velo_array_join({values}, {site.sql(1)})")
    return f"velo_array_join({values}, {site.sql(1)})"


def _elements(types: Sequence[SqlType]) -> SqlType:
    return _element(types[0])


def _shown(name: str, usage: str, summary: str, bind: Callable[..., Binding], value: object) -> ScalarFunction:
    return ScalarFunction(name, usage, summary, bind, value)  # type: ignore[arg-type]


FUNCTIONS: tuple[ScalarFunction, ...] = (
    ScalarFunction(
        "element",
        "ELEMENT(array)",
        "The only element; NULL of an empty array, a row error of several.",
        signature("array", returns=_elements, nullable=True),
        "{0}[1]",
        "CASE WHEN len({0}) > 1 THEN 'Array has more than one element.' END",
    ),
    _shown(
        "array_contains",
        "ARRAY_CONTAINS(array, value)",
        "Whether the value is an element.",
        _bind_with_element(lambda _, __: BOOLEAN),
        _contains,
    ),
    _shown(
        "array_position",
        "ARRAY_POSITION(array, value)",
        "Where the value first stands, from 1; 0 when it does not.",
        _bind_search(lambda _, __: INT, null_of_null=True),
        _position,
    ),
    _shown(
        "array_append",
        "ARRAY_APPEND(array, value)",
        "With the value at the end.",
        _bind_with_element(_wider),
        "CASE WHEN {0} IS NOT NULL THEN list_append({0}, {1}) END",
    ),
    _shown(
        "array_prepend",
        "ARRAY_PREPEND(array, value)",
        "With the value at the beginning.",
        _bind_with_element(_wider),
        "CASE WHEN {0} IS NOT NULL THEN list_prepend({1}, {0}) END",
    ),
    _shown(
        "array_remove",
        "ARRAY_REMOVE(array, value)",
        "Without the elements that equal the value; of NULL, without NULLs.",
        _bind_with_element(lambda collection, _: collection),
        _remove,
    ),
    _shown(
        "array_concat",
        "ARRAY_CONCAT(a, b, …)",
        "All elements, one array after the other.",
        _bind_arrays(1),
        _concat,
    ),
    _shown(
        "array_distinct",
        "ARRAY_DISTINCT(array)",
        "Each element once, in the order of first appearance.",
        signature("array", returns=argument(0)),
        lambda site: _distinct_items(site.sql(0)),
    ),
    _shown("array_union", "ARRAY_UNION(a, b)", "Each element of both once.", _bind_arrays(2), _union),
    _shown("array_except", "ARRAY_EXCEPT(a, b)", "Each element of `a` once that `b` lacks.", _bind_arrays(2), _except),
    _shown(
        "array_intersect",
        "ARRAY_INTERSECT(a, b)",
        "Each element of `a` once that `b` has, too.",
        _bind_arrays(2),
        _intersect,
    ),
    _shown(
        "array_reverse",
        "ARRAY_REVERSE(array)",
        "Backwards.",
        signature("array", returns=argument(0)),
        "list_reverse({0})",
    ),
    _shown(
        "array_slice",
        "ARRAY_SLICE(array, start [, end])",
        "The elements from a position to another, both from 1, negative ones from the end.",
        signature("array", "int", "int?", returns=argument(0)),
        _slice,
    ),
    _shown(
        "array_sort",
        "ARRAY_SORT(array [, ascending [, nulls_first]])",
        "In order; NULLs first when ascending unless said otherwise.",
        _bind_sort,
        _sort,
    ),
    _shown("array_max", "ARRAY_MAX(array)", "The largest element.", _bind_extreme, _extreme("max")),
    _shown("array_min", "ARRAY_MIN(array)", "The smallest element.", _bind_extreme, _extreme("min")),
    _shown(
        "array_join",
        "ARRAY_JOIN(array, separator [, null_text])",
        "The strings as one, those that are NULL left out or replaced.",
        _bind_join,
        _join,
    ),
)
