"""The model of a test spec: what a `*.test.yaml` file says, checked and with positions, before anything runs.

`velo_harness.spec_loader.load_spec` makes it. Data literals (expected values, rows, operands of comparisons) stay
`YamlNode`s: the column they meet gives them their type (`velo_harness.typed_values`), or, where there is none, their
text does (`velo_harness.scalars`). Everything else is a plain Python value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from velo_engine.errors import Location, VeloError
from velo_harness.constraints import FieldConstraints
from velo_harness.debugging.debug_settings import DebugSettings
from velo_harness.faults.model import FaultPlan
from velo_harness.stress.stress_settings import StressSettings
from velo_harness.topic_naming import TopicNaming
from velo_harness.yaml_source import YamlNode

DEFAULT_SEED = 42
DEFAULT_TIMEOUT_MS = 30_000
DEFAULT_RECORDS = 1000
DEFAULT_NOW = datetime(2025, 1, 1, tzinfo=UTC)
"""What "now" is in a run whose spec does not say: fixed, so that the same spec gives the same bytes every day."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A pytest mark: `slow`, or `xfail: reason`."""

    name: str
    argument: str | None
    location: Location = field(compare=False)


class Runner(StrEnum):
    """What runs a query."""

    ENGINE = "engine"
    FLINK = "flink"
    """A real Flink, where one is installed."""
    RECORDED = "recorded"
    """What a real Flink once answered."""


class Severity(StrEnum):
    """What a failed assertion does: an ERROR fails the query, a WARNING is reported."""

    ERROR = "error"
    WARNING = "warning"


class Operator(StrEnum):
    """How a value is compared; all spellings of the format are normalised to these."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    GREATER_THAN = "greater_than"
    LESS_THAN = "less_than"
    GREATER_THAN_OR_EQUAL = "greater_than_or_equal"
    LESS_THAN_OR_EQUAL = "less_than_or_equal"
    BETWEEN = "between"
    IN = "in"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    MATCHES = "matches"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: two operands for BETWEEN (both ends included), any number for IN, else one.

    An operand is usually a scalar, whose text may hold a `{{ template }}`.
    """

    operator: Operator
    operands: tuple[YamlNode, ...]
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class AssertionSpec:
    """One assertion as written.

    `parameters` has the keys that `assertion_types.ASSERTION_TYPES[type]` lists, without the common ones and the
    comparison: defaults filled in, aliases resolved to the first spelling, absent optional ones None.
    """

    type: str
    parameters: Mapping[str, Any]
    comparisons: tuple[Comparison, ...]
    """All must hold. Empty for types that compare nothing."""
    message: str | None
    """What the author says about it (`message`, `reason` or `description`)."""
    severity: Severity
    where: str | None
    """A SQL predicate that chooses the output rows to look at."""
    allow_empty: bool
    """Whether the assertion may pass without a single row to look at."""
    location: Location
    parameter_locations: Mapping[str, Location]
    """Places of the parameters that are written, and of `where`."""


@dataclass(frozen=True, slots=True)
class RowLiteral:
    """A row as written: column names with their nodes."""

    values: Mapping[str, YamlNode]
    location: Location = field(compare=False)
    names: Mapping[str, Location] = field(default_factory=dict, compare=False)
    """Where the column names stand; of a row that was not written, nowhere."""

    def place_of(self, name: str) -> Location:
        """Where the name of a column stands, else its value."""
        return self.names.get(name, self.values[name].location)


@dataclass(frozen=True, slots=True)
class ChangeLiteral:
    """An expected change: `op` is `+I`, `-U`, `+U` or `-D`."""

    op: str
    row: RowLiteral


@dataclass(frozen=True, slots=True)
class LateLiteral:
    """A row expected to be late; `late_by_ms` when the spec says by how much."""

    row: RowLiteral
    late_by_ms: int | None


@dataclass(frozen=True, slots=True)
class ExpectedError:
    """The query is expected to fail: by this code, with a message that the regular expression finds."""

    code: str | None
    matches: str | None
    location: Location = field(compare=False)
    check: str = "expect.error"
    """What a failure calls it."""
    message: str | None = None
    """What the author says about it."""


EXPECT_ERROR = "expect_error"
"""The type of assertion that says the same."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a column may differ from what is expected."""

    absolute: Decimal | None = None
    relative: Decimal | None = None
    within_ms: int | None = None
    ignore_case: bool = False


class ChangelogOrder(StrEnum):
    """How the order of an expected changelog counts."""

    EXACT = "exact"
    PER_KEY = "per_key"
    CONTAINS = "contains"


