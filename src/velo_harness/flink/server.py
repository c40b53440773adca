"""A real Flink that answers cases: one JVM with a mini-cluster, kept warm, spoken to in JSON lines.

    with Flink() as flink:
        answer = flink.ask([InputTable("t", "a INT", rows=['{"a": 1}'])], [("t", 0)], "SELECT a FROM t")

Start-up takes about two seconds, the first query three, each further one a fraction of a second plus the quiet period
after each row. tools/flink/README.md of the sources says how the order
of arrival is kept.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from velo_harness.flink.installation import FlinkMissingError, java_tool, require_installed

QUIET_MS = 10
"""How long after each row nothing else arrives, so that all it causes has reached the sink."""

TIMEOUT_MS = 120_000
"""How long a job may take; planning it may take as long again."""

_JVM_OPTIONS = (
    *("-Xmx1500m", "-XX:+UseParallelGC"),
    # Every query is compiled anew and soon forgotten: the optimising compiler would cost more than all the rest.
    *("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=256m"),
    # Standard output belongs to the answers.
    *("-Xlog:disable", "-Xlog:all=warning:stderr"),
)
_OPENED_PACKAGES = (
    *("java.io", "java.lang", "java.lang.reflect", "java.net", "java.nio", "java.text", "java.time", "java.util"),
    *("java.util.concurrent", "java.util.concurrent.atomic", "sun.net.util", "sun.nio.ch"),
)

Order: TypeAlias = Sequence[tuple[str, int]]


@dataclass(frozen=True)
class InputTable:
    """An input: the body of its CREATE TABLE, and its rows as texts that its format decodes."""

    name: str
    columns: str
    rows: Sequence[str]
    lookup: bool = False
    """Read by key when a row of another input asks, not row by row in the order."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Further connector options, such as `json.ignore-parse-errors`."""


@dataclass(frozen=True)
class SinkTable:
    """Where a query's result goes: the body of a CREATE TABLE, the kinds of changes that it takes (`+I +U -D`), and
    what becomes of rows of one primary key that the query does not know to be one: `DEDUPLICATE`, `ERROR`, `NOTHING`.
    """

    columns: str
    changelog: str
    conflict: str = ""


@dataclass(frozen=True)
class FlinkAnswer:
    """What Flink made of a case. `error` is the root cause ("ArithmeticException: …"); then the rest is empty.

    `changelog` rows are [kind, value, …], values as CAST AS STRING, None for NULL. `events[i]` is the position in the
    order of the row that caused change i; the number of rows for what the end of input caused.
    """

    schema: tuple[tuple[str, str], ...] = ()
    changelog: tuple[tuple[str | None, ...], ...] = ()
    events: tuple[int, ...] = ()
    error: str | None = None


