"""The records of one text file, a piece at a time: decompressed, cut into records, with the line of each."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.connectors.paths import unreadable
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import MAX_RECORD_BYTES
from velo_engine.formats.csv_records import Split

CHUNK_BYTES = 4 * 1024 * 1024
"""Text read at once; the memory that a file takes is a small multiple of it."""

MAX_DECOMPRESSED_BYTES = 64 * 1024**3
"""Text that one compressed file may hold, unless the option `max-decompressed-bytes` says otherwise."""

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Splitter(Protocol):
    """Finds the records in a buffer."""

    def __call__(self, data: bytes, *, final: bool) -> Split:
        """The complete records of `data`; with `final` its end also ends a record."""


@dataclass(frozen=True, slots=True)
class TextRecords:
    """Consecutive records of a file."""

    values: list[bytes]
    """Without line endings."""
    lines: Callable[[int], int]
    """The line (from 1) on which a record of these begins."""
    malformed: dict[int, str]
    """By index: records that are no records, and why."""


class TextRecordReader:
    """Reads the records of one file in order. Raises VeloError when the file cannot be opened or read."""

    def __init__(
        self, path: Path, split: Splitter, *, max_bytes: int = MAX_DECOMPRESSED_BYTES, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        self.path = path
        self._split = split
        self._max_bytes = max_bytes
        self._chunk_bytes = chunk_bytes
        self._file = _opened(path)
        self._total = 0
        self._rest = b""
        self._final = False
        self._data = b""
        self._records = Split(np.empty(0, np.int64), np.empty(0, np.int64))
        self._next = 0
        self._lines_before = 0
        """Line feeds before the current buffer."""

    def read(self, limit: int) -> TextRecords | None:
        """Up to `limit` next records; None at the end of the file."""
        while self._next >= len(self._records.starts):
            if self._final:
                return None
            try:
                self._load()
            except VeloError:
                self.close()
                raise
        begin, end = self._next, min(self._next + limit, len(self._records.starts))
        self._next = end
        starts, ends = self._records.starts[begin:end], self._records.ends[begin:end]
        malformed = {i - begin: why for i, why in self._records.malformed.items() if begin <= i < end}
        return TextRecords(_slices(self._data, starts, ends), self._line_finder(starts), malformed)

    def starts_with(self, prefix: bytes) -> bool:
        """Whether the first record, blanks before it left out, begins with `prefix`. Ask before reading."""
        found = self.read(1)
        self._next = 0
        return found is not None and found.values[0].lstrip().startswith(prefix)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _load(self) -> None:
        """The next buffer: what the last one left, and as much new text as completes a record."""
        self._lines_before += self._data.count(b"\n", 0, self._records.consumed)
        data = self._rest
        first = self._total == 0
        while True:
            text = self._read_text()
            if first:
                text = self._checked_start(text)
                first = False
            self._final = not text
            data += text
            records = self._split(data, final=self._final)
            if records.consumed or self._final:
                break
            if len(data) > MAX_RECORD_BYTES:
                raise VeloError(
                    ErrorCode.FILE_UNREADABLE,
                    f"{self.path}: line {self._lines_before + 1} is longer than {MAX_RECORD_BYTES} bytes",
                    hint="is it a text file with one record a line?",
                )
        self._data, self._records, self._next = data, records, 0
        self._rest = data[records.consumed :]

    def _read_text(self) -> bytes:
        try:
            text = self._file.read(self._chunk_bytes)
        except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
            raise VeloError(
                ErrorCode.FILE_UNREADABLE,
                f"cannot decompress {self.path}: {problem}",
                hint="the file is damaged or was not written completely",
            ) from problem
        except OSError as problem:
            raise unreadable(self.path, problem) from problem
        self._total += len(text)
        if self._total > self._max_bytes:
            raise VeloError(
                ErrorCode.FILE_UNREADABLE,
                f"{self.path} holds more than {self._max_bytes} bytes of text",
                hint='raise the limit with "max-decompressed-bytes"',
            )
        return text

    def _checked_start(self, text: bytes) -> bytes:
        """The first text of the file without a byte order mark. Raises VeloError when it is not UTF-8 text."""
        if text.startswith(_UTF16_MARKS) or b"\x00" in text[:1024]:
            raise VeloError(
                ErrorCode.FILE_UNREADABLE,
                f"{self.path} is not UTF-8 text",
                hint="it is binary or UTF-16: save it as UTF-8, or check the format",
            )
        return text.removeprefix(_UTF8_MARK)

    def _line_finder(self, starts: Int64s) -> Callable[[int], int]:
        data, before = self._data, self._lines_before
        return lambda index: before + data.count(b"\n", 0, int(starts[index])) + 1


def _opened(path: Path) -> BinaryIO:
    try:
        file = path.open("rb")
        magic = file.read(2)
        file.seek(0)
    except OSError as problem:
        raise unreadable(path, problem) from problem
    if magic == _GZIP_MAGIC:
        file.close()
        return cast("BinaryIO", gzip.open(path))
    if path.suffix == ".gz" and magic:
        file.close()
        raise VeloError(
            ErrorCode.FILE_UNREADABLE, f"{path} is not a gzip file", hint="rename it if it is not compressed"
        )
    return file


def _slices(data: bytes, starts: Int64s, ends: Int64s) -> list[bytes]:
    if len(starts) and bool((starts[1:] == ends[:-1] + 1).all()):
        region = data[int(starts[0]) : int(ends[-1])]
        if region.count(b"\n") == len(starts) - 1:
            return region.split(b"\n")
    return [data[s:e] for s, e in zip(starts.tolist(), ends.tolist(), strict=True)]
