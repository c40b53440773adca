"""A container image of the Kafka that `make kafka` fetched, for machines that can pull none.

`python -m tools.kafka.local_image` (`make docker-kafka`) makes `velostream/kafka:local`, which takes the settings that
the image `apache/kafka` takes. Needs a Docker daemon (`DOCKER_HOST`), a JDK with `jlink`, `debootstrap`, and root.
A daemon without a service manager is started by hand:

    dockerd --data-root D --exec-root E --pidfile P -H unix://S --iptables=false

Then tests marked `docker` find it: DOCKER_HOST=unix://S TESTCONTAINERS_RYUK_DISABLED=true, and inside a container
TESTCONTAINERS_CONNECTION_MODE=docker_host.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.kafka.installation import KafkaMissingError, installation, why_unavailable

IMAGE = "velostream/kafka:local"
_FILES = Path(__file__).with_name("image")
_DEBIAN = "bookworm"
_MODULES = "java.se,jdk.unsupported,jdk.management,jdk.crypto.ec,jdk.security.auth"


def build() -> None:
    """Make the image. Raises KafkaMissingError for a tool that is not there, CalledProcessError for one that fails."""
    reason = why_unavailable()
    if reason:
        raise KafkaMissingError(reason)
    for tool in ("docker", "debootstrap", "jlink"):
        if shutil.which(tool) is None:
            raise KafkaMissingError(f"no `{tool}`")
    with tempfile.TemporaryDirectory(prefix="velo-image-") as folder:
        root = Path(folder) / "root"
        _run("debootstrap", "--variant=minbase", "--include=hostname", _DEBIAN, str(root))
        runtime = ["--strip-debug", "--no-header-files", "--no-man-pages", "--output", str(root / "opt/java")]
        _run("jlink", "--add-modules", _MODULES, *runtime)
        shutil.copytree(installation().folder / "lib", root / "opt/kafka/lib")
        shutil.copytree(_FILES, root / "etc/kafka/docker")
        archive = Path(folder) / "root.tar"
        _run("tar", "-C", str(root), "-cf", str(archive), ".")
        _run("docker", "import", "--change", "ENV LANG=C.UTF-8", str(archive), IMAGE)


def _run(*command: str) -> None:
    print("+", " ".join(command), file=sys.stderr)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    try:
        build()
    except KafkaMissingError as missing:
        sys.exit(str(missing))
    except subprocess.CalledProcessError as failed:
        sys.exit(f"{failed.cmd[0]} failed")
