"""The keys of test specs (`*.test.yaml`), as tables. docs and JSON Schema take their texts from here."""

from __future__ import annotations

from decimal import Decimal

from velo_harness.assertion_loader import Assertion, MetricAssertion
from velo_harness.constraint_keys import CONSTRAINTS
from velo_harness.debugging.debug_keys import DEBUG
from velo_harness.faults.keys import FAULT_INJECTION
from velo_harness.keys import Key, ObjectFormat
from velo_harness.kinds import (
    FRACTION,
    NAMES,
    AnyOf,
    Boolean,
    Choice,
    Constant,
    DataLiteral,
    Duration,
    Integer,
    ListOf,
    MapOf,
    Number,
    Object,
    PathText,
    Regex,
    Row,
    Text,
    words,
)
from velo_harness.spec import ChangelogOrder, ColumnScope, DataFormat, Runner
from velo_harness.stress.stress_keys import STRESS_TEST
from velo_harness.timeline_keys import TIMELINE_ENTRY
from velo_harness.topic_naming import DEFAULT_PATTERN, MAX_TOPIC_LENGTH

DATA_FORMATS = {f.value: f for f in DataFormat} | {"jsonl": DataFormat.JSON_LINES, "ndjson": DataFormat.JSON_LINES}
SINK_TYPES = {"kafka": "kafka", "topic": "kafka", "kafka_sink": "kafka", "file": "file", "file_sink": "file"}
_MARKS = ListOf(AnyOf((Text("a mark's name"), MapOf(Text(), "a mark with its argument"))))
_FAULTS = Key("fault_injection", Object(FAULT_INJECTION), "Faults that are injected into the inputs, and counted.")
_TAGS = Key("tags", NAMES, "Free words, shown in reports; pytest selects by them with `-k`.", ())

TIME_SIMULATION = ObjectFormat(
    "time simulation",
    "How the event times of generated rows run.",
    (
        Key("start_time", Text(), "RFC 3339, or relative to now: -4h."),
        Key("end_time", Text(), "RFC 3339, or relative to now: now, -5m."),
        Key("sequential", Boolean(), "Times rise from row to row; otherwise they are spread at random.", True),
        Key("jitter_ms", Duration(), "Each time is moved back by up to this much, so that rows come out of order.", 0),
        Key("events_per_second", Number(0), "The distance of event times."),
        Key("time_scale", Number(0), "Seconds of event time in one second of the rate.", Decimal(1)),
        Key("batch_size", Integer(1, 1_000_000), "So many rows have the same time, as if sent at once.", 1),
    ),
)

SOURCE_TYPE = ObjectFormat(
    "source type",
    "What the input is written to or read from.",
    (
        Key("type", Choice(words("kafka", "file")), "kafka or file.", required=True),
        Key("topic", Text(), "kafka: the topic; by default the one that the SQL names."),
        Key("path", PathText(), "file: the file whose rows are the input."),
        Key("format", Choice(DATA_FORMATS), "file: its format; by default its ending tells."),
        Key("watch", Boolean(), "file: it goes on being written, so event time does not end with its last row.", False),
    ),
)

INPUT = ObjectFormat(
    "input",
    "The rows of one source: literal, from a file, from another query, or generated.",
    (
        Key("source", Text("a source name"), "The source's name in the SQL.", required=True),
        Key(
            "schema",
            Text("a schema name"),
            "A data schema, by name or path; by default the one called like the source.",
        ),
        Key("records", Integer(0), "How many rows are generated."),
        Key(
            "generate",
            Choice(words("boundaries", "boundaries_in_time")),
            "boundaries: rows on the boundaries that the SQL draws; boundaries_in_time: without those that come late.",
        ),
        Key("seed", Integer(0), "A seed of its own."),
        Key("null_probability", FRACTION, "How often the nullable fields are NULL."),
        Key("overrides", MapOf(Object(CONSTRAINTS)), "Field → constraints that replace those of the schema.", {}),
        Key("rows", ListOf(Row()), "The rows themselves."),
        Key("data_file", PathText(), "A csv, json, json lines, parquet or avro file."),
        Key(
            "from_previous",
            AnyOf((Constant(True, True), Text("a query name"))),
            "The output of a query; true: the one before.",
        ),
        Key("source_type", Object(SOURCE_TYPE), "A topic, or a file instead of generation."),
        Key("format", Choice(words("json", "avro", "protobuf", "csv")), "How rows are written to the topic."),
        Key("key_field", Text("a column name"), "The column that is the record's key."),
        Key("headers", MapOf(Text("a value or a column name")), "Header → a column of the row, or a fixed text.", {}),
        Key("partitions", Integer(1, 1000), "Partitions of the topic.", 1),
        Key("rate_per_second", Number(0), "The distance of event times, and of records in real time."),
        Key("time_simulation", Object(TIME_SIMULATION), "How event times run."),
        Key("timeline", ListOf(Object(TIMELINE_ENTRY), 1), "Rows, watermarks, idleness, the clock and restarts."),
    ),
)

