"""Where a running job stands, on stderr: a line that is kept up to date on a terminal, else one every half minute."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING

from velo_engine.batch import FINAL_WATERMARK, INITIAL_WATERMARK
from velo_engine.connectors.circuit import CircuitState
from velo_engine.runtime.measurements import Activity
from velo_engine.runtime.statistics import JobStatistics
from velo_harness.reports.shown_values import printable_lines

if TYPE_CHECKING:
    from rich.live import Live

EVERY_S = 0.5
"""Between looks at the job, on a terminal."""
PLAIN_EVERY_S = 30.0
"""Between lines where stderr is no terminal."""
RATE_OVER_S = 5.0
"""Rates on a terminal are those of the last seconds."""
_ECHO = 4
"""Columns that stay free: a Ctrl-C that the terminal writes behind the line must not begin a new one."""
BUSY = 0.1
"""From this share of the time on, waiting for the sinks is worth a word."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The job at one moment."""

    at_s: float
    """Of a clock that never goes back."""
    statistics: JobStatistics


def status_fields(now: Sample, before: Sample, began_s: float, outputs: Collection[str], clock_s: float) -> list[str]:
    """What is said of a job: what is wrong first, then rates since `before`, then where it stands.

    `outputs` are the statements whose changes leave the job, `clock_s` the time of day (Unix).
    """
    seconds, job, old = max(now.at_s - before.at_s, 1e-9), now.statistics, before.statistics
    came, went = job.records, _out(job, outputs)
    fields = [elapsed_text(now.at_s - began_s), *_troubles(job, clock_s)]
    fields.append(f"in {_rate(came - old.records, seconds)} ({came:,})")
    fields.append(f"out {_rate(went - _out(old, outputs), seconds)} ({went:,})")
    lags = [source.lag for source in job.sources.values() if source.lag is not None]
    if lags:
        fields.append(f"lag {sum(lags):,}")
    fields += _watermark(job, clock_s)
    fields.append(f"state {sum(s.state_rows for s in job.statements.values()):,} rows")
    late = sum(s.late for s in job.statements.values())
    if late:
        fields.append(f"late {late:,}")
    fields.append(f"dead letters {job.dead_letters:,}")
    if job.checkpoints.count:
        size = f", {_bytes(job.checkpoints.size)}" if job.checkpoints.size else ""
        fields.append(f"checkpoints {job.checkpoints.count:,} ({_short(job.checkpoints.seconds)}{size})")
    share = (job.seconds[Activity.DELIVERING.value] - old.seconds[Activity.DELIVERING.value]) / seconds
    if share > BUSY:
        fields.append(f"waiting for sinks {min(share, 1):.0%}")
    return fields


class StatusLine:
    """Shows a job from `__enter__` to `__exit__`, from a thread of its own."""

    def __init__(
        self, statistics: Callable[[], JobStatistics], outputs: Collection[str], stop: threading.Event
    ) -> None:
        """`stop` tells that the job is to end, which is said once."""
        self._statistics = statistics
        self._outputs = outputs
        self._stop = stop
        self._terminal = sys.stderr.isatty()
        self._closed = threading.Event()
        self._began_s = time.monotonic()
        self._samples: deque[Sample] = deque()
        self._live: Live | None = None
        self._said = False
        self._thread = threading.Thread(target=self._run, name="velo status line", daemon=True)

    def __enter__(self) -> StatusLine:
        self._samples.append(Sample(self._began_s, self._statistics()))
        if self._terminal:
            from rich.console import Console
            from rich.live import Live

            # A stdout that is not this terminal is left alone; one that is shares it with the line.
            self._live = Live(
                console=Console(stderr=True),
                auto_refresh=False,
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=True,
            )
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()
        if self._live is not None:
            self._live.stop()

    def _run(self) -> None:
        every_s = EVERY_S if self._terminal else PLAIN_EVERY_S
        shown_s = self._began_s
        while not self._closed.wait(EVERY_S):
            if self._stop.is_set() and not self._said:
                self._said = True
                print("stopping after this batch; a second Ctrl-C does not wait for it", file=sys.stderr, flush=True)
            if time.monotonic() - shown_s >= every_s:
                shown_s = time.monotonic()
                self._show()

    def _show(self) -> None:
        now = Sample(time.monotonic(), self._statistics())
        fields = status_fields(now, self._samples[0], self._began_s, self._outputs, time.time())
        self._samples.append(now)
        while len(self._samples) > 1 and now.at_s - self._samples[0].at_s > RATE_OVER_S:
            self._samples.popleft()
        fields = [printable_lines(field).replace("\n", " ") for field in fields]
        if self._live is None:
            print("  ".join(fields), file=sys.stderr, flush=True)
            return
        from rich.text import Text

        lines = wrapped(fields, self._live.console.width - _ECHO)
        self._live.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True)


def wrapped(fields: Sequence[str], width: int) -> list[str]:
    """The fields in lines of at most `width` characters, broken between fields only."""
    lines = [""]
    for field in fields:
        joined = f"{lines[-1]}  {field}" if lines[-1] else field
        if len(joined) > width and lines[-1]:
            lines.append(field)
        else:
            lines[-1] = joined
    return lines


def _out(job: JobStatistics, outputs: Collection[str]) -> int:
    """What has left the job: records of sinks, changes of statements that are shown."""
    return sum(job.statements[name].written or job.statements[name].emitted for name in outputs)


def _troubles(job: JobStatistics, clock_s: float) -> list[str]:
    return [
        f"NO BROKER for {name} since {elapsed_text(clock_s - c.since_ms / 1000)}{f': {c.problem}' if c.problem else ''}"
        for name, c in job.connections.items()
        if c.circuit == CircuitState.OPEN.value
    ]


def _watermark(job: JobStatistics, clock_s: float) -> list[str]:
    """Of the statement that is furthest behind."""
    reached = [s.watermark_ms for s in job.statements.values() if s.watermark_ms is not None]
    reached = [ms for ms in reached if INITIAL_WATERMARK < ms < FINAL_WATERMARK]
    if not reached:
        return []
    seconds = min(reached) / 1000
    try:
        shown = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return [f"watermark {min(reached)} ms"]
    behind = clock_s - seconds
    day = "" if abs(behind) < 86_400 else f"{shown:%Y-%m-%d} "
    return [f"watermark {day}{shown:%H:%M:%S} ({span_text(behind)} behind)"]


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}/s"


def elapsed_text(seconds: float) -> str:
    """Hours, minutes and seconds."""
    whole = max(int(seconds), 0)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def span_text(seconds: float) -> str:
    """A time that may be long or, for records from the future, negative."""
    if abs(seconds) < 120:
        return f"{seconds:.1f} s"
    if abs(seconds) < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.0f} h" if abs(seconds) < 172_800 else f"{seconds / 86_400:,.0f} days"


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
