"""How much of a changed program a spec notices: small changes of the converted SQL, judged within a budget."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from velo_harness.mutation.edits import Mutant, shown
from velo_harness.mutation.judging import Bench
from velo_harness.mutation.results import Fate
from velo_harness.mutation.run import DEFAULT_SEED, MutationSettings, mutants_for
from velo_harness.mutation.work import WorkLimit
from velo_harness.programs import program_text
from velo_harness.settings import RunSettings
from velo_harness.suite import find_spec_files, load_items
from velo_import.model import MutationScore, Survivor

MOST_MUTANTS = 60
"""Of a job; a sample that depends on nothing but the program."""
MOST_WORK = 2_000_000
"""Of judging all of them, after which no further one is judged: about two seconds. See `mutation.work`."""
WORK_OF_ONE = WorkLimit(times=4, least=500_000)
"""A changed program whose joins meet in every pair must not hold up the import."""
EVENTS_AT_ONCE = 50
"""After which the work is looked at."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many changes are judged, and how much work that may be: the same on every machine."""

    mutants: int = MOST_MUTANTS
    work: int = MOST_WORK


def mutation_score(spec: Path, budget: Budget) -> MutationScore | None:
    """The score of a spec that passes; None when nothing that it checks can be changed, or may be.

    A change that works too much is counted neither as noticed nor as not noticed.
    """
    if not budget.mutants:
        return None
    items, _ = load_items(find_spec_files([spec]), RunSettings(), ())
    bench = Bench(program_text(items[0].spec), items, RunSettings(batch_size=EVENTS_AT_ONCE), WORK_OF_ONE)
    mutants = mutants_for(bench, MutationSettings(), bench.may_check)[0]
    if not mutants:
        return None
    fates: list[tuple[Mutant, Fate]] = []
    for mutant in _drawn(mutants, budget.mutants):
        if fates and bench.work > budget.work:
            break
        fates.append((mutant, bench.verdict_of_few(mutant).fate))
    survived = [mutant for mutant, fate in fates if fate is Fate.SURVIVED]
    killed = sum(fate is Fate.KILLED for _, fate in fates)
    survivors = sorted((_survivor(bench, mutant) for mutant in survived), key=lambda one: (one.line, one.mutated))
    return MutationScore(killed, tuple(survivors), len(fates), len(mutants))


def _drawn(mutants: Sequence[Mutant], most: int) -> list[Mutant]:
    """At most so many, spread over the program, in an order in which any beginning is a fair sample."""
    order = list(mutants)
    random.Random(DEFAULT_SEED).shuffle(order)  # noqa: S311 - a sample
    return order[:most]


def _survivor(bench: Bench, mutant: Mutant) -> Survivor:
    seen = shown(bench.text.text, bench.text.file, mutant)
    return Survivor(
        mutant.statement, mutant.operator, seen.location.line, seen.original.strip(), seen.mutated.strip(), mutant.kill
    )