class ColumnScope(StrEnum):
    """Whether columns that the expected rows do not name count."""

    LISTED = "listed"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Expectation:
    """Exact expectations (`expect`). At least one of rows, rows_file, changelog, late and error is given."""

    rows: tuple[RowLiteral, ...] | None
    """Final contents as a bag (or keyed by `key`); an empty tuple means: no rows."""
    rows_file: Path | None
    changelog: tuple[ChangeLiteral, ...] | None
    late: tuple[LateLiteral, ...] | None
    error: ExpectedError | None
    key: tuple[str, ...]
    order: ChangelogOrder
    tolerance: Mapping[str, Tolerance]
    ignore: tuple[str, ...]
    columns: ColumnScope
    location: Location
    key_locations: Mapping[str, Location]
    """Places of the values that are written, by key."""
    column_locations: Mapping[tuple[str, str], Location] = field(default_factory=dict, compare=False)
    """(key, column) → where the column is named, for `key`, `tolerance` and `ignore`."""

    def place_of(self, part: str, column: str) -> Location:
        """Where `part` names a column, else the value of that key."""
        return self.column_locations.get((part, column), self.key_locations.get(part, self.location))


class DataFormat(StrEnum):
    """The formats of data files."""

    CSV = "csv"
    CSV_NO_HEADER = "csv_no_header"
    JSON_LINES = "json_lines"
    JSON = "json"
    PARQUET = "parquet"
    AVRO = "avro"


@dataclass(frozen=True, slots=True)
class DataFile:
    """Rows of an input taken from a file; the path is absolute and checked to lie in the project."""

    path: Path
    format: DataFormat
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class TimeSimulation:
    """How the event times of generated rows run. Times are RFC 3339 or relative to the spec's `now`, as written."""

    start_time: str | None = None
    end_time: str | None = None
    sequential: bool = True
    jitter_ms: int = 0
    events_per_second: Decimal | None = None
    time_scale: Decimal = Decimal(1)
    """Seconds of event time in a second of the rate."""
    batch_size: int = 1
    """Rows that have the same time."""
    locations: Mapping[str, Location] = field(default_factory=dict, compare=False)


class TimelineAction(StrEnum):
    """What one entry of a timeline does."""

    ROW = "row"
    WATERMARK = "watermark"
    IDLE = "idle"
    ADVANCE = "advance_processing_time"
    WAIT = "wait"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happens in the timeline of an input."""

    action: TimelineAction
    partition: int | None
    """Of a row (None: by its key or in turns), a watermark or idleness (None: of all partitions)."""
    at_ms: int | None
    """When it happens, in milliseconds of processing time after the start; None: right after the entry before it."""
    watermark: str | None
    """Of WATERMARK: the time as written."""
    duration_ms: int
    """Of ADVANCE and WAIT."""
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a query. Exactly one of rows, data_file, from_previous, or none of them: then it is generated."""

    source: str
    schema: str | None
    """A schema's name or path as written; None: the schema called like the source, else the DDL's columns."""
    records: int | None
    seed: int | None
    null_probability: float | None
    overrides: Mapping[str, FieldConstraints]
    """Constraints that replace those of the schema's field, each kind by itself."""
    rows: tuple[RowLiteral, ...] | None
    data_file: DataFile | None
    from_previous: str | None
    """The name of the query whose output this input is."""
    key_field: str | None
    partitions: int
    headers: Mapping[str, str]
    """Header → what each record carries: the value of the column of that name, else the text itself."""
    topic: str | None
    """`source_type: {type: kafka, topic}`: the topic the rows are written to; None: the one the SQL names."""
    time_simulation: TimeSimulation | None
    location: Location
    key_locations: Mapping[str, Location] = field(compare=False)
    """Places of the values that are written, by key."""
    format: str | None = None
    """How the rows are written to the topic; None: as the SQL reads them."""
    boundaries: bool = False
    """The rows are those on the boundaries of the SQL."""
    in_time: bool = False
    """Those without the ones that come too late for their windows."""
    rate_per_second: Decimal | None = None
    """At which the records come when a run keeps to real time; else it only spaces their event times."""
    watched: bool = False
    """Its file is a source that goes on: event time does not end with its last row."""
    timeline: tuple[TimelineEntry, ...] | None = None
    """What happens when; its rows are `rows`, in their order."""


@dataclass(frozen=True, slots=True)
class Capture:
    """How the output of a query is read before it is checked; all None: as the query gives it out."""

    sink: str | None = None
    """kafka or file: what the sink wrote there is what is checked."""
    topic: str | None = None
    """The topic that it must be."""
    path: Path | None = None
    """The file that it must be."""
    file_format: DataFormat | None = None
    """Of the file; None: its ending tells."""
    format: str | None = None
    """json, avro or protobuf: the rows as they are once written so and read again."""
    schema: Path | None = None
    """The Avro schema or the .proto with which they are read."""
    locations: Mapping[str, Location] = field(default_factory=dict, compare=False)
    """Places of `sink`, `topic`, `path`, `format` and `schema`, as far as they are written."""


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """What is checked on one sink of a query."""

    sink: str
    assertions: tuple[AssertionSpec, ...]
    expect: Expectation | None
    location: Location


