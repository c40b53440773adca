"""Asks Flink's own SQL parser, without a running Flink, what it makes of statements."""

from __future__ import annotations

import base64
import os
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from installation import Installation, java_tool, require_installed

PROGRAM = Path(__file__).parent / "parser" / "AcceptedStatements.java"
REFUSED = "ERROR"


@dataclass(frozen=True)
class Parsed:
    """What Flink's parser says of a statement."""

    kind: str
    """The class of its tree; `EXTENDED` when the planner takes it by pattern before it parses; `ERROR`."""
    text: str
    """The tree written back with all names quoted and all parentheses; the message of an error."""

    @property
    def accepted(self) -> bool:
        """Whether it is a statement of Flink's."""
        return self.kind != REFUSED


def parse(statements: Sequence[str]) -> list[Parsed]:
    """Flink's answer to each statement. Raises FlinkMissingError when Flink or Java is not there."""
    place = require_installed()
    class_path = os.pathsep.join([str(_planner(place)), str(place.jars / "*")])
    lines = "".join(base64.b64encode(s.encode()).decode() + "\n" for s in statements)
    command = [java_tool("java"), "-cp", class_path, str(PROGRAM)]
    answer = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    return list(_answers(answer.stdout))


def _answers(text: str) -> Iterator[Parsed]:
    for line in text.splitlines():
        kind, _, encoded = line.partition("\t")
        yield Parsed(kind, base64.b64decode(encoded).decode())


def _planner(place: Installation) -> Path:
    """The planner's jar, which lies within the jar of its loader."""
    planner = place.folder / "planner" / "flink-table-planner.jar"
    if not planner.exists():
        (loader,) = place.jars.glob("flink-table-planner-loader-*.jar")
        planner.parent.mkdir(exist_ok=True)
        unpacked = planner.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(loader) as archive:
            unpacked.write_bytes(archive.read(planner.name))
        unpacked.rename(planner)
    return planner
