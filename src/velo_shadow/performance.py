"""What the two jobs cost while they are compared: memory and CPU, ours from its process, Flink's from its REST API.

A figure that cannot be had is None, and shown as missing; why is in `problem`. Measuring never ends a comparison.
"""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from velo_shadow.model import Performance, SidePerformance

EVERY_S = 5.0
"""Between two looks at a job. Flink's own figures are renewed every ten seconds by default."""
TIMEOUT_S = 3.0
_LONGEST = 4 * 1024 * 1024
_CPU_TIME = "Status.JVM.CPU.Time"
_MEMORY = (
    "Status.JVM.Memory.Heap.Committed",
    "Status.JVM.Memory.NonHeap.Committed",
    "Status.JVM.Memory.Direct.MemoryUsed",
    "Status.JVM.Memory.Mapped.MemoryUsed",
    "Status.Flink.Memory.Managed.Used",
)
"""What a task manager holds of the machine's memory, in parts that do not overlap (Flink, Metrics, System metrics)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job needed. None: not known."""

    memory_bytes: int | None = None
    """The most that was seen in use."""
    cpu_cores: float | None = None
    """Seconds of CPU in a second, between the first look and the last."""


class Meter(Protocol):
    """Looks at a job now and then."""

    def sample(self) -> None:
        """Look once; raises nothing."""

    def cost(self) -> Cost:
        """What was seen until now."""


def with_costs(performance: Performance | None, *, left: Cost, right: Cost) -> Performance | None:
    """The performance with what the jobs cost; None when nothing at all is known."""
    given = performance or Performance()
    found = Performance(_with_cost(given.left, left), _with_cost(given.right, right))
    return None if found == Performance() else found


def resident_bytes(pid: int | None = None) -> int | None:
    """Resident memory of a process, by default this one; None where the system has no /proc, or the process is gone."""
    try:
        pages = int(_proc(pid, "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class ProcessMeter:
    """Looks at a process of this machine."""

    def __init__(self, pid: int | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`pid`: by default this process; `clock`: seconds."""
        self._pid = pid
        self._clock = clock
        self._most: int | None = None
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None

    def sample(self) -> None:
        """Look once."""
        memory, seconds = resident_bytes(self._pid), _cpu_seconds(self._pid)
        if memory is not None:
            self._most = max(memory, self._most or 0)
        if seconds is not None:
            self._last = self._clock(), seconds
            self._first = self._first or self._last

    def cost(self) -> Cost:
        """What was seen until now."""
        if self._first is None or self._last is None or self._last[0] <= self._first[0]:
            return Cost(self._most)
        return Cost(self._most, (self._last[1] - self._first[1]) / (self._last[0] - self._first[0]))


class FlinkMeter:
    """Looks at the task managers of a Flink cluster, or at those that run one of its jobs."""

    def __init__(self, url: str, job: str | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`url`: of the REST API, http or https; `job`: an id, without which all task managers count."""
        self._url = url.rstrip("/")
        self._job = job
        self._clock = clock
        self._most: int | None = None
        self._seen: dict[str, int] = {}
        self._first: dict[str, tuple[float, int]] = {}
        self._last: dict[str, tuple[float, int]] = {}
        self.problem: str | None = None
        """Why the last look saw nothing."""

    def sample(self) -> None:
        """Look once."""
        try:
            if not self._url.startswith(("http://", "https://")):
                raise ValueError(f"{self._url} is no URL of HTTP")
            found = {one: self._metrics(one) for one in self._task_managers()}
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as problem:
            self.problem = f"{self._url}: {type(problem).__name__}: {problem}"
            return
        self.problem = None if found else f"{self._url} has no task manager"
        memory = [sum(one.get(name, 0) for name in _MEMORY) for one in found.values()]
        if sum(memory):
            self._most = max(sum(memory), self._most or 0)
        for name, one in found.items():
            if _CPU_TIME in one:
                self._take_cpu_time(name, one[_CPU_TIME])

    def cost(self) -> Cost:
        """What was seen until now; CPU only once Flink has renewed its figures twice."""
        rates = [
            (self._last[name][1] - nanoseconds) / 1e9 / (self._last[name][0] - at_s)
            for name, (at_s, nanoseconds) in self._first.items()
            if self._last[name][0] > at_s
        ]
        return Cost(self._most, sum(rates) if rates else None)

    def _take_cpu_time(self, task_manager: str, nanoseconds: int) -> None:
        """Only a change counts: how old a figure is that stays the same, nobody says."""
        if nanoseconds != self._seen.get(task_manager, nanoseconds):
            self._last[task_manager] = self._clock(), nanoseconds
            self._first.setdefault(task_manager, self._last[task_manager])
        self._seen[task_manager] = nanoseconds

    def _task_managers(self) -> list[str]:
        """Their ids."""
        if self._job is None:
            return [str(one["id"]) for one in self._ask("/taskmanagers")["taskmanagers"]]
        vertices = [one["id"] for one in self._ask(f"/jobs/{self._job}")["vertices"]]
        lists = [self._ask(f"/jobs/{self._job}/vertices/{one}/taskmanagers")["taskmanagers"] for one in vertices]
        return list(dict.fromkeys(str(one["taskmanager-id"]) for part in lists for one in part))

    def _metrics(self, task_manager: str) -> Mapping[str, int]:
        names = ",".join((_CPU_TIME, *_MEMORY))
        found = self._ask(f"/taskmanagers/{task_manager}/metrics?get={names}")
        return {one["id"]: int(float(one["value"])) for one in found if float(one["value"]) >= 0}

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(self._url + path, timeout=TIMEOUT_S) as answer:  # noqa: S310 - sample has looked
            return json.loads(answer.read(_LONGEST))


class Metering:
    """Samples meters from a thread of its own, from `__enter__` to `__exit__`, at both of which it looks, too."""

    def __init__(self, meters: Sequence[Meter], every_s: float = EVERY_S) -> None:
        self._meters = meters
        self._every_s = every_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="velo shadow meters", daemon=True)

    def __enter__(self) -> Metering:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            closing = self._closed.is_set()
            for meter in self._meters:
                meter.sample()
            if closing:
                return
            self._closed.wait(self._every_s)


def _with_cost(side: SidePerformance, cost: Cost) -> SidePerformance:
    return replace(side, memory_bytes=cost.memory_bytes, cpu_cores=cost.cpu_cores)


def _cpu_seconds(pid: int | None) -> float | None:
    """Seconds of CPU that a process has used, in it and in its system calls."""
    try:
        fields = _proc(pid, "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _proc(pid: int | None, name: str) -> Path:
    return Path("/proc", "self" if pid is None else str(pid), name)
