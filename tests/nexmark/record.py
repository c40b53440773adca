"""Ask a real Flink the Nexmark queries and write down what its answers come to.

python -m tests.nexmark.record [QUERY …]     over 5 000 and 50 000 events; without names, all queries
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from tests.nexmark.benchmark import FULL, QUERIES, RECORDED, SMALL, Summary, definition, summary
from tests.oracle.record import Flink, ask

ORDER_MATTERS = {"q4", "q9"}
"""Their changes depend on the order in which bids and auctions reach the join: they are recorded event by event."""
QUIET_MS = 1
TIMEOUT_MS = 1_800_000


def main(names: Sequence[str]) -> int:
    """Record; the exit code."""
    data = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {"answers": {}}
    with Flink(timeout_ms=TIMEOUT_MS) as flink:
        data |= {"flink": flink.version, "java": flink.java}
        for events in (SMALL, FULL):
            answers = data["answers"].setdefault(str(events), {})
            for query in names or QUERIES:
                began = time.monotonic()
                answers[query] = _recorded(flink, query, events).to_json()
                print(
                    f"{events:>6} {query:<5} {answers[query]['rows']:>7} rows, {time.monotonic() - began:.0f} s",
                    flush=True,
                )
                RECORDED.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 0


def _recorded(flink: Flink, query: str, events: int) -> Summary:
    answer = ask(flink, definition(query, events), QUIET_MS if query in ORDER_MATTERS else 0)
    if answer.error is not None:
        raise RuntimeError(f"{query}: {answer.error}")
    return summary(query, answer.changelog)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
