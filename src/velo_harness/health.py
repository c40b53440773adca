"""What this machine has of all that velostream can use: one check a thing, each with what to do when it is missing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from velo_engine.errors import ExitCode, VeloError
from velo_harness.flink.installation import INSTALL as FLINK_INSTALL
from velo_harness.reports.shown_values import masked, printable

SCHEMA_VERSION = 1
TIMEOUT_S = 5.0
"""Of anything that is asked."""
LEAST_DISK_BYTES = 500 * 1024**2
"""Free space below which spilling and downloads are likely to fail."""
JAVA_VERSIONS = (17, 21)
"""With which Flink 2 and Kafka 4 run."""
_CORE = ("velostream", "duckdb", "pyarrow", "sqlglot", "numpy", "faker", "confluent-kafka", "pytest")
_EXTRAS = {"testcontainers": "containers", "grpcio-tools": "protobuf", "anthropic": "ai", "pyspark": "spark"}


class State(StrEnum):
    """How it stands with a thing."""

    OK = "ok"
    MISSING = "missing"
    """Not there. Velostream runs without it."""
    WRONG = "wrong"
    """There, and it cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    detail: str
    """What was found."""
    remedy: str | None = None
    """What to do, when it is not ok."""
    required: bool = False
    """Asked for: when it is not ok, the command fails."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look at beside what is always looked at."""

    brokers: str | None = None
    """HOST:PORT[,…] of a cluster."""
    kafka_config: Path | None = None
    schema_registry: str | None = None
    """The address of a schema registry."""
    required: frozenset[str] = frozenset()
    """Names of checks that must be ok."""


def health(wanted: Wanted, environment: Mapping[str, str]) -> list[Check]:
    """All checks, in the order in which they are shown. Nothing is started or written."""
    steps: Sequence[Callable[[], Check]] = (
        _python,
        _libraries,
        _kernel,
        lambda: _disk(Path(tempfile.gettempdir())),
        lambda: _broker(wanted, environment),
        lambda: _registry(wanted, environment),
        _docker,
        lambda: _java(environment),
        lambda: _cached("flink", "*/lib/flink-dist-*.jar", environment, f"for the runner flink: `{FLINK_INSTALL}`"),
        lambda: _cached("kafka", "*/lib/kafka-server-*.jar", environment, "`make kafka` in velostream's sources"),
        *(lambda name=name, extra=extra: _extra(name, extra) for name, extra in _EXTRAS.items()),
    )
    asked = set(wanted.required)
    if wanted.brokers is not None or wanted.kafka_config is not None:
        asked.add("broker")
    if wanted.schema_registry is not None:
        asked.add("schema-registry")
    return [replace(check, required=check.name in asked) for check in (step() for step in steps)]


NAMES = (
    *("python", "libraries", "kernel", "disk", "broker", "schema-registry", "docker", "java", "flink", "kafka"),
    *_EXTRAS,
)
"""Of all checks."""


def exit_code(checks: Sequence[Check]) -> ExitCode:
    """NO_INFRASTRUCTURE when something that was asked for is not ok."""
    missing = any(check.required and check.state is not State.OK for check in checks)
    return ExitCode.NO_INFRASTRUCTURE if missing else ExitCode.PASSED


def health_text(checks: Sequence[Check]) -> str:
    """One line a check, and below it what to do."""
    return "\n".join(line for check in checks for line in _lines(check))


def _lines(check: Check) -> Iterator[str]:
    needed = " (required)" if check.required and check.state is not State.OK else ""
    yield f"{check.state.value:<8} {check.name:<16} {printable(masked(check.detail))}{needed}"
    if check.remedy is not None and check.state is not State.OK:
        yield f"{'':<26}{printable(masked(check.remedy))}"


