"""Joins without a time bound: both sides are kept, and what a row does to the result depends on the other side's rows.

Source: Flink's StreamingJoinOperator, StreamingSemiAntiJoinOperator and their record state views. An accumulating row
of an outer side without match gives +I padded with NULL; the first match of a padded row takes the padding back (-D)
before the joined row; when the last match is taken back the padding returns (+I). A side that is not outer passes its
row kinds on when the other side is not outer either. A semi join gives a left row out, with the kind of the row that
caused it, when its first match comes and when its last match goes; an anti join takes it back (-D) and gives it out
again (+I). Equal rows of a side count together, as in Flink's state. Which of several matches comes first is not
specified by Flink; here it is the order in which the rows arrived.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from velo_engine.batch import (
    ChangeBatch,
    Int64s,
    RowKind,
    empty_rows,
    lower_watermark,
    make_rows,
    numpy_column,
    renumbered,
)
from velo_engine.compile_expression import compile_expression
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keys import KeyDictionary
from velo_engine.plan import nodes
from velo_engine.plan.nodes import JoinKind

NO_ROW = -1
_NO_KEY = -1
_ONLY_KEY = 0
"""Of a join without keys."""


@dataclass(slots=True)
class _Held:
    """An equal set of rows of one side: how many, and how many rows of the other side match each."""

    count: int
    matches: int


@dataclass(slots=True)
class _Side:
    """One input of the join."""

    outer: bool
    """Whether its rows appear without a match, padded or (ANTI) as they are."""
    keys: tuple[int, ...]
    rows: KeyDictionary
    """Row codes over all columns."""
    held: dict[int, dict[int, _Held]] = field(default_factory=dict)
    """Key code -> row code -> what is held. The key columns are part of the row, so a row code has one key."""


@dataclass(slots=True)
class _Changes:
    """Output rows being collected."""

    kind: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    seq: list[int] = field(default_factory=list)


class RegularJoin(Operator):
    """See `plan.nodes.RegularJoin`."""

    def __init__(self, context: OperatorContext, node: nodes.RegularJoin) -> None:
        self._context = context
        self._condition = None if node.condition is None else PairCondition(context, node)
        self._node = node
        left, right = node.left.schema, node.right.schema
        self._keys = KeyDictionary(left.select(node.left_keys).types) if node.left_keys else None
        self._add, self._take_back = self._add_joined, self._take_back_joined
        if node.kind.one_sided:
            self._add, self._take_back = self._add_one_sided, self._take_back_one_sided
        self._joins: set[tuple[int, int]] | None = None
        shows_left = node.kind in (JoinKind.LEFT, JoinKind.FULL, JoinKind.ANTI)
        shows_right = node.kind in (JoinKind.RIGHT, JoinKind.FULL)
        self._sides = (
            _Side(shows_left, node.left_keys, KeyDictionary(left.types)),
            _Side(shows_right, node.right_keys, KeyDictionary(right.types)),
        )

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The changes that both inputs cause, in the order of their events; of one event the left rows first."""
        left, right = inputs
        changes = _Changes()
        touched: tuple[dict[int, int], dict[int, int]] = ({}, {})
        arriving = list(self._merged(left, right))
        for is_right, _, _, key, row in arriving:
            touched[is_right][row] = key
        self._joins = self._satisfied(touched)
        for is_right, kind, seq, key, row in arriving:
            if kind & 1:
                self._take_back(is_right, kind, seq, key, row, changes)
            else:
                self._add(is_right, kind, seq, key, row, changes)
        out = self._output(changes)
        for side, rows in zip(self._sides, touched, strict=True):
            _release(side, rows)
        self._context.counters.state_rows = sum(len(side.rows) for side in self._sides)
        watermark = lower_watermark(left.watermark, right.watermark)
        return ChangeBatch(out, left.first_seq, left.end_seq, watermark, left.processing_time)

    def snapshot(self) -> dict[str, pa.Table]:
        """Keys, and for each side its rows with counts."""
        tables = {} if self._keys is None else {"keys": self._keys.snapshot()}
        for name, side in zip(("left", "right"), self._sides, strict=True):
            entries = [(k, r, h.count, h.matches) for k, rows in side.held.items() for r, h in rows.items()]
            columns = np.array(entries, np.int64).reshape(-1, 4)
            tables[f"{name}_rows"] = side.rows.snapshot()
            tables[name] = pa.table({n: columns[:, i] for i, n in enumerate(("key", "row", "count", "matches"))})
        return tables

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        if self._keys is not None:
            self._keys.restore(state["keys"])
        for name, side in zip(("left", "right"), self._sides, strict=True):
            side.rows.restore(state[f"{name}_rows"])
            side.held = {}
            columns = [numpy_column(state[name], n).tolist() for n in ("key", "row", "count", "matches")]
            for key, row, count, matches in zip(*columns, strict=True):
                side.held.setdefault(key, {})[row] = _Held(count, matches)

    def _merged(self, left: ChangeBatch, right: ChangeBatch) -> Iterator[tuple[bool, int, int, int, int]]:
        """(of the right side, kind, seq, key code, row code) of all rows in order."""
        seq = np.concatenate([left.seq, right.seq])
        side = np.repeat([False, True], [len(left), len(right)])
        kind = np.concatenate([left.kind, right.kind])
        key = np.concatenate([self._key_codes(b, s) for b, s in zip((left, right), self._sides, strict=True)])
        rows = np.concatenate([_row_codes(b, s) for b, s in zip((left, right), self._sides, strict=True)])
        order = np.lexsort((np.concatenate([left.sub, right.sub]), side, seq))
        return zip(*(a[order].tolist() for a in (side, kind, seq, key, rows)), strict=True)

    def _key_codes(self, batch: ChangeBatch, side: _Side) -> Int64s:
        """Join key codes; _NO_KEY where a key column is NULL."""
        if not len(batch):
            return np.empty(0, np.int64)
        if self._keys is None:
            return np.full(len(batch), _ONLY_KEY, np.int64)
        columns = [batch.rows.column(i) for i in side.keys]
        codes = self._keys.encode(columns)
        for column in columns:
            if column.null_count:
                codes[np.asarray(column.is_null())] = _NO_KEY
        return codes

    def _satisfied(self, touched: tuple[dict[int, int], dict[int, int]]) -> set[tuple[int, int]] | None:
        """The pairs (left row, right row) with an arriving row that satisfy the condition; None without a condition."""
        if self._condition is None:
            return None
        left, right = self._sides
        pairs = {(row, other) for row, key in touched[0].items() for other in right.held.get(key, ())}
        pairs |= {(other, row) for row, key in touched[1].items() for other in left.held.get(key, ())}
        by_key: dict[int, list[int]] = {}
        for row, key in touched[1].items():
            by_key.setdefault(key, []).append(row)
        pairs |= {(row, o) for row, key in touched[0].items() if key != _NO_KEY for o in by_key.get(key, ())}
        if not pairs:
            return set()
        found = np.array(sorted(pairs), np.int64)
        columns = [*left.rows.columns(found[:, 0]), *right.rows.columns(found[:, 1])]
        return {(a, b) for a, b in found[self._condition.holds(columns)].tolist()}

    def _matches(self, is_right: bool, key: int, row: int) -> dict[int, _Held]:
        """What the other side holds that joins with a row."""
        if key == _NO_KEY:
            return {}
        held = self._sides[not is_right].held.get(key, {})
        if self._joins is None:
            return held
        return {o: h for o, h in held.items() if ((o, row) if is_right else (row, o)) in self._joins}

    def _add_joined(self, is_right: bool, kind: int, seq: int, key: int, row: int, changes: _Changes) -> None:
        own, other = self._sides[is_right], self._sides[not is_right]
        matches = self._matches(is_right, key, row)
        count = sum(h.count for h in matches.values())
        if key != _NO_KEY:
            held = own.held.setdefault(key, {}).setdefault(row, _Held(0, 0))
            held.count += 1
            held.matches = count
        if not matches:
            if own.outer:
                _emit(changes, RowKind.INSERT, is_right, row, NO_ROW, seq)
            return
        joined = RowKind.INSERT if own.outer or other.outer else kind
        for match, h in matches.items():
            for _ in range(h.count):
                if other.outer and h.matches == 0:
                    _emit(changes, RowKind.DELETE, is_right, NO_ROW, match, seq)
                _emit(changes, joined, is_right, row, match, seq)
            h.matches += 1

    def _take_back_joined(self, is_right: bool, kind: int, seq: int, key: int, row: int, changes: _Changes) -> None:
        own, other = self._sides[is_right], self._sides[not is_right]
        if key != _NO_KEY:
            _remove(own, key, row)
        matches = self._matches(is_right, key, row)
        if not matches:
            if own.outer:
                _emit(changes, RowKind.DELETE, is_right, row, NO_ROW, seq)
            return
        joined = RowKind.DELETE if own.outer else kind
        for match, h in matches.items():
            h.matches -= 1
            for _ in range(h.count):
                _emit(changes, joined, is_right, row, match, seq)
                if other.outer and h.matches == 0:
                    _emit(changes, RowKind.INSERT, is_right, NO_ROW, match, seq)

    def _add_one_sided(self, is_right: bool, kind: int, seq: int, key: int, row: int, changes: _Changes) -> None:
        anti = self._sides[0].outer
        matches = self._matches(is_right, key, row)
        own = self._sides[is_right]
        if key != _NO_KEY:
            held = own.held.setdefault(key, {}).setdefault(row, _Held(0, 0))
            held.count += 1
            held.matches = sum(h.count for h in matches.values())
        if not is_right:
            if bool(matches) is not anti:
                _emit(changes, kind, False, row, NO_ROW, seq)
            return
        for match, h in matches.items():
            if h.matches == 0:
                for _ in range(h.count):
                    _emit(changes, RowKind.DELETE if anti else kind, False, match, NO_ROW, seq)
            h.matches += 1

    def _take_back_one_sided(self, is_right: bool, kind: int, seq: int, key: int, row: int, changes: _Changes) -> None:
        anti = self._sides[0].outer
        matches = self._matches(is_right, key, row)
        if key != _NO_KEY:
            _remove(self._sides[is_right], key, row)
        if not is_right:
            if bool(matches) is not anti:
                _emit(changes, kind, False, row, NO_ROW, seq)
            return
        for match, h in matches.items():
            if h.matches == 1:
                for _ in range(h.count):
                    _emit(changes, RowKind.INSERT if anti else kind, False, match, NO_ROW, seq)
            h.matches -= 1

    def _output(self, changes: _Changes) -> pa.Table:
        if not changes.kind:
            return empty_rows(self._node.schema)
        left, right = (np.array(rows, np.int64) for rows in (changes.left, changes.right))
        columns = _columns(self._sides[0].rows, left)
        if not self._node.kind.one_sided:
            columns += _columns(self._sides[1].rows, right)
        seq = np.array(changes.seq, np.int64)
        return make_rows(self._node.schema, columns, np.array(changes.kind, np.int8), seq, renumbered(seq))


