"""What `velo-test run --cov` says."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from velo_harness.result import RunResult


@dataclass(frozen=True, slots=True)
class CoverageChoice:
    """What a person wants to know of coverage."""

    asked: bool
    fail_under: float | None
    """Percent."""
    annotate: Path | None
    """Where the annotated SQL goes."""

    @property
    def wanted(self) -> bool:
        """Whether the run collects coverage."""
        return self.asked or self.fail_under is not None or self.annotate is not None

    def show(self, result: RunResult) -> bool:
        """Says what is covered, on stderr; whether that is enough."""
        if not self.wanted:
            return True
        from velo_cli.report_output import write_report
        from velo_harness.coverage.report import annotated_text, coverage_text, reaches

        print("\n" + coverage_text(result.coverage, self.fail_under), file=sys.stderr)
        if self.annotate is not None:
            write_report(annotated_text(result.coverage), self.annotate)
        return self.fail_under is None or reaches(result.coverage, self.fail_under)