class Flink:
    """A running oracle; a context manager. Raises FlinkMissingError when it is not installed."""

    def __init__(self, timeout_ms: int = TIMEOUT_MS) -> None:
        self._timeout_ms = timeout_ms
        place = require_installed()
        opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED_PACKAGES]
        logging = f"-Dlog4j.configurationFile={Path(__file__).parent / 'log4j2.properties'}"
        self._process = subprocess.Popen(  # noqa: S603
            [
                java_tool("java"),
                *opens,
                *_JVM_OPTIONS,
                logging,
                "-cp",
                place.class_path,
                "velostream.oracle.OracleServer",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # Flink logs every failed job, and failing jobs are answers here
            text=True,
            encoding="utf-8",
        )
        hello = self._receive()
        self.version: str = hello["flink"]
        self.java: str = hello["java"]

    def __enter__(self) -> Flink:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the JVM runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the JVM."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def ask(
        self,
        tables: Sequence[InputTable],
        order: Order,
        query: str,
        *,
        config: Mapping[str, str] | None = None,
        quiet_ms: int = QUIET_MS,
        sink: SinkTable | None = None,
    ) -> FlinkAnswer:
        """Flink's answer to one query over `tables`, whose rows arrive in exactly `order`: what reaches the `sink`.

        Raises RuntimeError when there is no answer at all: the job did not end in time, or the JVM died.
        """
        (answer,) = self._answers(tables, order, [query], config, quiet_ms, _into(sink))
        return answer

    def explain(
        self,
        tables: Sequence[InputTable],
        query: str,
        *,
        config: Mapping[str, str] | None = None,
        sink: SinkTable | None = None,
    ) -> str:
        """Flink's optimised plan of a query, with changelog modes and upsert keys. Raises RuntimeError without one."""
        extra = {**_into(sink), "explain": True}
        reply = self._reply(tables, [], [query], config, QUIET_MS, extra)
        (answer,) = reply.get("answers", [reply])
        if "plan" not in answer:
            raise RuntimeError(f"Flink has no plan: {answer}")
        return str(answer["plan"])

    def ask_together(
        self,
        tables: Sequence[InputTable],
        order: Order,
        queries: Sequence[str],
        *,
        config: Mapping[str, str] | None = None,
        quiet_ms: int = QUIET_MS,
    ) -> list[FlinkAnswer]:
        """Flink's answers to several queries over the same arriving rows, run as one job: much faster than one by one.

        Every table must be read by a query that Flink accepts. A query that fails while it runs makes the job fail:
        then each answer is that error.
        """
        return self._answers(tables, order, queries, config, quiet_ms)

    def _answers(
        self,
        tables: Sequence[InputTable],
        order: Order,
        queries: Sequence[str],
        config: Mapping[str, str] | None,
        quiet_ms: int,
        extra: Mapping[str, Any] = MappingProxyType({}),
    ) -> list[FlinkAnswer]:
        reply = self._reply(tables, order, queries, config, quiet_ms, extra)
        if "error" in reply:
            return [FlinkAnswer(error=reply["error"])] * len(queries)
        return [_answer(answer) for answer in reply["answers"]]

    def _reply(
        self,
        tables: Sequence[InputTable],
        order: Order,
        queries: Sequence[str],
        config: Mapping[str, str] | None,
        quiet_ms: int,
        extra: Mapping[str, Any],
    ) -> dict[str, Any]:
        request = {
            **extra,
            "tables": [
                {"name": t.name, "columns": t.columns, "rows": list(t.rows), "options": dict(t.options)} for t in tables
            ],
            "order": [list(turn) for turn in order],
            "queries": list(queries),
            "config": dict(config or {}),
            "quiet_ms": quiet_ms,
            "timeout_ms": self._timeout_ms,
        }
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("the oracle's JVM has ended") from None
        reply = self._receive()
        if "failed" in reply:
            raise RuntimeError(f"Flink gave no answer: {reply['failed']}")
        return reply

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        watchdog = threading.Timer(2 * self._timeout_ms / 1000, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        if not line:
            raise RuntimeError("the oracle's JVM ended, or the planner never did")
        reply: dict[str, Any] = json.loads(line)
        return reply


def _into(sink: SinkTable | None) -> Mapping[str, Any]:
    return {} if sink is None else {"sink": asdict(sink)}


def _answer(reply: Mapping[str, Any]) -> FlinkAnswer:
    if "error" in reply:
        return FlinkAnswer(error=reply["error"])
    return FlinkAnswer(
        schema=tuple((name, kind) for name, kind in reply["schema"]),
        changelog=tuple(tuple(row) for row in reply["changelog"]),
        events=tuple(reply["events"]),
    )


def prove() -> int:
    """Ask for `SELECT 1` and say what answered; gives the exit code."""
    try:
        with Flink() as flink:
            answer = flink.ask([], [], "SELECT 1 AS answer")
    except FlinkMissingError as missing:
        print(missing, file=sys.stderr)
        return 3
    if answer.changelog != (("+I", "1"),):
        print(f"Flink answered SELECT 1 with {answer}", file=sys.stderr)
        return 1
    print(f"Flink {flink.version} on Java {flink.java} answers.")
    return 0