class PairCondition:
    """The condition of a join beside its keys, over the columns of both sides."""

    def __init__(self, context: OperatorContext, node: nodes.RegularJoin) -> None:
        assert node.condition is not None
        self._kernel = context.kernel
        now = "CAST(NULL AS TIMESTAMP)"
        compiled = compile_expression(node.condition, lambda i: f"c{i}", time_zone=context.time_zone, now=now)
        error = compiled.error or "CAST(NULL AS VARCHAR)"
        self._sql = f"SELECT coalesce({compiled.value}, false) AS kept, {error} AS error FROM pairs ORDER BY place"

    def holds(self, columns: list[pa.Array]) -> npt.NDArray[np.bool_]:
        """Per pair whether it satisfies the condition. Raises VeloError JOB_FAILED when that cannot be computed."""
        names = [*(f"c{i}" for i in range(len(columns))), "place"]
        pairs = pa.table([*columns, pa.array(np.arange(len(columns[0])))], names=names)
        found = self._kernel.query(self._sql, pairs=pairs)
        errors = found.column("error").drop_null()
        if len(errors):
            raise VeloError(
                ErrorCode.JOB_FAILED,
                f"the condition of the join failed: {errors[0].as_py()}",
                hint="guard the expression (CASE, NULLIF, TRY_CAST)",
            )
        kept: npt.NDArray[np.bool_] = np.asarray(found.column("kept"))
        return kept


