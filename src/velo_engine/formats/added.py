"""Formats that others add to those of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from velo_engine.schema import RowSchema

if TYPE_CHECKING:
    from velo_engine.formats.base import Format

FormatFactory: TypeAlias = "Callable[[RowSchema, Mapping[str, str]], Format]"
"""Makes a format for records of a schema; the mapping holds the properties of the source or sink."""

_ADDED: dict[str, FormatFactory] = {}


def add_format(name: str, factory: FormatFactory) -> None:
    """Makes `name` a format of sources and sinks. Raises ValueError when it is one."""
    from velo_engine.formats.base import FORMAT_NAMES

    if name.casefold() in FORMAT_NAMES or name.casefold() in _ADDED:
        raise ValueError(f'there is already a format "{name}"')
    _ADDED[name.casefold()] = factory


def remove_format(name: str) -> None:
    """Takes an added format back."""
    _ADDED.pop(name.casefold(), None)


def added_format(name: str) -> FormatFactory | None:
    """What makes the added format called `name`; None when there is none."""
    return _ADDED.get(name.casefold())


def added_names() -> tuple[str, ...]:
    """The names of all added formats."""
    return tuple(_ADDED)
