"""A recorded case: inputs in their arrival order, one query, and what a real Flink answered. Kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

CASES = Path(__file__).parent / "cases"

Row: TypeAlias = Mapping[str, Any]
Change: TypeAlias = tuple[str | None, ...]
"""A row kind (`+I`, `-U`, `+U`, `-D`), then the values as Flink's CAST AS STRING, None for NULL."""

Order: TypeAlias = tuple[tuple[str, int], ...]
"""(table, row index) of every row of the inputs, as they arrive."""


class Situation(StrEnum):
    """What makes a case hard. `test_cases.py` checks those that can be seen in the input."""

    NULLS = "nulls"
    TIES = "ties"
    DUPLICATES = "duplicates"
    LATE = "late"
    OUT_OF_ORDER = "out_of_order"
    BOUNDARY = "boundary"
    EMPTY = "empty"
    RETRACTING = "retracting"
    TWO_STEPS = "two_steps"
    MANY_KEYS = "many_keys"
    UNCHANGED = "unchanged"
    OVERFLOW = "overflow"
    ERROR = "error"
    TIME_ZONE = "time_zone"


class Rule(StrEnum):
    """Which changelogs are equal; see `comparison.py`."""

    EXACT = "exact"
    PER_KEY = "per_key"
    PER_EVENT = "per_event"
    NET = "net"


@dataclass(frozen=True)
class Compare:
    """A rule, and for PER_KEY the output columns of the key."""

    rule: Rule = Rule.EXACT
    key: tuple[int, ...] = ()


@dataclass(frozen=True)
class Table:
    """An input: the body of its CREATE TABLE and its rows."""

    columns: str
    rows: tuple[Row, ...]
    lookup: bool = False
    """Read by key when a row of another input asks; its rows have no place in the order."""
    kinds: tuple[str, ...] = ()
    """Of a changelog: the kind of each row. Empty: all are insertions."""
    changelog: str = ""
    """The kinds that may occur, `+I +U -D` or `+I -U +U -D`."""


@dataclass(frozen=True)
class SinkTable:
    """Where the result goes: the body of its CREATE TABLE, the kinds that it takes, and what ON CONFLICT says."""

    columns: str
    changelog: str
    conflict: str = ""


@dataclass(frozen=True)
class Definition:
    """What is asked."""

    name: str
    group: str
    situations: tuple[Situation, ...]
    tables: Mapping[str, Table]
    query: str
    order: Order | None = None
    """None: the rows of the only input that is no lookup table, as they stand."""
    config: Mapping[str, str] = field(default_factory=dict)
    compare: Compare = Compare()
    sink: SinkTable | None = None
    """None: the result is recorded as the query gives it."""

    @property
    def path(self) -> Path:
        """The file of the recorded case."""
        return CASES / self.group / f"{self.name}.json"

    def arrivals(self) -> Order:
        """The arrival order, written out."""
        if self.order is not None:
            return self.order
        (name,) = [name for name, table in self.tables.items() if not table.lookup]
        return tuple((name, i) for i in range(len(self.tables[name].rows)))


@dataclass(frozen=True)
class Answer:
    """A schema and a changelog, or an error.

    `events[i]` is the position in the arrival order of the row that caused change i; the number of rows for what the
    end of input caused. Empty when whoever answered does not know.
    """

    schema: tuple[tuple[str, str], ...] = ()
    changelog: tuple[Change, ...] = ()
    events: tuple[int, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Case:
    """A definition with Flink's answer, and which Flink and JDK gave it."""

    definition: Definition
    flink: str
    java: str
    answer: Answer


def recorded_paths() -> list[Path]:
    """The files of all recorded cases, by group and name."""
    return sorted(CASES.glob("*/*.json"))


def load(path: Path) -> Case:
    """Read a recorded case."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return Case(_definition(data), data["flink"], data["java"], _answer(data["answer"]))


def text_of(case: Case) -> str:
    """The file's text: always the same keys in the same order, one row a line."""
    return "".join(_lines(case))


def _definition(data: Mapping[str, Any]) -> Definition:
    return Definition(
        name=data["name"],
        group=data["group"],
        situations=tuple(Situation(s) for s in data["situations"]),
        tables={
            name: Table(
                table["columns"],
                tuple(table["rows"]),
                table["lookup"],
                tuple(table.get("kinds", ())),
                table.get("changelog", ""),
            )
            for name, table in data["tables"].items()
        },
        query=data["query"],
        order=None if data["order"] is None else tuple((table, i) for table, i in data["order"]),
        config=data["config"],
        compare=Compare(Rule(data["compare"]["rule"]), tuple(data["compare"]["key"])),
        sink=SinkTable(**data["sink"]) if "sink" in data else None,
    )


def _answer(data: Mapping[str, Any]) -> Answer:
    if "error" in data:
        return Answer(error=data["error"])
    return Answer(
        schema=tuple((name, kind) for name, kind in data["schema"]),
        changelog=tuple(tuple(change) for change in data["changelog"]),
        events=tuple(data["events"]),
    )


def _lines(case: Case) -> Iterator[str]:
    d = case.definition
    yield "{\n"
    yield f'  "name": {_json(d.name)},\n  "group": {_json(d.group)},\n'
    yield f'  "situations": {_json(d.situations)},\n'
    yield f'  "flink": {_json(case.flink)},\n  "java": {_json(case.java)},\n'
    yield f'  "config": {_json(d.config)},\n'
    yield '  "tables": {'
    for i, (name, table) in enumerate(d.tables.items()):
        yield f"{',' if i else ''}\n    {_json(name)}: {{\n"
        yield f'      "columns": {_json(table.columns)},\n      "lookup": {_json(table.lookup)},\n'
        if table.changelog:
            yield f'      "changelog": {_json(table.changelog)},\n      "kinds": {_json(table.kinds)},\n'
        yield f'      "rows": {_list(table.rows, "      ")}\n    }}'
    yield "\n  },\n" if d.tables else "},\n"
    yield f'  "order": {_json(d.order)},\n'
    yield f'  "query": {_json(d.query)},\n'
    if d.sink is not None:
        yield f'  "sink": {_json(asdict(d.sink))},\n'
    yield f'  "compare": {{"rule": {_json(d.compare.rule)}, "key": {_json(d.compare.key)}}},\n'
    yield f'  "answer": {_answer_text(case.answer)}\n}}\n'


def _answer_text(answer: Answer) -> str:
    if answer.error is not None:
        return f'{{\n    "error": {_json(answer.error)}\n  }}'
    return (
        f'{{\n    "schema": {_list(answer.schema, "    ")},\n    "changelog": {_list(answer.changelog, "    ")},\n'
        f'    "events": {_json(answer.events)}\n  }}'
    )


def _list(items: Sequence[object], indent: str) -> str:
    if not items:
        return "[]"
    return "[\n" + ",\n".join(f"{indent}  {_json(item)}" for item in items) + f"\n{indent}]"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
