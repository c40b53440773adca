"""When rows come: seasons, bursts, sessions of an entity, rates of a slower clock, batches."""

import math
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby, pairwise

import numpy as np
import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.data_schema import data_schema_of
from velo_harness.generation import TimePlan, generate
from velo_harness.spec import TimeSimulation
from velo_harness.yaml_source import parse_yaml

NOW = datetime(2025, 1, 8, tzinfo=UTC)
"""A Wednesday."""
USERS = "name: user, type: string, constraints: {pattern: 'u[0-4]'}"


def schema(*fields):
    lines = "".join(f"  - {{{field}}}\n" for field in fields)
    return data_schema_of(parse_yaml("name: s\nfields:\n" + lines, "s.schema.yaml"))


def made(*fields, records=10_000, **more):
    return generate(schema(*fields), records=records, seed=3, now=NOW, **more)


def times(constraints, records=10_000, **more):
    table = made(f"name: at, type: timestamp, constraints: {{{constraints}}}", records=records, **more)
    return table["at"].to_pylist()


def refused(*fields, **more):
    with pytest.raises(VeloError) as caught:
        made(*fields, **more)
    return caught.value


def hours(values):
    return np.bincount([value.hour for value in values], minlength=24)


def test_a_season_is_highest_at_its_peak_and_lowest_half_a_period_later():
    values = times("start: -7d, end: now, seasonality: {period: daily, amplitude: 0.9, peak: 14h}", 24_000)
    assert values == sorted(values)
    found = hours(values)
    # The mean rate of the hour from h is 1 + 0.9 * cos over it, 1000 rows at rate 1; five standard deviations.
    for hour in range(24):
        angle = 2 * math.pi / 24
        mean = 1 + 0.9 * (math.sin((hour + 1 - 14) * angle) - math.sin((hour - 14) * angle)) / angle
        assert abs(found[hour] - 1000 * mean) < 5 * math.sqrt(1000 * mean) + 5


def test_a_week_begins_on_monday():
    values = times("start: 2025-01-06T00:00:00Z, end: 2025-01-20T00:00:00Z, seasonality: {period: weekly, peak: 12h}")
    by_day = np.bincount([value.weekday() for value in values], minlength=7)
    assert by_day.argmax() == 0
    assert by_day.argmin() in (3, 4)


def test_two_seasons_multiply():
    values = times("start: -14d, end: now, seasonality: [weekly, {period: daily, peak: 6h}]", 20_000)
    found = hours(values)
    assert found[6] > 3 * found[18]
    by_day = np.bincount([value.weekday() for value in values], minlength=7)
    assert by_day[[6, 0]].min() > by_day[[3]].max()


def test_bursts_come_so_often_and_are_so_much_denser():
    values = times("start: -1h, end: now, bursts: {every: 10m, length: 1m, factor: 9}", 18_000)
    inside = sum(value.minute % 10 == 0 for value in values)
    # A tenth of the time at nine times the rate: half of the rows; five standard deviations.
    assert abs(inside - 9000) < 5 * math.sqrt(18_000 * 0.25)


def test_a_number_of_bursts_lies_anywhere():
    values = times("start: -1d, end: now, bursts: {count: 3, length: 1m, factor: 500}", 10_000)
    by_minute = np.bincount([value.hour * 60 + value.minute for value in values], minlength=1440)
    busy = by_minute > 20
    starts = sum(bool(b) and not bool(a) for a, b in pairwise([False, *busy]))
    assert starts == 3
    assert 3 <= busy.sum() <= 6


def sessions_of(table):
    """Per user the rows' times, cut where more than the gap of five minutes lies between them."""
    rows = sorted(zip(table["user"].to_pylist(), table["at"].to_pylist(), strict=True))
    for user, group in groupby(rows, key=lambda row: row[0]):
        moments = [moment for _, moment in group]
        sessions = [[moments[0]]]
        for before, after in pairwise(moments):
            if (after - before).total_seconds() > 300:
                sessions.append([])
            sessions[-1].append(after)
        yield user, sessions


@pytest.mark.parametrize(("length", "kind"), [("2m", "timestamp"), ("20m", "timestamp(0)")])
def test_the_rows_of_an_entity_come_in_sessions(length, kind):
    pattern = f"start: -10h, end: now, sessions: {{entity: user, gap: 5m, length: {length}, events: 8}}"
    table = made(f"name: at, type: {kind}, constraints: {{{pattern}}}", USERS, records=1000)
    at = table["at"].to_pylist()
    assert at == sorted(at)
    assert at[0] >= datetime(2025, 1, 7, 14)
    assert at[-1] < datetime(2025, 1, 8)
    longest = int(length[:-1]) * 60
    counts = []
    for _, sessions in sessions_of(table):
        assert all((rows[-1] - rows[0]).total_seconds() <= longest for rows in sessions)
        counts += [len(rows) for rows in sessions]
    assert len(counts) > 90
    assert set(counts) <= {7, 8, 9}
    assert sum(counts) == 1000


