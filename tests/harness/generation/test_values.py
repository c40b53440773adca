"""Generated values keep their constraints, and are spread as their distributions say (by statistics computed here)."""

import math
import statistics
import uuid
from collections import Counter
from datetime import UTC, date, datetime, time
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import types as t
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.data_schema import data_schema_of
from velo_harness.generation import generate
from velo_harness.generation.units import Unit
from velo_harness.yaml_source import parse_yaml

NOW = datetime(2025, 1, 1, tzinfo=UTC)
N = 20_000


def column(field, records=N, seed=1, **more):
    found = data_schema_of(parse_yaml("name: s\nfields:\n  - {name: f, " + field + "}", "s"))
    return generate(found, records=records, seed=seed, now=NOW, **more)["f"].to_pylist()


def refused(field, records=10, **more):
    with pytest.raises(VeloError) as caught:
        column(field, records, **more)
    return caught.value


def chi_square(counts, expected):
    return sum((counts[key] - expected[key]) ** 2 / expected[key] for key in expected)


def test_an_enum_without_weights_is_even():
    counts = Counter(column("type: string, constraints: {enum: [a, b, c, d]}"))
    assert set(counts) == set("abcd")
    assert chi_square(counts, dict.fromkeys("abcd", N / 4)) < 16.3  # 99.9 % of chi-square with 3 degrees of freedom


def test_an_enum_follows_its_weights():
    counts = Counter(
        column("type: bigint, constraints: {enum: {values: [10, 20, 30, 40], weights: [50, 30, 19.5, 0.5]}}")
    )
    expected = {10: 0.5 * N, 20: 0.3 * N, 30: 0.195 * N, 40: 0.005 * N}
    assert chi_square(counts, expected) < 16.3


def test_a_value_of_weight_zero_never_comes():
    assert set(column("type: string, constraints: {enum: [a, b, c], weights: [1, 0, 1]}")) == {"a", "c"}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any))
def test_alias_tables_give_the_weights_back(weights):
    """Exactly: the share of each index is what its column keeps and what others' columns pass on."""
    from velo_harness.generation.choices import AliasTable

    table = AliasTable(weights)
    shares = [0.0] * len(weights)
    for i, keep in enumerate(table._keep):
        shares[i] += keep / len(weights)
        shares[table._alias[i]] += (1 - keep) / len(weights)
    assert shares == pytest.approx([weight / sum(weights) for weight in weights], abs=1e-12)


def test_enum_values_have_the_fields_type():
    assert set(column("type: decimal, scale: 2, constraints: {enum: [1.5, 2]}")) == {Decimal("1.50"), Decimal("2.00")}
    assert set(column("type: string, constraints: {enum: [0123, NO, 1.50]}")) == {"0123", "NO", "1.50"}
    assert set(column("type: date, constraints: {enum: [2024-02-29]}")) == {date(2024, 2, 29)}
    assert set(column("type: time, constraints: {enum: ['12:30']}")) == {time(12, 30)}


@pytest.mark.parametrize(
    ("field", "low", "high", "kind"),
    [
        ("type: integer, constraints: {min: -3, max: 3}", -3, 3, int),
        ("type: tinyint, constraints: {min: -128, max: 127}", -128, 127, int),
        ("type: smallint, constraints: {min: 5, max: 6}", 5, 6, int),
        (
            "type: decimal, precision: 10, scale: 4, constraints: {min: 45.23, max: 45.2312}",
            Decimal("45.23"),
            Decimal("45.2312"),
            Decimal,
        ),
        (
            "type: decimal, precision: 38, scale: 2, constraints: {range: {min: -1.05, max: 1.05}}",
            Decimal("-1.05"),
            Decimal("1.05"),
            Decimal,
        ),
        ("type: double, constraints: {min: -0.5, max: 0.25}", -0.5, 0.25, float),
        ("type: date, constraints: {min: 2024-02-28, max: 2024-03-01}", date(2024, 2, 28), date(2024, 3, 1), date),
        ("type: time, constraints: {min: '09:00', max: '17:30'}", time(9), time(17, 30), time),
        (
            "type: timestamp, constraints: {min: 2024-01-01, max: 2024-01-02}",
            datetime(2024, 1, 1),
            datetime(2024, 1, 2),
            datetime,
        ),
    ],
)
def test_ranges_include_both_ends_and_nothing_beyond(field, low, high, kind):
    values = column(field)
    assert all(type(value) is kind and low <= value <= high for value in values)
    if len(set(values)) < 1000:
        assert (min(values), max(values)) == (low, high)


