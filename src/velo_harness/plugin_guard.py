"""Errors of plugins as people see them: which plugin, which part of it, and the line of its file; never a traceback."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import unwrap
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pyarrow as pa

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.formats.base import Decoded, Format
from velo_engine.schema import RowSchema

if TYPE_CHECKING:
    from velo_engine.formats.added import FormatFactory

P = ParamSpec("P")
R = TypeVar("R")


def plugin_error(plugin: str, what: str, error: BaseException, file: str | None) -> VeloError:
    """The error for a plugin that raised: `what` says which part of it did what.

    The place is the innermost line of `file`; where that is not known, the line that raised.
    """
    message = f"the plugin {plugin} {what}: {type(error).__name__}: {error}"
    return VeloError(ErrorCode.PLUGIN_FAILED, message, location=_place(error, file), hint="mend it, or do without it")


def guarded(function: Callable[P, R], plugin: str, part: str) -> Callable[P, R]:
    """A function of a plugin whose exceptions name it."""
    file = getattr(getattr(unwrap(function), "__code__", None), "co_filename", None)

    @wraps(function)
    def call(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return function(*arguments, **named)
        except (VeloError, KeyboardInterrupt):
            raise
        except BaseException as error:  # sys.exit(0) in a check would end the run as if all had passed
            raise plugin_error(plugin, f"failed in its {part}", error, file) from error

    return call


def guarded_format(factory: FormatFactory, plugin: str, name: str) -> FormatFactory:
    """A format's factory, and the formats it makes, whose exceptions name the plugin."""
    part = f'format "{name}"'

    def made(schema: RowSchema, options: Mapping[str, str]) -> Format:
        return _GuardedFormat(guarded(factory, plugin, part)(schema, options), plugin, part)

    return made


class _GuardedFormat:
    """A format of a plugin."""

    def __init__(self, inner: Format, plugin: str, part: str) -> None:
        self._decode = guarded(inner.decode, plugin, part)
        self._encode = guarded(inner.encode, plugin, part)

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """As the plugin's format."""
        return self._decode(messages)

    def encode(self, table: pa.Table) -> list[bytes]:
        """As the plugin's format."""
        return self._encode(table)


def _place(error: BaseException, file: str | None) -> Location | None:
    """The innermost line of `file` that the exception came through; of no file: the last one."""
    if isinstance(error, SyntaxError) and error.filename is not None and error.lineno is not None:
        return Location(error.filename, error.lineno, error.offset or 1, text=(error.text or "").rstrip("\n"))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if file is None or f.filename == file]
    if not frames or frames[-1].lineno is None:
        return None
    frame, line = frames[-1], frames[-1].lineno or 1
    text = linecache.getline(frame.filename, line).rstrip("\n")
    start = len(text) - len(text.lstrip())
    return Location(frame.filename, line, start + 1, max(len(text.strip()), 1), text)
