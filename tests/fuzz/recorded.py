"""Cases that Flink answered once and for all: replayed in tests and against planted bugs, without Flink.

python -m tests.fuzz.recorded --rounds 90 --seed 500000           ask Flink and write the file anew
python -m tests.fuzz.recorded --rounds 90 --seed 300000 --add     keep the cases of other seeds
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.generate import ROUND, generated, without_unread_tables
from tests.oracle.case import Answer, Compare, Definition, Rule, Table

FILE = Path(__file__).parent / "recorded" / "cases.json.xz"


@dataclass(frozen=True)
class RecordedCase:
    """A definition, the batch size of its run, and Flink's answer."""

    seed: int
    shape: str
    batch_size: int
    definition: Definition
    answer: Answer


def recorded_cases() -> Iterator[RecordedCase]:
    """All recorded cases by seed."""
    for round_ in _stored_rounds().values():
        tables = {name: Table(entry["columns"], tuple(entry["rows"])) for name, entry in round_["tables"].items()}
        order = tuple((name, i) for name, i in round_["order"])
        for case in round_["cases"]:
            yield _case(case, tables, order)


def _stored_rounds() -> dict[int, Mapping[str, Any]]:
    """The rounds of the file by number."""
    rounds = json.loads(lzma.decompress(FILE.read_bytes()))["rounds"]
    return {round_["cases"][0]["seed"] // ROUND: round_ for round_ in rounds if round_["cases"]}


def _case(case: Mapping[str, Any], tables: Mapping[str, Table], order: tuple[tuple[str, int], ...]) -> RecordedCase:
    compare = Compare(Rule(case["rule"]), tuple(case["key"]))
    definition = Definition(f"seed_{case['seed']}", "fuzz", (), tables, case["query"], order, compare=compare)
    answer = Answer(
        schema=tuple((name, kind) for name, kind in case["schema"]),
        changelog=tuple(tuple(change) for change in case["changelog"]),
        events=tuple(case["events"]),
    )
    return RecordedCase(case["seed"], case["shape"], case["batch_size"], without_unread_tables(definition), answer)


def record(rounds: int, seed: int, *, add: bool) -> int:
    """Ask Flink rounds of cases, and keep those that the engine answers alike. Gives the exit code.

    `add`: to those recorded already, except for those of the same seeds.
    """
    from tests.fuzz.flink_side import TIMEOUT_MS, Flink, outcomes
    from tests.fuzz.judge import DEFECTS, Verdict

    first, kept, data = seed // ROUND * ROUND, 0, {}
    with Flink(TIMEOUT_MS) as flink:
        version = flink.version
        for start in range(first, first + rounds * ROUND, ROUND):
            cases = [generated(s) for s in range(start, start + ROUND)]
            found = outcomes(flink, cases)
            for outcome in found:
                if outcome.verdict in DEFECTS:
                    print(f"seed {outcome.case.seed}: {outcome.verdict}: {outcome.reason.splitlines()[0]}", flush=True)
            equal = [o for o in found if o.verdict is Verdict.EQUAL and o.answer.error is None]
            kept += len(equal)
            data[start // ROUND] = _round_json(cases[0].definition, [_case_json(o.case, o.answer) for o in equal])
    if add:
        data = _stored_rounds() | data
    in_order = [data[number] for number in sorted(data) if data[number]["cases"]]
    text = json.dumps({"flink": version, "rounds": in_order}, ensure_ascii=False, separators=(",", ":"))
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(lzma.compress(text.encode(), preset=9))
    print(f"{kept} cases of {rounds * ROUND} recorded, {FILE.stat().st_size:,} bytes")
    return 0


def _round_json(definition: Definition, cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    tables = {
        name: {"columns": t.columns, "rows": [dict(row) for row in t.rows]} for name, t in definition.tables.items()
    }
    return {"tables": tables, "order": list(definition.arrivals()), "cases": list(cases)}


def _case_json(case: Any, answer: Answer) -> dict[str, Any]:
    return {
        "seed": case.seed,
        "shape": case.shape,
        "batch_size": case.batch_size,
        "query": case.definition.query,
        "rule": case.definition.compare.rule,
        "key": list(case.definition.compare.key),
        "schema": answer.schema,
        "changelog": answer.changelog,
        "events": answer.events,
    }


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.recorded")
    parser.add_argument("--rounds", type=int, default=90)
    parser.add_argument("--seed", type=int, default=500_000)
    parser.add_argument("--add", action="store_true")
    parsed = parser.parse_args(arguments)
    return record(parsed.rounds, parsed.seed, add=parsed.add)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
