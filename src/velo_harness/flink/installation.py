"""Where Flink lives, and how it gets there: jars from the Python package index, our Java compiled.

`python -m velo_harness.flink.installation` installs what is missing and asks the result for `SELECT 1`. Needs a JDK of
version 17 (`java`, `javac` on the path or under JAVA_HOME). Nothing is installed into the Python environment.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

FLINK_VERSION = "2.3.0"
JAVA_SOURCES = Path(__file__).parent / "java"
INSTALL = "python -m velo_harness.flink.installation"
"""What installs it."""


class FlinkMissingError(Exception):
    """The oracle cannot run here; the message says what is missing and what installs it."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One Flink version in the cache: `lib/` holds its jars, `classes/` our compiled oracle."""

    folder: Path

    @property
    def jars(self) -> Path:
        """Flink's own `lib/` folder."""
        return self.folder / "lib"

    @property
    def classes(self) -> Path:
        """The compiled oracle."""
        return self.folder / "classes"

    @property
    def class_path(self) -> str:
        """What `java -cp` takes."""
        return os.pathsep.join([str(self.classes), str(self.jars / "*")])


def installation() -> Installation:
    """The place for this version: `$VELO_CACHE/flink/<version>`, by default under `~/.cache/velostream`."""
    cache = os.environ.get("VELO_CACHE") or str(Path.home() / ".cache" / "velostream")
    return Installation(Path(cache) / "flink" / FLINK_VERSION)


def require_installed() -> Installation:
    """The installation, ready to run (our Java is compiled again when it changed). Raises FlinkMissingError."""
    place = installation()
    if not any(place.jars.glob("flink-dist-*.jar")):
        raise FlinkMissingError(f"no Flink {FLINK_VERSION} in {place.folder}: run `{INSTALL}`")
    _compile(place)
    return place


def java_tool(name: str) -> str:
    """The path of `java` or `javac`. Raises FlinkMissingError."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(name, path=str(Path(home) / "bin") if home else None)
    if found is None:
        raise FlinkMissingError(f"no `{name}`: the oracle needs a JDK 17 (on the path, or under JAVA_HOME)")
    return found


def install() -> Installation:
    """Download and unpack the jars unless they are there, and compile the oracle."""
    place = installation()
    if not any(place.jars.glob("flink-dist-*.jar")):
        _download_jars(place)
    _compile(place)
    return place


def _download_jars(place: Installation) -> None:
    place.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.folder) as scratch:
        print(f"Downloading Flink {FLINK_VERSION} (about 330 MB, once) ...", file=sys.stderr)
        requirement = f"apache-flink-libraries=={FLINK_VERSION}"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        subprocess.run(  # noqa: S603
            [*pip, "--only-binary", ":all:", "--dest", scratch, requirement], check=True
        )
        (wheel,) = Path(scratch).glob("*.whl")
        unpacked = Path(scratch) / "lib"
        unpacked.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if member.startswith("pyflink/lib/") and member.endswith(".jar"):
                    (unpacked / Path(member).name).write_bytes(archive.read(member))
        # The rename comes last, so that a folder `lib` is always complete.
        unpacked.rename(place.jars)


def _compile(place: Installation) -> None:
    sources = sorted(path for path in JAVA_SOURCES.rglob("*") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = place.classes / "SOURCES.sha256"
    if stamp.exists() and stamp.read_text() == digest:
        return
    javac = java_tool("javac")
    shutil.rmtree(place.classes, ignore_errors=True)
    shutil.copytree(JAVA_SOURCES / "META-INF", place.classes / "META-INF")
    java_files = [str(path) for path in sources if path.suffix == ".java"]
    command = [javac, "--release", "17", "-encoding", "UTF-8", "-Xlint:all,-path,-serial", "-Werror"]
    subprocess.run(  # noqa: S603
        [*command, "-d", str(place.classes), "-cp", str(place.jars / "*"), *java_files], check=True
    )
    stamp.write_text(digest)


def main() -> int:
    """Install, then prove that it answers."""
    from velo_harness.flink.server import prove

    try:
        install()
    except FlinkMissingError as missing:
        print(missing, file=sys.stderr)
        return 3
    return prove()


if __name__ == "__main__":
    sys.exit(main())