def test_small_ranges_are_even():
    counts = Counter(column("type: integer, constraints: {min: 1, max: 6}"))
    assert chi_square(counts, dict.fromkeys(range(1, 7), N / 6)) < 20.5  # 99.9 %, 5 degrees of freedom


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("type: integer", 0, 1000),
        ("type: tinyint", 0, 127),
        ("type: decimal, precision: 4, scale: 2", 0, 99),
        ("type: double", 0, 1000),
        ("type: integer, constraints: {min: 7}", 7, 1007),
        ("type: integer, constraints: {max: 7}", 0, 7),
        ("type: integer, constraints: {max: -7}", -1007, -7),
        ("type: date", date(2024, 1, 2), date(2025, 1, 1)),
        ("type: timestamp", datetime(2024, 12, 31, 23), datetime(2025, 1, 1)),
        ("type: time", time(0), time(23, 59, 59)),
    ],
)
def test_fields_that_say_nothing_have_sensible_ranges(field, low, high):
    values = column(field)
    assert low <= min(values)
    assert max(values) <= high
    assert len(set(values)) > 5


@settings(max_examples=50, deadline=None)
@given(st.integers(-(10**15), 10**15), st.integers(0, 10**15), st.integers(0, 6), st.integers(0, 2**31))
def test_decimals_are_exact_in_any_range(low, width, scale, seed):
    least, most = Decimal(low).scaleb(-scale), Decimal(low + width).scaleb(-scale)
    field = f"type: decimal, precision: 30, scale: {scale}, constraints: {{min: {least:f}, max: {most:f}}}"
    values = column(field, 50, seed)
    assert all(least <= value <= most and -value.as_tuple().exponent == scale for value in values)


def test_decimals_of_38_digits():
    values = column(f"type: decimal, precision: 38, scale: 0, constraints: {{min: {10**36}, max: {9 * 10**37}}}", 1000)
    assert all(10**36 <= value <= 9 * 10**37 for value in values)
    assert len(set(values)) > 990


def test_doubles_look_like_numbers_a_person_would_write():
    assert all(len(repr(value)) <= 13 for value in column("type: double, constraints: {min: 0, max: 1000}"))


def test_normal_by_default_centres_on_the_range():
    values = column("type: double, constraints: {min: 0, max: 60, distribution: normal}")
    assert statistics.mean(values) == pytest.approx(30, abs=0.4)
    assert statistics.stdev(values) == pytest.approx(10 * 0.9866, abs=0.3)  # cut at three standard deviations
    assert min(values) >= 0
    assert max(values) <= 60


def test_normal_with_parameters_and_no_range():
    values = column("type: decimal, scale: 2, constraints: {distribution: {type: normal, mean: 100, std_dev: 15}}")
    z = [(float(value) - 100) / 15 for value in values]
    assert statistics.mean(z) == pytest.approx(0, abs=0.03)
    assert statistics.stdev(z) == pytest.approx(1, abs=0.02)
    assert sum(abs(x) > 3 for x in z) > 10  # not cut


def test_cut_distributions_gather_no_mass_at_the_ends():
    values = column("type: integer, constraints: {min: 0, max: 100, distribution: {normal: {mean: 95, std_dev: 20}}}")
    counts = Counter(values)
    assert counts[100] < 1.5 * counts[97]
    assert max(values) == 100


def test_log_normal_is_normal_in_the_logarithm():
    values = column("type: double, constraints: {distribution: {log_normal: {mu: 2, sigma: 0.5}}}")
    logs = [math.log(value) for value in values]
    assert statistics.mean(logs) == pytest.approx(2, abs=0.02)
    assert statistics.stdev(logs) == pytest.approx(0.5, abs=0.02)
    skew = statistics.mean([((x - 2) / 0.5) ** 3 for x in logs])
    assert abs(skew) < 0.1


def test_log_normal_over_a_range_leans_to_small_values():
    values = column("type: integer, constraints: {min: 1, max: 100000, distribution: log_normal}")
    assert 200 < statistics.median(values) < 500  # the middle of the logarithms is 316
    assert min(values) >= 1
    assert max(values) <= 100_000


def test_exponential_has_its_mean_and_forgets():
    values = column("type: double, constraints: {min: 0, distribution: {exponential: {rate: 0.1}}}")
    assert statistics.mean(values) == pytest.approx(10, abs=0.3)
    beyond = [value - 10 for value in values if value > 10]
    assert statistics.mean(beyond) == pytest.approx(10, abs=0.6)


def test_zipf_falls_with_the_rank():
    counts = Counter(column("type: integer, constraints: {min: 1, max: 50, distribution: {zipf: {exponent: 1.0}}}"))
    total = sum(1 / k for k in range(1, 51))
    expected = {k: N / k / total for k in range(1, 51)}
    assert chi_square(counts, expected) < 86  # 99.9 %, 49 degrees of freedom


def test_zipf_over_an_enum_favours_the_first():
    counts = Counter(column("type: string, constraints: {enum: [a, b, c], distribution: {zipf: {exponent: 2}}}"))
    total = 1 + 1 / 4 + 1 / 9
    assert chi_square(counts, {"a": N / total, "b": N / 4 / total, "c": N / 9 / total}) < 13.9


