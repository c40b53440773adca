"""Formatting files: which are meant, and what became of each."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_harness.discovery import SCHEMA_SUFFIXES, is_spec_name
from velo_harness.formatting.sql_format import formatted_sql
from velo_harness.formatting.yaml_format import formatted_yaml
from velo_harness.programs import shown_path
from velo_harness.refusals import walked
from velo_harness.spec_detection import Verdict, judge
from velo_harness.yaml_source import read_text

_PASSED_OVER = frozenset({"node_modules", "__pycache__", "build", "dist"})
_ORIGINAL, _IMPORTED = "original", ".velo-import.json"
"""In the folder of an import, or in that of each of its jobs: its input; and what an import leaves in its folder."""
_YAML = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class FormattedFile:
    """A file and its text before and after; `refused` when it was left as it is."""

    path: Path
    before: str
    after: str
    refused: VeloError | None = None

    @property
    def changes(self) -> bool:
        """Whether formatting changes it."""
        return self.before != self.after

    def diff(self) -> str:
        """A unified diff."""
        name = shown_path(self.path)
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True), self.after.splitlines(keepends=True), name, f"{name} (formatted)"
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n" for line in lines)


def files_to_format(paths: Sequence[Path]) -> list[Path]:
    """SQL files, specs and data schemas that `paths` mean. Errors: FILE_NOT_FOUND, NO_TESTS, BAD_VALUE."""
    found = list(dict.fromkeys(file for path in paths for file in _meant_by(path)))
    if not found:
        where = ", ".join(str(path) for path in paths)
        raise VeloError(
            ErrorCode.NO_TESTS, f"there is nothing to format in {where}", hint="*.sql, specs, *.schema.yaml"
        )
    return found


def formatted(path: Path) -> FormattedFile:
    """The file, formatted; nothing is written."""
    text = ""
    try:
        read_text(path)  # refuses what is no text, or too long
        with path.open(newline="", encoding="utf-8") as stream:  # line ends as they are
            text = stream.read()
        make = formatted_sql if path.suffix == ".sql" else formatted_yaml
        return FormattedFile(path, text, make(text, shown_path(path)))
    except VeloError as error:
        return FormattedFile(path, text, text, error)


def write(file: FormattedFile) -> None:
    """Puts the formatted text into the file. Errors: FILE_UNREADABLE."""
    try:
        with file.path.open("w", newline="", encoding="utf-8") as stream:
            stream.write(file.after)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{file.path}" cannot be written: {reason}') from None


def _is_passed_over(place: str, name: str) -> bool:
    """Whether a folder below `place` is not looked into: what `velo import` keeps of its input stays as it was."""
    if name == _ORIGINAL:
        return any(Path(above, _IMPORTED).is_file() for above in (place, Path(place).parent))
    return name in _PASSED_OVER or name.startswith(".")


def _meant_by(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for place, folders, names in walked(path):
            folders[:] = sorted(f for f in folders if not _is_passed_over(place, f))
            for name in sorted(names):
                file = Path(place, name)
                spec = is_spec_name(file) and judge(file) is not Verdict.FOREIGN
                if spec or file.suffix == ".sql" or name.endswith(SCHEMA_SUFFIXES):
                    yield file
    elif not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, beside, noun=f"file in {path.parent}")
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no file or folder "{path}"', hint=hint)
    elif path.suffix not in (".sql", *_YAML):
        raise VeloError(ErrorCode.BAD_VALUE, f'"{path}" is neither SQL nor YAML', hint="*.sql, *.yaml, *.yml")
    else:
        yield path