def _emit(changes: _Changes, kind: int, is_right: bool, own: int, other: int, seq: int) -> None:
    """One output row, from the view of the side that caused it."""
    changes.kind.append(kind)
    changes.left.append(other if is_right else own)
    changes.right.append(own if is_right else other)
    changes.seq.append(seq)


def _remove(side: _Side, key: int, row: int) -> None:
    """Take one row out of state; one that is not there is ignored."""
    rows = side.held.get(key, {})
    held = rows.get(row)
    if held is None:
        return
    held.count -= 1
    if held.count == 0:
        del rows[row]
        if not rows:
            del side.held[key]


def _row_codes(batch: ChangeBatch, side: _Side) -> Int64s:
    if not len(batch):
        return np.empty(0, np.int64)
    width = batch.rows.num_columns - 3
    return side.rows.encode([batch.rows.column(i) for i in range(width)])


def _columns(rows: KeyDictionary, codes: Int64s) -> list[pa.Array]:
    """The columns of rows; NULL for NO_ROW."""
    missing: npt.NDArray[np.bool_] = codes == NO_ROW
    columns = rows.columns(codes[~missing])
    if not missing.any():
        return columns
    place = pa.array(np.cumsum(~missing) - 1, mask=missing)
    return [column.take(place) for column in columns]


def _release(side: _Side, touched: Mapping[int, int]) -> None:
    """Forget the rows of this batch (row code -> key code) that state does not hold."""
    gone = sorted(row for row, key in touched.items() if row not in side.held.get(key, ()))
    if gone:
        side.rows.free(np.array(gone, np.int64))
