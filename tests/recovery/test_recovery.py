"""A few kills of many (`make recovery`)."""

from __future__ import annotations

import itertools

import pytest

from tests.kafka.conftest import embedded_kafka as embedded_kafka
from tests.recovery.campaign import campaign, kills
from tests.recovery.victim import EXACTLY_ONCE_ONLY, Point


@pytest.mark.parametrize("exactly_once", [True, False], ids=["exactly once", "at least once"])
def test_a_killed_job_goes_on(embedded_kafka: str, exactly_once: bool) -> None:
    outcome = campaign(
        embedded_kafka, exactly_once=exactly_once, wanted=kills(7, exactly_once), most=10 if exactly_once else 5, seed=7
    )

    assert outcome.wrong == ()
    assert outcome.kills.total() == (10 if exactly_once else 5)
    assert not (exactly_once and outcome.duplicates)


def test_every_point_has_its_turn() -> None:
    ways = itertools.islice(kills(1, exactly_once=True), 2 * len(Point))
    assert {way.point for way in ways} == {*Point, None}
    ways = itertools.islice(kills(1, exactly_once=False), 2 * len(Point))
    assert not {way.point for way in ways} & EXACTLY_ONCE_ONLY
