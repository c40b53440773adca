"""The keys of shadow_config.yaml: what `velo shadow` compares and how. `velo_shadow.config` reads it."""

from __future__ import annotations

from decimal import Decimal

from velo_harness.keys import Key, ObjectFormat
from velo_harness.kinds import (
    SOME_NAMES,
    Choice,
    Duration,
    ListOf,
    MapOf,
    Number,
    Object,
    OneOrMany,
    PathText,
    Text,
    words,
)

_START = Text("earliest, latest, committed or a time")

STREAM = ObjectFormat(
    "stream",
    "A stream of rows: a topic, or a file.",
    (
        Key("topic", Text("a topic"), "The topic."),
        Key("brokers", Text("host:port"), "Where the topic is; else as above."),
        Key("format", Text("a format"), "How its records are written: json, avro-confluent, …", "json"),
        Key(
            "changelog",
            Choice(words("append", "upsert", "retract", "debezium")),
            "What a record says: append, upsert, retract or debezium; by default append, of debezium-json debezium.",
        ),
        Key("start", _START, "Where it is read from: earliest, latest, committed, or a time.", "earliest"),
        Key("properties", MapOf(Text()), "Of the Kafka client; ${NAME} is taken from the environment.", {}),
        Key("file", PathText(), "A file of rows instead of a topic: csv, json, jsonl, parquet, avro."),
    ),
)
INPUT = ObjectFormat(
    "shadow input",
    "What both jobs read: a topic, or a file that has what Flink has read.",
    (
        Key("source", Text("a name"), "The program's name for it.", required=True),
        Key("topic", Text("a topic"), "The topic; its own name by default."),
        Key("file", PathText(), "A file of rows instead of a topic: csv, json, jsonl, parquet, avro."),
        Key("brokers", Text("host:port"), "Where the topic is; else as above."),
        Key("properties", MapOf(Text()), "Of the Kafka client; ${NAME} is taken from the environment.", {}),
        Key(
            "start",
            _START,
            "Where our job begins to read it: earliest, latest, committed, or a time such as 2026-01-01T00:00:00Z.",
            "earliest",
        ),
        Key("order", Text("a column"), "A column of JSON files that says in which order the rows of all inputs came."),
    ),
)
SINK = ObjectFormat(
    "shadow sink",
    "One output of the job, compared.",
    (
        Key("name", Text("a name"), "What reports call it: the statement that writes it.", required=True),
        Key("left", Object(STREAM), "The reference: what Flink writes.", required=True),
        Key(
            "right",
            Object(STREAM),
            "What is judged: what our job writes; over files by default what the program gives for them.",
        ),
        Key("key", SOME_NAMES, "The columns that identify a row; without them the sides are bags of rows."),
        Key("time_column", Text("a column"), "The column of event time; by default the only timestamp."),
        Key(
            "equal",
            MapOf(OneOrMany(Text("a rule"), 1)),
            "By column what equal means, as --equal takes it: rel:1e-9, abs:0.01, within:1s, …; exact by default.",
            {},
        ),
        Key("ignore", OneOrMany(Text("a column")), "Columns that differ on purpose.", ()),
        Key("grace", Duration(), "How far behind its newest event time a side may still be; else as above."),
        Key("control", Object(STREAM), "A second output of Flink: what differs between it and the left counts not."),
    ),
)
VERDICT = ObjectFormat(
    "shadow verdict",
    "What it takes to be safe.",
    (
        Key(
            "bound",
            Number(Decimal("1e-9"), Decimal("0.5")),
            "The rate of differences that equal rows must rule out (95 %).",
        ),
        Key("duration", Duration(), "How long the comparison runs at least."),
        Key("least_rows", Number(0), "Rows that must have been compared at least, of each sink.", Decimal(1)),
    ),
)
SHADOW_CONFIG = ObjectFormat(
    "shadow config",
    "What velo shadow compares, and how.",
    (
        Key("job", Text("a name"), "The job's name, in reports.", required=True),
        Key("program", PathText(), "The converted program that runs beside Flink."),
        Key("brokers", Text("host:port"), "The brokers of all topics that name none."),
        Key("inputs", ListOf(Object(INPUT)), "The topics that both jobs read, or files.", ()),
        Key("sinks", ListOf(Object(SINK)), "The outputs that are compared.", required=True),
        Key("warm_up", Duration(), "Event time at the start of which keys and windows are left out and counted.", 0),
        Key("grace", Duration(), "How far behind its newest event time a side may still be.", 0),
        Key("waivers", PathText(), "A file of accepted differences."),
        Key("verdict", Object(VERDICT), "What it takes to be safe."),
        Key("memory_limit", Text("a size"), "Of the comparison.", "192MB"),
        Key("state", PathText(), "The folder of what a comparison of topics remembers, from which it goes on."),
        Key("flink_api", Text("a URL"), "Flink's REST address, for the memory and CPU of its job."),
        Key("report", OneOrMany(PathText()), "Files to write reports to.", ()),
    ),
)
