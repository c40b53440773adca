"""From a spec file to its model: every key read by its table, then what no table can say is checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_harness.assertion_loader import assertion_spec
from velo_harness.capture_loader import capture_of
from velo_harness.debugging.debug_keys import debug_settings
from velo_harness.discovery import PathPolicy, find_data
from velo_harness.expectation_loader import expectation
from velo_harness.faults.loader import fault_plan
from velo_harness.faults.model import FaultPlan
from velo_harness.input_loader import data_file, input_of
from velo_harness.keys import Fields, bad_value, read_object, shown
from velo_harness.marks import condition_holds
from velo_harness.spec import (
    DEFAULT_NOW,
    DEFAULT_SEED,
    DEFAULT_TIMEOUT_MS,
    EXPECT_ERROR,
    AssertionSpec,
    DataFile,
    Expectation,
    Input,
    Mark,
    OutputSpec,
    Query,
    Scenario,
    Severity,
    Spec,
)
from velo_harness.spec_keys import SPEC
from velo_harness.stress.stress_keys import stress_settings
from velo_harness.topic_naming import topic_naming
from velo_harness.typed_values import parse_timestamp
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, read_yaml


def load_spec(path: Path, *, allowed: Sequence[Path] = (), unfinished: bool = False) -> Spec:
    """The spec in a file. `allowed` are folders outside the project that its paths may lead to.

    In an `unfinished` spec queries may check nothing yet, and files of expected rows need not be there: an update
    writes them.

    Errors: those of reading YAML, UNKNOWN_KEY, BAD_VALUE, MISSING_KEY, NOTHING_CHECKED,
    PATH_OUTSIDE_PROJECT, FILE_NOT_FOUND; each at its place.
    """
    return spec_of(read_yaml(path), path, PathPolicy.for_file(path, allowed), unfinished=unfinished)


def spec_of(node: YamlNode, path: Path, policy: PathPolicy, *, unfinished: bool = False) -> Spec:
    """The spec that a tree says; relative paths start at the folder of `path`. Arguments and errors: as `load_spec`."""
    fields = read_object(node, SPEC)
    suite = _suite(fields)
    config, config_places = _config(fields)
    head = _Head(path.resolve().parent, policy, *_defaults(fields, suite), unfinished=unfinished)
    head.faults = fault_plan(fields["fault_injection"])
    sql_file = _sql_file(fields, head)
    return Spec(
        file=path,
        name=suite["name"] if suite is not None else fields["application"],
        description=fields["description"],
        origin=_origin(suite),
        tags=fields["tags"],
        marks=_marks(fields),
        sql_file=sql_file,
        sql=fields["sql"],
        seed=DEFAULT_SEED if fields["seed"] is None else fields["seed"],
        now=_now(fields, _zone(config, config_places)),
        config=config,
        schemas=fields["schemas"],
        reference_tables=_reference_tables(fields, head),
        queries=_with_refusal(tuple(_queries(fields["queries"], head)), suite),
        location=fields.location,
        sql_location=fields.locations.get("sql_file") or fields.locations.get("sql"),
        topic_naming=topic_naming(fields["topic_naming"]),
        debug=debug_settings(fields["debug"]),
        stress_test=stress_settings(fields["stress_test"]),
        config_locations=config_places,
        variables=fields["variables"],
        scenarios=tuple(_scenarios(fields, head)),
    )


class _Head:
    """What the parts of a spec need to know of the whole."""

    def __init__(
        self, folder: Path, policy: PathPolicy, timeout_ms: int, records: int | None, *, unfinished: bool
    ) -> None:
        self.folder = folder
        self.policy = policy
        self.timeout_ms = timeout_ms
        self.records = records
        self.unfinished = unfinished
        self.more_assertions: tuple[Fields, ...] = ()
        """Of every query."""
        self.faults: FaultPlan | None = None
        """Of queries that have none of their own."""

    def of_scenario(self, fields: Fields) -> _Head:
        """What the parts of a scenario need to know."""
        records = self.records if fields["default_records"] is None else fields["default_records"]
        own = _Head(self.folder, self.policy, self.timeout_ms, records, unfinished=self.unfinished)
        own.more_assertions = fields["assertions"]
        own.faults = fault_plan(fields["fault_injection"]) or self.faults
        return own

    def expectation(self, fields: Fields | None) -> Expectation | None:
        """An `expect` block as the model has it."""
        if fields is None:
            return None
        return expectation(fields, self.folder, self.policy, unfinished=self.unfinished)


SHOWN_REASONS = 3
"""Why queries are skipped, in the error of a spec of which nothing is left."""


def _suite(fields: Fields) -> Fields | None:
    suite: Fields | None = fields["test_suite"]
    if suite is not None and fields.has("application"):
        raise bad_value("give application or test_suite, not both", fields.key_locations["test_suite"])
    if suite is None and not fields.has("application"):
        message = 'a spec needs the key "application" (or "test_suite")'
        raise VeloError(ErrorCode.MISSING_KEY, message, location=fields.location)
    return suite


def _with_refusal(queries: tuple[Query, ...], suite: Fields | None) -> tuple[Query, ...]:
    """The queries, with one more that fails when all of them are skipped and the suite does not allow that."""
    if suite is None or not suite["require_executed"] or any(query.skip is None for query in queries):
        return queries
    place = suite.at("require_executed")
    message = "every query of this spec is skipped: nothing is tested"
    reasons = list(dict.fromkeys(query.skip for query in queries if query.skip is not None))
    more = len(reasons) - SHOWN_REASONS
    hint = "; ".join([*reasons[:SHOWN_REASONS], *([f"and {more} more, beside skip: in the spec"] if more > 0 else ())])
    refusal = VeloError(ErrorCode.NOTHING_CHECKED, message, location=place, hint=hint)
    name = "require_executed"
    return (*queries, replace(queries[0], name=name, description=None, skip=None, location=place, refusal=refusal))


def _origin(suite: Fields | None) -> str | None:
    if suite is None:
        return None
    parts = [part for part in (suite["source_system"], suite["original_file"]) if part is not None]
    return ": ".join(parts) or None


def _defaults(fields: Fields, suite: Fields | None) -> tuple[int, int | None]:
    """The timeout and the number of records that hold where queries say nothing."""
    inner: Fields | None = suite["defaults"] if suite is not None else None
    for here, there in (("default_timeout_ms", "timeout_ms"), ("default_records", "records_per_source")):
        if inner is not None and inner.has(there) and fields.has(here):
            raise bad_value(f"{here} and test_suite.defaults.{there} mean the same", fields.key_locations[here])
    timeout = fields["default_timeout_ms"] or (inner["timeout_ms"] if inner is not None else None)
    records = fields["default_records"]
    if records is None and inner is not None:
        records = inner["records_per_source"]
    return timeout or DEFAULT_TIMEOUT_MS, records


def _sql_file(fields: Fields, head: _Head) -> Path | None:
    if fields["sql_file"] is None:
        return None
    place = fields.at("sql_file")
    if fields.has("sql"):
        raise bad_value("give sql_file or sql, not both", fields.key_locations["sql_file"])
    path = head.policy.resolve(fields["sql_file"], head.folder, place)
    if not path.is_file():
        if path.exists():
            raise VeloError(
                ErrorCode.FILE_UNREADABLE, f'"{fields["sql_file"]}" is a folder, not a file', location=place
            )
        beside = [p.name for p in sorted(path.parent.glob("*.sql"))]
        hint = did_you_mean(path.name, beside, noun=f"SQL file in {path.parent.name}/")
        message = f'there is no SQL file "{fields["sql_file"]}"'
        raise VeloError(ErrorCode.FILE_NOT_FOUND, message, location=place, hint=hint)
    return path


def _now(fields: Fields, zone: ZoneInfo | None) -> datetime | None:
    text = fields["now"]
    if text is None:
        return DEFAULT_NOW
    if text == "wall":
        return None
    parsed = parse_timestamp(text)
    if parsed is None:
        hint = "write a time such as 2025-01-01T00:00:00Z, or wall for the real clock"
        raise bad_value(f'"{text}" is not a time', fields.at("now"), hint=hint)
    return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=zone or UTC)).astimezone(UTC)


def _config(fields: Fields) -> tuple[dict[str, str], dict[str, Location]]:
    """Job properties under dotted keys, with their places."""
    values: dict[str, str] = {}
    places: dict[str, Location] = {}
    for key, value in _dotted(fields["config"].items(), ""):
        if key in values:
            raise bad_value(f'the property "{key}" is given twice', value.location)
        values[key], places[key] = value.text, value.location
    return values, places


def _dotted(entries: Iterable[tuple[str, YamlNode]], prefix: str) -> Iterator[tuple[str, YamlScalar]]:
    for name, node in entries:
        match node:
            case YamlMapping(entries=inner):
                yield from _dotted(((key.text, value) for key, value in inner), f"{prefix}{name}.")
            case YamlScalar():
                yield prefix + name, node
            case _:
                raise bad_value(f"a job property must be text, not {shown(node)}", node.location)


def _zone(config: Mapping[str, str], places: Mapping[str, Location]) -> ZoneInfo | None:
    name = config.get("time_zone", "UTC")
    try:
        return None if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message, hint = f'there is no time zone "{name}"', "write a name such as Europe/Berlin"
        raise bad_value(message, places["time_zone"], hint=hint) from None


def _marks(fields: Fields) -> tuple[Mark, ...]:
    place = fields.at("marks")
    marks = []
    for given in fields["marks"]:
        if isinstance(given, str):
            marks.append(Mark(given, None, place))
        else:
            marks += [Mark(name, argument, place) for name, argument in given.items()]
    for mark in marks:
        if not mark.name.isidentifier():
            raise bad_value(f'"{mark.name}" cannot be a mark\'s name', place)
        if mark.name == "skipif":
            condition_holds(mark)
    return tuple(marks)


def _reference_tables(fields: Fields, head: _Head) -> dict[str, DataFile | str]:
    """Source → its file, or the name of its schema (text that is a path to data is a file)."""
    tables: dict[str, DataFile | str] = {}
    place = fields.at("reference_tables")
    for source, given in fields["reference_tables"].items():
        if isinstance(given, Fields):
            tables[source] = data_file(given["path"], given["format"], head.folder, head.policy, given.at("path"))
        elif given.endswith(_DATA_ENDINGS):
            path = find_data(given, head.folder, head.policy, place)
            tables[source] = data_file(str(path), None, head.folder, head.policy, place)
        else:
            tables[source] = given
    return tables


_NO_REASONS = frozenset(("", "no", "n", "off", "yes", "y", "on"))
"""What YAML 1.1 took for true and false is text today: `skip: no` would skip."""

_DATA_ENDINGS = (".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".csv.gz", ".json.gz", ".jsonl.gz", ".ndjson.gz")


def _queries(many: Iterable[Fields], head: _Head) -> Iterator[Query]:
    seen: list[str] = []
    for fields in many:
        if fields["name"] in seen:
            raise bad_value(f'there are two queries "{fields["name"]}"', fields.at("name"))
        yield _query(fields, head, seen)
        seen.append(fields["name"])


def _scenarios(spec: Fields, head: _Head) -> Iterator[Scenario]:
    base = {query["name"]: query for query in spec["queries"]}
    seen: set[str] = set()
    for fields in spec["scenarios"]:
        name = fields["name"]
        if name in seen:
            raise bad_value(f'there are two scenarios "{name}"', fields.at("name"))
        if "/" in name or "::" in name:
            raise bad_value(
                "the name of a scenario stands before a / in reports: it has neither / nor ::", fields.at("name")
            )
        seen.add(name)
        own = head.of_scenario(fields)
        many = base.values() if fields["queries"] is None else [_with_inputs(q, base) for q in fields["queries"]]
        queries = (
            replace(query, description=query.description or fields["description"]) for query in _queries(many, own)
        )
        yield Scenario(name, fields["description"], tuple(queries), fields["seed"], fields["variables"])


def _with_inputs(query: Fields, base: Mapping[str, Fields]) -> Fields:
    """A scenario's query; what it does not say of its inputs is as in the spec's query of that name."""
    if query.has("inputs") or query["name"] not in base:
        return query
    return replace(query, values={**query.values, "inputs": base[query["name"]]["inputs"]})


def _query(fields: Fields, head: _Head, before: Sequence[str]) -> Query:
    inputs = tuple(input_of(given, head.folder, head.policy, before) for given in fields["inputs"])
    _check_sources(inputs)
    outputs = tuple(_outputs(fields["outputs"], head))
    expect = head.expectation(fields["expect"])
    written = (*fields["assertions"], *fields["metric_assertions"], *head.more_assertions)
    assertions = tuple(assertion_spec(given, head.folder, head.policy) for given in written)
    checks = assertions or expect or any(output.assertions or output.expect for output in outputs)
    if not checks and not head.unfinished and _skip(fields) is None:
        message = f'the query "{fields["name"]}" checks nothing'
        hint = "add assertions or expect; a test that checks nothing cannot fail"
        raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=fields.at("name"), hint=hint)
    _check_error_alone(expect, assertions, outputs)
    return Query(
        name=fields["name"],
        description=fields["description"],
        tags=fields["tags"],
        marks=_marks(fields),
        skip=_skip(fields),
        order_dependent=fields["order_dependent"],
        dependencies=fields["dependencies"],
        inputs=inputs,
        expect=expect,
        assertions=assertions,
        outputs=outputs,
        timeout_ms=fields["timeout_ms"] or head.timeout_ms,
        default_records=head.records,
        location=fields.at("name"),
        key_locations=fields.locations,
        capture=capture_of(fields, head.folder, head.policy),
        runners=tuple(dict.fromkeys(fields["runners"])),
        faults=fault_plan(fields["fault_injection"]) or head.faults,
    )


def _check_error_alone(
    expect: Expectation | None, assertions: Sequence[AssertionSpec], outputs: Sequence[OutputSpec]
) -> None:
    """Of a query that is to end with an error nothing else can be checked."""
    errors = [assertion for assertion in assertions if assertion.type == EXPECT_ERROR]
    within = [(a.type, a.location) for output in outputs for a in output.assertions if a.type == EXPECT_ERROR]
    for name, place in within:
        raise bad_value(f"{name} is about the whole query: write it under its assertions", place)
    if not errors and (expect is None or expect.error is None):
        return
    others = [(a.type, a.location) for a in assertions if not errors or a is not errors[0]]
    others += [("expect", expect.location)] if errors and expect is not None else []
    others += [("outputs", output.location) for output in outputs]
    for name, place in others:
        raise bad_value(f"{name} has no effect on a query that ends with an error", place)
    for assertion in errors:
        if assertion.severity is Severity.WARNING:
            message = "a query that ends with an error cannot pass with a warning"
            raise bad_value(message, assertion.location, hint="take severity out")


def _skip(fields: Fields) -> str | None:
    given: bool | str = fields["skip"]
    if isinstance(given, str):
        if given.strip().casefold() in _NO_REASONS:
            hint = "write true or false, or say why it is not run"
            raise bad_value(f'"{given}" is text and no reason to skip', fields.at("skip"), hint=hint)
        return given
    return "the spec says skip" if given else None


def _outputs(many: tuple[Fields, ...], head: _Head) -> Iterator[OutputSpec]:
    seen: set[str] = set()
    for fields in many:
        sink = fields["sink"]
        if sink in seen:
            raise bad_value(f'there are two outputs "{sink}"', fields.at("sink"))
        seen.add(sink)
        assertions = tuple(assertion_spec(given, head.folder, head.policy) for given in fields["assertions"])
        expect = head.expectation(fields["expect"])
        if not assertions and expect is None:
            message = f'the output "{sink}" checks nothing'
            raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=fields.at("sink"))
        yield OutputSpec(sink, assertions, expect, fields.at("sink"))


def _check_sources(inputs: Sequence[Input]) -> None:
    seen: set[str] = set()
    for given in inputs:
        if given.source in seen:
            raise bad_value(f'there are two inputs for the source "{given.source}"', given.location)
        seen.add(given.source)
