"""The text of a file that a person names, or a plain word on why it has none."""

from __future__ import annotations

import codecs
import stat
import string
from pathlib import Path

from velo_engine.errors import ErrorCode, Location, VeloError

_ARCHIVES = {b"PK\x03\x04": "a zip or jar archive", b"\x1f\x8b": "a gzip archive", b"BZh": "a bzip2 archive"}
_WIDE = {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SCRIPT = "give a Flink SQL script, a program with SQL in it, a compiled plan, or a folder of these"


def text_of(path: Path) -> str:
    """The text of a file: UTF-8, or UTF-16 with its byte order mark.

    VeloError FILE_NOT_FOUND; FILE_UNREADABLE for what is no regular file, no text, or not allowed to be read.
    """
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            raise VeloError(ErrorCode.FILE_UNREADABLE, f"{path} is {_named(kind)}, no file", hint=_SCRIPT)
        data = path.read_bytes()
    except FileNotFoundError:
        message = f"{path} is a link to nothing" if path.is_symlink() else f"there is no {path}"
        raise VeloError(ErrorCode.FILE_NOT_FOUND, message) from None
    except OSError as problem:
        hint = "look at its permissions" if isinstance(problem, PermissionError) else None
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"cannot read {path}: {problem.strerror}", hint=hint) from None
    return _decoded(data, path)


def _decoded(data: bytes, path: Path) -> str:
    for beginning, kind in _ARCHIVES.items():
        if data.startswith(beginning):
            raise VeloError(ErrorCode.FILE_UNREADABLE, f"{path} is {kind}", hint="unpack it and import the folder")
    encoding = next((name for mark, name in _WIDE.items() if data.startswith(mark)), "utf-8-sig")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as problem:
        raise _not_utf8(data, problem, path) from None
    if "\0" in text or (encoding == "utf-16" and not any(character in string.ascii_letters for character in text)):
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"{path} is a binary file, no text", hint=_SCRIPT)
    return text


def _not_utf8(data: bytes, problem: UnicodeDecodeError, path: Path) -> VeloError:
    before = data[: problem.start]
    if b"\0" in data[:4096] or data[problem.start] < 0x20:
        return VeloError(ErrorCode.FILE_UNREADABLE, f"{path} is a binary file, no text", hint=_SCRIPT)
    line = before.count(b"\n") + 1
    column = problem.start - (before.rfind(b"\n") + 1) + 1
    return VeloError(
        ErrorCode.FILE_UNREADABLE,
        f"{path} is no text in UTF-8: its first other byte is {data[problem.start]:#04x}",
        location=Location(str(path), line, column),
        hint="save it as UTF-8; `iconv -f latin1 -t utf-8` does so when it is Latin-1",
    )


def _named(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"