def test_zipf_over_a_wide_range_stays_within_it():
    values = column("type: bigint, constraints: {min: 0, max: 1000000000000, distribution: zipf}")
    assert min(values) == 0
    assert max(values) <= 10**12


@pytest.mark.parametrize("share", [0, 0.05, 0.5, 1])
def test_nulls_have_their_share(share):
    values = column(f"type: integer, nullable: true, null_probability: {share}")
    assert values.count(None) / N == pytest.approx(share, abs=0.01)


def test_an_inputs_null_probability_is_for_fields_declared_nullable():
    assert column("type: integer, nullable: true", null_probability=1.0) == [None] * N
    assert None not in column("type: integer, nullable: true, null_probability: 0", null_probability=1.0)
    error = refused("type: integer", null_probability=0.5)
    assert "no effect" in error.message


def test_booleans():
    assert sum(column("type: boolean, constraints: {probability: 0.2}")) / N == pytest.approx(0.2, abs=0.01)
    assert sum(column("type: boolean")) / N == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize(
    ("constraints", "shortest", "longest"),
    [
        ("", 8, 16),
        (", constraints: {length: {min: 0, max: 3}}", 0, 3),
        (", constraints: {length: 5}", 5, 5),
        (", constraints: {max_length: 2}", 0, 2),
        (", constraints: {min_length: 20}", 20, 20),
    ],
)
@pytest.mark.parametrize("kind", ["string", "bytes"])
def test_lengths(kind, constraints, shortest, longest):
    lengths = {len(value) for value in column(f"type: {kind}{constraints}")}
    assert lengths == set(range(shortest, longest + 1))


def test_uuids_are_version_4():
    values = column("type: uuid")
    assert len(set(values)) == N
    assert all(uuid.UUID(value).version == 4 and str(uuid.UUID(value)) == value for value in values[:500])
    assert {uuid.UUID(value).variant for value in values[:500]} == {uuid.RFC_4122}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("type: integer, constraints: {sequence: true}", [1, 2, 3]),
        ("type: integer, constraints: {sequence: {start: 10, step: -5}}", [10, 5, 0]),
        (
            "type: decimal, scale: 2, constraints: {sequence: {start: 0.5, step: 0.25}}",
            [Decimal("0.50"), Decimal("0.75"), Decimal("1.00")],
        ),
        ("type: string, constraints: {sequence: {start: 7}}", ["7", "8", "9"]),
    ],
)
def test_sequences(field, expected):
    assert column(field, 3) == expected


def test_a_sequence_that_leaves_its_type():
    assert "leaves the type TINYINT" in refused("type: tinyint, constraints: {sequence: {start: 120}}").message
    assert "more digits" in refused("type: decimal, scale: 1, constraints: {sequence: {step: 0.25}}").message


@pytest.mark.parametrize(
    "field",
    [
        "type: integer, constraints: {min: 1, max: 1000, unique: true}",
        "type: string, constraints: {pattern: '[0-9]{3}', unique: true}",
        "type: date, constraints: {min: 2020-01-01, max: 2023-01-01, unique: true}",
        "type: timestamp, constraints: {start: -1h, end: now, unique: true}",
        "type: string, constraints: {faker: name, unique: true}",
        "type: string, constraints: {unique: true}",
        "type: string, constraints: {length: 2, unique: true}",
    ],
)
def test_unique_values_are_unique(field):
    assert len(set(column(field, 900))) == 900


def test_all_of_a_set_can_be_unique():
    assert sorted(column("type: integer, constraints: {min: 1, max: 1000, unique: true}", 1000)) == list(range(1, 1001))


def test_more_unique_values_than_there_are():
    error = refused("type: integer, constraints: {min: 1, max: 9, unique: true}")
    assert error.code is ErrorCode.BAD_VALUE
    assert error.message == "10 rows need as many different values, but there are only 9"
    assert (error.location.line, error.location.text[error.location.column - 1 :]) == (3, "true}}")


def test_faker_fills_text():
    values = column("type: string, constraints: {faker: email}", 2000)
    assert all("@" in value for value in values)
    assert 100 < len(set(values)) <= 500


@pytest.mark.parametrize(
    ("provider", "hint"),
    [
        ("nmae", 'did you mean "name"?'),
        ("seed_instance", None),
        ("date_of_birth", "use start and end"),
        ("profile", None),
        ("add_provider", None),
        ("__class__", None),
    ],
)
def test_faker_providers_that_are_refused(provider, hint):
    error = refused(f"type: string, constraints: {{faker: {provider}}}")
    assert error.code is ErrorCode.BAD_VALUE
    assert hint is None or hint in error.hint
    assert error.location.line == 3


