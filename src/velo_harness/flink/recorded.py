"""Recorded answers of Flink: a file beside the spec, `orders.flink.json` for `orders.test.yaml`.

It holds, for every item of the spec that was recorded, the digest of the question (SQL, rows, order of arrival) and
Flink's answer to each statement. With another question the answer is refused: it would prove nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.discovery import SPEC_SUFFIXES
from velo_harness.flink.questions import Question
from velo_harness.flink.server import FlinkAnswer

FORMAT = 1
SUFFIX = ".flink.json"
RECORD = "velo-test run --record"


def recording_of(spec_file: Path) -> Path:
    """The file with the recorded answers of a spec."""
    name = spec_file.name
    for suffix in (*SPEC_SUFFIXES, spec_file.suffix):
        if name.endswith(suffix):
            return spec_file.with_name(name.removesuffix(suffix) + SUFFIX)
    return spec_file.with_name(name + SUFFIX)


def recorded_answers(path: Path, item: str, asked: Question, location: Location) -> tuple[str, dict[str, FlinkAnswer]]:
    """The version of Flink that answered, and what. Errors: FILE_NOT_FOUND, STATE_MISMATCH, FILE_UNREADABLE."""
    hint = f"{RECORD} asks a real Flink and writes it down"
    entry = _read(path).get("items", {}).get(item)
    if entry is None:
        message = f'no answer of Flink is recorded for "{item}" in {path.name}'
        raise VeloError(ErrorCode.FILE_NOT_FOUND, message, location=location, hint=hint)
    if entry["question"] != asked.digest:
        message = f'what Flink answered for "{item}" is about other SQL or other rows than these'
        raise VeloError(ErrorCode.STATE_MISMATCH, message, location=location, hint=f"record it again: {RECORD}")
    return entry["flink"], {name: _answer(given) for name, given in entry["answers"].items()}


def record(path: Path, item: str, asked: Question, flink: str, answers: Mapping[str, FlinkAnswer]) -> None:
    """Write the answers down, in place of those before. Errors: FILE_UNREADABLE."""
    entry = {
        "flink": flink,
        "question": asked.digest,
        "answers": {name: _fields(answer) for name, answer in answers.items()},
    }
    try:
        with _alone(path.parent):
            whole = _read(path) or {"format": FORMAT, "items": {}}
            whole["items"] = dict(sorted({**whole["items"], item: entry}.items()))
            text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
    except OSError as problem:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"{path} cannot be written: {problem.strerror}") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process writes a recording in the folder meanwhile: items of a spec may run in several."""
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"{path} cannot be read: {problem}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        message = f"{path} is no recording of format {FORMAT}"
        raise VeloError(ErrorCode.FILE_UNREADABLE, message, hint=f"record it again: {RECORD}")
    return found


def _fields(answer: FlinkAnswer) -> dict[str, Any]:
    if answer.error is not None:
        return {"error": answer.error}
    return {"schema": answer.schema, "changelog": answer.changelog, "events": answer.events}


def _answer(given: Mapping[str, Any]) -> FlinkAnswer:
    if "error" in given:
        return FlinkAnswer(error=given["error"])
    return FlinkAnswer(
        tuple((name, kind) for name, kind in given["schema"]),
        tuple(tuple(change) for change in given["changelog"]),
        tuple(given["events"]),
    )
