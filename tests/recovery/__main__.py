"""Kills jobs, some hundred times (`make recovery`).

python -m tests.recovery [--kills 200] [--provider embedded] [--provider real] [--guarantee exactly-once] [--seed N]

Each kill is a SIGKILL at a named point or at a random moment. The exit code is 1 when a record was lost, or was there
twice where it must not be.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.recovery.campaign import campaign, kills

KILLS_OF_A_CAMPAIGN = 25


@contextlib.contextmanager
def broker(provider: str) -> Iterator[str]:
    """The address of a fresh broker."""
    if provider == "embedded":
        from velo_harness.kafka.embedded import EmbeddedBroker

        with EmbeddedBroker() as embedded:
            yield embedded.bootstrap_servers
    else:
        from tools.kafka.real_kafka import RealKafka

        with RealKafka() as real:
            yield real.bootstrap_servers


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.recovery")
    parser.add_argument("--kills", type=int, default=200, help="for each provider and guarantee")
    parser.add_argument("--provider", action="append", choices=["embedded", "real"])
    parser.add_argument("--guarantee", action="append", choices=["exactly-once", "at-least-once"])
    parser.add_argument("--seed", type=int, default=1)
    parsed = parser.parse_args(arguments)
    failed = False
    for provider in parsed.provider or ["embedded"]:
        with broker(provider) as address:
            for guarantee in parsed.guarantee or ["exactly-once", "at-least-once"]:
                failed |= not survived(address, provider, guarantee, parsed.kills, parsed.seed)
    return 1 if failed else 0


def survived(address: str, provider: str, guarantee: str, wanted: int, seed: int) -> bool:
    """Campaign after campaign until there were enough kills; prints what came of them."""
    began = time.monotonic()
    done: Counter[str] = Counter()
    duplicates = number = 0
    wrong: list[str] = []
    exactly_once = guarantee == "exactly-once"
    ways = kills(seed, exactly_once)
    while done.total() < wanted:
        number += 1
        most = min(KILLS_OF_A_CAMPAIGN, wanted - done.total())
        outcome = campaign(address, exactly_once=exactly_once, wanted=ways, most=most, seed=seed + number)
        done += outcome.kills
        duplicates += outcome.duplicates
        wrong += outcome.wrong
    at = ", ".join(f"{name.lower()} {count}" for name, count in sorted(done.items()))
    print(f"{provider}, {guarantee}: {done.total()} kills in {number} jobs, {time.monotonic() - began:.0f} s ({at})")
    print(f"  records that are not right: {len(wrong)}; there more than once: {duplicates}", flush=True)
    for line in wrong[:10]:
        print(f"  {line[:500]}")
    return not wrong and not (exactly_once and duplicates)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
