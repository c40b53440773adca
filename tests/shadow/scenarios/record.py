"""Ask a real Flink for the output of the scenarios in `shadow/`, and write it down.

python -m tests.shadow.scenarios.record [NAME …]      record (all, or these): flink/*.jsonl, rows with their kinds in `op`

The rows of all inputs reach Flink one by one, in the order that `arrived` says (tools/flink). An answer counts when two
quiet periods give the same; that of the scenario `control`, which no two runs answer alike, is recorded twice.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from tests.shadow.scenarios.scenario import Scenario, arrivals, scenarios

from velo_harness.flink.server import Flink, FlinkAnswer, InputTable, SinkTable
from velo_shadow.folding import Changelog

QUIET_STEPS_MS = (2, 5, 20, 60)
KINDS = {Changelog.APPEND: "+I", Changelog.UPSERT: "+I +U -D", Changelog.RETRACT: "+I -U +U -D"}
AGAIN = "again"
"""Ends the name of the second recording, of a scenario with a control."""


def ask(flink: Flink, scenario: Scenario, quiet_ms: int) -> FlinkAnswer:
    """What Flink writes to the sink."""
    inputs = [
        InputTable(name, scenario.tables[name].columns, [json.dumps(row) for row in rows])
        for name, rows in scenario.inputs.items()
    ]
    sink = SinkTable(scenario.sink.columns, KINDS[scenario.sink.changelog])
    answer = flink.ask(inputs, arrivals(scenario.inputs), scenario.query, quiet_ms=quiet_ms, sink=sink)
    if answer.error is not None:
        raise RuntimeError(f"{scenario.name}: {answer.error}")
    return answer


def settled(flink: Flink, scenario: Scenario) -> FlinkAnswer:
    """An answer that Flink gave twice. Raises RuntimeError."""
    previous = ask(flink, scenario, QUIET_STEPS_MS[0])
    for quiet_ms in QUIET_STEPS_MS[1:]:
        answer = ask(flink, scenario, quiet_ms)
        if answer.changelog == previous.changelog:
            return answer
        previous = answer
    raise RuntimeError(f"{scenario.name}: Flink answers differently each time")


def lines(answer: FlinkAnswer, changelog: Changelog) -> str:
    """The rows as JSON, those of a stream of changes with their kind in `op`."""
    names, types = zip(*answer.schema, strict=True)
    written = []
    for kind, *values in answer.changelog:
        cells = [f"{json.dumps(n)}:{_json(v, t)}" for n, v, t in zip(names, values, types, strict=True)]
        if changelog is not Changelog.APPEND:
            cells.insert(0, f'"op":"{kind}"')
        written.append("{" + ",".join(cells) + "}\n")
    return "".join(written)


def _json(value: str | None, kind: str) -> str:
    if value is None:
        return "null"
    if kind.startswith("BOOLEAN"):
        return value.lower()
    is_number = kind.startswith(("TINYINT", "SMALLINT", "INT", "BIGINT", "DECIMAL", "FLOAT", "DOUBLE"))
    return value if is_number else json.dumps(value, ensure_ascii=False)


def record(flink: Flink, scenario: Scenario) -> None:
    """Write the files of a scenario."""
    folder = scenario.folder / "flink"
    folder.mkdir(exist_ok=True)
    answers = {scenario.sink.name: settled(flink, scenario)} if not _has_control(scenario) else {
        name: ask(flink, scenario, QUIET_STEPS_MS[1]) for name in (scenario.sink.name, f"{scenario.sink.name}-{AGAIN}")
    }  # fmt: skip
    for name, answer in answers.items():
        (folder / f"{name}.jsonl").write_text(lines(answer, scenario.sink.changelog), encoding="utf-8")
        print(f"recorded {scenario.name}/{name}: {len(answer.changelog)} changes, Flink {flink.version}", flush=True)


def _has_control(scenario: Scenario) -> bool:
    return "UUID()" in scenario.query


def main(names: Sequence[str]) -> None:
    """The command line."""
    chosen = [one for name, one in scenarios().items() if not names or name in names]
    with Flink() as flink:
        for scenario in chosen:
            record(flink, scenario)


if __name__ == "__main__":
    main(sys.argv[1:])
