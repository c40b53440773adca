"""The report files of a comparison: the ending of each says its form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from velo_cli.report_output import write_report
from velo_engine.errors import ErrorCode, VeloError
from velo_shadow.reports.document import ShadowReport
from velo_shadow.reports.json_report import shadow_json

_FORMS = {".json": shadow_json}


def check_endings(paths: Sequence[Path]) -> None:
    """Errors: BAD_VALUE for a file whose ending says no form, before anything is compared in vain."""
    for path in paths:
        if path.suffix.lower() not in _FORMS:
            message = f'the ending of the report "{path}" says no form'
            raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"known: {', '.join(_FORMS)}")


def write_reports(report: ShadowReport, paths: Sequence[Path]) -> None:
    """Write the report to each file. Errors: FILE_UNREADABLE."""
    for path in paths:
        write_report(_FORMS[path.suffix.lower()](report), path)
