"""Files that commands write: all of them or none, and nothing is overwritten unless that was asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.json_schemas import file_name, shipped_text

EDITOR_FOLDER = ".velo"
"""Where JSON Schemas for editors lie, beside the files that name them."""


def editor_files(folder: Path, names: Iterable[str] = ("spec", "data")) -> dict[Path, str]:
    """The JSON Schemas for editors, by their paths below `folder`."""
    return {folder / EDITOR_FOLDER / file_name(name): shipped_text(name) for name in names}


def editor_line(name: str, depth: int = 0) -> str:
    """The first line of a YAML file by which editors find its JSON Schema, `depth` folders below `editor_files`."""
    return f"# yaml-language-server: $schema={'../' * depth}{EDITOR_FOLDER}/{file_name(name)}"


def refuse_existing(files: Iterable[Path], *, force: bool) -> None:
    """FILE_EXISTS for the first of them that is there, unless `force`. Editor files are ours to write."""
    for path in files:
        if (path.exists() or path.is_symlink()) and not force and path.parent.name != EDITOR_FOLDER:
            hint = "write elsewhere, or overwrite it with --force"
            raise VeloError(ErrorCode.FILE_EXISTS, f'"{path}" exists; nothing was written', hint=hint)


def write_files(files: Mapping[Path, str]) -> None:
    """Writes them, and their folders. Errors: FILE_UNREADABLE."""
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            file = next(folder for folder in path.parents if folder.is_file() or folder.is_symlink())
            message = f'"{path}" cannot be written: "{file}" is a file, no folder'
            raise VeloError(ErrorCode.FILE_UNREADABLE, message, hint="name a folder") from None
        except OSError as error:
            raise _unwritable(path, error) from None
        try:
            path.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> VeloError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return VeloError(ErrorCode.FILE_UNREADABLE, f'"{path}" cannot be written: {reason}')
