"""DISTINCT: which rows bring a value that their group does not hold yet, or take away the last of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.operators.accumulators.base import StateColumn
from velo_engine.operators.int64_map import ABSENT, Int64Map
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.runs import Runs
from velo_engine.types import BIGINT, SqlType

_VALUE_BITS = 31
_VALUE_MASK = (1 << _VALUE_BITS) - 1
_BIAS = 2**62
"""Added to counts in the map, which holds no negative numbers: taking back what was never there counts below zero."""

_TAG_LIMIT = 2**31
_FIRST_SWEEP = 4096


class DistinctValues:
    """How often each group holds each value of the argument columns.

    A group's entries carry a tag instead of its slot. Clearing a slot drops the tag; the entries stay behind as
    garbage and are swept once they are the majority. So closing a window costs no time in the values of the others.
    """

    def __init__(self, types: Sequence[SqlType]) -> None:
        self._values = KeyDictionary(types)
        self._counts = Int64Map()
        self._tag = StateColumn(BIGINT)
        self._next_tag = 1
        self._sweep_at = _FIRST_SWEEP

    def encode(self, columns: Sequence[Any]) -> Int64s:
        """A code per row for the argument's value; rows with equal values have equal codes."""
        return self._values.encode(columns)

    def reserve(self, slots: int) -> None:
        """Make room for slots below `slots`."""
        self._tag.reserve(slots)

    def clear(self, slots: Int64s) -> None:
        """These groups hold nothing any more."""
        self._tag.clear(slots)
        if len(self._counts) >= self._sweep_at or self._next_tag >= _TAG_LIMIT:
            self._sweep()

    def run(self, runs: Runs, codes: Int64s, weight: npt.NDArray[np.int8] | None) -> npt.NDArray[np.int8]:
        """The weight of each row among distinct values: +1 where its value appears, -1 where it vanishes, else 0.

        `codes` and `weight` are in the order of the runs.
        """
        tags = self._tag.values[runs.opening]
        fresh = np.flatnonzero(tags == 0)
        tags[fresh] = self._new_tags(len(fresh))
        lengths = runs.lengths - 1
        changes = self._changes(np.repeat(tags, lengths) << _VALUE_BITS | codes, weight)
        laid = np.zeros(runs.size, np.int64)
        laid[runs.tails] = tags
        runs.keep(self._tag.values, laid)
        return changes

    def fold(self, slots: Int64s, codes: Int64s, weight: npt.NDArray[np.int8] | None) -> npt.NDArray[np.int8]:
        """As `run`, for rows in arrival order."""
        untagged = np.unique(slots[self._tag.values[slots] == 0])
        self._tag.values[untagged] = self._new_tags(len(untagged))
        return self._changes(self._tag.values[slots] << _VALUE_BITS | codes, weight)

    def snapshot(self, slots: Int64s) -> pa.Table:
        """The values held by `slots`: one row per slot and value with its count."""
        keys, counts = self._counts.items()
        tags = self._tag.values[slots]
        order = np.argsort(tags)
        at = np.searchsorted(tags, keys >> _VALUE_BITS, sorter=order)
        owner = order[np.minimum(at, len(order) - 1)] if len(order) else np.zeros(len(keys), np.int64)
        held = np.zeros(len(keys), np.bool_)
        if len(order):
            held = (counts != _BIAS) & (tags[owner] == keys >> _VALUE_BITS)
        entries = np.flatnonzero(held)
        arrival = np.lexsort((keys[entries] & _VALUE_MASK, owner[entries]))
        entries = entries[arrival]
        columns = self._values.columns(keys[entries] & _VALUE_MASK)
        names = [f"v{i}" for i in range(len(columns))]
        return pa.table(
            [pa.array(slots[owner[entries]]), pa.array(counts[entries] - _BIAS), *columns],
            names=["slot", "count", *names],
        )

    def restore(self, table: pa.Table) -> None:
        """Take over a snapshot; room is reserved, this object is new."""
        slots = table.column("slot").to_numpy()
        held = np.unique(slots)
        self._tag.values[held] = self._new_tags(len(held))
        codes = self._values.encode(table.columns[2:])
        self._counts.insert(self._tag.values[slots] << _VALUE_BITS | codes, table.column("count").to_numpy() + _BIAS)

    def _changes(self, keys: Int64s, weight: npt.NDArray[np.int8] | None) -> npt.NDArray[np.int8]:
        """Per row, whether adding brings the count of its key to 1 (+1) or taking back brings it to 0 (-1).

        Equal keys are in arrival order. Moves the counts on. The rule is that of Flink's DistinctAggCodeGen.
        """
        changes = np.zeros(len(keys), np.int8)
        counting = np.arange(len(keys)) if weight is None else np.flatnonzero(weight)
        if len(counting) == 0:
            return changes
        order = counting[np.argsort(keys[counting], kind="stable")]
        ordered = keys[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        lengths = np.diff(np.append(starts, len(ordered)))
        signs = np.ones(len(ordered), np.int64) if weight is None else weight[order].astype(np.int64)
        held = self._counts.find(ordered[starts])
        opening = np.where(held == ABSENT, 0, held - _BIAS)
        total = np.cumsum(signs)
        after = total - np.repeat(total[starts] - signs[starts] - opening, lengths)
        appears = (after == 1) & (signs > 0)
        vanishes = (after == 0) & (signs < 0)
        changes[order] = appears.astype(np.int8) - vanishes.astype(np.int8)
        closing = after[starts + lengths - 1] + _BIAS
        known = held != ABSENT
        if known.any():
            self._counts.replace(ordered[starts[known]], closing[known])
        if not known.all():
            self._counts.insert(ordered[starts[~known]], closing[~known])
        return changes

    def _new_tags(self, count: int) -> Int64s:
        tags = np.arange(self._next_tag, self._next_tag + count)
        self._next_tag += count
        return tags

    def _sweep(self) -> None:
        """Drop the entries without an owner and the values nobody holds; number the tags anew."""
        keys, counts = self._counts.items()
        owners = np.flatnonzero(self._tag.values)
        tags = np.sort(self._tag.values[owners])
        at = np.minimum(np.searchsorted(tags, keys >> _VALUE_BITS), max(len(tags) - 1, 0))
        live = np.zeros(len(keys), np.bool_)
        if len(tags):
            live = (counts != _BIAS) & (tags[at] == keys >> _VALUE_BITS)
        codes = keys[live] & _VALUE_MASK
        self._counts.rebuild((at[live] + 1) << _VALUE_BITS | codes, counts[live])
        self._tag.values[owners] = np.searchsorted(tags, self._tag.values[owners]) + 1
        self._next_tag = len(tags) + 1
        self._values.free(np.setdiff1d(self._values.codes(), codes))
        self._sweep_at = max(_FIRST_SWEEP, 2 * len(codes))