def health_json(checks: Sequence[Check]) -> str:
    """An object with every check."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "healthy": exit_code(checks) is ExitCode.PASSED,
        "checks": [
            {
                "name": check.name,
                "state": check.state.value,
                "detail": masked(check.detail),
                "remedy": None if check.remedy is None else masked(check.remedy),
                "required": check.required,
            }
            for check in checks
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    state = State.OK if sys.version_info >= (3, 11) else State.WRONG
    return Check("python", state, found, "install Python 3.11 or newer")


def _libraries() -> Check:
    found, absent = [], []
    for name in _CORE:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
    if absent:
        return Check("libraries", State.WRONG, f"not installed: {', '.join(absent)}", "pip install velostream")
    return Check("libraries", State.OK, ", ".join(found))


def _kernel() -> Check:
    from velo_engine.kernel import Kernel

    try:
        Kernel().close()
    except Exception as problem:
        return Check("kernel", State.WRONG, f"DuckDB does not start: {_first_line(problem)}", "pip install -U duckdb")
    return Check("kernel", State.OK, "DuckDB starts, locked")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Check("disk", State.WRONG, f"{folder} cannot be written", "set TMPDIR to a folder that can")
    state = State.OK if free >= LEAST_DISK_BYTES else State.WRONG
    return Check("disk", state, found, "make room, or set TMPDIR to another disk")


def _broker(wanted: Wanted, environment: Mapping[str, str]) -> Check:
    from velo_engine.connectors.kafka.client import cluster_from
    from velo_engine.connectors.kafka.cluster_view import ClusterView

    try:
        cluster = cluster_from(wanted.brokers, wanted.kafka_config, environment)
        if cluster is None:
            remedy = "tests need none (--kafka embedded); else --brokers HOST:PORT or VELO_KAFKA_BOOTSTRAP_SERVERS"
            return Check("broker", State.MISSING, "no cluster is named", remedy)
        topics = len(ClusterView(replace(cluster, connect_timeout_s=TIMEOUT_S)).topics())
    except VeloError as problem:
        return Check("broker", State.WRONG, problem.message, problem.hint or "check the address, and that it runs")
    return Check("broker", State.OK, f"{cluster.bootstrap_servers} answers, {topics} topics")


def _registry(wanted: Wanted, environment: Mapping[str, str]) -> Check:
    name = "schema-registry"
    url = wanted.schema_registry or environment.get("SCHEMA_REGISTRY_URL")
    if not url:
        return Check(name, State.MISSING, "none is named", "--schema-registry URL or SCHEMA_REGISTRY_URL")
    if not url.startswith(("http://", "https://")):
        return Check(name, State.WRONG, f"{url} is no http address", "write it as http://HOST:PORT")
    try:
        with urllib.request.urlopen(url.rstrip("/") + "/subjects", timeout=TIMEOUT_S) as answer:  # noqa: S310 - http(s) only, checked above
            subjects = json.loads(answer.read(1_000_000))
    except urllib.error.HTTPError as problem:
        return Check(name, State.WRONG, f"{url} answers {problem.code} {problem.reason}", "check address and password")
    except (OSError, ValueError) as problem:
        return Check(name, State.WRONG, f"{url}: {_first_line(problem)}", "check the address, and that it runs")
    return Check(name, State.OK, f"{url} answers, {len(subjects)} subjects")


def _docker() -> Check:
    remedy = "start Docker, or use --kafka embedded in place of containers"
    program = shutil.which("docker")
    if program is None:
        return Check("docker", State.MISSING, "no program docker", "install Docker, or use --kafka embedded")
    done = _asked(program, "version", "--format", "{{.Server.Version}}")
    if done is None or done.returncode or not done.stdout.strip():
        why = "it does not answer" if done is None else _first_line(done.stderr or done.stdout or "it does not answer")
        return Check("docker", State.WRONG, f"no daemon: {why}", remedy)
    return Check("docker", State.OK, f"daemon {done.stdout.strip()}")


def _java(environment: Mapping[str, str]) -> Check:
    remedy = f"install a JDK of version {' or '.join(map(str, JAVA_VERSIONS))}; only a real Flink or Kafka needs it"
    home = environment.get("JAVA_HOME")
    program = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if program is None:
        where = f" under JAVA_HOME ({home})" if home else ""
        return Check("java", State.WRONG if home else State.MISSING, f"no program java{where}", remedy)
    done = _asked(program, "-version")
    found = re.search(r'version "(\d+)[^"]*"', "" if done is None else done.stderr + done.stdout)
    if found is None:
        return Check("java", State.WRONG, f"{program} does not tell its version", remedy)
    version = int(found[1])
    state = State.OK if version >= JAVA_VERSIONS[0] else State.WRONG
    return Check("java", state, f"{found[0].removeprefix('version ')} ({program})", remedy)


def _cached(name: str, pattern: str, environment: Mapping[str, str], remedy: str) -> Check:
    """A real Flink or Kafka in the cache."""
    cache = Path(environment.get("VELO_CACHE") or Path.home() / ".cache" / "velostream") / name
    found = sorted(cache.glob(pattern))
    if not found:
        return Check(name, State.MISSING, f"none in {cache}", f"only for comparisons with the real thing; {remedy}")
    return Check(name, State.OK, str(found[-1].parent.parent))


def _extra(name: str, extra: str) -> Check:
    try:
        return Check(name, State.OK, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, State.MISSING, "not installed", f"pip install 'velostream[{extra}]'")


def _asked(*command: str) -> subprocess.CompletedProcess[str] | None:
    """What a program answers; None when it does not start or takes too long."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 - a program found on the path, no text of users
    except (OSError, subprocess.TimeoutExpired):
        return None


def _first_line(problem: object) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__
