"""Ask a real Flink for the plans of recorded cases and write them down.

python -m tests.oracle.record_plans        what is new (the plan of a query that stands there is not asked again)

`explain/<group>.json` maps case names to Flink's optimised plan with the changelog mode and the upsert keys of every
node. Of each group the first cases with different queries are taken.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.oracle.case import Definition, load, recorded_paths

sys.path.insert(0, str(Path(__file__).parents[2] / "tools" / "flink"))
from oracle import Flink, FlinkMissingError, InputTable

PLANS = Path(__file__).parent / "explain"

_EXPRESSIONS = {"arithmetic", "casts", "decimals", "logic", "projection", "strings", "times"}
WITHOUT_STATE = _EXPRESSIONS | {"not_null_sinks", "upsert_sinks"}
"""Groups of expressions, whose plans are all alike; and of sinks, which ask for other changes."""

PER_GROUP = 12


def definitions() -> Iterator[Definition]:
    """The cases whose plans are recorded."""
    seen: dict[str, set[str]] = {}
    for path in recorded_paths():
        case = load(path)
        queries = seen.setdefault(case.definition.group, set())
        if case.definition.group in WITHOUT_STATE or case.answer.error is not None or len(queries) >= PER_GROUP:
            continue
        if case.definition.query not in queries:
            queries.add(case.definition.query)
            yield case.definition


def plan(flink: Flink, definition: Definition) -> str:
    """Flink's plan of a case."""
    tables = [
        InputTable(name, table.columns, [], table.lookup, {"changelog": table.changelog} if table.changelog else {})
        for name, table in definition.tables.items()
    ]
    return flink.explain(tables, definition.query, config=definition.config)


def main() -> int:
    """The command line."""
    PLANS.mkdir(exist_ok=True)
    groups: dict[str, list[Definition]] = {}
    for definition in definitions():
        groups.setdefault(definition.group, []).append(definition)
    try:
        with Flink() as flink:
            for group, wanted in groups.items():
                path = PLANS / f"{group}.json"
                known: dict[str, list[str]] = json.loads(path.read_text()) if path.exists() else {}
                plans = {d.name: known.get(d.name) or plan(flink, d).rstrip("\n").split("\n") for d in wanted}
                path.write_text(json.dumps(plans, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
                print(f"{group}: {len(plans)} plans", flush=True)
    except FlinkMissingError as missing:
        print(missing, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