TOLERANCE = ObjectFormat(
    "tolerance",
    "How far a column may differ.",
    (
        Key("abs", Number(0), "By this much."),
        Key("rel", Number(0), "By this share of the expected value."),
        Key("within", Duration(), "Times: by this much."),
        Key("case", Choice(words("ignore")), "Text: upper and lower case are the same."),
    ),
)

EXPECTED_ERROR = ObjectFormat(
    "expected error",
    "The query fails, and so.",
    (
        Key("code", Text(), "The error's code."),
        Key("matches", Regex(), "A regular expression found in its message."),
    ),
)

EXPECT = ObjectFormat(
    "expectation",
    "Exactly what comes out.",
    (
        Key("rows", ListOf(Row()), "The final rows, in any order."),
        Key("rows_file", PathText(), "A file with the final rows."),
        Key("changelog", ListOf(Row()), "The changes: rows with op: +I, -U, +U or -D."),
        Key("late", ListOf(Row()), "The rows that were late, each with late_by where it matters."),
        Key("error", Object(EXPECTED_ERROR), "The error that it ends with."),
        Key("key", NAMES, "The key by which rows are matched.", ()),
        Key(
            "order",
            Choice({o.value: o for o in ChangelogOrder}),
            "How the changelog's order counts.",
            ChangelogOrder.EXACT,
        ),
        Key("tolerance", MapOf(Object(TOLERANCE)), "Column → how far it may differ.", {}),
        Key("ignore", NAMES, "Columns that are not compared.", ()),
        Key(
            "columns",
            Choice({c.value: c for c in ColumnScope}),
            "listed: other columns are ignored.",
            ColumnScope.LISTED,
        ),
    ),
)

_ASSERTIONS = Key("assertions", ListOf(Assertion()), "What must hold.", ())
_EXPECT = Key("expect", Object(EXPECT), "Exact expectations.")

OUTPUT = ObjectFormat(
    "output",
    "What is checked on one sink.",
    (Key("sink", Text("a sink name"), "The sink.", required=True), _ASSERTIONS, _EXPECT),
)

SINK_TYPE = ObjectFormat(
    "sink type",
    "The topic or the file that is captured.",
    (
        Key("type", Choice(SINK_TYPES), "kafka or file.", required=True),
        Key("topic", Text(), "kafka: the topic, which must be the one that the SQL names."),
        Key("path", PathText(), "file: the file, which must be the one that the SQL names."),
        Key("format", Choice(DATA_FORMATS), "file: its format; by default its ending tells."),
    ),
)

CAPTURED_OUTPUT = ObjectFormat(
    "captured output",
    "Where the output is captured from; by default as the query gives it out.",
    (
        Key(
            "sink_type",
            AnyOf((Choice(SINK_TYPES), Object(SINK_TYPE))),
            "kafka or file, or a mapping with its type: what the sink wrote there is what is checked.",
            required=True,
        ),
    ),
)

QUERY = ObjectFormat(
    "query",
    "One statement of the SQL with its inputs and checks.",
    (
        Key(
            "name",
            Text("a query name"),
            "The statement: a CREATE name, an INSERT target, or a view inside.",
            required=True,
        ),
        Key("description", Text(), "Shown in reports."),
        _TAGS,
        Key("marks", _MARKS, "pytest marks.", ()),
        Key("skip", AnyOf((Boolean(), Text("a reason"))), "true, or the reason why it is not run.", False),
        Key("order_dependent", Text("a reason"), "Why the result may depend on the order in which records arrive."),
        Key("dependencies", NAMES, "Statements that must run first, beside those the SQL shows.", ()),
        Key(
            "inputs",
            ListOf(Object(INPUT)),
            "Its inputs; sources that are left out are found by their schema's name.",
            (),
        ),
        _EXPECT,
        _ASSERTIONS,
        Key("outputs", ListOf(Object(OUTPUT)), "Checks on each of several sinks.", ()),
        Key("timeout_ms", Integer(1), "Fails when it runs longer."),
        Key("metric_assertions", ListOf(MetricAssertion()), "What must hold for metrics.", ()),
        Key("output", Object(CAPTURED_OUTPUT), "Where the output is captured from."),
        Key(
            "capture_format",
            Choice(words("json", "avro", "protobuf")),
            "The output is checked as it is once written in this format and read again.",
        ),
        Key("capture_schema", PathText(), "The Avro schema or the .proto with which it is read."),
        Key("runners", ListOf(Choice({r.value: r for r in Runner}), 1), "What runs it.", (Runner.ENGINE,)),
        _FAULTS,
    ),
)