@dataclass(frozen=True, slots=True)
class Query:
    """One entry of `queries`: a statement of the SQL with its inputs and checks."""

    name: str
    description: str | None
    tags: tuple[str, ...]
    marks: tuple[Mark, ...]
    skip: str | None
    """The reason why it is skipped; None: it runs."""
    order_dependent: str | None
    """Why its result may depend on the order in which records arrive; None: it may not."""
    dependencies: tuple[str, ...]
    """Statements that must run first, beside those the SQL shows."""
    inputs: tuple[Input, ...]
    expect: Expectation | None
    assertions: tuple[AssertionSpec, ...]
    outputs: tuple[OutputSpec, ...]
    timeout_ms: int
    default_records: int | None
    """Rows of an input that says nothing; None: the schema's record_count, else `DEFAULT_RECORDS`."""
    location: Location
    """The name's place."""
    key_locations: Mapping[str, Location] = field(compare=False)
    """Places of the values that are written, by key."""
    runners: tuple[Runner, ...] = (Runner.ENGINE,)
    faults: FaultPlan | None = None
    """What is injected into its inputs: its own plan, else the scenario's, else the spec's."""
    capture: Capture = field(default_factory=Capture)
    refusal: VeloError | None = None
    """Why it fails without being run: it stands for a spec of which nothing is run."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Another run of the same program."""

    name: str
    description: str | None
    queries: tuple[Query, ...]
    seed: int | None
    """None: the spec's."""
    variables: Mapping[str, str]
    """Over those of the spec."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A test spec."""

    file: Path
    name: str
    description: str | None
    origin: str | None
    """What a generated spec was converted from: `flink: job.sql`."""
    tags: tuple[str, ...]
    marks: tuple[Mark, ...]
    sql_file: Path | None
    """The program under test, when the spec names it; else `discovery.find_sql` finds it."""
    sql: str | None
    """The program under test, when it is written inline."""
    seed: int
    now: datetime | None
    """What "now" is in this run, in UTC; None: the real clock (`now: wall`)."""
    config: Mapping[str, str]
    """Job properties; nested mappings become dotted keys. `time_zone` is among them, see `Spec.zone`."""
    schemas: Mapping[str, str]
    """Source name → schema name or path, for inputs that do not say."""
    reference_tables: Mapping[str, DataFile | str]
    """Source name → the file with its rows, or the schema to generate them by, for sources that no input names."""
    queries: tuple[Query, ...]
    location: Location
    sql_location: Location | None = None
    """The place of `sql_file` or of the inline text (whose first line stands on the line after)."""
    """None when discovery finds the program."""
    topic_naming: TopicNaming = field(default_factory=TopicNaming)
    debug: DebugSettings = field(default_factory=DebugSettings)
    stress_test: StressSettings = field(default_factory=StressSettings)
    config_locations: Mapping[str, Location] = field(default_factory=dict, compare=False)
    """Places of the job properties."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values of `${NAME}` in the SQL and of `variables.NAME` in templates, unless the command line gives others."""
    scenarios: tuple[Scenario, ...] = ()
    """Further runs of the program. Each is a spec of its own (`runs`)."""
    scenario: str | None = None
    """The scenario that this spec is; None: it is the spec of the file."""
    replaced_sql: str | None = None
    """A text to run in place of the program that the spec names or holds: a mutant of it, with the same lines."""

    def runs(self) -> Iterator[tuple[Spec, Query]]:
        """Every query to run, with the spec that it is of: this one, then those of its scenarios."""
        for query in self.queries:
            yield self, query
        for one in self.scenarios:
            spec = replace(
                self,
                queries=one.queries,
                seed=self.seed if one.seed is None else one.seed,
                variables={**self.variables, **one.variables},
                scenarios=(),
                scenario=one.name,
            )
            for query in one.queries:
                yield spec, query

    def item_name(self, query: Query) -> str:
        """What the query is called among all of the file: its name, of a scenario's `scenario/query`."""
        return query.name if self.scenario is None else f"{self.scenario}/{query.name}"

    @property
    def zone(self) -> ZoneInfo | None:
        """The job's time zone, for naive times; None: UTC."""
        name = self.config.get("time_zone", "UTC")
        return None if name == "UTC" else ZoneInfo(name)
