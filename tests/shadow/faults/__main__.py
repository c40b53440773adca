"""Makes faults from seeds and prints what became of them.

python -m tests.shadow.faults [--seeds N] [--from SEED] [--show]

Without `--from` the seeds are new in every run. `--show` lists the faults that were not explained or not placed. Leaves
with 1 when a fault was not found, ended SAFE, or fewer than nine in ten were explained or placed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.shadow.faults.command import measured_by_command
from tests.shadow.faults.measuring import KINDS, Outcome, case_of, measured

SEEDS = 240
LEAST_SHARE = 0.9
EVERY = 8
"""Of so many faults one goes through `velo shadow` as well."""


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.shadow.faults")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="how many faults")
    parser.add_argument("--from", type=int, dest="first", metavar="SEED", help="the first seed")
    parser.add_argument("--show", action="store_true", help="list what was not explained or not placed")
    parsed = parser.parse_args(arguments)
    first = random.SystemRandom().randrange(10**9) if parsed.first is None else parsed.first
    outcomes, commands = [], []
    for seed in range(first, first + parsed.seeds):
        case = case_of(seed)
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(measured(case, Path(folder)))
            if seed % EVERY == 0:
                commands.append(measured_by_command(case, Path(folder)))
    print(table(outcomes, first))
    print(f"through velo shadow: {sum(commands)} of {len(commands)} refused")
    for one in outcomes:
        if not (one.found and one.refused) or (parsed.show and not (one.explained and one.placed)):
            print(f"{one.seed} {one.kind} in {one.scenario} ({one.note}): {_marks(one)} {one.said}")
    return 0 if is_good(outcomes) and all(commands) else 1


def is_good(outcomes: Sequence[Outcome]) -> bool:
    """All found and refused, nine in ten explained and placed."""
    least = LEAST_SHARE * len(outcomes)
    return (
        all(one.found and one.refused for one in outcomes)
        and sum(one.explained for one in outcomes) >= least
        and sum(one.placed for one in outcomes) >= least
    )


def table(outcomes: Sequence[Outcome], first: int) -> str:
    """By kind of fault, and of all."""
    lines = [f"{len(outcomes)} faults from seed {first}", ""]
    lines.append(f"{'fault':<30}{'made':>6}{'found':>8}{'not SAFE':>10}{'cause right':>13}{'segment right':>15}")
    groups = [(kind, [one for one in outcomes if one.kind == kind]) for kind in sorted(KINDS)]
    for name, some in [*groups, ("all", list(outcomes))]:
        if some:
            sums = [sum(getattr(one, what) for one in some) for what in ("found", "refused", "explained", "placed")]
            lines.append(f"{name:<30}{len(some):>6}{sums[0]:>8}{sums[1]:>10}{sums[2]:>13}{sums[3]:>15}")
    shares = [sum(one.explained for one in outcomes), sum(one.placed for one in outcomes)]
    lines.append(f"{'':<30}{'':>24}{shares[0] / len(outcomes):>13.1%}{shares[1] / len(outcomes):>15.1%}")
    return "\n".join(lines)


def _marks(one: Outcome) -> str:
    named = (("found", one.found), ("not SAFE", one.refused), ("cause", one.explained), ("segment", one.placed))
    return "wrong: " + ", ".join(name for name, is_right in named if not is_right) + ";"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
