"""How much a run works: counted, so that a limit is met at the same place on every machine.

The unit is a value that an operator gives out, which costs about a microsecond.
"""

from __future__ import annotations

from dataclasses import dataclass

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.runtime.step_run import StepRun

STEP = 400
"""What an operator costs for each span of events, however few rows it gives out."""
PLANNING = 20
"""What a character of a program costs before it runs."""


@dataclass(slots=True)
class Work:
    """The work of one run."""

    most: int | None = None
    """A run that works more fails; None: it is only counted."""
    done: int = 0

    def take(self, run: StepRun) -> None:
        """A hook for `JobOptions.on_step`. Errors: TIMEOUT for more work than may be."""
        rows = run.output.rows
        self.done += STEP + rows.num_rows * rows.num_columns
        if self.most is not None and self.done > self.most:
            raise VeloError(ErrorCode.TIMEOUT, f"its operators give out more than {self.most} values")


@dataclass(frozen=True, slots=True)
class WorkLimit:
    """How much a changed program may work."""

    times: int = 20
    """As much as the original, so many times."""
    least: int = 20_000_000
    """So much in any case."""

    def of(self, original: int) -> int:
        """The limit, where the original works so much."""
        return max(self.least, self.times * original)
