"""Streams cut and interleaved at random are compared as all of their rows at once.

`python -m tests.shadow.stream.interleavings --runs 100`

Each run makes two streams with faults from its seed, of each kind in turn.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.shadow.kills import KINDS, sides
from tests.shadow.stream.streams import Feed, at_once, comparator, plan
from tests.shadow.stream.test_comparator import of_rows

ROWS = 60


def is_as_at_once(kind: str, seed: int) -> bool:
    """Whether a run finds what the comparison of complete sides does."""
    rng = random.Random(seed)
    changelog, key = KINDS[kind]
    streams = sides(kind, seed, ROWS)
    with tempfile.TemporaryDirectory() as folder, comparator(Path(folder), plan(*key), changelog) as compared:
        feed = Feed(streams, rng, largest=rng.choice([1, 7, 30]), step_share=rng.choice([0.05, 0.2]))
        result = feed.run(compared)
    return of_rows(result) == at_once(plan(*key), streams, changelog, result.spans)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    kinds = list(KINDS)
    runs = [(kinds[i % len(kinds)], arguments.seed + i) for i in range(arguments.runs)]
    wrong = [run for run in runs if not is_as_at_once(*run)]
    for kind, seed in wrong:
        print(f"{kind}, seed {seed}: NOT as at once")
    print(f"{len(runs)} runs from seed {arguments.seed}, {len(wrong)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