def test_no_two_rows_of_one_session_and_none_of_two_stand_at_the_gap():
    """SESSION windows of the gap are exactly the sessions: distances are below it or above it."""
    pattern = "start: -2h, end: now, sessions: {entity: user, gap: 1m, length: 10m, events: 20}"
    table = made(f"name: at, type: timestamp, constraints: {{{pattern}}}", USERS, records=500)
    rows = sorted(zip(table["user"].to_pylist(), table["at"].to_pylist(), strict=True))
    distances = [(b[1] - a[1]).total_seconds() for a, b in pairwise(rows) if a[0] == b[0]]
    assert 60 not in distances
    wanted = sum(math.ceil(count / 20) for count in Counter(user for user, _ in rows).values())
    assert wanted > 20
    assert sum(distance > 60 for distance in distances) + 5 == wanted


def test_what_follows_from_the_entity_still_fits_it():
    table = made(
        "name: at, type: timestamp, constraints: {start: -5h, end: now, sessions: {by: user, gap: 5m, length: 1m}}",
        USERS,
        "name: copy, type: string, constraints: {derived: UPPER(user)}",
        "name: id, type: bigint, constraints: {sequence: true}",
        records=300,
    )
    assert [user.upper() for user in table["user"].to_pylist()] == table["copy"].to_pylist()
    assert table["id"].to_pylist() == list(range(1, 301))


def test_the_same_seed_gives_the_same_sessions_and_bursts():
    pattern = "start: -5h, end: now, arrival: {bursts: {count: 2, length: 5m}}"
    assert times(pattern, 50) == times(pattern, 50)


def test_times_of_a_simulation_have_the_pattern_of_the_field():
    plan = TimePlan(TimeSimulation("-1h", "now"))
    fields = "name: at, type: timestamp, constraints: {bursts: {every: 30m, length: 3m, factor: 9}}"
    table = generate(schema(fields), records=600, seed=1, now=NOW, event_times=plan)
    inside = sum(value.minute % 30 < 3 for value in table["at"].to_pylist())
    assert inside == 300  # even times: no chance in it


def test_a_clock_that_runs_faster_spaces_the_times_wider():
    plan = TimePlan(TimeSimulation("2025-01-01T00:00:00Z", events_per_second=Decimal(10), time_scale=Decimal(60)))
    table = generate(schema("name: at, type: timestamp"), records=4, seed=1, now=NOW, event_times=plan)
    assert [value.second for value in table["at"].to_pylist()] == [0, 6, 12, 18]


def test_rows_of_a_batch_have_one_time():
    plan = TimePlan(TimeSimulation("2025-01-01T00:00:00Z", events_per_second=Decimal(1), batch_size=3))
    table = generate(schema("name: at, type: timestamp"), records=7, seed=1, now=NOW, event_times=plan)
    assert [value.second for value in table["at"].to_pylist()] == [0, 0, 0, 3, 3, 3, 6]


@pytest.mark.parametrize(
    ("simulation", "message"),
    [
        ({"time_scale": Decimal(2)}, "time_scale has no effect without a rate"),
        ({"batch_size": 2, "sequential": False}, "batch_size has no effect on times that do not rise"),
    ],
)
def test_a_simulation_whose_keys_have_no_effect(simulation, message):
    error = refused("name: at, type: timestamp", event_times=TimePlan(TimeSimulation(**simulation)))
    assert error.message == message


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ("seasonality: sometimes", "this must be a mapping (seasonality) or one of hourly, daily, weekly"),
        ("seasonality: {period: 0s}", "the period must be longer than 0"),
        ("seasonality: {amplitude: 2}", "this must be a number from 0 to 1"),
        ("bursts: {length: 5s}", "bursts need either every or count"),
        ("bursts: {length: 5s, every: 1m, count: 2}", "bursts need either every or count"),
        ("bursts: {length: 2m, every: 1m}", "a burst begins before the one before it has ended"),
        ("bursts: {length: 5s, count: 2, factor: 0.5}", "this must be a number from 1"),
        ("sessions: {gap: 5m, length: 1m}", 'needs the key "entity"'),
        ("sessions: {entity: [], gap: 5m, length: 1m}", "at least 1"),
        ("sessions: {entity: user, gap: 0s, length: 1m}", "the gap must be longer than 0"),
        ("sessions: {entity: users, gap: 5s, length: 1m}", 'there is no field "users"'),
        ("sessions: {entity: twice, gap: 5s, length: 1m}", '"twice" follows from other fields or rows'),
        ("sessions: {entity: user, gap: 5s, length: 2h}", "not longer than one session"),
        ("sessions: {entity: user, gap: 5s, length: 1m}, bursts: {length: 5s, count: 2}", '"bursts" has no effect'),
        ("arrival: {}", "an arrival pattern needs seasonality, bursts or sessions"),
        ("arrival: {seasonality: daily}, bursts: {length: 5s, count: 2}", "stands under arrival and beside it"),
        ("seasonality: daily, unique: true", '"unique" has no effect beside "seasonality"'),
        ("seasonality: daily, enum: [2025-01-01T00:00:00Z]", "no effect on times that are not spread"),
    ],
)
def test_what_is_refused_says_where(constraints, message):
    error = refused(
        f"name: at, type: timestamp, constraints: {{{constraints}}}",
        USERS,
        "name: twice, type: string, constraints: {derived: user || user}",
    )
    assert message in error.message
    assert error.location is not None
    assert (error.location.file, error.location.line) == ("s.schema.yaml", 3)


def test_a_pattern_needs_times():
    error = refused("name: n, type: bigint, constraints: {seasonality: daily}")
    assert error.code is ErrorCode.BAD_VALUE
    assert error.message == "seasonality has no effect on a field of type BIGINT"
