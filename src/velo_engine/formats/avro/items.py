"""The items of Avro arrays and maps, of all records at once: the first item of each, then the second, and so on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.formats.avro.cursor import Cursor
from velo_engine.formats.avro.schema import AvroType

MAX_ITEMS = 100_000
"""Items of one array or map; a record with more is a failure, because each item is a step of its own."""

MAX_EMPTY_ITEMS = 1000
"""As `MAX_ITEMS`, of items that take no byte: few bytes may not cost much time."""

_SMALLEST = {"boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1, "enum": 1}


def read_items(
    cursor: Cursor, items: AvroType, read: Callable[[Cursor], Sequence[pa.Array]], *, keyed: bool = False
) -> tuple[pa.Array, list[pa.Array | None]]:
    """Offsets of the lists, and what `read` gives for all their items, list by list; None for no item at all."""
    parts: list[Sequence[pa.Array]] = []
    owners: list[Int64s] = []

    def step(at: Int64s, selected: Cursor) -> None:
        parts.append(read(selected))
        owners.append(at)

    _each(cursor, _smallest(items) + keyed, step)
    counts = np.zeros(len(cursor), np.int64)
    if not parts:
        return _offsets(counts), [None, None] if keyed else [None]
    owner = np.concatenate(owners)
    counts = np.bincount(owner, minlength=len(cursor))
    columns = [pa.concat_arrays(column) for column in zip(*parts, strict=True)]
    if len(parts) > 1:
        order = pa.array(np.argsort(owner, kind="stable"))
        columns = [column.take(order) for column in columns]
    return _offsets(counts), columns


def skip_items(cursor: Cursor, items: AvroType, skip: Callable[[Cursor], object], *, keyed: bool = False) -> None:
    """Past all items."""
    _each(cursor, _smallest(items) + keyed, lambda _, selected: skip(selected))


def _offsets(counts: Int64s) -> pa.Array:
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return pa.array(offsets)


def _smallest(t: AvroType) -> int:
    """The bytes that a value has at least."""
    match t.kind:
        case "fixed":
            return t.size
        case "record":
            return sum(_smallest(field.type) for field in t.fields)
        case "union" | "array" | "map":
            return 1
        case _:
            return _SMALLEST.get(t.kind, 0)


def _each(cursor: Cursor, smallest: int, step: Callable[[Int64s, Cursor], object]) -> None:
    """Calls `step` with the records that have a next item until none has."""
    done = np.zeros(len(cursor), np.int64)
    at = np.arange(len(cursor))
    left = _block(cursor, at, smallest, done)
    while True:
        at, left = at[left > 0], left[left > 0]
        if not len(at):
            return
        selected = cursor.select(at)
        step(at, selected)
        cursor.put_back(at, selected)
        left -= 1
        left[selected.failed] = 0
        ended = np.flatnonzero(left == 0)
        if len(ended):
            left[ended] = _block(cursor, at[ended], smallest, done)


def _block(cursor: Cursor, at: Int64s, smallest: int, done: Int64s) -> Int64s:
    """How many items the next block of each record has; 0 behind the last one."""
    selected = cursor.select(at)
    counts = selected.longs()
    limit = MAX_ITEMS if smallest else MAX_EMPTY_ITEMS
    with_size = np.flatnonzero(counts < 0)
    if len(with_size):
        sized = selected.select(with_size)
        sized.longs()
        selected.put_back(with_size, sized)
        counts = np.abs(counts)
    # The smallest 64-bit number has no absolute value and stays below zero.
    wrong = (counts < 0) | (counts > limit) | (counts * smallest > selected.end - selected.pos)
    wrong |= done[at] + np.where(wrong, 0, counts) > limit
    if wrong.any():
        selected.fail(np.flatnonzero(wrong), f"more items than the record holds, or more than {limit}")
        counts[wrong] = 0
    done[at] += counts
    cursor.put_back(at, selected)
    return counts
