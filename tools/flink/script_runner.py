"""Runs statements of Flink SQL in a Flink of their own: for jobs that read and write the world outside, such as Kafka."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from tools.flink.installation import java_tool, require_installed

from velo_harness.flink import server

PROGRAM = Path(__file__).parent / "script" / "RunStatements.java"
_LOGGING = Path(server.__file__).with_name("log4j2.properties")
# The program lives for seconds: the fast compiler and the plain collector cost least.
_JVM_OPTIONS = ("-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_OPENED_PACKAGES = ("java.lang", "java.util", "java.util.concurrent", "java.time", "java.nio")


def run_statements(
    statements: Sequence[str],
    *,
    jars: Sequence[Path] = (),
    settings: Mapping[str, str] = MappingProxyType({}),
    timeout_seconds: float = 120,
) -> list[list[tuple[str, ...]]]:
    """The rows that each statement yields, values as text; each begins when the job of the one before has ended.

    Raises FlinkMissingError; RuntimeError with what Flink said when a statement fails; subprocess.TimeoutExpired.
    """
    class_path = os.pathsep.join([str(require_installed().jars / "*"), *map(str, jars)])
    opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED_PACKAGES]
    command = [java_tool("java"), *opens, *_JVM_OPTIONS, f"-Dlog4j.configurationFile={_LOGGING}", "-cp", class_path]
    done = subprocess.run(
        [*command, str(PROGRAM), *(f"{key}={value}" for key, value in settings.items())],
        input="".join(base64.b64encode(statement.encode()).decode() + "\n" for statement in statements),
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
    )
    if done.returncode:
        raise RuntimeError(f"Flink failed:\n{done.stderr[:4000]}")
    return _rows(done.stdout)


def _rows(output: str) -> list[list[tuple[str, ...]]]:
    """The rows of each statement, which an empty line ends."""
    rows: list[list[tuple[str, ...]]] = [[]]
    for line in output.splitlines():
        if line:
            rows[-1].append(tuple(line.split("\t")))
        else:
            rows.append([])
    return rows[:-1]
