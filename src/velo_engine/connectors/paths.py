"""File locations: `file://` URIs, options in them, patterns, and what to tell a person when a file cannot be used.

Paths are taken as the caller gives them; whether they may be used is the caller's decision.
"""

from __future__ import annotations

import errno
import glob
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from velo_engine.errors import ErrorCode, VeloError, nearest

_OPTIONS_PART = re.compile(r"\?(?=[\w.-]+=)")
"""A question mark that begins options; any other is a wildcard."""


@dataclass(frozen=True, slots=True)
class FileLocation:
    """A path or pattern and the options written behind it."""

    path: str
    options: Mapping[str, str]


def parse_location(written: str) -> FileLocation:
    """The location in `data/*.csv`, `file:///data/x.csv?header=true&delimiter=;` or `x.csv?header=false`."""
    path, *query = _OPTIONS_PART.split(written, maxsplit=1)
    if path.startswith("file://"):
        path = unquote(path.removeprefix("file://"))
    return FileLocation(path, dict(parse_qsl(query[0], keep_blank_values=True)) if query else {})


def matching_files(path: str) -> list[Path]:
    """The files that `path` names: itself, or in order of their names what matches it as a pattern (`*`, `?`, `**`).

    Raises VeloError when there is none, or when it is a directory.
    """
    exact = Path(path)
    if exact.is_dir():
        raise VeloError(
            ErrorCode.FILE_UNREADABLE,
            f"{path} is a directory",
            hint=f"name the files in it, for example {path.rstrip('/')}/*.csv",
        )
    if exact.exists():
        return [exact]
    if glob.has_magic(path):
        found = sorted(p for p in map(Path, glob.glob(path, recursive=True)) if not p.is_dir())
        if found:
            return found
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f"no file matches {path}", hint=_nearby(exact))
    raise VeloError(ErrorCode.FILE_NOT_FOUND, f"{path} does not exist", hint=_nearby(exact))


def _nearby(path: Path) -> str:
    """A hint: a file with a similar name, or where the path stops to exist."""
    folder = path.parent
    try:
        if folder.is_dir():
            close = nearest(path.name, sorted(p.name for p in folder.iterdir()))
            return f'did you mean "{folder / close}"?' if close else f"the folder {folder} has no such file"
    except OSError:
        pass
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return f"the path exists up to {folder}"


def unreadable(path: Path, problem: OSError) -> VeloError:
    """The error for a file that the operating system refuses."""
    if isinstance(problem, FileNotFoundError):
        return VeloError(ErrorCode.FILE_NOT_FOUND, f"{path} does not exist", hint=_nearby(path))
    hints = {
        errno.EACCES: "check its permissions",
        errno.EPERM: "check its permissions",
        errno.EISDIR: "it is a directory: name the files in it",
    }
    reason = problem.strerror or str(problem)
    return VeloError(ErrorCode.FILE_UNREADABLE, f"cannot read {path}: {reason}", hint=hints.get(problem.errno or 0))
