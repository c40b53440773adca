"""A job's state at rest: one file, written whole and moved into place, so that it is the old one or the new one.

| part | holds |
|---|---|
| first line | `velostream checkpoint` and the number of this format |
| second line | the manifest, JSON: engine version, plan fingerprint, epoch, source positions, where each table is |
| the rest | the tables as Arrow IPC streams: the state of every operator in its declared types, then the outbox |

`head -2 checkpoint` shows what a checkpoint is of. Why not tables of the kernel: docs/decisions/0010.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import pyarrow as pa
import pyarrow.ipc

from velo_engine.connectors.records import Records
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.plan.render import render_program

FORMAT = 1
"""Of the file; another number cannot be read."""

_TITLE = b"velostream checkpoint"

JobState: TypeAlias = Mapping[int, Mapping[str, pa.Table]]
"""Per step of a pipeline the named tables of its operator."""

Positions: TypeAlias = Mapping[tuple[str, int], int]
"""Of one source: per topic and partition the offset behind the last record that was handled."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A moment between two batches of a job: everything up to it is handled, nothing after it."""

    plan: str
    """The fingerprint of the plan whose state it is."""
    epoch: int
    """How many checkpoints there have been, over all runs of the job."""
    positions: Mapping[str, Positions]
    """By source."""
    operators: JobState
    steps: Mapping[int, str] = field(default_factory=dict)
    """What each step of the state does, by which another plan finds its own."""
    outbox: tuple[Records, ...] = ()
    """Output of this epoch that the broker may not have yet (exactly-once delivery)."""
    finished: bool = False
    """All input has ended, and event time with it: there is nothing to go on with."""


def fingerprint(program: PlannedProgram) -> str:
    """A digest that is equal for programs with the same plan, whatever their text."""
    return hashlib.sha256(render_program(program).encode()).hexdigest()


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> int:
    """Put `checkpoint` in the place of what `path` holds; on disk when this returns. Gives its size in bytes.

    Raises VeloError FILE_UNREADABLE when it cannot be written; then the old one is still there.
    """
    streams: list[pa.Buffer] = []
    tables: list[dict[str, Any]] = []

    def add(table: pa.Table, **about: object) -> None:
        stream = _packed(table)
        at = sum(len(s) for s in streams)
        tables.append({**about, "offset": at, "length": len(stream), "crc32": zlib.crc32(stream)})
        streams.append(stream)

    for step, named in checkpoint.operators.items():
        for name, table in named.items():
            add(table, step=step, name=name)
    for records in checkpoint.outbox:
        add(_outbox_table(records), topic=records.topic)
    manifest = json.dumps(_manifest(checkpoint) | {"tables": tables}).encode()
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(b"%s %d\n%s\n" % (_TITLE, FORMAT, manifest))
            for stream in streams:
                file.write(stream)
            _sync_file(file)
            size = file.tell()
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as problem:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise VeloError(
            ErrorCode.FILE_UNREADABLE,
            f"the checkpoint {path} cannot be written: {problem.strerror or problem}",
            hint="check that the folder may be written and the disk has room; the checkpoint before it is still whole",
        ) from problem
    return size


def read_checkpoint(path: Path) -> Checkpoint:
    """What was written last.

    Raises VeloError: FILE_NOT_FOUND; STATE_MISMATCH for another format or a damaged file.
    """
    try:
        with path.open("rb") as file:
            manifest = _read_manifest(file, path)
            base = file.tell()
            operators: dict[int, dict[str, pa.Table]] = {int(step): {} for step in manifest["steps"]}
            outbox = []
            for entry in manifest["tables"]:
                file.seek(base + entry["offset"])
                stream = file.read(entry["length"])
                if zlib.crc32(stream) != entry["crc32"]:
                    raise _damaged(path, "a table is not what was written")
                table = pa.ipc.open_stream(stream).read_all()
                if "topic" in entry:
                    outbox.append(_records(entry["topic"], table))
                else:
                    operators.setdefault(entry["step"], {})[entry["name"]] = table
        return _checkpoint(manifest, operators, tuple(outbox))
    except FileNotFoundError:
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f"there is no checkpoint {path}") from None
    except OSError as problem:
        message = f"the checkpoint {path} cannot be read: {problem.strerror or problem}"
        raise VeloError(ErrorCode.FILE_UNREADABLE, message) from problem
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged(path, "its manifest is not what was written") from None


def _checkpoint(
    manifest: Mapping[str, Any], operators: dict[int, dict[str, pa.Table]], outbox: tuple[Records, ...]
) -> Checkpoint:
    positions: dict[str, dict[tuple[str, int], int]] = {}
    for source, topic, partition, offset in manifest["positions"]:
        positions.setdefault(source, {})[topic, partition] = offset
    return Checkpoint(
        plan=manifest["plan"],
        epoch=manifest["epoch"],
        positions=positions,
        operators=operators,
        steps={int(step): text for step, text in manifest["steps"].items()},
        outbox=outbox,
        finished=manifest["finished"],
    )


def _manifest(checkpoint: Checkpoint) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "engine": version("velostream"),
        "plan": checkpoint.plan,
        "epoch": checkpoint.epoch,
        "positions": [
            [source, topic, partition, offset]
            for source, held in checkpoint.positions.items()
            for (topic, partition), offset in held.items()
        ],
        "steps": checkpoint.steps,
        "finished": checkpoint.finished,
    }


def _read_manifest(file: BinaryIO, path: Path) -> dict[str, Any]:
    title, _, number = file.readline().rstrip(b"\n").rpartition(b" ")
    if title != _TITLE or not number.isdigit():
        raise _damaged(path, "it is no checkpoint of velostream")
    if int(number) != FORMAT:
        raise VeloError(
            ErrorCode.STATE_MISMATCH,
            f"{path} was written in format {int(number)}; this version reads format {FORMAT}",
            hint="run the version that wrote it, or begin without state",
        )
    try:
        manifest: dict[str, Any] = json.loads(file.readline())
    except ValueError:
        raise _damaged(path, "its manifest is not whole") from None
    return manifest


def _damaged(path: Path, what: str) -> VeloError:
    return VeloError(
        ErrorCode.STATE_MISMATCH,
        f"the checkpoint {path} cannot be used: {what}",
        hint="start from a savepoint (--from-savepoint), or without state (--fresh)",
    )


def _packed(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _sync_file(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_HEADERS = pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))


def _outbox_table(records: Records) -> pa.Table:
    columns: dict[str, pa.Array] = {"value": pa.array(records.values, pa.binary())}
    if records.keys is not None:
        columns["key"] = pa.array(records.keys, pa.binary())
    if records.timestamps_ms is not None:
        columns["timestamp_ms"] = pa.array(records.timestamps_ms, pa.int64())
    if records.partitions is not None:
        columns["partition"] = pa.array(records.partitions, pa.int32())
    if records.headers is not None:
        pairs = [[{"name": name, "value": value} for name, value in headers] for headers in records.headers]
        columns["headers"] = pa.array(pairs, _HEADERS)
    return pa.table(columns)


def _records(topic: str, table: pa.Table) -> Records:
    def column(name: str) -> Sequence[Any] | None:
        return table.column(name).to_pylist() if name in table.column_names else None

    def numbers(name: str) -> Any:
        return table.column(name).to_numpy() if name in table.column_names else None

    headers = column("headers")
    return Records(
        topic=topic,
        values=column("value") or [],
        keys=column("key"),
        timestamps_ms=numbers("timestamp_ms"),
        headers=None if headers is None else [tuple((p["name"], p["value"]) for p in h) for h in headers],
        partitions=numbers("partition"),
    )
