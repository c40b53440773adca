"""The folder that an import writes: twice the same import changes nothing, and what somebody edited stays.

`.velo-import.json` keeps what was written, as digests. By it an import knows which files are still as it left them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError

MANIFEST = ".velo-import.json"
SCHEMA_VERSION = 1
SHOWN_FILES = 20


@dataclass(frozen=True, slots=True)
class Written:
    """What writing changed."""

    written: tuple[str, ...] = ()
    """Paths in the folder."""
    removed: tuple[str, ...] = ()
    """Files of an earlier import that this one does not have."""
    left: tuple[str, ...] = ()
    """Such files that somebody edited: they stay."""

    @property
    def changed(self) -> bool:
        """Whether the folder is not what it was."""
        return bool(self.written or self.removed)


def write_folder(files: Mapping[str, str], folder: Path, *, force: bool) -> Written:
    """Writes what is not there as it should be, and takes away what an earlier import wrote and this one does not.

    VeloError FILE_EXISTS, before anything is written, when files would be overwritten that no import left so, unless
    `force`; FILE_UNREADABLE when the folder cannot be read or written.
    """
    try:
        before = _digests(folder / MANIFEST)
        there = {name: _digest_of(folder / name) for name in {*files, *before}}
        digests = {name: _digest(text) for name, text in files.items()}
        wanted = [name for name, digest in digests.items() if there[name] != digest]
        edited = [name for name in wanted if there[name] is not None and there[name] != before.get(name)]
        if edited and not force:
            raise _refusal(edited, folder)
        gone = [name for name in before if name not in files and there[name] is not None]
        left = [name for name in gone if there[name] != before[name]]
        removed = [name for name in gone if name not in left]
        for name in wanted:
            _write(folder / name, files[name])
        for name in removed:
            _remove(folder / name, folder)
        manifest = _manifest(digests)
        if _digest_of(folder / MANIFEST) != _digest(manifest):
            _write(folder / MANIFEST, manifest)
    except OSError as problem:
        raise VeloError(
            ErrorCode.FILE_UNREADABLE, f"cannot write {problem.filename or folder}: {problem.strerror}"
        ) from None
    return Written(tuple(wanted), tuple(removed), tuple(left))


def _refusal(edited: list[str], folder: Path) -> VeloError:
    names = "".join(f"\n  {folder / name}" for name in edited[:SHOWN_FILES])
    more = f"\n  and {len(edited) - SHOWN_FILES} more" if len(edited) > SHOWN_FILES else ""
    one = len(edited) == 1
    return VeloError(
        ErrorCode.FILE_EXISTS,
        f"nothing was written: {'this file was' if one else 'these files were'} edited, or not written by velo import"
        f"{names}{more}",
        hint=f"--force writes over {'it' if one else 'them'}; --output names another folder",
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


def _remove(path: Path, folder: Path) -> None:
    """Takes a file away, and the folders above it (below `folder`) that are empty then."""
    path.unlink()
    for above in path.parents:
        if above == folder or any(above.iterdir()):
            return
        above.rmdir()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of(path: Path) -> str | None:
    """The digest of a file; None when there is none."""
    if not path.is_file():
        return "no file" if path.exists() else None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _manifest(digests: Mapping[str, str]) -> str:
    data = {
        "schema_version": SCHEMA_VERSION,
        "velostream": version("velostream"),
        "files": dict(sorted(digests.items())),
    }
    return json.dumps(data, indent=2) + "\n"


def _digests(path: Path) -> dict[str, str]:
    """What an earlier import wrote; nothing when there was none, or nobody can read it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {str(name): str(digest) for name, digest in found.items() if _is_below(name)}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_below(name: str) -> bool:
    """Whether a path stays in the folder: an edited manifest must not make an import remove anything else."""
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts
