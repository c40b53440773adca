"""The folder that an import writes; what somebody changed in it is not overwritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from velo_engine.errors import ErrorCode, VeloError
from velo_import.model import ConvertedJob
from velo_import.report import JSON, MARKDOWN, report_json, report_markdown

PROGRAM = "app.sql"
ORIGINAL = "original"


def files_of(jobs: Sequence[ConvertedJob]) -> dict[str, str]:
    """The texts of an import by their paths: one job in the folder itself, several in one folder each."""
    files: dict[str, str] = {}
    for job in jobs:
        folder = PurePosixPath(job.name) if len(jobs) > 1 else PurePosixPath()
        files[str(folder / PROGRAM)] = job.app_sql
        for script in job.scripts:
            files[str(folder / ORIGINAL / PurePosixPath(Path(script.file).as_posix()))] = script.text
        if len(jobs) > 1:
            files[str(folder / MARKDOWN)] = report_markdown([job])
            files[str(folder / JSON)] = report_json([job])
    files[MARKDOWN] = report_markdown(jobs)
    files[JSON] = report_json(jobs)
    return files


def write_folder(files: Mapping[str, str], folder: Path, *, force: bool) -> tuple[Path, ...]:
    """Writes what is not there yet as it should be; the paths that were written.

    VeloError FILE_EXISTS when a file has another text and not `force`, before anything is written; FILE_UNREADABLE when
    the folder cannot be written.
    """
    try:
        wanted = {folder / name: text for name, text in files.items() if not _has(folder / name, text)}
        changed = [path for path in wanted if path.exists()]
        if changed and not force:
            raise VeloError(
                ErrorCode.FILE_EXISTS,
                f"{changed[0]} is there and has another text" + (f", {len(changed) - 1} more" if changed[1:] else ""),
                hint="--force writes over it; --output names another folder",
            )
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
    except OSError as problem:
        raise VeloError(
            ErrorCode.FILE_UNREADABLE, f"cannot write {problem.filename or folder}: {problem.strerror}"
        ) from None
    return tuple(wanted)


def _has(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()
