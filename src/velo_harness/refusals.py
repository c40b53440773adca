"""What the operating system refuses: nothing of ours is broken, and a person can put it right."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError

_REFUSED = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
    | {errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR}
)


def refusal(error: Exception) -> VeloError | None:
    """FILE_UNREADABLE for an error of the operating system that people can mend; None for all other errors."""
    if not isinstance(error, OSError) or error.errno not in _REFUSED:
        return None
    what = f'"{error.filename}" cannot be used' if error.filename else "a file, or the output, cannot be used"
    return VeloError(ErrorCode.FILE_UNREADABLE, f"{what}: {os.strerror(error.errno)}")


def walked(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`, but a folder that cannot be looked into is an error: what lies in it would be left out unseen.

    Errors: FILE_UNREADABLE.
    """

    def refuse(error: OSError) -> None:
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = "allow reading it, or name the folders beside it"
        message = f'the folder "{error.filename}" cannot be read: {reason}'
        raise VeloError(ErrorCode.FILE_UNREADABLE, message, hint=hint)

    yield from os.walk(folder, onerror=refuse)
