"""A position in each of many Avro records at once: every step reads the next value of all of them with numpy.

Records lie behind each other in one buffer. A record that cannot be read further fails once, with its reason, and goes
on over zeros (which read as empty values), so its neighbours never notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Bools, Int32s, Int64s

Octets: TypeAlias = npt.NDArray[np.uint8]

MAX_VARINT = 10
"""Bytes of the longest number."""


@dataclass(slots=True)
class _Shared:
    """What a cursor and its selections have in common."""

    data: Octets
    zeros: int
    """Where the zeros for failed records begin."""
    failures: dict[int, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    """The names of the fields that are being read, from the outside in."""


class Cursor:
    """One position a record: `pos` is where its next value begins, `end` is behind its last byte."""

    def __init__(self, shared: _Shared, rows: Int64s, pos: Int64s, end: Int64s) -> None:
        self._shared = shared
        self.rows = rows
        self.pos = pos
        self.end = end

    @staticmethod
    def over(records: Sequence[bytes], skip: int = 0, longest_fixed: int = 0) -> Cursor:
        """At byte `skip` of every record; `longest_fixed` is the size of the largest value read by `fixed`."""
        data = np.frombuffer(b"".join([*records, bytes(max(16, longest_fixed))]), np.uint8)
        end = np.cumsum(np.fromiter(map(len, records), np.int64, len(records)))
        pos = np.empty(len(records), np.int64)
        pos[:1] = 0
        pos[1:] = end[:-1]
        zeros = int(end[-1]) if len(end) else 0
        return Cursor(_Shared(data, zeros), np.arange(len(records)), pos + skip, end)

    def __len__(self) -> int:
        return len(self.pos)

    @property
    def data(self) -> Octets:
        """The buffer."""
        return self._shared.data

    @property
    def failures(self) -> dict[int, str]:
        """Why records failed, by their number."""
        return self._shared.failures

    @property
    def path(self) -> list[str]:
        """The fields being read, for reasons."""
        return self._shared.path

    @property
    def failed(self) -> Bools:
        """Which records have failed."""
        return self.end > self._shared.zeros

    def select(self, positions: Int64s) -> Cursor:
        """The records at these positions; `put_back` takes over how far it came."""
        return Cursor(self._shared, self.rows[positions], self.pos[positions], self.end[positions])

    def put_back(self, positions: Int64s, selected: Cursor) -> None:
        """Stand where the selection stands."""
        self.pos[positions] = selected.pos
        self.end[positions] = selected.end

    def fail(self, positions: Int64s, reason: str) -> None:
        """These records cannot be read further."""
        where = f'field "{".".join(self.path)}": ' if self.path else ""
        for row in self.rows[positions].tolist():
            self.failures.setdefault(row, where + reason)
        self.pos[positions] = self._shared.zeros
        self.end[positions] = len(self.data)

    def require(self, size: Int64s | int) -> None:
        """Fails the records that have fewer bytes left."""
        short = self.end - self.pos < size
        if short.any():
            self.fail(np.flatnonzero(short), "the record ends inside it")

    def longs(self) -> Int64s:
        """Zigzag numbers of up to 64 bits."""
        self.require(1)
        data = self.data
        first = data[self.pos]
        self.pos += 1
        raw = (first & 0x7F).astype(np.uint64)
        more = np.flatnonzero(first & 0x80)
        if len(more):
            self._continue(raw, more)
        negative = (raw & np.uint64(1)).astype(np.int64)
        return (raw >> np.uint64(1)).astype(np.int64) ^ -negative

    def _continue(self, raw: npt.NDArray[np.uint64], more: Int64s) -> None:
        """The further bytes of the numbers at `more`."""
        for length in range(1, MAX_VARINT):
            short = more[self.pos[more] >= self.end[more]]
            if len(short):
                self.fail(short, "the record ends inside it")
                raw[short] = 0
                more = np.setdiff1d(more, short, assume_unique=True)
            byte = self.data[self.pos[more]]
            raw[more] |= (byte & 0x7F).astype(np.uint64) << np.uint64(7 * length)
            self.pos[more] += 1
            more = more[byte & 0x80 != 0]
            if not len(more):
                return
        self.fail(more, f"a number of more than {MAX_VARINT} bytes")
        raw[more] = 0

    def ints(self) -> Int64s:
        """Zigzag numbers of up to 32 bits."""
        values = self.longs()
        wide = (values > 0x7FFFFFFF) | (values < -0x80000000)
        if wide.any():
            self.fail(np.flatnonzero(wide), "a number of more than 32 bits")
            values[wide] = 0
        return values

    def fixed(self, size: int) -> Octets:
        """The next `size` bytes, one row a record."""
        self.require(size)
        found: Octets = self.data[self.pos[:, None] + np.arange(size)]
        self.pos += size
        return found

    def skip(self, sizes: Int64s | int) -> None:
        """Past that many bytes."""
        self.require(sizes)
        self.pos += np.minimum(sizes, self.end - self.pos)

    def sizes(self) -> Int64s:
        """Lengths that fit in what is left."""
        values = self.longs()
        wrong = (values < 0) | (values > self.end - self.pos)
        if wrong.any():
            self.fail(np.flatnonzero(wrong), "a length beyond the end of the record")
            values[wrong] = 0
        return values

    def slices(self) -> tuple[Int32s, Octets]:
        """Bytes with their length before them: offsets and contents, as Arrow holds them."""
        return self._slices(self.sizes())

    def fixed_slices(self, size: int) -> tuple[Int32s, Octets]:
        """As `slices`, of the next `size` bytes."""
        self.require(size)
        return self._slices(np.full(len(self), size, np.int64))

    def _slices(self, sizes: Int64s) -> tuple[Int32s, Octets]:
        offsets = np.zeros(len(self) + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        index = np.arange(offsets[-1]) + np.repeat(self.pos - offsets[:-1], sizes)
        self.pos += sizes
        return offsets.astype(np.int32), self.data[index]
