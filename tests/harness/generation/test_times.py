"""Times: relative to the run's now, rising, in the job's zone; simulated event times really come out of order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.data_schema import data_schema_of
from velo_harness.generation import TimePlan, generate
from velo_harness.generation.times import instant
from velo_harness.spec import TimeSimulation
from velo_harness.yaml_source import parse_yaml

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def schema(*fields):
    lines = "".join(f"  - {{{field}}}\n" for field in fields)
    return data_schema_of(parse_yaml("name: s\nfields:\n" + lines, "s"))


def column(field, records=1000, **more):
    return generate(schema("name: f, " + field), records=records, seed=1, now=NOW, **more)["f"].to_pylist()


def simulated(records=1000, field="type: timestamp", more_fields=(), target=None, **simulation):
    plan = TimePlan(TimeSimulation(**simulation), target)
    found = schema("name: f, " + field, *more_fields)
    return generate(found, records=records, seed=1, now=NOW, event_times=plan)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("-1h", NOW - timedelta(hours=1)),
        ("+5m", NOW + timedelta(minutes=5)),
        ("now - 2 days", NOW - timedelta(days=2)),
        ("now+500ms", NOW + timedelta(milliseconds=500)),
        ("2025-01-01T00:00:00Z", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2025-01-01 02:00+02:00", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2025-01-01", datetime(2025, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_as_specs_write_them(text, expected):
    assert instant(text, NOW, None) == int(expected.timestamp()) * 1_000_000 + expected.microsecond


def test_a_naive_time_means_the_jobs_zone():
    assert instant("2025-07-01", NOW, BERLIN) == int(datetime(2025, 6, 30, 22, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize("text", ["tomorrow", "-1 parsec", "1h ago", ""])
def test_what_is_no_time(text):
    with pytest.raises(VeloError) as caught:
        instant(text, NOW, None)
    assert caught.value.code is ErrorCode.BAD_VALUE


def test_timestamps_of_a_range_rise_and_stay_within_it():
    values = column("type: timestamp, constraints: {range: relative, start: -1h, end: now}")
    assert values == sorted(values)
    assert values[0] >= datetime(2025, 7, 1, 11)
    assert values[-1] < datetime(2025, 7, 1, 12)
    assert all(value.microsecond % 1000 == 0 for value in values)
    quarter = sum(value < datetime(2025, 7, 1, 11, 15) for value in values)
    assert 200 < quarter < 300


def test_times_may_come_in_any_order_when_asked():
    values = column("type: timestamp, constraints: {start: -1h, end: now, sequential: false}")
    rising = sum(a <= b for a, b in pairwise(values))
    assert 400 < rising < 600


def test_dates_come_in_any_order_unless_asked():
    field = "type: date, constraints: {start: 2020-01-01, end: 2021-01-01%s}"
    values = column(field % "")
    assert values != sorted(values)
    assert {value.year for value in values} == {2020}
    rising = column(field % ", sequential: true")
    assert rising == sorted(rising)


def test_milliseconds_since_the_epoch():
    values = column("type: bigint, constraints: {timestamp_epoch_ms: {start: -1s, end: now}}")
    end = int(NOW.timestamp() * 1000)
    assert values == sorted(values)
    assert end - 1000 <= values[0] <= values[-1] < end


def test_the_jobs_zone_is_that_of_timestamps_without_one():
    constraint = "constraints: {start: 2025-07-01T10:00:00Z, end: 2025-07-01T10:00:01Z}"
    local = column(f"type: timestamp, {constraint}", zone=BERLIN)
    instants = column(f"type: timestamp_ltz, {constraint}", zone=BERLIN)
    assert {value.hour for value in local} == {12}
    assert {value.hour for value in instants} == {10}


def test_an_empty_range_is_refused_at_its_place():
    with pytest.raises(VeloError, match="the time range is empty") as caught:
        column("type: timestamp, constraints: {start: now, end: -1h}")
    assert caught.value.location.line == 3


def test_a_rate_spaces_event_times_evenly():
    times = simulated(start_time="-10s", events_per_second=Decimal(100))["f"].to_pylist()
    assert times[0] == datetime(2025, 7, 1, 11, 59, 50)
    assert {b - a for a, b in pairwise(times)} == {timedelta(milliseconds=10)}


def test_without_a_start_simulated_times_end_now():
    times = simulated(events_per_second=Decimal(10), records=100)["f"].to_pylist()
    assert times[0] == datetime(2025, 7, 1, 11, 59, 50)
    assert times[-1] == datetime(2025, 7, 1, 11, 59, 59, 900_000)


def test_start_and_end_are_filled_evenly():
    times = simulated(start_time="-1h", end_time="-30m", records=1800)["f"].to_pylist()
    assert (times[0], times[-1]) == (datetime(2025, 7, 1, 11), datetime(2025, 7, 1, 11, 29, 59))


def test_jitter_really_reorders():
    times = simulated(start_time="-100s", events_per_second=Decimal(10), jitter_ms=5000)["f"].to_pylist()
    even = [datetime(2025, 7, 1, 11, 58, 20) + timedelta(milliseconds=100 * i) for i in range(1000)]
    back = [(a - b).total_seconds() for a, b in zip(even, times, strict=True)]
    assert min(back) >= 0
    assert 4.9 < max(back) <= 5.001
    latest, late = times[0], 0
    for value in times:
        late += value < latest - timedelta(seconds=3)
        latest = max(latest, value)
    assert late > 50


def test_simulated_times_may_be_spread_at_random():
    times = simulated(start_time="-1h", end_time="now", sequential=False)["f"].to_pylist()
    assert times != sorted(times)
    assert min(times) >= datetime(2025, 7, 1, 11)


def test_the_first_timestamp_is_simulated_unless_another_is_named():
    other = ("name: g, type: timestamp",)
    first = simulated(more_fields=other, start_time="2020-01-01", events_per_second=Decimal(1))
    assert {value.year for value in first["f"].to_pylist()} == {2020}
    assert {value.year for value in first["g"].to_pylist()} == {2025}
    second = simulated(more_fields=other, target="g", start_time="2020-01-01", events_per_second=Decimal(1))
    assert {value.year for value in second["g"].to_pylist()} == {2020}
    assert {value.year for value in second["f"].to_pylist()} == {2025}


def test_a_whole_number_of_milliseconds_can_be_the_event_time():
    table = simulated(
        3,
        "type: bigint, constraints: {timestamp_epoch_ms: {start: -1h, end: now}}",
        start_time="1970-01-01",
        events_per_second=Decimal(1),
    )
    assert table["f"].to_pylist() == [0, 1000, 2000]


@pytest.mark.parametrize(
    ("field", "target", "simulation", "message"),
    [
        ("type: string", None, {}, "no field is a timestamp"),
        ("type: string", "f", {}, 'cannot fill "f"'),
        ("type: timestamp", None, {"start_time": "now", "end_time": "-1h"}, "ends before it starts"),
        ("type: timestamp", None, {"start_time": "soon"}, '"soon" is not a time'),
        ("type: timestamp", None, {"events_per_second": Decimal(0)}, "greater than 0"),
        (
            "type: timestamp",
            None,
            {"start_time": "-1s", "end_time": "now", "events_per_second": Decimal(1)},
            "last longer",
        ),
    ],
)
def test_simulations_that_cannot_be_meant(field, target, simulation, message):
    with pytest.raises(VeloError, match=message):
        simulated(1000, field, (), target, **simulation)
