"""Comparing topics: every sink in a thread of its own, beside our job where the config has one to run."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import msgspec

from velo_cli.shadow_job import JobBeside
from velo_cli.shadow_places import refuse_one_topic_twice
from velo_cli.shadow_program import ShadowProgram
from velo_cli.shadow_settings import memory_size
from velo_cli.stop_signals import stopped_by_signals
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.schema import RowSchema
from velo_shadow.compared import Compared
from velo_shadow.config import ShadowConfig, ShadowSink, Stream
from velo_shadow.control import subtract
from velo_shadow.live import compare_streams
from velo_shadow.model import Side
from velo_shadow.reports.course import Course
from velo_shadow.reports.document import Moment
from velo_shadow.sides.opening import OpenSides, open_sides
from velo_shadow.stream.changes import Positions, StreamReader
from velo_shadow.stream.comparator import StreamComparator, StreamView
from velo_shadow.stream.incoming import event_times

_BEGAN = "began.json"
_SINKS = "sinks"
_START = "start.json"
_FIRST = 10_000
"""Rows of a side that are looked at for where its event time begins."""
_PATIENCE_S = 0.2
_LEAST_MEMORY = 64_000_000
"""Bytes without which a comparison cannot work, however many share the limit."""

OnView: TypeAlias = Callable[[StreamView], None]


class _Began(msgspec.Struct):
    """A comparison that has begun."""

    at_ms: int
    """Since the epoch."""
    of: str
    """What tells it from others."""


@dataclass(frozen=True, slots=True)
class SinkFound:
    """What a comparison of topics gave."""

    compared: Compared
    left: str
    right: str
    course: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class TopicsFound:
    """What all of them gave."""

    sinks: Mapping[str, SinkFound]
    ran_ms: int
    """Since the comparison first began, in an earlier run of the process perhaps."""


@dataclass(slots=True)
class TopicsRun:
    """One run over the sinks of a config."""

    config: ShadowConfig
    program: ShadowProgram | None
    """What declares the columns of the sinks."""
    runs_program: bool
    once: bool
    fresh: bool
    show: Callable[[str, StreamView], None]
    """Told where a sink stands, as often as it is known; from several threads."""
    stop: threading.Event = field(default_factory=threading.Event)
    _errors: list[BaseException] = field(default_factory=list)
    _found: dict[str, SinkFound] = field(default_factory=dict)
    _beginnings: Mapping[str, Positions] = field(default_factory=dict)

    def run(self) -> TopicsFound:
        """Compare until the topics' present ends (`once`), for the config's duration, or until SIGINT or SIGTERM.

        What is kept lets a run that was killed go on; of a run with `once` that came to its end nothing is kept.
        Errors: of the sides, the job, and the comparison; KeyboardInterrupt for a run with `once` that was interrupted.
        """
        refuse_one_topic_twice(self.config)
        with contextlib.ExitStack() as open_things:
            folder = self._folder(open_things)
            try:
                began_ms = self._began(folder)
                open_things.enter_context(stopped_by_signals(self.stop))
                self._compare(folder, began_ms, open_things)
                if self.once and self.stop.is_set():
                    raise KeyboardInterrupt
            except VeloError:
                self._forget(folder)
                raise
            self._forget(folder)
        return TopicsFound(self._found, _now_ms() - began_ms)

    def _forget(self, folder: Path) -> None:
        """Of a run to the end of the topics nothing is kept once it has an answer: the next one asks anew."""
        if self.once:
            shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, open_things: contextlib.ExitStack) -> Path:
        """Where this comparison keeps what it goes on from, while nobody else does."""
        state = self.config.state
        if state is None:
            state = Path(open_things.enter_context(tempfile.TemporaryDirectory(prefix="velo-shadow-")))
        folder = state / ("once" if self.once else "going-on")
        open_things.enter_context(_held(folder))
        if self.fresh:
            shutil.rmtree(folder, ignore_errors=True)
        return folder

    def _began(self, folder: Path) -> int:
        """When this comparison first began, milliseconds since the epoch; what another has left is refused, or of a run
        with `once` removed."""
        path, of = folder / _BEGAN, self._identity()
        if path.is_file():
            began = msgspec.json.decode(path.read_bytes(), type=_Began)
            if began.of == of:
                print(f"going on from what {folder} has; --fresh begins anew", file=sys.stderr)
                return began.at_ms
            if not self.once:
                message = f"the program or the config has changed since the comparison in {folder} began"
                raise VeloError(
                    ErrorCode.STATE_MISMATCH, message, hint="--fresh begins anew; --state names another place"
                )
            shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            now = _now_ms()
            _write(path, _Began(now, of))
        except OSError as problem:
            raise _unusable(folder, problem) from None
        return now

    def _identity(self) -> str:
        """What tells comparisons apart: their sinks, and the program with its inputs."""
        config = self.config
        sinks = [replace(sink, location=Location("", 1)) for sink in config.sinks]
        parts = [sinks, config.inputs, config.warm_up_ms]
        text = "" if self.program is None else self.program.path.read_text(encoding="utf-8")
        return hashlib.sha256(f"{parts!r}{text}".encode()).hexdigest()

    def _compare(self, folder: Path, began_ms: int, open_things: contextlib.ExitStack) -> None:
        if self.runs_program:
            assert self.program is not None
            job = JobBeside(self.config, self.program, folder / "job", once=self.once)
            open_things.enter_context(job)
            self._beginnings = job.beginnings
            if self.once:
                job.run(self.stop)
            else:
                job.start(self.stop)
        threads = [
            threading.Thread(target=self._guarded, args=(sink, folder, began_ms), daemon=True)
            for sink in self.config.sinks
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _guarded(self, sink: ShadowSink, folder: Path, began_ms: int) -> None:
        try:
            self._found[sink.name] = self._sink(sink, folder / _SINKS / quote(sink.name, safe=" "), began_ms)
        except BaseException as error:
            self._errors.append(error)
            self.stop.set()

    def _sink(self, sink: ShadowSink, folder: Path, began_ms: int) -> SinkFound:
        assert sink.right is not None
        course, began = Course(), time.monotonic()

        def on_view(view: StreamView) -> None:
            course.add(time.monotonic() - began, view)
            self.show(sink.name, view)

        if sink.control is None:
            compared, opened = self._pair(sink, sink.right, folder, began_ms, on_view)
        else:
            compared, opened = self._with_control(sink, sink.control, folder, began_ms, on_view)
        labels = opened.labels
        return SinkFound(compared, labels[Side.LEFT], labels[Side.RIGHT], course.moments)

    def _with_control(
        self, sink: ShadowSink, control: Stream, folder: Path, began_ms: int, on_view: OnView
    ) -> tuple[Compared, OpenSides]:
        """The sink's comparison without what its control has, too; both go on side by side."""
        assert sink.right is not None
        beside: list[Compared] = []
        failed: list[BaseException] = []

        def compare_control() -> None:
            try:
                found, _ = self._pair(
                    replace(sink, right=control), control, folder / "control", began_ms, lambda _: None
                )
                beside.append(found)
            except BaseException as error:
                failed.append(error)
                self.stop.set()

        thread = threading.Thread(target=compare_control, daemon=True)
        thread.start()
        try:
            compared, opened = self._pair(sink, sink.right, folder, began_ms, on_view)
        finally:
            thread.join()
        if failed:
            raise failed[0]
        return subtract(compared, beside[0]), opened

    def _pair(
        self, sink: ShadowSink, right: Stream, folder: Path, began_ms: int, on_view: OnView
    ) -> tuple[Compared, OpenSides]:
        opened = open_sides(
            sink.left,
            right,
            key=sink.key,
            equality=sink.equality,
            ignored=sink.ignored,
            time_column=sink.time_column,
            grace_ms=sink.grace_ms,
            declared=self._declared(sink),
            folder=folder,
        )
        ours = right is not sink.control
        comparator = StreamComparator(
            opened.plan,
            opened.changelogs,
            folder,
            memory_limit=self._memory_limit(),
            warm_up_until_ms=self._warm_up_until(sink, opened, folder, ours=ours),
        )
        with comparator:
            compared = compare_streams(
                self._readers(sink, opened, folder, ours=ours),
                comparator,
                duration_ms=self._left_ms(began_ms),
                stop=self.stop.is_set,
                on_view=on_view,
                # Windows of our job that are open at the end of its input are not closed by it. What has no event time
                # is told by when it was written, and all that was written has been read.
                time_ends=not self.runs_program or opened.plan.time_column is None,
            )
        return compared, opened

    def _readers(self, sink: ShadowSink, opened: OpenSides, folder: Path, *, ours: bool) -> dict[Side, StreamReader]:
        """Readers of both sides from where the comparison first began, which is kept: `latest` is that of then."""
        path = folder / _START
        if not path.is_file():
            readers = opened.readers(once=self.once)
            try:
                if ours and sink.name in self._beginnings:
                    readers[Side.RIGHT].seek(self._beginnings[sink.name])
                places = {side: list(reader.positions().items()) for side, reader in readers.items()}
            finally:
                for reader in readers.values():
                    reader.close()
            folder.mkdir(parents=True, exist_ok=True)
            _write(path, places)
        kept = msgspec.json.decode(path.read_bytes(), type=dict[Side, list[tuple[tuple[str, int], int]]])
        readers = opened.readers(once=self.once)
        for side, reader in readers.items():
            reader.seek(dict(kept[side]))
        return readers

    def _declared(self, sink: ShadowSink) -> RowSchema | None:
        if self.program is None or sink.name not in self.program.plan.statements:
            return None
        statement = self.program.plan.statements[sink.name]
        schema = statement.plan.schema
        return schema if statement.sink is None else schema.select(statement.sink.value_columns(schema))

    def _memory_limit(self) -> str:
        """What each of the comparisons that go on at the same time has."""
        number = sum(1 if sink.control is None else 2 for sink in self.config.sinks)
        return f"{max(memory_size(self.config.memory_limit) // number, _LEAST_MEMORY)}B"

    def _left_ms(self, began_ms: int) -> int | None:
        duration = self.config.duration_ms
        return None if self.once or duration is None else max(0, began_ms + duration - _now_ms())

    def _warm_up_until(self, sink: ShadowSink, opened: OpenSides, folder: Path, *, ours: bool) -> int | None:
        """The event time from which rows are compared: the later beginning of the two sides, and the warm-up.

        It is kept, so that a run that goes on leaves out the same rows.
        """
        if not self.config.warm_up_ms:
            return None
        path = folder / "warm_up.json"
        if path.is_file():
            return msgspec.json.decode(path.read_bytes(), type=int | None)
        readers = self._readers(sink, opened, folder, ours=ours)
        try:
            firsts = [self._first_ms(opened, reader) for reader in readers.values()]
        finally:
            for reader in readers.values():
                reader.close()
        known = [first for first in firsts if first is not None]
        until = max(known) + self.config.warm_up_ms if len(known) == len(firsts) else None
        if not self.stop.is_set():
            folder.mkdir(parents=True, exist_ok=True)
            _write(path, until)
        return until

    def _first_ms(self, opened: OpenSides, reader: StreamReader) -> int | None:
        """Where a side's event time begins; None for one that ends without rows, or when the run is stopped."""
        while not self.stop.is_set():
            changes = reader.poll(_FIRST, _PATIENCE_S)
            if changes is not None and len(changes):
                times, known = event_times(opened.plan, changes.table)
                if opened.plan.time_column is None:
                    times, known = changes.timestamps_ms, changes.timestamps_ms >= 0
                if known.any():
                    return int(times[known].min())
            elif reader.ended:
                break
        return None


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Let no other process use a folder, nor remove it (--fresh). Errors: STATE_MISMATCH, another one does."""
    import fcntl

    lock = folder.with_name(f"{folder.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a")
    except OSError as problem:
        raise _unusable(folder, problem) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another process compares with what it keeps in {folder}"
            raise VeloError(
                ErrorCode.STATE_MISMATCH, message, hint="stop it first; --state names another place"
            ) from None
        yield


def _write(path: Path, what: object) -> None:
    """Killed at any moment: the file is whole, or not there."""
    made = path.with_suffix(".new")
    made.write_bytes(msgspec.json.encode(what))
    made.replace(path)


def _unusable(folder: Path, problem: OSError) -> VeloError:
    message = f"the folder {folder} cannot be used: {problem.strerror}"
    return VeloError(ErrorCode.FILE_UNREADABLE, message, hint="name another with --state")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
