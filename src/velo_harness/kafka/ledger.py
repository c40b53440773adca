"""The ledger of a run: the topics that it made on a cluster of others, on disk, so that a crash leaves nothing behind.

A topic is written down before it is made. While its run lives, the run holds a lock on the file; a ledger without a
lock is what a crash left, and `velo kafka clean` deletes its topics and then the ledger.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from velo_engine.errors import ErrorCode, VeloError

CACHE_VARIABLE = "VELO_CACHE"
_SUFFIX = ".jsonl"


def ledger_folder() -> Path:
    """Where ledgers are: below `VELO_CACHE`, by default `~/.cache/velostream`."""
    root = os.environ.get(CACHE_VARIABLE)
    return (Path(root) if root else Path.home() / ".cache" / "velostream") / "kafka-ledgers"


class Ledger:
    """The ledger of a run that lives."""

    def __init__(self, run_id: str, bootstrap_servers: str, folder: Path | None = None) -> None:
        """Raises VeloError when the file cannot be written."""
        place = folder or ledger_folder()
        self.path = place / f"{run_id}{_SUFFIX}"
        try:
            place.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("x", encoding="utf-8")
        except OSError as problem:
            message = f"cannot write down the topics of this run: {problem}"
            hint = f"set {CACHE_VARIABLE} to a folder that can be written"
            raise VeloError(ErrorCode.FILE_UNREADABLE, message, hint=hint) from problem
        _lock(self._file)
        self._open: set[str] = set()
        self._write({"bootstrap_servers": bootstrap_servers})

    def enter(self, names: Iterable[str]) -> None:
        """These topics are about to be made."""
        for name in names:
            self._open.add(name)
            self._write({"topic": name})

    def strike(self, names: Iterable[str]) -> None:
        """These topics are gone."""
        for name in names:
            self._open.discard(name)
            self._write({"deleted": name})

    def close(self) -> None:
        """The run ends. The file goes with its last topic; with topics left it stays for `velo kafka clean`."""
        self._file.close()
        if not self._open:
            self.path.unlink(missing_ok=True)

    def _write(self, entry: dict[str, str]) -> None:
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()


@dataclass(frozen=True, slots=True)
class LeftLedger:
    """What a run that is no more left behind."""

    path: Path
    bootstrap_servers: str
    topics: tuple[str, ...]


def left_ledgers(folder: Path | None = None) -> list[LeftLedger]:
    """The ledgers of runs that ended without deleting their topics, by name."""
    found = []
    for path in sorted((folder or ledger_folder()).glob(f"*{_SUFFIX}")):
        with path.open("r+", encoding="utf-8") as file:
            if _lock(file):
                found.append(_read(path, file))
    return found


def strike_left(ledger: LeftLedger, deleted: Iterable[str]) -> None:
    """These topics of an ended run are gone; the ledger goes with its last topic."""
    gone = set(deleted)
    if gone.issuperset(ledger.topics):
        ledger.path.unlink(missing_ok=True)
        return
    with ledger.path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps({"deleted": name}) + "\n" for name in sorted(gone))


def _read(path: Path, file: IO[str]) -> LeftLedger:
    """The ledger as far as it was written: a crash may have cut its last line."""
    servers, topics = "", dict[str, None]()
    for line in file:
        try:
            entry = json.loads(line)
        except ValueError:
            break
        servers = entry.get("bootstrap_servers", servers)
        if "topic" in entry:
            topics[entry["topic"]] = None
        topics.pop(entry.get("deleted", ""), None)
    return LeftLedger(path, servers, tuple(topics))


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> bool:
        """Take the lock of a ledger, until the file is closed; whether nobody had it."""
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(file: IO[str]) -> bool:
        """Take the lock of a ledger, until the file is closed; whether nobody had it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
