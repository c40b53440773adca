"""The forms of a report, and how a file's ending tells them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError


class ReportFormat(StrEnum):
    """A form of the report."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"
    MD = "md"
    JUNIT = "junit"


_ENDINGS: Mapping[str, ReportFormat] = {
    ".json": ReportFormat.JSON,
    ".html": ReportFormat.HTML,
    ".htm": ReportFormat.HTML,
    ".md": ReportFormat.MD,
    ".xml": ReportFormat.JUNIT,
    ".txt": ReportFormat.TEXT,
}


def format_of(path: Path) -> ReportFormat:
    """The form that a file's ending tells. Errors: BAD_VALUE for an ending that tells none."""
    form = _ENDINGS.get(path.suffix.lower())
    if form is None:
        message = f'the ending of "{path}" is that of no report'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"one of {', '.join(_ENDINGS)}")
    return form
