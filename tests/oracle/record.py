"""Ask a real Flink and write down its answers.

python -m tests.oracle.record new [GROUP …]      record the cases that are new or whose definition changed
python -m tests.oracle.record check [GROUP …]    ask again; fail on drift, printing what differs (`make oracle`)

Without groups: all of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Container, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.oracle.case import CASES, Answer, Case, Definition, Situation, Table, load, recorded_paths, text_of
from tests.oracle.comparison import difference
from tests.oracle.definition_files import all_definitions

sys.path.insert(0, str(Path(__file__).parents[2] / "tools" / "flink"))
from oracle import Flink, FlinkMissingError, InputTable, SinkTable

QUIET_STEPS_MS = (5, 15, 45, 135)
"""Quiet periods after each row. An answer counts when two in a row give the same, so that none was too short."""


class Unexpected(Exception):
    """Flink never gave the same answer twice; or it failed where the definition does not say so, or the reverse."""


def ask(flink: Flink, definition: Definition, quiet_ms: int) -> Answer:
    """Flink's answer to a case."""
    tables = [
        InputTable(name, table.columns, _texts(table), table.lookup, _options(table))
        for name, table in definition.tables.items()
    ]
    sink = None if definition.sink is None else SinkTable(**asdict(definition.sink))
    answer = flink.ask(
        tables, definition.arrivals(), definition.query, config=definition.config, quiet_ms=quiet_ms, sink=sink
    )
    return Answer(answer.schema, answer.changelog, answer.events, answer.error)


def _texts(table: Table) -> list[str]:
    """The rows as the oracle's sources decode them; those of a changelog begin with their kind."""
    rows = [json.dumps(row) for row in table.rows]
    return [f"{kind} {row}" for kind, row in zip(table.kinds, rows, strict=True)] if table.kinds else rows


def _options(table: Table) -> dict[str, str]:
    return {"changelog": table.changelog} if table.changelog else {}


def record(flink: Flink, definition: Definition) -> Case:
    """A case with an answer that Flink gave twice. Raises Unexpected."""
    previous: Answer | None = None
    for quiet_ms in QUIET_STEPS_MS:
        answer = ask(flink, definition, quiet_ms)
        if previous is not None and _same(previous, answer, definition):
            if (answer.error is not None) != (Situation.ERROR in definition.situations):
                raise Unexpected(f"{definition.group}/{definition.name}: {answer.error or 'no error'}")
            return Case(definition, flink.version, flink.java, answer)
        previous = answer
    raise Unexpected(f"{definition.group}/{definition.name}: Flink answers differently each time")


def drift(flink: Flink, case: Case) -> str | None:
    """What Flink now answers differently; None when nothing. A difference must show with two quiet periods."""
    for quiet_ms in QUIET_STEPS_MS[1:3]:
        answer = ask(flink, case.definition, quiet_ms)
        if _same(case.answer, answer, case.definition):
            return None
    if case.answer.error is not None or answer.error is not None:
        return f"recorded error: {case.answer.error}\nerror now:      {answer.error}"
    return difference(case.answer, answer, case.definition.compare) or "the same changes, caused by other events"


def _same(left: Answer, right: Answer, definition: Definition) -> bool:
    if left.error is not None or right.error is not None:
        return left.error == right.error
    return left.events == right.events and difference(left, right, definition.compare) is None


def record_new(flink: Flink, groups: Container[str]) -> int:
    """Record what is new or changed, and remove the files of cases that no definition asks for. Gives the exit code."""
    recorded = {path: load(path).definition for path in recorded_paths() if path.parent.name in groups}
    definitions = [definition for definition in all_definitions() if definition.group in groups]
    for path in recorded.keys() - {definition.path for definition in definitions}:
        print(f"removed {path.relative_to(CASES)}")
        path.unlink()
    failures = 0
    for definition in definitions:
        if recorded.get(definition.path) == definition:
            continue
        try:
            case = record(flink, definition)
        except (Unexpected, RuntimeError) as failure:
            failures += 1
            print(f"FAILED {failure}")
            continue
        definition.path.parent.mkdir(exist_ok=True)
        definition.path.write_text(text_of(case), encoding="utf-8")
        shown = case.answer.error or f"{len(case.answer.changelog)} changes"
        print(f"recorded {definition.group}/{definition.name}: {shown}", flush=True)
    return 1 if failures else 0


def check(flink: Flink, groups: Container[str]) -> int:
    """Ask every recorded case again. Gives the exit code."""
    drifted = 0
    paths = [path for path in recorded_paths() if path.parent.name in groups]
    for path in paths:
        found = drift(flink, load(path))
        if found is not None:
            drifted += 1
            print(f"DRIFT {path.relative_to(CASES)}\n{found}\n", flush=True)
    print(f"{len(paths)} cases asked of Flink {flink.version} on Java {flink.java}: {drifted} drifted")
    return 1 if drifted else 0


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.record")
    parser.add_argument("what", choices=["new", "check"])
    parser.add_argument("groups", nargs="*", metavar="GROUP")
    parsed = parser.parse_args(arguments)
    known = {definition.group for definition in all_definitions()} | {path.parent.name for path in recorded_paths()}
    groups = set(parsed.groups) or known
    if groups - known:
        parser.error(f"no such groups: {', '.join(sorted(groups - known))}")
    try:
        with Flink() as flink:
            return record_new(flink, groups) if parsed.what == "new" else check(flink, groups)
    except FlinkMissingError as missing:
        print(missing, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
