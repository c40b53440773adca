"""Where the real Kafka lives, and how it gets there: by Maven, from the POM beside this file.

`python -m tools.kafka.installation` installs what is missing and starts the result once (`make kafka`). Needs Java 17
(`java`, on the path or under JAVA_HOME) and, to install, Maven (`mvn`). Nothing goes into the Python environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from functools import cache
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")


class KafkaMissingError(Exception):
    """A real Kafka cannot run here; the message says what is missing and what installs it."""


@dataclass(frozen=True)
class Installation:
    """One version of Kafka in the cache, complete when its folder is there."""

    folder: Path

    @property
    def class_path(self) -> str:
        """What `java -cp` takes to run the server."""
        return str(self.folder / "lib" / "*")

    @property
    def flink_connector(self) -> Path:
        """The jar of Flink's Kafka connector, with everything it needs."""
        (jar,) = (self.folder / "flink-connector").glob("flink-sql-connector-kafka-*.jar")
        return jar


def installation() -> Installation:
    """The place for the POM's versions: `$VELO_CACHE/kafka/<kafka>-flink-<connector>`, else under `~/.cache/velostream`."""
    cache_folder = os.environ.get("VELO_CACHE") or str(Path.home() / ".cache" / "velostream")
    folder = f"{_pom_property('kafka.version')}-flink-{_pom_property('flink.connector.version')}"
    return Installation(Path(cache_folder) / "kafka" / folder)


def why_unavailable() -> str | None:
    """What keeps a real Kafka from running here, as one line for a skipped test; None when nothing does."""
    place = installation()
    if not place.folder.is_dir():
        return f"no Apache Kafka in {place.folder}: run `make kafka`"
    try:
        java()
    except KafkaMissingError as missing:
        return str(missing)
    return None


def java() -> str:
    """The path of `java`. Raises KafkaMissingError."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if found is None:
        raise KafkaMissingError("no `java`: Apache Kafka needs Java 17 (on the path, or under JAVA_HOME)")
    return found


def install() -> Installation:
    """Copy the jars into the cache unless they are there. Raises KafkaMissingError."""
    place = installation()
    java()
    if place.folder.is_dir():
        return place
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaMissingError("no `mvn`: Maven copies Apache Kafka from its central repository")
    place.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.folder.parent) as scratch:
        print(f"Copying Apache Kafka to {place.folder} (about 60 MB, once) ...", file=sys.stderr)
        target = Path(scratch) / "complete"
        quietly = ["--batch-mode", "--quiet", "--no-transfer-progress", "-Dstyle.color=never"]
        command = [maven, *quietly, "-f", str(POM), f"-Dcache={target}", "package"]
        if subprocess.run(command, stdin=subprocess.DEVNULL).returncode:
            raise KafkaMissingError("Maven could not copy Apache Kafka; what it said is above")
        # The rename comes last, so that the folder is always complete.
        target.rename(place.folder)
    return place


@cache
def _pom_property(name: str) -> str:
    namespace = "{http://maven.apache.org/POM/4.0.0}"
    value = ElementTree.parse(POM).getroot().findtext(f"{namespace}properties/{namespace}{name}")
    assert value is not None, f"{POM.name} has no property {name}"
    return value


def main() -> int:
    """Install, then prove that it starts and answers."""
    # Imported here: installing needs no Kafka client.
    from tools.kafka.real_kafka import RealKafka

    try:
        install()
        with RealKafka() as kafka:
            print(f"Apache Kafka {_pom_property('kafka.version')} answers after {kafka.start_seconds:.1f} s.")
    except KafkaMissingError as missing:
        print(missing, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
