"""How much of a changed program a spec notices: small changes of the converted SQL, judged within a budget."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from velo_harness.mutation.edits import Mutant, shown
from velo_harness.mutation.judging import Bench
from velo_harness.mutation.results import Fate
from velo_harness.mutation.run import DEFAULT_SEED, MutationSettings, mutants_for
from velo_harness.programs import program_text
from velo_harness.settings import RunSettings
from velo_harness.suite import find_spec_files, load_items
from velo_import.model import MutationScore, Survivor

MOST_MUTANTS = 60
"""Of a job; a sample that depends on nothing but the program."""
MOST_SECONDS = 2.5
"""Of computing, after which no further mutant is judged."""


SHORTEST_MS = 1500
"""A changed program has at least this time: one whose joins meet in every pair must not hold up the import."""
EVENTS_AT_ONCE = 50
"""After which the time is looked at."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many changes are judged, and how long."""

    mutants: int = MOST_MUTANTS
    seconds: float = MOST_SECONDS


def mutation_score(spec: Path, budget: Budget) -> MutationScore | None:
    """The score of a spec that passes; None when nothing that it checks can be changed, or may be."""
    if not budget.mutants:
        return None
    began = time.process_time()
    items, _ = load_items(find_spec_files([spec]), RunSettings(), ())
    bench = Bench(program_text(items[0].spec), items, RunSettings(batch_size=EVENTS_AT_ONCE), SHORTEST_MS)
    mutants = mutants_for(bench, MutationSettings())[0] if bench.judges else []
    if not mutants:
        return None
    fates: list[tuple[Mutant, Fate]] = []
    for mutant in _drawn(mutants, budget.mutants):
        if fates and time.process_time() - began > budget.seconds:
            break
        fates.append((mutant, bench.verdict(mutant).fate))
    survived = [mutant for mutant, fate in fates if fate is Fate.SURVIVED]
    killed = sum(fate in (Fate.KILLED, Fate.TIMEOUT) for _, fate in fates)
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
