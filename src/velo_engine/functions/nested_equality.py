"""`=` of arrays, maps and rows, as Flink's generated code compares them.

NULL on the outside makes the comparison NULL. Inside a row NULL equals NULL; an element or a value that is NULL equals
nothing. (Flink's ScalarOperatorGens and RowData's equaliser; recorded.)
"""

from __future__ import annotations

from velo_engine.functions.signature import text_of
from velo_engine.types import FLOATS, INT, SqlType, TypeName

NESTED = frozenset({TypeName.ARRAY, TypeName.MULTISET, TypeName.MAP, TypeName.ROW})


def equal_sql(left: str, right: str, t: SqlType, depth: int = 0) -> str:
    """Kernel SQL of `left = right`, both of type `t`: NULL when either is."""
    if t.name in FLOATS:
        return f"({left} = {right} AND NOT isnan({left}))"
    if t.name not in NESTED:
        return f"({left} = {right})"
    if t.name is TypeName.ROW:
        sides = [(f"struct_extract({left}, {n})", f"struct_extract({right}, {n})", kind) for n, kind in _fields(t)]
        fields = [f"coalesce({equal_sql(a, b, kind, depth)}, {a} IS NULL AND {b} IS NULL)" for a, b, kind in sides]
        same = " AND ".join(fields) or "TRUE"
    elif t.name is TypeName.ARRAY:
        assert t.element is not None
        same = f"len({left}) = len({right}) AND {_all_equal(left, right, t.element, depth)}"
    else:
        same = f"cardinality({left}) = cardinality({right}) AND {_entries_equal(left, right, t, depth)}"
    return f"CASE WHEN {left} IS NOT NULL AND {right} IS NOT NULL THEN {same} END"


def _fields(t: SqlType) -> list[tuple[str, SqlType]]:
    return [(text_of(name), kind) for name, kind in t.fields]


def is_equal_sql(left: str, right: str, t: SqlType, depth: int = 0) -> str:
    """The same, false when either is NULL."""
    return f"coalesce({equal_sql(left, right, t, depth)}, FALSE)"


def _all_equal(left: str, right: str, element: SqlType, depth: int) -> str:
    x, i = f"q{depth}", f"n{depth}"
    equal = is_equal_sql(x, f"{right}[{i}]", element, depth + 1)
    return f"len(list_filter({left}, lambda {x}, {i}: NOT {equal})) = 0"


def _entries_equal(left: str, right: str, t: SqlType, depth: int) -> str:
    x = f"q{depth}"
    value = t.element if t.key is not None and t.element is not None else INT
    other = f"map_extract_value({right}, {x}.key)"
    equal = is_equal_sql(f"{x}.value", other, value, depth + 1)
    return f"len(list_filter(map_entries({left}), lambda {x}: NOT {equal})) = 0"
