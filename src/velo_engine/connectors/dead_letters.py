"""The dead letter queue: records that could not be decoded or computed, with what is needed to mend and replay them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from velo_engine.connectors.records import Records, RecordWriter
from velo_engine.connectors.source import Headers
from velo_engine.errors import ErrorCode, VeloError

DEFAULT_MAX_SIZE = 10_000
"""Letters kept in memory unless told otherwise; all are counted."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record, why it was set aside, and where it came from."""

    source: str
    """The topic or file source."""
    partition: int
    offset: int
    reason: str
    raw: bytes | None
    """The record's original value; None where it has none (a tombstone) or was read as columns (Parquet)."""
    statement: str
    """The query that could not use it; of a record that did not decode all queries that read it, with commas."""
    row: str | None = None
    """The decoded values as a JSON object; None when decoding itself failed."""
    key: bytes | None = None
    headers: Headers = ()
    """Those of the record."""

    def to_json(self) -> bytes:
        """The letter as one JSON object on one line.

        `raw` is text when it is UTF-8, else `raw_base64` holds it; likewise `key`, where the record has one.
        """
        fields: dict[str, object] = {
            "source": self.source,
            "partition": self.partition,
            "offset": self.offset,
            "reason": self.reason,
            "statement": self.statement,
        }
        for name, held in (("raw", self.raw), ("key", self.key)):
            if held is None:
                continue
            try:
                fields[name] = held.decode()
            except UnicodeDecodeError:
                fields[f"{name}_base64"] = base64.b64encode(held).decode()
        if self.row is not None:
            fields["row"] = msgspec.Raw(self.row.encode())
        return msgspec.json.encode(fields)


class DeadLetterQueue:
    """Counts every letter, keeps the first `max_size`, and passes each one on when told where to."""

    def __init__(
        self, max_size: int = DEFAULT_MAX_SIZE, *, forward: Callable[[DeadLetter], None] | None = None
    ) -> None:
        self.max_size = max_size
        self.count = 0
        self._letters: list[DeadLetter] = []
        self._forward = forward

    @property
    def letters(self) -> tuple[DeadLetter, ...]:
        """The letters kept, in the order they came."""
        return tuple(self._letters)

    @property
    def dropped(self) -> int:
        """Letters counted but not kept (they were still passed on)."""
        return self.count - len(self._letters)

    def add(self, letter: DeadLetter) -> None:
        """Takes one letter."""
        self.count += 1
        if len(self._letters) < self.max_size:
            self._letters.append(letter)
        if self._forward is not None:
            self._forward(letter)


class DeadLetterFile:
    """Writes letters to a new JSON-lines file as they come, so that they are there after a crash.

    Pass `add` as a queue's `forward`. Raises VeloError when the file exists or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb", buffering=0)
        except FileExistsError:
            raise VeloError(
                ErrorCode.FILE_EXISTS, f"{path} exists and was not created by this run", hint="remove it"
            ) from None
        except OSError as problem:
            raise VeloError(ErrorCode.FILE_UNREADABLE, f"cannot write {path}: {problem.strerror}") from problem

    def add(self, letter: DeadLetter) -> None:
        """Appends one line."""
        self._file.write(letter.to_json() + b"\n")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def letters_to_writer(
    writer: RecordWriter, topic: str, topics: Mapping[str, str] | None = None
) -> Callable[[DeadLetter], None]:
    """A `forward` that writes each letter to `topic`: the record's original key, value and headers, so that it can be
    mended and read again, and in further headers why and whence.

    These are `velo.reason`, `velo.statement`, `velo.source`, `velo.topic`, `velo.partition`, `velo.offset`, and
    `velo.row` (the decoded values as JSON) where decoding succeeded. `topics` are the topics of sources, where these
    have other names. A record that has no bytes of its own (Parquet) goes as its row.
    """
    known = topics or {}

    def forward(letter: DeadLetter) -> None:
        told = {
            "velo.reason": letter.reason,
            "velo.statement": letter.statement,
            "velo.source": letter.source,
            "velo.topic": known.get(letter.source, letter.source),
            "velo.partition": str(letter.partition),
            "velo.offset": str(letter.offset),
            "velo.row": letter.row,
        }
        row = None if letter.row is None else letter.row.encode()
        headers = letter.headers + tuple((name, text.encode()) for name, text in told.items() if text is not None)
        value = row if letter.raw is None else letter.raw
        writer.write(Records(topic, [value], keys=[letter.key], headers=[headers]))

    return forward
