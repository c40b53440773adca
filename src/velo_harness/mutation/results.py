"""What a mutation run gives back: every mutant with its fate, by file and statement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from velo_engine.errors import Location
from velo_harness.mutation.edits import ShownMutant
from velo_harness.result import FileError

NOT_PASSING = "it does not pass over the original program"
"""Why a query cannot judge that is no one's wish, as skipping it is."""


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    """A check of a spec failed, or the run did."""
    TIMEOUT = "timeout"
    """The query did not end within a multiple of its usual time: noticed, and counted as killed."""
    SURVIVED = "survived"
    """Every check of every spec still holds."""
    EQUIVALENT = "equivalent"
    """It means the same as the original: not counted."""
    INVALID = "invalid"
    """The engine refuses it: not counted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of a mutant, and why."""

    fate: Fate
    reason: str
    """The check that failed, the proof of equivalence, the error."""


@dataclass(frozen=True, slots=True)
class MutantResult:
    """One mutant, tried."""

    operator: str
    statement: str
    shown: ShownMutant
    kill: str
    """What would kill it."""
    verdict: Verdict

    @property
    def fate(self) -> Fate:
        """What became of it."""
        return self.verdict.fate


def score(mutants: Iterable[MutantResult]) -> float | None:
    """Killed mutants by killed and surviving ones; None when there is neither."""
    fates = [mutant.fate for mutant in mutants]
    killed = sum(fate in (Fate.KILLED, Fate.TIMEOUT) for fate in fates)
    counted = killed + fates.count(Fate.SURVIVED)
    return killed / counted if counted else None


@dataclass(frozen=True, slots=True)
class StaleEntry:
    """An entry of `mutants.yaml` that says something untrue."""

    problem: str
    location: Location


@dataclass(frozen=True, slots=True)
class ProgramMutants:
    """The mutants of one program, and what could not be tried."""

    file: str
    specs: tuple[str, ...]
    mutants: tuple[MutantResult, ...]
    unchecked: tuple[str, ...]
    """Statements that no query of the specs runs: their mutants are not made."""
    unusable: tuple[str, ...]
    """Queries that cannot judge mutants, with the reason: they fail already, or are skipped."""
    stale: tuple[StaleEntry, ...] = ()

    @property
    def failing(self) -> bool:
        """Whether some query does not pass over the original program."""
        return any(f": {NOT_PASSING}: " in reason for reason in self.unusable)

    def of(self, statement: str) -> list[MutantResult]:
        """The mutants of one statement."""
        return [mutant for mutant in self.mutants if mutant.statement == statement]


@dataclass(frozen=True, slots=True)
class MutationRun:
    """All programs of a run."""

    programs: tuple[ProgramMutants, ...]
    file_errors: tuple[FileError, ...]
    duration_ms: float

    @property
    def mutants(self) -> tuple[MutantResult, ...]:
        """All mutants."""
        return tuple(mutant for program in self.programs for mutant in program.mutants)

    @property
    def score(self) -> float | None:
        """Over all mutants; None when none counts."""
        return score(self.mutants)

    def count(self, fate: Fate) -> int:
        """How many mutants ended so."""
        return sum(mutant.fate is fate for mutant in self.mutants)
