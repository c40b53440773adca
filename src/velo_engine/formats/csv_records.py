"""Where records of CSV text begin and end (RFC 4180), found in whole buffers.

A record ends at a line feed outside quotes; a carriage return before it belongs to the end. Blank lines are no records.
A quote counts only at the beginning of a field, and the quoted part must be the whole field. Where a quote is not
closed properly, only its line is malformed: the next line begins a record again, so one bad quote cannot swallow the
file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from velo_engine.batch import Bools, Int64s

MAX_QUOTED_RECORD_BYTES = 1024 * 1024
"""A record whose quote is still open after so many bytes is malformed."""

MALFORMED = "malformed CSV: an unclosed quote, text after a closing quote, or a lone carriage return"

_LF, _CR = ord("\n"), ord("\r")


@dataclass(frozen=True, slots=True)
class Split:
    """Records within a buffer."""

    starts: Int64s
    ends: Int64s
    """Exclusive, without the line ending."""
    malformed: dict[int, str] = field(default_factory=dict)
    """By record: why it cannot be read."""
    consumed: int = 0
    """The bytes that the records and their line endings take; the rest needs more text."""


class CsvRecords:
    """Finds records of one delimiter and quote character (single bytes; no quote: quotes are ordinary characters)."""

    def __init__(self, delimiter: str = ",", quote: str | None = '"') -> None:
        self._delimiter = ord(delimiter)
        self._quote = None if quote is None else ord(quote)
        d, q = re.escape(delimiter), re.escape(quote or "")
        plain = rf"(?:[^{q}{d}\r\n][^{d}\r\n]*+)?+" if quote else rf"[^{d}\r\n]*+"
        quoted = rf"{q}(?:[^{q}]++|{q}{q})*+{q}" if quote else r"(?!)"
        record = rf"(?:{quoted}|{plain})(?:{d}(?:{quoted}|{plain}))*+"
        self._record = re.compile(record.encode())
        self._open = re.compile(rf"(?:(?:{quoted}|{plain}){d})*+{q}(?:[^{q}]++|{q}{q})*+\Z".encode()) if quote else None

    def is_one_record(self, message: bytes) -> bool:
        """Whether `message` (without line ending) is exactly one well-formed record."""
        return self._record.fullmatch(message) is not None

    def split(self, data: bytes, *, final: bool) -> Split:
        """The complete records of `data`; with `final` its end also ends a record."""
        characters = np.frombuffer(data, np.uint8)
        breaks = np.flatnonzero(characters == _LF)
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            return self._scan(data, final)
        if self._quote is not None and bytes([self._quote]) in data:
            quotes = np.flatnonzero(characters == self._quote)
            if not self._is_regular(characters, quotes):
                return self._scan(data, final)
            breaks = breaks[np.searchsorted(quotes, breaks) % 2 == 0]
            if len(quotes) % 2 and (
                final or len(data) - int(breaks[-1] if len(breaks) else 0) > MAX_QUOTED_RECORD_BYTES
            ):
                return self._scan(data, final)
        return _by_breaks(characters, breaks, final)

    def _is_regular(self, characters: np.typing.NDArray[np.uint8], quotes: Int64s) -> bool:
        """Whether every opening quote begins a field and every closing quote ends one (or is doubled)."""
        padded = np.concatenate([[_LF], characters, [_LF]]).astype(np.uint8)
        before, after = padded[quotes], padded[quotes + 2]
        opening = np.arange(len(quotes)) % 2 == 0
        doubled = np.zeros(len(quotes), bool)
        doubled[1:] = np.diff(quotes) == 1
        begins: Bools = (before == self._delimiter) | (before == _LF) | doubled
        next_doubled = np.append(doubled[1:], False)
        ends: Bools = (after == self._delimiter) | (after == _LF) | (after == _CR) | next_doubled
        return bool(np.where(opening, begins, ends).all())

    def _scan(self, data: bytes, final: bool) -> Split:
        """Record by record, for text with misplaced quotes."""
        starts: list[int] = []
        ends: list[int] = []
        malformed: dict[int, str] = {}
        at = 0
        while at < len(data):
            found = self._well_formed(data, at, final)
            if found is None:
                if not final and (data.find(b"\n", at) < 0 or self._needs_more(data, at)):
                    break
                malformed[len(starts)] = MALFORMED
                found = _line(data, at)
            end, following = found
            if end > at:
                starts.append(at)
                ends.append(end)
            at = following
        return Split(np.array(starts, np.int64), np.array(ends, np.int64), malformed, at)

    def _well_formed(self, data: bytes, at: int, final: bool) -> tuple[int, int] | None:
        """The end of the record at `at` and the beginning of the next, when it is complete and well-formed."""
        match = self._record.match(data, at)
        end = match.end() if match else at
        if data[end : end + 1] == b"\n":
            return end, end + 1
        if data[end : end + 2] == b"\r\n":
            return end, end + 2
        if final and data[end:] in (b"", b"\r"):
            return end, len(data)
        return None

    def _needs_more(self, data: bytes, at: int) -> bool:
        """Whether the record at `at` may still become well-formed with more text."""
        if len(data) - at > MAX_QUOTED_RECORD_BYTES:
            return False
        match = self._record.match(data, at)
        reaches_end = match is not None and data[match.end() :] in (b"", b"\r")
        return reaches_end or (self._open is not None and self._open.match(data, at) is not None)


def _line(data: bytes, at: int) -> tuple[int, int]:
    """The end of the line at `at` and the beginning of the next."""
    end = data.find(b"\n", at)
    following = end + 1
    if end < 0:
        end = following = len(data)
    return (end - 1 if data[at:end].endswith(b"\r") else end), following


def split_lines(data: bytes, *, final: bool) -> Split:
    """The lines of `data` as records."""
    characters = np.frombuffer(data, np.uint8)
    return _by_breaks(characters, np.flatnonzero(characters == _LF), final)


def _by_breaks(characters: np.typing.NDArray[np.uint8], breaks: Int64s, final: bool) -> Split:
    if final and len(characters) and (not len(breaks) or breaks[-1] != len(characters) - 1):
        breaks = np.append(breaks, len(characters))
    if not len(breaks):
        return Split(breaks, breaks)
    starts = np.concatenate([[0], breaks[:-1] + 1])
    ends = breaks - ((breaks > starts) & (characters[breaks - 1] == _CR))
    kept = ends > starts
    if not kept.all():
        starts, ends = starts[kept], ends[kept]
    return Split(starts, ends, {}, min(int(breaks[-1]) + 1, len(characters)))
