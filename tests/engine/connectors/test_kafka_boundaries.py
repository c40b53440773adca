"""Where reading a topic starts and ends, as properties say it."""

from __future__ import annotations

import pytest

from velo_engine.connectors.kafka.start import Boundary, Place, end_of, start_of
from velo_engine.errors import ErrorCode, VeloError


@pytest.mark.parametrize(
    ("properties", "start"),
    [
        ({}, Boundary(Place.EARLIEST)),
        ({"auto.offset.reset": "latest"}, Boundary(Place.LATEST, otherwise=Place.LATEST)),
        ({"group.id": "g"}, Boundary(Place.GROUP)),
        ({"group.id": "g", "auto.offset.reset": "latest"}, Boundary(Place.GROUP, otherwise=Place.LATEST)),
        ({"group.id": "g", "scan.startup.mode": "earliest-offset"}, Boundary(Place.EARLIEST)),
        ({"scan.startup.mode": "latest"}, Boundary(Place.LATEST)),
        (
            {"scan.startup.mode": "timestamp", "scan.startup.timestamp-millis": "1700000000000"},
            Boundary(Place.TIMESTAMP, timestamp_ms=1_700_000_000_000),
        ),
        (
            {
                "scan.startup.mode": "specific-offsets",
                "scan.startup.specific-offsets": "partition:0,offset:42;partition:1,offset:300",
            },
            Boundary(Place.OFFSETS, offsets={0: 42, 1: 300}),
        ),
    ],
)
def test_where_a_source_starts(properties, start):
    assert start_of(properties) == start


@pytest.mark.parametrize(
    ("properties", "end"),
    [
        ({}, None),
        ({"scan.bounded.mode": "unbounded"}, None),
        ({"scan.bounded.mode": "latest-offset"}, Boundary(Place.LATEST, otherwise=Place.LATEST)),
        (
            {"scan.bounded.mode": "timestamp", "scan.bounded.timestamp-millis": "5"},
            Boundary(Place.TIMESTAMP, timestamp_ms=5),
        ),
    ],
)
def test_where_a_source_ends(properties, end):
    assert end_of(properties) == end


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"auto.offset.reset": "middle"}, '"middle" is not a value of auto.offset.reset'),
        ({"scan.startup.mode": "erliest-offset"}, '"erliest-offset" is not a value of scan.startup.mode'),
        ({"scan.startup.mode": "group-offsets"}, "needs a group"),
        ({"scan.startup.mode": "timestamp"}, "scan.startup.timestamp-millis is a number"),
        (
            {"scan.startup.mode": "specific-offsets", "scan.startup.specific-offsets": "0:42"},
            'scan.startup.specific-offsets is not "0:42"',
        ),
        ({"scan.bounded.mode": "earliest-offset"}, '"earliest-offset" is not a value of scan.bounded.mode'),
    ],
)
def test_values_that_mean_nothing(properties, message):
    with pytest.raises(VeloError, match=message) as caught:
        (start_of(properties), end_of(properties))

    assert caught.value.code is ErrorCode.BAD_PROPERTY
