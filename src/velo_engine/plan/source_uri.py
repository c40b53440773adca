"""Sources written as a URI in FROM: the name that the program and its tests know them by, and their properties.

`'kafka://host:9092/orders'` and `kafka://orders` are called `orders`, `'file:///data/trades.csv?header=true'` is called
`trades`; of a pattern (`file://./data/*.csv`) the last part without wildcards is the name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from velo_engine.errors import did_you_mean

SCHEMES = ("kafka", "file")
_WILDCARDS = re.compile(r"[*?\[\]{}]")


@dataclass(frozen=True, slots=True)
class SourceUri:
    """A URI, read."""

    name: str
    properties: Mapping[str, str]


class NotASourceError(ValueError):
    """A URI that names no source; its message says why, `hint` what to write."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def is_uri(name: str) -> bool:
    """Whether a name in FROM is a URI."""
    return "://" in name


def parse_uri(written: str) -> SourceUri:
    """The source that `written` names. Raises NotASourceError."""
    scheme, _, rest = written.partition("://")
    if scheme.lower() == "kafka":
        return _topic(written)
    if scheme.lower() == "file":
        return SourceUri(_file_name(rest), {"type": "file", "path": written})
    raise NotASourceError(f'"{scheme}" is not a kind of source', did_you_mean(scheme, SCHEMES, noun="scheme"))


def _topic(written: str) -> SourceUri:
    parts = urlsplit(written)
    topic = parts.path.strip("/")
    properties = {"type": "kafka"}
    if topic:
        properties["bootstrap.servers"] = parts.netloc
    else:
        topic = parts.netloc
    if not topic or "/" in topic:
        raise NotASourceError(f"{written} names no topic", "write kafka://host:9092/topic")
    return SourceUri(topic, {**properties, "topic": topic})


def _file_name(rest: str) -> str:
    path = PurePosixPath(rest.partition("?")[0] if "=" in rest.partition("?")[2] else rest)
    for part in (path.stem, *(parent.name for parent in path.parents)):
        name = _WILDCARDS.sub("", part).strip("._- ")
        if name:
            return name
    raise NotASourceError(f"file://{rest} names no file", "write file:///folder/name.csv")
