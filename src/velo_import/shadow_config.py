"""shadow_config.yaml of a converted job: which outputs are compared with Flink's, by which key, how equal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from velo_engine import Engine
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.explain.expressions import unsteady_functions
from velo_engine.plan.expressions import ColumnRef
from velo_engine.plan.nodes import (
    AssignWatermark,
    PlannedProgram,
    PlannedStatement,
    Project,
    WindowAggregate,
    WindowTable,
)
from velo_engine.plan.upsert_keys import upsert_keys
from velo_engine.types import FLOATS, TIMESTAMPS, TypeName
from velo_harness.drafting.lineage import SourceColumn, WindowBound, nodes, origin
from velo_harness.drafting.new_files import editor_line
from velo_harness.drafting.yaml_text import scalar_text
from velo_harness.event_times import event_time_columns
from velo_import.convert.connectors import modern_options
from velo_import.model import ConvertedJob, ConvertedTable

FILE = "shadow_config.yaml"
UNKNOWN_BROKERS = "localhost:9092"
OURS = "-velo"
"""Behind the name of Flink's topic: the topic that our job writes."""
_STARTS = {
    "earliest-offset": "earliest",
    "latest-offset": "latest",
    "group-offsets": "committed",
}
_WITHOUT_ROWS = frozenset({"print", "blackhole"})
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_STANDS_FOR = "  # stands for "
_EQUALITY = {TypeName.FLOAT: "rel:1e-5", TypeName.DOUBLE: "rel:1e-9"}
_OURS_TO_CHOOSE = frozenset({"bootstrap.servers", "group.id", "client.id", "auto.offset.reset", "enable.auto.commit"})


def shadow_config_text(job: ConvertedJob, program: str = "app.sql") -> str:
    """The text of the job's shadow config; `program` is the converted program's path beside it."""
    plan = Engine().plan(job.app_sql, variables={})
    return "\n".join((editor_line("shadow-config"), *_Writing(job, plan, program).lines())) + "\n"


def topic_of(address: str) -> str:
    """The name in `kafka://NAME`. Errors: BAD_VALUE for anything else.

    Source of what a name may be: org.apache.kafka.common.internals.Topic.
    """
    name = address.removeprefix("kafka://")
    if name == address or not _TOPIC.fullmatch(name) or name in (".", ".."):
        message = f'--compare-topic: "{address}" names no topic'
        hint = "write kafka://NAME, such as kafka://flink-output; its brokers are those of shadow_config.yaml"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint)
    return name


def with_left_topic(text: str, name: str) -> str:
    """The config of a job with one sink, whose output by Flink is in the topic `name`.

    Errors: BAD_VALUE when the job has no sink that can be compared, or several.
    """
    lines = text.splitlines(keepends=True)
    places = [at for at, line in enumerate(lines) if line.startswith("    left: { topic: ")]
    if len(places) != 1:
        message = f"--compare-topic is of a job with one sink that can be compared, and this one has {len(places)}"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="write the topics into shadow_config.yaml: sinks")
    line = lines[places[0]].partition(_STANDS_FOR)[0].rstrip() + "\n"
    lines[places[0]] = re.sub(
        r"(left: \{ topic: )[^,}]+?(?=,| \})", lambda found: found[1] + scalar_text(name), line, count=1
    )
    return "".join(lines)


