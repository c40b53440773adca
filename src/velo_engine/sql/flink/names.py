"""Names of tables as one text: parts with dots between them, a part that has a dot itself in backticks."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PART = re.compile(r"`[^`]*`|[^.]+")


def joined_name(parts: Iterable[str]) -> str:
    """The parts of a name as one text."""
    return ".".join(f"`{part}`" if "." in part else part for part in parts)


def name_parts(name: str) -> tuple[str, ...]:
    """The parts of a name that `joined_name` made."""
    return tuple(part.strip("`") for part in _PART.findall(name))


def last_part(name: str) -> str:
    """The name of the table itself."""
    return name_parts(name)[-1]
