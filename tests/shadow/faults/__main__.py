"""Makes faults from seeds and prints what became of them.

python -m tests.shadow.faults [--seeds N] [--from SEED] [--inputs SEED] [--show]

Without `--from` the seeds are new in every run. With `--inputs` the jobs read other input than the recorded one, and our
engine's rows stand for Flink's. `--show` lists the faults that were explained or placed wrongly. Leaves
with 1 when a fault was not found, ended SAFE, was seen in a wrong column, or fewer than nine in ten were explained, or placed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.shadow.faults.as_streams import measured_as_streams
from tests.shadow.faults.command import measured_by_command
from tests.shadow.faults.fault import other_sides
from tests.shadow.faults.measuring import KINDS, Outcome, case_of, measured

SEEDS = 240
LEAST_SHARE = 0.9
EVERY = 8
"""Of so many faults one goes through `velo shadow` as well, and one through the comparison of streams."""


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.shadow.faults")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="how many faults")
    parser.add_argument("--from", type=int, dest="first", metavar="SEED", help="the first seed")
    parser.add_argument("--inputs", type=int, metavar="SEED", help="other input than that of the scenarios")
    parser.add_argument("--show", action="store_true", help="list what was explained or placed wrongly")
    parsed = parser.parse_args(arguments)
    first = random.SystemRandom().randrange(10**9) if parsed.first is None else parsed.first
    sides = None if parsed.inputs is None else other_sides(parsed.inputs)
    outcomes, commands, streams = [], [], []
    for seed in range(first, first + parsed.seeds):
        case = case_of(seed, sides)
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(measured(case, Path(folder)))
            if seed % EVERY == 0:
                commands.append(measured_by_command(case, Path(folder)))
            if seed % EVERY == 1:
                streams.append(measured_as_streams(case, Path(folder)))
    print(table(outcomes, first))
    compared = [one for one in streams if one is not None]
    print(f"through velo shadow: {sum(commands)} of {len(commands)} refused")
    print(f"as streams: {sum(compared)} of {len(compared)} found and refused")
    for one in outcomes:
        if not (one.found and one.refused) or (parsed.show and not _is_right(one)):
            print(f"{one.seed} {one.kind} in {one.scenario} ({one.note}): {_marks(one)} {one.said}")
    return 0 if is_good(outcomes) and all(commands) and all(compared) else 1


def is_good(outcomes: Sequence[Outcome]) -> bool:
    """All found and refused, their columns named; nine in ten explained, also of those that have a
    cause of the list; and nine in ten of those in a part of the data placed."""
    placed = [one.placed for one in outcomes if one.placed is not None]
    named = [one for one in outcomes if one.has_cause]
    return (
        all(one.found and one.refused and one.located for one in outcomes)
        and sum(one.explained for one in outcomes) >= LEAST_SHARE * len(outcomes)
        and sum(one.explained for one in named) >= LEAST_SHARE * len(named)
        and sum(placed) >= LEAST_SHARE * len(placed)
    )


def table(outcomes: Sequence[Outcome], first: int) -> str:
    """By kind of fault, and of all."""
    lines = [f"{len(outcomes)} faults of {len({one.kind for one in outcomes})} kinds, from seed {first}", ""]
    heads = ("made", "found", "not SAFE", "column right", "cause right", "segment right")
    lines.append(f"{'fault':<30}" + "".join(f"{head:>15}" for head in heads))
    groups = [(kind, [one for one in outcomes if one.kind == kind]) for kind in sorted(KINDS)]
    lines += [_line(name, some) for name, some in groups if some]
    lines += ["", _line("all", outcomes)]
    lines.append(f"cause right: {_share(outcomes)}")
    lines.append(f"  of faults that have a cause of the list: {_share([one for one in outcomes if one.has_cause])}")
    lines.append(f"  of others, of which none must be said: {_share([one for one in outcomes if not one.has_cause])}")
    return "\n".join(lines)


def _share(some: Sequence[Outcome]) -> str:
    explained = sum(one.explained for one in some)
    return f"{explained} of {len(some)}" + (f" ({explained / len(some):.1%})" if some else "")


def _line(name: str, some: Sequence[Outcome]) -> str:
    cells = [str(len(some))]
    cells += [str(sum(getattr(one, what) for one in some)) for what in ("found", "refused", "located", "explained")]
    placed = [one.placed for one in some if one.placed is not None]
    cells.append(f"{sum(placed)} of {len(placed)}" if placed else "-")
    return f"{name:<30}" + "".join(f"{cell:>15}" for cell in cells)


def _is_right(one: Outcome) -> bool:
    return one.located and one.explained and one.placed is not False


def _marks(one: Outcome) -> str:
    named = (
        ("found", one.found), ("not SAFE", one.refused), ("column", one.located), ("cause", one.explained),
        ("segment", one.placed is not False),
    )  # fmt: skip
    return "wrong: " + ", ".join(name for name, is_right in named if not is_right) + ";"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