class _Writing:
    """The config of one job."""

    def __init__(self, job: ConvertedJob, plan: PlannedProgram, program: str) -> None:
        self._job, self._plan, self._program = job, plan, program
        self._options = {name: modern_options(table.production) for name, table in job.tables.items()}
        self._brokers = next((b for o in self._options.values() if (b := o.get("properties.bootstrap.servers"))), None)

    def lines(self) -> Iterator[str]:
        """The whole config."""
        yield f"# What velo shadow compares when {self._job.name} runs beside Flink on the same input."
        yield f"job: {scalar_text(self._job.name)}"
        yield f"program: {scalar_text(self._program)}"
        known = "" if self._brokers else "  # the input names none"
        yield f"brokers: {scalar_text(self._brokers or UNKNOWN_BROKERS)}{known}"
        yield f"warm_up: {_duration(self._warm_up())}  # the longest window: it may have begun before the comparison"
        yield f"grace: {_duration(self._grace())}  # the longest delay of a watermark"
        yield from self._inputs()
        yield from self._sinks()
        yield "verdict:"
        yield "  bound: 0.001  # at most one differing row of a thousand, with 95 % confidence"
        yield "  duration: 1h"
        yield "report: [shadow_report.json]"
        yield "# waivers: waivers.yaml  # differences that somebody has accepted"

    def _inputs(self) -> Iterator[str]:
        names = [name for name in self._plan.sources if name in self._job.tables]
        yield "inputs:" if names else "inputs: []"
        for name in names:
            options = self._options[name]
            yield f"  - source: {scalar_text(name)}"
            yield f"    topic: {scalar_text(_topic(name, options))}" + self._stand_in(self._job.tables[name], "read")
            yield from self._client(options, "    ")
            yield f"    start: {_STARTS.get(options.get('scan.startup.mode', ''), 'earliest')}"

    def _stand_in(self, table: ConvertedTable, verb: str) -> str:
        if not table.stand_in:
            return ""
        return f"{_STANDS_FOR}{table.connector or 'a managed table'}: fill it with what Flink {verb}s there"

    def _client(self, options: Mapping[str, str], indent: str) -> Iterator[str]:
        """Brokers and properties that are not those of the whole job."""
        brokers = options.get("properties.bootstrap.servers")
        if brokers and brokers != self._brokers:
            yield f"{indent}brokers: {scalar_text(brokers)}"
        own = {
            key.removeprefix("properties."): value
            for key, value in options.items()
            if key.startswith("properties.") and key.removeprefix("properties.") not in _OURS_TO_CHOOSE
        }
        if own:
            shown = ", ".join(f"{scalar_text(name)}: {scalar_text(value)}" for name, value in own.items())
            yield f"{indent}properties: {{ {shown} }}"

    def _sinks(self) -> Iterator[str]:
        written = {
            s.name: self._job.tables[s.sink]
            for s in self._job.statements
            if s.sink is not None and s.sink in self._job.tables
        }
        sinks = [
            (self._plan.statements[name], table) for name, table in written.items() if name in self._plan.statements
        ]
        compared = [(s, t) for s, t in sinks if t.connector not in _WITHOUT_ROWS]
        for statement, table in sinks:
            if table.connector in _WITHOUT_ROWS:
                yield f"# {statement.name}: Flink's {table.connector} keeps no rows that could be compared"
        yield "sinks:" if compared else "sinks: []"
        for statement, table in compared:
            yield from self._sink(statement, table)

    def _sink(self, statement: PlannedStatement, table: ConvertedTable) -> Iterator[str]:
        options = self._options[table.name]
        topic = _topic(table.name, options)
        form = options.get("value.format", options.get("format", "json"))
        rest = "" if form == "json" or table.stand_in else f", format: {scalar_text(form)}"
        if statement.sink is not None and statement.sink.properties.get("mode") == "upsert":
            rest += ", changelog: upsert"
        client = "".join(f", {line.strip()}" for line in self._client(options, ""))
        yield f"  - name: {scalar_text(statement.name)}"
        yield f"    left: {{ topic: {scalar_text(topic)}{rest}{client} }}" + self._stand_in(table, "write")
        yield f"    right: {{ topic: {scalar_text(topic + OURS)}{rest}{client} }}"
        yield from self._key(statement, table)
        time = self._time_column(statement)
        if time is not None:
            yield f"    time_column: {scalar_text(time)}"
        ignored = [
            (name, found) for i, name in enumerate(statement.plan.schema.names) if (found := _unsteady(statement, i))
        ]
        equal = [
            f"{scalar_text(column.name)}: {scalar_text(_EQUALITY[column.type.name])}"
            for column in statement.plan.schema.columns
            if column.type.name in FLOATS and column.name not in dict(ignored)
        ]
        if equal:
            yield f"    equal: {{ {', '.join(equal)} }}  # sums of floating point depend on the order of rows"
        if ignored:
            why = ", ".join(dict.fromkeys(function.upper() for _, found in ignored for function in found))
            yield f"    ignore: [{', '.join(scalar_text(name) for name, _ in ignored)}]  # {why}: another in every run"

    def _key(self, statement: PlannedStatement, table: ConvertedTable) -> Iterator[str]:
        names = statement.plan.schema.names
        declared = [name for name in table.definition.primary_key if name in names]
        if declared:
            yield f"    key: [{', '.join(map(scalar_text, declared))}]  # the sink's primary key"
            return
        keys = [key for key in upsert_keys(statement.plan, self._plan.statements) if key]
        if keys:
            key = min(keys, key=lambda key: (len(key), sorted(key)))
            shown = ", ".join(scalar_text(names[i]) for i in sorted(key))
            yield f"    key: [{shown}]  # these columns identify a row, by the plan"
        else:
            yield "    # key: []  # nothing identifies a row: both sides are bags of rows, whose number counts"

    def _time_column(self, statement: PlannedStatement) -> str | None:
        """The end of a window, else an event time that is passed on, else the only timestamp."""
        times = [i for i, c in enumerate(statement.plan.schema.columns) if c.type.name in TIMESTAMPS]
        times = [i for i in times if not _unsteady(statement, i)]
        origins = {i: origin(statement.plan, i, self._plan.statements) for i in times}
        events = event_time_columns(self._plan)
        for part in ("end", "time", "start"):
            for i, found in origins.items():
                if isinstance(found, WindowBound) and found.part == part:
                    return statement.plan.schema.names[i]
        for i, found in origins.items():
            if isinstance(found, SourceColumn) and events.get(found.source) == found.column:
                return statement.plan.schema.names[i]
        return statement.plan.schema.names[times[0]] if len(times) == 1 else None

    def _warm_up(self) -> int:
        return max(
            (
                node.window.size_ms
                for statement in self._plan.statements.values()
                for node in nodes(statement.plan)
                if isinstance(node, WindowAggregate | WindowTable)
            ),
            default=0,
        )

    def _grace(self) -> int:
        return max(
            (
                node.delay_ms
                for statement in self._plan.statements.values()
                for node in nodes(statement.plan)
                if isinstance(node, AssignWatermark)
            ),
            default=0,
        )


def _topic(name: str, options: Mapping[str, str]) -> str:
    topic = options.get("topic", name)
    return name if ";" in topic else topic


def _unsteady(statement: PlannedStatement, position: int) -> tuple[str, ...]:
    """The functions of the clock or of chance that an output column is made by."""
    node = statement.plan
    while isinstance(node, Project):
        expression = node.expressions[position]
        if not isinstance(expression, ColumnRef):
            return unsteady_functions([expression])
        node, position = node.input, expression.index
    return ()


def _duration(milliseconds: int) -> str:
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")):
        if milliseconds >= size and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"
