"""A real SQL gateway of Flink with a cluster behind it, in one JVM on loopback ports.

    with Gateway() as gateway:
        ...  # REST at gateway.url

`python -m tools.flink.gateway install` copies its jar from Maven's central repository (`make flink` does it, too);
`python -m tools.flink.gateway run` keeps one running until its input ends, for trying things out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from velo_harness.flink import server
from velo_harness.flink.installation import (
    FLINK_VERSION,
    FlinkMissingError,
    Installation,
    installation,
    java_tool,
    require_installed,
)

PROGRAM = Path(__file__).parent / "gateway_server" / "GatewayServer.java"
POM = Path(__file__).with_name("pom.xml")
START_SECONDS = 120
"""How long a start may take; alone on two cores it takes about six seconds."""

_LOGGING = Path(server.__file__).with_name("log4j2.properties")
_JVM_OPTIONS = ("-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:disable")
_OPENED_PACKAGES = ("java.lang", "java.util", "java.util.concurrent", "java.time", "java.nio")


def gateway_folder(place: Installation) -> Path:
    """Where the gateway's jar lies; complete when it is there."""
    return place.folder / "gateway"


def why_unavailable() -> str | None:
    """What keeps a gateway from running here, as one line for a skipped test; None when nothing does."""
    try:
        place = require_installed()
        java_tool("java")
    except FlinkMissingError as missing:
        return str(missing)
    if not gateway_folder(place).is_dir():
        return f"no SQL gateway in {gateway_folder(place)}: run `make flink`"
    return None


def install() -> Path:
    """Copy the jar unless it is there; its folder. Raises FlinkMissingError."""
    folder = gateway_folder(installation())
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise FlinkMissingError("no `mvn`: Maven copies Flink's SQL gateway from its central repository")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        target = Path(scratch) / "complete"
        quietly = ["--batch-mode", "--quiet", "--no-transfer-progress", "-Dstyle.color=never"]
        versions = [f"-Dflink.version={FLINK_VERSION}", f"-Dcache={target}"]
        command = [maven, *quietly, "-f", str(POM), *versions, "package"]
        if subprocess.run(command, stdin=subprocess.DEVNULL).returncode:
            raise FlinkMissingError("Maven could not copy Flink's SQL gateway; what it said is above")
        # The rename comes last, so that the folder is always complete.
        target.rename(folder)
    return folder


class Gateway:
    """A running gateway; a context manager.

    `settings` are Flink's; `jars` are connectors that its jobs need. Raises FlinkMissingError when it is not installed,
    RuntimeError when it does not start.
    """

    def __init__(
        self, settings: Mapping[str, str] = MappingProxyType({}), *, jars: Sequence[Path] = (), java: str | None = None
    ) -> None:
        problem = why_unavailable()
        if problem is not None:
            raise FlinkMissingError(problem)
        place = installation()
        folders = [gateway_folder(place) / "*", place.jars / "*", *jars]
        opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED_PACKAGES]
        logging = f"-Dlog4j.configurationFile={_LOGGING}"
        class_path = os.pathsep.join(map(str, folders))
        command = [java or java_tool("java"), *opens, *_JVM_OPTIONS, logging, "-cp", class_path, str(PROGRAM)]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        self._process = subprocess.Popen(
            [*command, *(f"{key}={value}" for key, value in settings.items())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        gateway_port, cluster_port = self._ports()
        self.url = f"http://127.0.0.1:{gateway_port}"
        """The gateway's REST interface."""
        self.cluster_url = f"http://127.0.0.1:{cluster_port}"
        """That of the cluster which runs the jobs."""

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the JVM, and the jobs with it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _ports(self) -> tuple[int, int]:
        assert self._process.stdout is not None
        watchdog = threading.Timer(START_SECONDS, self._process.kill)
        watchdog.start()
        for line in self._process.stdout:
            if line.startswith("READY "):
                watchdog.cancel()
                _, gateway, cluster = line.split()
                return int(gateway), int(cluster)
        watchdog.cancel()
        self._process.wait()
        self._errors.seek(0)
        problem = self._errors.read()[-2000:]
        self.close()
        raise RuntimeError(f"the SQL gateway did not start:\n{problem}")


def main(arguments: Sequence[str]) -> int:
    """`install`, or `run`."""
    try:
        if list(arguments) == ["install"]:
            print(f"Flink's SQL gateway is in {install()}.")
        elif list(arguments) == ["run"]:
            with Gateway() as gateway:
                print(f"{gateway.url} (cluster {gateway.cluster_url})", flush=True)
                sys.stdin.read()
        else:
            print("usage: python -m tools.flink.gateway install|run", file=sys.stderr)
            return 2
    except FlinkMissingError as missing:
        print(missing, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
