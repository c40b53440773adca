"""A scenario of `shadow/`, read from its folder, and its two sides: Flink's recorded output, and what our engine makes of
the same input now."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import yaml

from velo_engine import Engine, JobOptions
from velo_engine.batch import KIND_SYMBOLS, numpy_column
from velo_engine.formats.base import open_format
from velo_engine.kernel import Kernel
from velo_engine.runtime.inputs import TopicInput
from velo_engine.schema import RowSchema
from velo_shadow.config import ShadowConfig, ShadowSink, load_shadow_config
from velo_shadow.folding import KIND_COLUMN, Changelog, fold

SCENARIOS = Path(__file__).parents[3] / "shadow"
Rows: TypeAlias = Sequence[Mapping[str, Any]]

_CHANGELOGS = {"upsert-kafka": Changelog.UPSERT, "debezium-json": Changelog.RETRACT}
"""What in the WITH of a sink says that its stream holds changes."""

_IN_MEMORY = re.compile(r"\n *'properties\.bootstrap\.servers' = '[^']*',")
"""Topics without brokers are in memory."""


@dataclass(frozen=True)
class Table:
    """A table of flink.sql."""

    name: str
    columns: str
    """What stands between its brackets."""
    changelog: Changelog


@dataclass(frozen=True)
class Scenario:
    """A folder of `shadow/`."""

    folder: Path
    tables: Mapping[str, Table]
    """Of flink.sql."""
    sink: Table
    query: str
    """What flink.sql writes into the sink."""
    inputs: Mapping[str, Rows]
    """By table the rows, each with its place in the order of all in `arrived`."""

    @property
    def name(self) -> str:
        """That of the folder."""
        return self.folder.name

    @property
    def program(self) -> str:
        """app.sql: the job as our engine runs it."""
        return (self.folder / "app.sql").read_text(encoding="utf-8")

    @property
    def config(self) -> ShadowConfig:
        """shadow_config.yaml."""
        return load_shadow_config(self.folder / "shadow_config.yaml")

    @property
    def sink_config(self) -> ShadowSink:
        """What of it is said of the only sink."""
        (sink,) = self.config.sinks
        return sink

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return self.sink_config.key

    @property
    def expected(self) -> Mapping[str, Any]:
        """expected.yaml: `verdict`, and how many rows are `compared` and `subtracted`."""
        found: dict[str, Any] = yaml.safe_load((self.folder / "expected.yaml").read_text(encoding="utf-8"))
        return found

    def recorded(self, name: str | None = None) -> pa.Table:
        """Flink's recorded changes, with their kinds in the column `velo_kind`."""
        path = self.folder / "flink" / f"{name or self.sink.name}.jsonl"
        return decoded(path.read_bytes().splitlines(), sink_schema(self.program))

    def rows(self, changes: pa.Table) -> pa.Table:
        """The rows that changes leave."""
        if self.sink.changelog is Changelog.APPEND:
            return changes.drop_columns([KIND_COLUMN])
        with Kernel() as kernel:
            return fold(kernel, changes, self.sink.changelog, self.key).rows


@cache
def scenarios() -> Mapping[str, Scenario]:
    """All of them by name."""
    return {path.parent.name: load(path.parent) for path in sorted(SCENARIOS.glob("*/flink.sql"))}


def load(folder: Path) -> Scenario:
    """A scenario in its folder."""
    text = (folder / "flink.sql").read_text(encoding="utf-8")
    tables = {}
    for name, columns, options in re.findall(r"CREATE TABLE (\w+) \(\n(.*?)\n\) WITH \((.*?)\n\);", text, re.DOTALL):
        kinds = [changelog for word, changelog in _CHANGELOGS.items() if f"'{word}'" in options]
        tables[name] = Table(name, columns, kinds[0] if kinds else Changelog.APPEND)
    ((sink, query),) = re.findall(r"INSERT INTO (\w+)\n(.*);", text, re.DOTALL)
    inputs = {
        name: [
            json.loads(line) for line in (folder / "input" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        for name in tables
        if name != sink
    }
    return Scenario(folder, tables, tables[sink], query, inputs)


def arrivals(inputs: Mapping[str, Rows]) -> list[tuple[str, int]]:
    """Table and position of every row, in the order of arrival."""
    order = [(row["arrived"], name, i) for name, rows in inputs.items() for i, row in enumerate(rows)]
    return [(name, i) for _, name, i in sorted(order)]


@cache
def sink_schema(program: str) -> RowSchema:
    """The columns of what a program with one INSERT writes."""
    *_, statement = Engine().plan(program).statements.values()
    return statement.plan.schema


def run(program: str, inputs: Mapping[str, Rows]) -> pa.Table:
    """What our engine writes to the sink: its changes, with their kinds in the column `velo_kind`."""
    engine = Engine()
    planned = engine.plan(_IN_MEMORY.sub("", program))
    topics = {name: engine.topics.create(name) for name in inputs}
    for name, i in arrivals(inputs):
        row = inputs[name][i]
        topics[name].append(json.dumps(row).encode(), sequence=row["arrived"])
    options = JobOptions(now_ms=0)
    result = engine.run(planned, inputs={name: TopicInput(topic) for name, topic in topics.items()}, options=options)
    assert not result.dead_letter_count, result.dead_letters
    *_, answer = result.statements.values()
    columns = [answer.sink_rows.column(i) for i in range(len(answer.schema))]
    return changes_table(columns, numpy_column(answer.sink_rows, "kind"), answer.schema)


def decoded(lines: Sequence[bytes], schema: RowSchema) -> pa.Table:
    """Rows as JSON, of changes with their kind in `op`, as changes with `velo_kind`."""
    found = open_format("json", schema, {}).decode(list(lines))
    assert not found.failures, found.failures
    kinds = [KIND_SYMBOLS.index(json.loads(line).get("op", "+I")) for line in lines]
    return changes_table(found.table.columns, kinds, schema)


def changes_table(columns: Sequence[Any], kinds: Any, schema: RowSchema) -> pa.Table:
    """Columns of a schema, and a kind for each row in `velo_kind`."""
    typed = schema.arrow().append(pa.field(KIND_COLUMN, pa.int8()))
    return pa.table([*columns, pa.array(kinds, pa.int8())], schema=typed)
