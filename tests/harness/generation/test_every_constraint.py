"""Every constraint in every spelling: once where it holds, and once where a wrong value is refused at its place.

Shares are held against five standard deviations of the binomial with a fixed seed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from velo_engine.errors import VeloError
from velo_harness.constraint_keys import CONSTRAINTS
from velo_harness.data_schema import data_schema_of
from velo_harness.generation import generate
from velo_harness.yaml_source import parse_yaml

NOW = datetime(2025, 1, 1, tzinfo=UTC)
BEGIN, END = datetime(2024, 12, 31, 23), datetime(2025, 1, 1)
ROWS = 4000
OTHERS = """\
  - {name: g, type: string, constraints: {enum: [x, y]}}
  - {name: n, type: double, constraints: {min: 0, max: 100}}
  - {name: small, type: integer, constraints: {min: 1, max: 9}}
"""
PARTNERS = {"partners": pa.table({"id": [3, 5, 7], "code": ["p", "q", "r"]})}

Values = list[Any]
Columns = dict[str, Values]


def made(field: str, records: int = ROWS) -> Columns:
    schema = data_schema_of(parse_yaml(f"name: s\nfields:\n  - {{name: f, {field}}}\n{OTHERS}", "s.schema.yaml"))
    return generate(schema, records=records, seed=11, now=NOW, references=PARTNERS).to_pydict()


def share(values: Values, wanted: Callable[[Any], bool], expected: float) -> bool:
    found = sum(map(wanted, values)) / len(values)
    return abs(found - expected) < 5 * (expected * (1 - expected) / len(values)) ** 0.5 + 1e-9


def within(low: Any, high: Any) -> Callable[[Columns], bool]:
    """All values lie between both ends, and come near them."""
    return lambda c: low <= min(c["f"]) and max(c["f"]) <= high and len(set(c["f"])) > 1


def numbers(columns: Columns) -> Any:
    return np.asarray(columns["f"], float)


def steps(columns: Columns) -> list[Any]:
    return [b - a for a, b in pairwise(columns["f"])]


HOLDS: list[tuple[str, str, Callable[[Columns], bool]]] = [
    ("enum", "type: string, constraints: {enum: [a, b, c]}", lambda c: set(c["f"]) == {"a", "b", "c"}),
    ("enum", "type: integer, constraints: {enum: [200, 404]}", lambda c: set(c["f"]) == {200, 404}),
    ("enum", "type: string, constraints: {enum_values: [a, b]}", lambda c: share(c["f"], lambda v: v == "a", 0.5)),
    (
        "enum",
        "type: string, constraints: {enum: {values: [a, b], weights: [9, 1]}}",
        lambda c: share(c["f"], lambda v: v == "a", 0.9),
    ),
    (
        "enum",
        "type: string, constraints: {enum_values: {values: [a, b], weights: [1, 3]}}",
        lambda c: share(c["f"], lambda v: v == "b", 0.75),
    ),
    ("weights", "type: string, constraints: {enum: [a, b], weights: [0, 1]}", lambda c: set(c["f"]) == {"b"}),
    ("range", "type: integer, constraints: {range: {min: 3, max: 5}}", lambda c: set(c["f"]) == {3, 4, 5}),
    (
        "range",
        "type: decimal, precision: 6, scale: 2, constraints: {range: {min: 0.50, max: 0.52}}",
        lambda c: set(c["f"]) == {Decimal("0.50"), Decimal("0.51"), Decimal("0.52")},
    ),
    (
        "range",
        "type: date, constraints: {range: {min: 2024-01-01, max: 2024-01-03}}",
        lambda c: set(c["f"]) == {date(2024, 1, d) for d in (1, 2, 3)},
    ),
    (
        "range",
        "type: time, constraints: {range: {min: 10:00:00, max: 10:00:02}}",
        lambda c: set(c["f"]) == {time(10, 0, s) for s in (0, 1, 2)},
    ),
    ("range", "type: timestamp, constraints: {range: relative, start: -1h, end: now}", within(BEGIN, END)),
    (
        "range",
        'type: timestamp, constraints: {range: absolute, start: "2024-12-31T23:00:00Z", end: "2025-01-01T00:00:00Z"}',
        within(BEGIN, END),
    ),
    ("min", "type: integer, constraints: {min: 8, max: 9}", lambda c: set(c["f"]) == {8, 9}),
    ("max", "type: double, constraints: {max: 2}", within(0.0, 2.0)),
    ("length", "type: string, constraints: {length: {min: 2, max: 3}}", lambda c: {len(v) for v in c["f"]} == {2, 3}),
    ("length", "type: string, constraints: {length: 4}", lambda c: {len(v) for v in c["f"]} == {4}),
    ("length", "type: bytes, constraints: {length: {min: 1, max: 2}}", lambda c: {len(v) for v in c["f"]} == {1, 2}),
    (
        "length",
        "type: array, items: {type: integer}, constraints: {length: 2}",
        lambda c: {len(v) for v in c["f"]} == {2},
    ),
    (
        "min_length",
        "type: string, constraints: {min_length: 9, max_length: 9}",
        lambda c: {len(v) for v in c["f"]} == {9},
    ),
    ("max_length", "type: string, constraints: {max_length: 2}", lambda c: {len(v) for v in c["f"]} == {0, 1, 2}),
    (
        "pattern",
        "type: string, constraints: {pattern: '[A-Z]{2}-[0-9]{3}'}",
        lambda c: all(re.fullmatch("[A-Z]{2}-[0-9]{3}", v) for v in c["f"]),
    ),
    (
        "pattern",
        "type: string, constraints: {regex: '(ab|c)+x?'}",
        lambda c: all(re.fullmatch("(ab|c)+x?", v) for v in c["f"]),
    ),
    (
        "distribution",
        "type: integer, constraints: {min: 1, max: 4, distribution: uniform}",
        lambda c: all(share(c["f"], lambda v, k=k: v == k, 0.25) for k in (1, 2, 3, 4)),
    ),
    (
        "distribution",
        "type: double, constraints: {distribution: {type: normal, mean: 50, std_dev: 5}}",
        lambda c: abs(numbers(c).mean() - 50) < 5 * 5 / 63 and abs(numbers(c).std() - 5) < 0.3,
    ),
    (
        "distribution",
        "type: double, constraints: {min: 0, max: 100, distribution: normal}",
        lambda c: share(c["f"], lambda v: v < 50, 0.5),
    ),
    (
        "distribution",
        "type: double, constraints: {distribution: {log_normal: {mu: 2, sigma: 0.5}}}",
        lambda c: abs(np.log(numbers(c)).mean() - 2) < 0.04 and abs(np.log(numbers(c)).std() - 0.5) < 0.03,
    ),
    (
        "distribution",
        "type: integer, constraints: {min: 1, max: 3, distribution: {zipf: {exponent: 1}}}",
        lambda c: share(c["f"], lambda v: v == 1, 6 / 11),
    ),
    (
        "distribution",
        "type: double, constraints: {distribution: {type: exponential, rate: 0.5}}",
        lambda c: abs(numbers(c).mean() - 2) < 5 * 2 / 63,
    ),
    (
        "distribution",
        "type: double, constraints: {distribution: {type: Exponential, mean: 3}}",
        lambda c: abs(numbers(c).mean() - 3) < 5 * 3 / 63,
    ),
    (
        "distribution",
        "type: double, constraints: {min: 1, max: 1000, distribution: {random_walk: {drift: 0, volatility: 0.01, start: 30}}}",
        lambda c: c["f"][0] == pytest.approx(30, rel=1e-6) and abs(np.diff(np.log(numbers(c))).std() - 0.01) < 0.001,
    ),
    (
        "distribution",
        "type: double, constraints: {min: 1, max: 1000, distribution: {type: random_walk, group_by: g, start_value: 10}}",
        lambda c: {c["f"][c["g"].index(k)] for k in ("x", "y")} == {10.0},
    ),
    ("derived", "type: integer, constraints: {derived: small * 2}", lambda c: c["f"] == [v * 2 for v in c["small"]]),
    (
        "derived",
        "type: integer, constraints: {derived: {expression: small + 1, depends_on: [small]}}",
        lambda c: c["f"] == [v + 1 for v in c["small"]],
    ),
    ("references", "type: integer, constraints: {references: partners.id}", lambda c: set(c["f"]) == {3, 5, 7}),
    (
        "references",
        "type: string, constraints: {references: {schema: partners, field: code}}",
        lambda c: set(c["f"]) == {"p", "q", "r"},
    ),
    (
        "references",
        "type: integer, constraints: {references: {schema: partners, field: id, match_rate: 0.6}}",
        lambda c: share(c["f"], lambda v: v in (3, 5, 7), 0.6),
    ),
    (
        "timestamp_range",
        "type: timestamp, constraints: {timestamp_range: {start: -1h, end: now}}",
        lambda c: within(BEGIN, END)(c) and c["f"] == sorted(c["f"]),
    ),
    (
        "timestamp_epoch_ms",
        "type: bigint, constraints: {timestamp_epoch_ms: {start: -1h, end: now}}",
        within(1_735_686_000_000, 1_735_689_599_999),
    ),
    ("start", "type: timestamp_ltz, constraints: {start: -1h, end: now}", within(BEGIN, END)),
    (
        "end",
        "type: date, constraints: {start: 2024-01-01, end: 2024-01-03}",
        lambda c: set(c["f"]) == {date(2024, 1, 1), date(2024, 1, 2)},
    ),
    (
        "sequential",
        "type: timestamp, constraints: {start: -1h, end: now, sequential: false}",
        lambda c: share(steps(c), lambda d: d < timedelta(0), 0.5),
    ),
    (
        "format",
        'type: string, constraints: {start: "2024-12-31T23:00:00Z", end: "2025-01-01T00:00:00Z", format: "dd.MM. HH"}',
        lambda c: set(c["f"]) == {"31.12. 23"},
    ),
    (
        "format",
        'type: bigint, constraints: {start: "2024-12-31T23:00:00Z", end: "2025-01-01T00:00:00Z", format: epoch_s}',
        lambda c: c["f"] == sorted(c["f"]) and c["f"][0] >= 1735686000 and c["f"][-1] < 1735689600,
    ),
    (
        "jitter",
        "type: timestamp, constraints: {start: -1h, end: now, jitter: 1m}",
        lambda c: (
            min(c["f"]) >= BEGIN - timedelta(minutes=1)
            and timedelta(seconds=-60) <= min(steps(c)) < timedelta(seconds=-30)
        ),
    ),
    ("probability", "type: boolean, constraints: {probability: 0.2}", lambda c: share(c["f"], bool, 0.2)),
    (
        "sequence",
        "type: integer, constraints: {sequence: {start: 10, step: -2}}",
        lambda c: c["f"][:3] == [10, 8, 6] and set(steps(c)) == {-2},
    ),
    ("sequence", "type: integer, constraints: {sequence: true}", lambda c: c["f"] == list(range(1, ROWS + 1))),
    ("sequence", "type: string, constraints: {sequence: {start: 7}}", lambda c: c["f"][:2] == ["7", "8"]),
    ("unique", "type: integer, constraints: {min: 1, max: 5000, unique: true}", lambda c: len(set(c["f"])) == ROWS),
    ("unique", "type: string, constraints: {pattern: '[a-z]{4}', unique: true}", lambda c: len(set(c["f"])) == ROWS),
    ("faker", "type: string, constraints: {faker: email}", lambda c: all("@" in v for v in c["f"])),
    (
        "correlated_with",
        "type: double, constraints: {correlated_with: {field: n, factor: 2, offset: 5}}",
        lambda c: np.allclose(numbers(c), np.asarray(c["n"]) * 2 + 5),
    ),
    (
        "correlated_with",
        "type: double, constraints: {correlated_with: {field: n, noise: 3}}",
        lambda c: abs((numbers(c) - np.asarray(c["n"])).std() - 3) < 0.2,
    ),
    (
        "seasonality",
        "type: timestamp, constraints: {start: -1d, end: now, seasonality: {amplitude: 1, peak: 12h}}",
        lambda c: share(c["f"], lambda v: 6 <= v.hour < 18, 0.5 + 1 / np.pi),
    ),
    (
        "bursts",
        "type: timestamp, constraints: {start: -1h, end: now, bursts: {every: 30m, length: 3m, factor: 9}}",
        lambda c: share(c["f"], lambda v: v.minute % 30 < 3, 0.5),
    ),
    (
        "sessions",
        "type: timestamp, constraints: {start: -90d, end: now, sessions: {entity: g, gap: 1h, length: 5m}}",
        lambda c: all(
            later - earlier < timedelta(minutes=5) or later - earlier > timedelta(hours=1)
            for k in ("x", "y")
            for earlier, later in pairwise([v for v, g in zip(c["f"], c["g"], strict=True) if g == k])
        ),
    ),
    (
        "arrival",
        "type: timestamp, constraints: {start: -1h, end: now, arrival: {bursts: {every: 30m, length: 3m, factor: 9}}}",
        lambda c: share(c["f"], lambda v: v.minute % 30 < 3, 0.5),
    ),
    (
        "null_probability",
        "type: integer, constraints: {null_probability: 0.3}",
        lambda c: share(c["f"], lambda v: v is None, 0.3),
    ),
    (
        "null_probability",
        "type: integer, nullable: true, null_probability: 0.1",
        lambda c: share(c["f"], lambda v: v is None, 0.1),
    ),
    (
        "precision",
        "type: decimal, constraints: {precision: 4, scale: 3}",
        lambda c: all(v.as_tuple().exponent == -3 and v < 10 for v in c["f"]),
    ),
    ("scale", "type: {decimal: {precision: 1}}", lambda c: all(v.as_tuple().exponent == -1 for v in c["f"])),
]


@pytest.mark.parametrize(("key", "field", "holds"), HOLDS, ids=[f"{key}-{i}" for i, (key, _, _) in enumerate(HOLDS)])
def test_it_holds(key: str, field: str, holds: Callable[[Columns], bool]) -> None:
    assert holds(made(field))


REFUSED: list[tuple[str, str, str]] = [
    ("enum", "type: integer, constraints: {enum: [1, x]}", '"x" is not'),
    ("enum", "type: string, constraints: {enum: []}", "a list of at least 1"),
    ("weights", "type: string, constraints: {enum: [a, b], weights: [1]}", "there are 2 values but 1 weights"),
    ("weights", "type: string, constraints: {enum: [a], weights: [0]}", "the weights are all 0"),
    ("range", "type: string, constraints: {range: {min: 1, max: 2}}", "range has no effect on a field of type STRING"),
    (
        "range",
        "type: integer, constraints: {range: {min: 5, max: 2}}",
        "the smallest value is greater than the greatest",
    ),
    ("range", "type: timestamp, constraints: {range: sideways, start: -1h, end: now}", "one of relative, absolute"),
    ("min", "type: integer, constraints: {min: low}", '"low" is not'),
    ("max", "type: integer, constraints: {range: {min: 1}, max: 2}", "give range or min and max, not both"),
    ("length", "type: string, constraints: {length: {min: 5, max: 2}}", "the smallest length is greater"),
    ("length", "type: integer, constraints: {length: 3}", "length has no effect on a field of type BIGINT"),
    ("min_length", "type: string, constraints: {length: 3, min_length: 3}", "give length or min_length"),
    ("max_length", "type: string, constraints: {max_length: -1}", "a whole number from 0"),
    ("pattern", "type: string, constraints: {pattern: '['}", "this is not a regular expression"),
    ("pattern", "type: string, constraints: {pattern: '(a)\\1'}", "a back reference"),
    ("distribution", "type: integer, constraints: {distribution: bell}", "one of uniform, normal"),
    ("distribution", "type: integer, constraints: {distribution: {type: normal, rate: 1}}", 'unknown key "rate"'),
    (
        "distribution",
        "type: integer, constraints: {distribution: {exponential: {rate: 0}}}",
        "the rate must be greater than 0",
    ),
    ("distribution", "type: string, constraints: {distribution: normal}", "distribution has no effect"),
    ("derived", "type: integer, constraints: {derived: smal + 1}", 'there is no field "smal"'),
    ("derived", "type: integer, constraints: {derived: {expression: small, depends_on: [x]}}", 'there is no field "x"'),
    ("references", "type: integer, constraints: {references: partners}", "a reference such as customers.id"),
    ("references", "type: integer, constraints: {references: partner.id}", "which is no input of this run"),
    ("references", "type: integer, constraints: {references: partners.ids}", '"partners" has no field "ids"'),
    (
        "references",
        "type: integer, constraints: {references: {schema: partners, field: id, match_rate: 2}}",
        "from 0 to 1",
    ),
    ("timestamp_range", "type: timestamp, constraints: {timestamp_range: {start: -1h}}", 'needs the key "end"'),
    (
        "timestamp_epoch_ms",
        "type: timestamp, constraints: {timestamp_epoch_ms: {start: -1h, end: now}}",
        "timestamp_epoch_ms has no effect",
    ),
    ("start", "type: timestamp, constraints: {start: yesterday, end: now}", '"yesterday" is not a time'),
    ("end", "type: timestamp, constraints: {start: now, end: -1h}", "the time range is empty"),
    (
        "sequential",
        "type: timestamp, constraints: {sequential: true}",
        "sequential has no effect without start and end",
    ),
    ("format", "type: string, constraints: {format: HH}", "format has no effect without start and end"),
    ("format", "type: timestamp, constraints: {start: -1h, end: now, format: HH}", "format has no effect on a field"),
    ("format", "type: string, constraints: {start: -1h, end: now, format: epoch_s}", "format has no effect on a field"),
    (
        "format",
        "type: bigint, constraints: {timestamp_epoch_ms: {start: -1h, end: now, format: epoch_s}}",
        "format has no effect on milliseconds",
    ),
    ("jitter", "type: timestamp, constraints: {jitter: 5s}", "jitter has no effect without start and end"),
    (
        "jitter",
        "type: timestamp, constraints: {start: -1h, end: now, jitter: 5s, unique: true}",
        "unique has no effect",
    ),
    ("probability", "type: boolean, constraints: {probability: 1.5}", "from 0 to 1"),
    ("probability", "type: integer, constraints: {probability: 0.5}", "probability has no effect"),
    ("sequence", "type: integer, constraints: {sequence: {start: 0.5}}", "has whole numbers"),
    ("unique", "type: integer, constraints: {min: 1, max: 9, unique: true}", "need as many different values"),
    ("faker", "type: string, constraints: {faker: emial}", 'there is no Faker provider "emial"'),
    ("correlated_with", "type: double, constraints: {correlated_with: {field: m}}", 'there is no field "m"'),
    ("correlated_with", "type: double, constraints: {correlated_with: {field: g}}", "correlated_with needs a number"),
    ("seasonality", "type: timestamp, constraints: {seasonality: yearly}", "hourly, daily, weekly"),
    ("bursts", "type: timestamp, constraints: {bursts: {every: 1m}}", 'needs the key "length"'),
    ("sessions", "type: timestamp, constraints: {sessions: {entity: g, gap: 1h, length: long}}", "a duration"),
    ("arrival", "type: timestamp, constraints: {arrival: {waves: 2}}", 'unknown key "waves"'),
    ("null_probability", "type: integer, nullable: false, null_probability: 0.5", "not nullable"),
    ("precision", "type: decimal, constraints: {precision: 3, scale: 5}", "decimal(3, 5) does not exist"),
    ("scale", "type: integer, constraints: {scale: 2}", "scale has no effect"),
]


@pytest.mark.parametrize(("key", "field", "message"), REFUSED, ids=[f"{k}-{i}" for i, (k, _, _) in enumerate(REFUSED)])
def test_a_wrong_value_is_refused_at_its_place(key: str, field: str, message: str) -> None:
    with pytest.raises(VeloError) as caught:
        made(field)
    error = caught.value
    assert message in error.message
    assert error.code.exit_code == 2
    assert error.location is not None
    assert (error.location.file, error.location.line) == ("s.schema.yaml", 3)
    assert error.location.column > 1


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("type: string, constraints: {patern: a}", 'did you mean "pattern"?'),
        ("type: strng", 'did you mean "string"?'),
        ("type: integer, constraints: {derived: smal}", 'did you mean "small"?'),
        ("type: integer, constraints: {references: partner.id}", 'did you mean "partners"?'),
        ("type: string, constraints: {faker: emial}", 'did you mean "email"?'),
        ("type: integer, constraints: {distribution: unifrom}", 'did you mean "uniform"?'),
        ("type: timestamp, constraints: {start: yesterday, end: now}", "write now, -4h, or 2025-01-01T00:00:00Z"),
    ],
)
def test_what_is_nearly_right_is_suggested(field: str, hint: str) -> None:
    with pytest.raises(VeloError) as caught:
        made(field)
    assert caught.value.hint == hint


def test_no_constraint_is_left_out() -> None:
    keys = {key.name for key in CONSTRAINTS.keys} - {"generator"}
    assert keys <= {key for key, _, _ in HOLDS}
    assert keys <= {key for key, _, _ in REFUSED}
