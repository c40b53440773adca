"""Whatever a file says, reading it gives a model or an error of ours with a place, never a traceback."""

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.assertion_types import ASSERTION_TYPES, COMPARISON_KEYS
from velo_harness.constraint_keys import CONSTRAINTS
from velo_harness.data_schema import DATA_SCHEMA, FIELD, data_schema_of
from velo_harness.discovery import PathPolicy
from velo_harness.generation import generate
from velo_harness.spec import DEFAULT_NOW
from velo_harness.spec_keys import EXPECT, INPUT, QUERY, SPEC, TIME_SIMULATION
from velo_harness.spec_loader import spec_of
from velo_harness.yaml_source import parse_yaml

words = st.sampled_from(
    [
        "a",
        "now",
        "-1h",
        "true",
        "null",
        "",
        "0",
        "-1",
        "1.5",
        "normal",
        "zipf",
        "string",
        "decimal(5,2)",
        "uuid",
        "[",
        "{{ x }}",
        "\0",
        "é",
        "../x",
        "1e999",
    ]
)
scalars = st.one_of(
    words, st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False)
)


def objects(table, values):
    return st.dictionaries(st.sampled_from(sorted(table.by_spelling)), values, max_size=4)


anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(words, inner, max_size=3),
        objects(CONSTRAINTS, inner),
        objects(EXPECT, inner),
        objects(INPUT, inner),
        objects(TIME_SIMULATION, inner),
        objects(FIELD, inner),
    ),
    max_leaves=8,
)
comparing = st.sampled_from(sorted(s for key in COMPARISON_KEYS for s in key.spellings))
assertions = st.sampled_from(sorted(ASSERTION_TYPES)).flatmap(
    lambda name: st.tuples(
        objects(ASSERTION_TYPES[name].format(), anything), st.dictionaries(comparing, anything, max_size=3)
    ).map(lambda pair: {**pair[0], **pair[1], "type": name})
)
inputs = objects(INPUT, anything).map(lambda value: {**value, "source": "s"})
queries = st.tuples(objects(QUERY, anything), st.lists(assertions, max_size=2), st.lists(inputs, max_size=2)).map(
    lambda parts: {**parts[0], "name": "q", "assertions": parts[1], "inputs": parts[2]}
)
specs = st.tuples(objects(SPEC, anything), st.lists(queries, min_size=1, max_size=2)).map(
    lambda parts: {**parts[0], "application": "a", "queries": parts[1]}
)
fields = st.tuples(
    objects(FIELD, anything),
    st.sampled_from(["string", "bigint", "decimal", "timestamp", "array", "row"]),
    objects(CONSTRAINTS, anything),
).map(lambda parts: {**parts[0], "name": "f", "type": parts[1], "constraints": parts[2]})
schemas = st.tuples(objects(DATA_SCHEMA, anything), st.lists(fields, min_size=1, max_size=2)).map(
    lambda parts: {**parts[0], "name": "s", "fields": parts[1]}
)


def refusal(read, value):
    """The error with which the value is refused, or None."""
    try:
        read(parse_yaml(json.dumps(value), "f.yaml"))
    except VeloError as error:
        return error
    return None


def is_helpful(error):
    located = error.location is not None and error.location.file == "f.yaml"
    return error.code is not ErrorCode.INTERNAL and located and bool(str(error))


def read_and_generate(node):
    generate(data_schema_of(node), records=20, seed=1, now=DEFAULT_NOW)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs)
def test_any_spec_is_read_or_refused(value):
    error = refusal(lambda node: spec_of(node, Path("/none/f.test.yaml"), PathPolicy(Path("/none"))), value)
    assert error is None or is_helpful(error)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schemas)
def test_any_data_schema_is_read_and_generated_from_or_refused(value):
    error = refusal(read_and_generate, value)
    assert error is None or is_helpful(error)


numbers = st.one_of(st.integers(-(10**18), 10**18), st.integers(-5, 5), st.floats(-1e6, 1e6).map(lambda x: round(x, 2)))
distributions = st.one_of(
    st.sampled_from(["uniform", "normal", "log_normal", "zipf", "exponential", "random_walk"]),
    st.builds(lambda m, s: {"normal": {"mean": m, "std_dev": abs(s)}}, numbers, numbers),
    st.builds(lambda m, s: {"log_normal": {"mu": m, "sigma": abs(s)}}, numbers, numbers),
    st.builds(lambda r: {"exponential": {"rate": abs(r)}}, numbers),
    st.builds(lambda e: {"zipf": {"exponent": abs(e)}}, numbers),
    st.builds(
        lambda d, v, s: {"random_walk": {"drift": d, "volatility": abs(v), "start": s}}, numbers, numbers, numbers
    ),
)
numeric = st.sampled_from(
    ["tinyint", "smallint", "bigint", "double", "decimal", "decimal(38,0)", "decimal(38,38)", "decimal(5,4)"]
)
ranges = st.fixed_dictionaries({}, optional={"min": numbers, "max": numbers})
number_fields = st.builds(
    lambda kind, limits, more: {"type": kind, "constraints": {**limits, **more}},
    numeric,
    ranges,
    st.fixed_dictionaries(
        {}, optional={"distribution": distributions, "unique": st.booleans(), "null_probability": st.floats(0, 1)}
    ),
)
other_fields = st.one_of(
    st.builds(
        lambda kind, s: {"type": kind, "constraints": {"sequence": s}},
        numeric,
        st.fixed_dictionaries({"start": numbers, "step": numbers}),
    ),
    st.builds(
        lambda kind, s, e, u: {"type": kind, "constraints": {"start": s, "end": e, "unique": u}},
        st.sampled_from(["timestamp", "timestamp(0)", "timestamp_ltz(6)", "date"]),
        st.sampled_from(["-1h", "0001-01-01", "now", "-2 days"]),
        st.sampled_from(["now", "+1h", "9999-12-31", "+2d"]),
        st.booleans(),
    ),
    st.builds(
        lambda kind, low, more, u: {
            "type": kind,
            "constraints": {"length": {"min": low, "max": low + more}, "unique": u},
        },
        st.sampled_from(["string", "bytes", "varchar(3)"]),
        st.integers(0, 5),
        st.integers(0, 5),
        st.booleans(),
    ),
    st.builds(lambda f: {"type": "array", "items": f}, number_fields),
    st.builds(lambda f: {"type": "row", "fields": [{"name": "x", **f}]}, number_fields),
    st.builds(
        lambda kind, limits, f: {"type": kind, "constraints": {"correlated_with": f, **limits}},
        numeric,
        ranges,
        st.builds(lambda a, b: {"field": "other", "factor": a, "noise": abs(b)}, numbers, numbers),
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(number_fields, other_fields), number_fields)
def test_plausible_schemas_give_rows_of_their_types_or_are_refused(one, other):
    schema = {"name": "s", "fields": [{"name": "f", **one}, {"name": "other", **other}]}
    error = refusal(read_and_generate, schema)
    assert error is None or is_helpful(error)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab: -[]{}&*!|>'\"#%@`,?\n\t\0\u2028é1.", max_size=40))
def test_any_text_is_parsed_or_refused(text):
    try:
        parse_yaml(text, "f.yaml")
    except VeloError as caught:
        error = caught
    else:
        return
    assert error.code is ErrorCode.YAML_SYNTAX
    assert error.location is not None
