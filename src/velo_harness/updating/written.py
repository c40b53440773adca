"""Updates on their way to the disk: what one query asks for, and writing all of a run at once.

Every update names offsets in the text of a file as it was when the query ran, so that queries of one file, run by
several processes, do not disturb each other: whoever has them all makes the edits together.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.programs import shown_path
from velo_harness.result import CheckFailure
from velo_harness.updating.text_edits import TextEdit, edited

_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class NewFile:
    """The new content of a `rows_file`."""

    path: Path
    content: bytes


@dataclass(frozen=True, slots=True)
class ExpectationUpdate:
    """What is to be written for one expectation."""

    file: Path
    """The spec."""
    digest: str
    """Of the spec's text when the query ran."""
    query: str
    said: tuple[str, ...]
    """What changes, for people."""
    edits: tuple[TextEdit, ...]
    rows_file: NewFile | None = None

    def plain(self) -> dict[str, Any]:
        """The update as JSON values, in which it travels between processes."""
        file = None
        if self.rows_file is not None:
            file = [str(self.rows_file.path), base64.b64encode(self.rows_file.content).decode()]
        edits = [[edit.start, edit.end, edit.text] for edit in self.edits]
        return {
            "file": str(self.file),
            "digest": self.digest,
            "query": self.query,
            "said": list(self.said),
            "edits": edits,
            "rows_file": file,
        }

    @staticmethod
    def of_plain(values: Mapping[str, Any]) -> ExpectationUpdate:
        """What `plain` gave."""
        file = values["rows_file"]
        return ExpectationUpdate(
            Path(values["file"]),
            values["digest"],
            values["query"],
            tuple(values["said"]),
            tuple(TextEdit(*edit) for edit in values["edits"]),
            None if file is None else NewFile(Path(file[0]), base64.b64decode(file[1])),
        )


@dataclass(frozen=True, slots=True)
class Updated:
    """What became of expectations in an updating run."""

    failures: tuple[CheckFailure, ...] = ()
    """What does not hold and was not to be written, or could not be."""
    updates: tuple[ExpectationUpdate, ...] = ()


def read_exactly(path: Path) -> str:
    """The text of a file with its line breaks as they are, without byte order mark. Errors: FILE_UNREADABLE."""
    try:
        return path.read_bytes().decode().removeprefix(_BYTE_ORDER_MARK)
    except (OSError, UnicodeDecodeError) as error:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{path}" cannot be read: {error}') from None


def digest_of(text: str) -> str:
    """A text's digest."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_updates(updates: Sequence[ExpectationUpdate]) -> list[str]:
    """Makes all edits, file by file, and says in one line each what was updated.

    Errors: FILE_UNREADABLE for a file that cannot be written, or has changed since the queries ran.
    """
    by_file: dict[Path, list[ExpectationUpdate]] = {}
    for update in dict.fromkeys(updates):
        by_file.setdefault(update.file, []).append(update)
    lines = []
    for file, of_file in sorted(by_file.items()):
        _write_spec(file, of_file)
        for update in of_file:
            if update.rows_file is not None:
                _write(update.rows_file.path, update.rows_file.content)
            lines.append(f"{shown_path(file)}::{update.query}: {', '.join(update.said)}")
    return lines


def _write_spec(file: Path, updates: Iterable[ExpectationUpdate]) -> None:
    edits = [edit for update in updates for edit in update.edits]
    if not edits:
        return
    text = read_exactly(file)
    if any(update.digest != digest_of(text) for update in updates):
        message = f'"{shown_path(file)}" has changed since its queries ran; nothing in it was updated'
        raise VeloError(ErrorCode.FILE_UNREADABLE, message, location=Location(shown_path(file), 1), hint="run it again")
    ordered = sorted(set(edits))
    if any(after.start < before.end or after.start == before.start for before, after in pairwise(ordered)):
        message = f'runs of a query in "{shown_path(file)}" do not agree on what is expected; nothing in it was updated'
        raise VeloError(ErrorCode.BAD_VALUE, message, location=Location(shown_path(file), 1))
    mark = _BYTE_ORDER_MARK if file.read_bytes().startswith(_BYTE_ORDER_MARK.encode()) else ""
    _write(file, (mark + edited(text, edits)).encode())


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        message = f'"{shown_path(path)}" cannot be written: {error.strerror}'
        raise VeloError(ErrorCode.FILE_UNREADABLE, message) from None