def test_arrays_and_rows():
    values = column(
        "type: array, items: {type: integer, constraints: {min: 1, max: 3}}, constraints: {length: {min: 1, max: 2}}"
    )
    assert {len(value) for value in values} == {1, 2}
    assert {item for value in values for item in value} == {1, 2, 3}
    rows = column(
        "type: row, fields: [{name: a, type: boolean}, {name: b, type: integer, constraints: {derived: CASE WHEN a THEN 1 ELSE 0 END}}]",
        200,
    )
    assert {(row["a"], row["b"]) for row in rows} == {(True, 1), (False, 0)}


def test_maps_have_different_keys_and_values_by_their_constraints():
    values = column(
        "type: map, key: {type: string, constraints: {enum: [a, b, c]}},"
        " items: {type: integer, constraints: {min: 1, max: 3}}, constraints: {length: {min: 2, max: 3}}"
    )
    assert {len(value) for value in values} == {2, 3}
    for value in values:
        assert len({key for key, _ in value}) == len(value)
    assert {key for value in values for key, _ in value} == {"a", "b", "c"}
    assert {number for value in values for _, number in value} == {1, 2, 3}


def test_a_map_without_enough_keys_is_refused():
    error = refused(
        "type: map, key: {type: string, constraints: {enum: [a]}}, items: {type: date}, constraints: {length: 2}"
    )
    assert error.message == "a map needs more different keys than there seem to be"
    assert (error.location.line, error.hint is not None) == (3, True)


def test_the_key_of_a_map_is_never_null():
    error = refused("type: map, key: {type: string, null_probability: 0.5}, items: {type: date}")
    assert error.message == "the key of a map is never null"


def test_constraints_hold_deep_inside():
    values = column(
        "type: row, fields: [{name: lines, type: array, constraints: {length: 2}, items: {type: row, fields: ["
        "{name: sku, type: string, constraints: {pattern: '[A-Z]{3}'}},"
        "{name: labels, type: map, items: {type: array, items: {type: integer, null_probability: 0.5}}}]}}]",
        300,
    )
    lines = [line for value in values for line in value["lines"]]
    assert len(lines) == 600
    assert all(len(line["sku"]) == 3 and line["sku"].isupper() for line in lines)
    numbers = [n for line in lines for _, found in line["labels"] for n in found]
    assert 0.4 < sum(n is None for n in numbers) / len(numbers) < 0.6


def test_a_random_walk_moves_in_small_steps_within_its_range():
    values = column(
        "type: decimal, precision: 10, scale: 4, constraints: {min: 50, max: 60, distribution: {random_walk: {volatility: 0.01}}}"
    )
    steps = np.diff(np.log(np.array([float(value) for value in values])))
    assert min(values) >= 50
    assert max(values) <= 60
    assert np.std(steps) == pytest.approx(0.01, rel=0.05)
    assert abs(np.corrcoef(steps[1:], steps[:-1])[0, 1]) < 0.05


def test_a_random_walk_with_drift_and_start():
    values = column(
        "type: double, constraints: {min: 1, max: 1000000, distribution: {random_walk: {start: 10, drift: 0.01, volatility: 0}}}",
        500,
    )
    assert values == pytest.approx([10 * math.exp(0.01 * i) for i in range(500)], rel=1e-3)


def test_a_random_walk_through_zero_has_absolute_steps():
    values = column(
        "type: integer, constraints: {min: -1000, max: 1000, distribution: {random_walk: {volatility: 0.01}}}"
    )
    assert np.std(np.diff(values)) == pytest.approx(20, rel=0.1)
    assert min(values) >= -1000
    assert max(values) <= 1000


def test_each_group_walks_for_itself():
    text = """
        name: s
        fields:
          - {name: symbol, type: string, constraints: {enum: [A, B, C]}}
          - {name: venue, type: integer, constraints: {enum: [1, 2]}}
          - {name: price, type: double, constraints: {min: 1, max: 10000, distribution: {random_walk: {volatility: 0.001, group_by: [symbol, venue]}}}}
    """
    rows = generate(data_schema_of(parse_yaml(text, "s")), records=3000, seed=5, now=NOW).to_pylist()
    last, steps = {}, []
    for row in rows:
        key = (row["symbol"], row["venue"])
        if key in last:
            steps.append(abs(math.log(row["price"] / last[key])))
        last[key] = row["price"]
    assert len(last) == 6
    assert max(steps) < 0.006  # no jump between the levels of two groups
    assert len({round(price, -1) for price in last.values()}) > 2


def test_floats_stay_finite_at_the_end_of_their_range() -> None:
    made = Unit(t.DOUBLE, -294).floats(np.array([-(10**18), 7, 10**18]))
    assert np.isfinite(made).all()
    assert made[1] == 7e294
