"""The Nexmark queries on the engine, held against Flink's recorded answers (`make nexmark`).

python -m tests.nexmark.run [--events N] [QUERY …]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.nexmark.benchmark import FULL, QUERIES, SMALL, Summary, definition, recorded, summary
from tests.oracle.engine_runner import run
from velo_engine import VeloError

BATCH_SIZE = 10_000


def answered(query: str, events: int) -> Summary:
    """The engine's answer. Raises VeloError when it refuses the query."""
    answer = run(definition(query, events), BATCH_SIZE)
    assert answer.error is None, answer.error
    return summary(query, answer.changelog)


def difference(expected: Summary, actual: Summary) -> str:
    """What differs, for people; empty when nothing."""
    if actual == expected:
        return ""
    if actual.final != expected.final:
        return f"OTHER RESULT ({expected.rows} rows expected, {dict(expected.kinds)})"
    return f"equal in the end, other changes ({dict(expected.kinds)} expected)"


def main(arguments: Sequence[str]) -> int:
    """The command line; the exit code is 1 when a final result differs or a query breaks."""
    parser = argparse.ArgumentParser(prog="python -m tests.nexmark.run")
    parser.add_argument("queries", nargs="*", metavar="QUERY")
    parser.add_argument("--events", type=int, choices=[SMALL, FULL], default=FULL)
    parsed = parser.parse_args(arguments)
    expected, wrong = recorded(parsed.events), 0
    print(f"{'query':<6} {'rows':>7}  {'CPU s':>6} {'events/CPU-s':>12}  equal?")
    for query in parsed.queries or QUERIES:
        definition(query, parsed.events)  # generates the events, which is not measured
        began = time.process_time()
        try:
            actual = answered(query, parsed.events)
        except VeloError as refused:
            print(f"{query:<6} {'':>7}  {'':>6} {'':>12}  refused: {refused.message}")
            continue
        except Exception as broken:
            wrong += 1
            print(f"{query:<6} {'':>7}  {'':>6} {'':>12}  BROKEN: {broken!r}")
            continue
        spent = time.process_time() - began
        found = difference(expected[query], actual)
        wrong += "OTHER RESULT" in found
        kinds = " ".join(f"{kind} {count}" for kind, count in actual.kinds.items())
        speed = f"{parsed.events / spent:>12,.0f}"
        print(f"{query:<6} {actual.rows:>7}  {spent:>6.2f} {speed}  {found or 'equal'}  [{kinds}]", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