SCENARIO = ObjectFormat(
    "scenario",
    "Another run of the same program, with data or checks of its own.",
    (
        Key("name", Text("a name"), "Its queries are called name/query in reports and for pytest.", required=True),
        Key("description", Text(), "Shown in reports, for queries that have none."),
        Key("default_records", Integer(0), "Rows of each generated input that says nothing."),
        Key("seed", Integer(0), "The seed of its generated data."),
        Key("variables", MapOf(Text("a value")), "Variables that have other values in it.", {}),
        Key("queries", ListOf(Object(QUERY), 1), "Its queries; by default those of the spec, run once more."),
        Key("assertions", ListOf(Assertion()), "What must hold for each of its queries, beside their own checks.", ()),
        _FAULTS,
    ),
)

SUITE_DEFAULTS = ObjectFormat(
    "test suite's defaults",
    "What holds where queries say nothing.",
    (
        Key("records_per_source", Integer(0), "Rows of each generated input."),
        Key("timeout_ms", Integer(1), "Time a query may take."),
    ),
)

TEST_SUITE = ObjectFormat(
    "test suite",
    "The head of a generated spec.",
    (
        Key("name", Text("a name"), "Shown in reports.", required=True),
        Key("source_system", Text(), "Where the SQL comes from: flink."),
        Key("original_file", Text(), "The file that it was converted from."),
        Key("require_executed", Boolean(), "true: the spec fails when each of its queries is skipped.", False),
        Key("defaults", Object(SUITE_DEFAULTS), "What holds where queries say nothing."),
    ),
)

REFERENCE_TABLE = ObjectFormat(
    "reference table",
    "The rows of a table that queries join.",
    (
        Key("path", PathText(), "The file that holds its rows.", required=True, aliases=("data_file",)),
        Key("format", Choice(DATA_FORMATS), "Its format; by default its ending tells."),
    ),
)

TOPIC_NAMING = ObjectFormat(
    "topic naming",
    "What topics are called on a broker; in memory they have the names of the SQL.",
    (
        Key("pattern", Text("a pattern"), "The name, with {base} and {run_id} in it.", DEFAULT_PATTERN),
        Key("namespace", Text(), "The text for {namespace}."),
        Key("branch", Text(), "The text for {branch}."),
        Key("branch_from_env", Text("a variable"), "The environment variable with the text for {branch}."),
        Key("user", Text(), "The text for {user}."),
        Key("user_from_env", Text("a variable"), "The environment variable with the text for {user}."),
        Key("hash_long_names", Boolean(), "A name that is too long is cut and ends in a digest.", True),
        Key("max_topic_length", Integer(32, MAX_TOPIC_LENGTH), "The longest name.", MAX_TOPIC_LENGTH),
    ),
)

SPEC = ObjectFormat(
    "spec",
    "A test spec: queries of a streaming SQL program, their inputs and what must come out.",
    (
        Key("application", Text("a name"), "The name in reports."),
        Key("test_suite", Object(TEST_SUITE), "The head of a generated spec, instead of application."),
        Key("description", Text(), "Shown in reports."),
        _TAGS,
        Key("marks", _MARKS, "pytest marks of every query.", ()),
        Key("sql_file", PathText(), "The program under test; by default the file beside the spec."),
        Key("sql", Text("SQL text"), "The program under test, inline."),
        Key("seed", Integer(0), "The seed of all generated data."),
        Key("now", Text("a time"), "What now means in the run: RFC 3339, or wall for the real clock."),
        Key("default_timeout_ms", Integer(1), "Time a query may take."),
        Key("default_records", Integer(0), "Rows of each generated input."),
        Key("config", MapOf(DataLiteral()), "Job properties.", {}),
        Key("schemas", MapOf(Text("a schema name")), "Source → data schema, by name or path.", {}),
        Key(
            "reference_tables",
            MapOf(AnyOf((Object(REFERENCE_TABLE), Text("a path or a schema name")))),
            "Source → file or data schema, for tables that no input names.",
            {},
        ),
        Key("topic_naming", Object(TOPIC_NAMING), "What topics are called on a broker."),
        Key("variables", MapOf(Text("a value")), "Values of ${NAME} in the SQL and variables.NAME in templates.", {}),
        Key("queries", ListOf(Object(QUERY), 1), "What is tested.", required=True),
        Key("debug", Object(DEBUG), "How velo-test debug starts; plain runs ignore it, and say so."),
        Key("stress_test", Object(STRESS_TEST), "The queries are repeated at volume and measured."),
        Key("scenarios", ListOf(Object(SCENARIO)), "Further runs of the same program.", ()),
        _FAULTS,
    ),
)
