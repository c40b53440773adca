"""GROUPING SETS, ROLLUP and CUBE: every row once per set, with NULL for the keys that the set leaves out.

A number that tells the sets apart is one more key. Source: Flink's DecomposeGroupingSetsRule and ExpandUtil.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, product

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.aggregate_syntax import function_name
from velo_engine.plan.expressions import Call, Case, ColumnRef, Expression, Literal
from velo_engine.plan.nodes import Expand, PlanNode
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import append, column_refs
from velo_engine.schema import Column, RowSchema
from velo_engine.types import BIGINT, BOOLEAN

GROUPING_FUNCTIONS = frozenset({"grouping", "grouping_id", "group_id"})
SET_TYPE = BIGINT.as_nullable(False)
"""Of the number of a set, and of GROUPING()."""

_MOST_KEYS = 63
_MOST_SETS = 4096

_Keys = tuple[exp.Expr, ...]


def written_sets(items: Sequence[exp.Expr], text: ProgramText) -> list[_Keys]:
    """The sets that a GROUP BY list means: every combination of what its items mean. One set for plain columns."""
    elements = [_element(item, text) for item in items]
    total = 1
    for element in elements:
        total *= len(element)
    if total > _MOST_SETS:
        raise text.unsupported(f"GROUP BY with {total} grouping sets", items[0], f"at most {_MOST_SETS} are")
    return [tuple(key for part in combination for key in part) for combination in product(*elements)]


def _element(item: exp.Expr, text: ProgramText) -> list[_Keys]:
    match item:
        case exp.GroupingSets():
            return [keys for part in item.expressions for keys in _element(part, text)]
        case exp.Rollup():
            parts = [_columns(part) for part in item.expressions]
            return [_flat(parts[:length]) for length in range(len(parts), -1, -1)]
        case exp.Cube():
            if len(item.expressions) > _MOST_SETS.bit_length():
                raise text.unsupported(f"CUBE of {len(item.expressions)} columns", item)
            parts = [_columns(part) for part in item.expressions]
            return [_flat(chosen) for n in range(len(parts), -1, -1) for chosen in combinations(parts, n)]
        case _:
            return [_columns(item)]


def _columns(item: exp.Expr) -> _Keys:
    if isinstance(item, exp.Tuple):
        return tuple(item.expressions)
    return (item.this,) if isinstance(item, exp.Paren) else (item,)


def _flat(parts: Sequence[_Keys]) -> _Keys:
    return tuple(key for part in parts for key in part)


def checked_sets(sets: Sequence[frozenset[int]], count: int, at: exp.Expr, text: ProgramText) -> list[frozenset[int]]:
    """The sets of key numbers below `count` in the order in which Flink gives their rows out."""
    if len(set(sets)) < len(sets):
        raise text.unsupported("the same grouping set twice", at, "Flink does not plan it either; write it once")
    if count > _MOST_KEYS:
        raise text.unsupported(f"grouping sets over {count} columns", at, f"at most {_MOST_KEYS} are")
    return sorted(sets, key=lambda keys: [*sorted(keys), count])


def expanded(
    node: PlanNode, keys: Sequence[Expression], sets: Sequence[frozenset[int]]
) -> tuple[PlanNode, list[ColumnRef], ColumnRef]:
    """`node` with every row once per set: its columns, then for each key its value or NULL, then the set's number.

    Gives the columns of the keys; a key of all sets that is a column is that column.
    """
    common = frozenset.intersection(*sets)
    width = len(node.schema)
    computed = [(f"$key{i}", key) for i, key in enumerate(keys) if not isinstance(key, ColumnRef)]
    below = append(node, computed)
    places = iter(range(width, width + len(computed)))
    values = [k if isinstance(k, ColumnRef) else ColumnRef(next(places), k.type) for k in keys]
    copied = [i for i in range(len(keys)) if i not in common]
    refs = column_refs(below.schema)
    rows = tuple(
        (
            *refs,
            *(values[i] if i in chosen else Literal(None, values[i].type.as_nullable()) for i in copied),
            Literal(_number(chosen, len(keys)), SET_TYPE),
        )
        for chosen in sets
    )
    first = len(below.schema)
    copies = [Column(f"$set{i}", values[i].type.as_nullable()) for i in copied]
    schema = RowSchema((*below.schema.columns, *copies, Column("$e", SET_TYPE)))
    outputs = list(values)
    for place, i in enumerate(copied):
        outputs[i] = ColumnRef(first + place, copies[place].type)
    return Expand(below, rows, schema), outputs, ColumnRef(first + len(copied), SET_TYPE)


def missing_keys(keys: Sequence[Expression], sets: Sequence[frozenset[int]]) -> frozenset[int]:
    """The input columns that are keys and left out by one of the sets."""
    everywhere = frozenset.intersection(*sets) if sets else frozenset(range(len(keys)))
    return frozenset(key.index for i, key in enumerate(keys) if isinstance(key, ColumnRef) and i not in everywhere)


def _number(chosen: frozenset[int], count: int) -> int:
    """One bit per key, the first key's the highest: set where the key is left out."""
    return sum(1 << (count - 1 - i) for i in range(count) if i not in chosen)


def grouping_calls(roots: Sequence[exp.Expr]) -> list[exp.Expr]:
    """The calls of GROUPING, GROUPING_ID and GROUP_ID in `roots`."""
    return [
        node
        for root in roots
        for node in root.walk(bfs=False, prune=lambda n: isinstance(n, exp.Query))
        if function_name(node) in GROUPING_FUNCTIONS
    ]


def grouping_value(
    node: exp.Expr,
    key_of: Callable[[exp.Expr], int | None],
    sets: Sequence[frozenset[int]],
    count: int,
    number: Expression | None,
    text: ProgramText,
) -> Expression:
    """What a call of a grouping function is, over the number of the set; without one there is one set, of all keys."""
    place = text.locate(node)
    if function_name(node) == "group_id":
        return Literal(0, SET_TYPE, place)
    if not node.expressions:
        raise text.error(ErrorCode.TYPE_MISMATCH, f"{node.name.upper()} needs a key of GROUP BY", node)
    keys = []
    for argument in node.expressions:
        key = key_of(argument)
        if key is None:
            raise text.error(
                ErrorCode.INVALID_GROUPING, f"the arguments of {node.name.upper()} are keys of GROUP BY", argument
            )
        keys.append(key)
    if number is None:
        return Literal(0, SET_TYPE, place)
    answers = [sum(1 << (len(keys) - 1 - i) for i, key in enumerate(keys) if key not in chosen) for chosen in sets]
    branches = tuple(
        (
            Call("equals", (number, Literal(_number(chosen, count), SET_TYPE)), BOOLEAN.as_nullable(False)),
            Literal(answer, SET_TYPE),
        )
        for chosen, answer in zip(sets[:-1], answers[:-1], strict=True)
    )
    return Case(branches, Literal(answers[-1], SET_TYPE), SET_TYPE, place)
