"""What can be compared: times by hand."""

from __future__ import annotations

import numpy as np

from velo_shadow.finality import Finality, Progress, finality
from velo_shadow.model import Side

TIMES = np.array([100, 200, 300, 400])


def states(span: Finality) -> tuple[list[int], list[int]]:
    pending, warm_up = span.states(TIMES, TIMES)
    return TIMES[pending].tolist(), TIMES[warm_up].tolist()


def test_rows_that_one_side_has_not_passed_are_pending() -> None:
    progress = {Side.LEFT: Progress().stated(300), Side.RIGHT: Progress().seen(251)}

    assert states(finality(progress, grace_ms=50)) == ([300, 400], [])


def test_rows_of_the_latest_time_itself_may_still_come() -> None:
    progress = {Side.LEFT: Progress().stated(300), Side.RIGHT: Progress().seen(200)}

    assert states(finality(progress, grace_ms=0)) == ([200, 300, 400], [])


def test_a_watermark_counts_more_than_the_times_seen_and_does_not_go_back() -> None:
    side = Progress().stated(300).seen(900).stated(200)

    assert side.passed_ms(0) == 300


def test_times_seen_out_of_order_keep_the_latest() -> None:
    assert Progress().seen(300).seen(100).passed_ms(100) == 199


def test_nothing_is_final_while_nothing_is_known_of_one_side() -> None:
    progress = {Side.LEFT: Progress().seen(900), Side.RIGHT: Progress()}

    assert states(finality(progress, grace_ms=0)) == ([100, 200, 300, 400], [])


def test_what_began_before_the_comparison_is_warm_up_and_not_pending() -> None:
    progress = {side: Progress().seen(201) for side in Side}
    span = finality(progress, grace_ms=0, started_ms=150)

    pending, warm_up = span.states(TIMES - 100, TIMES)  # windows of 100 ms

    assert (TIMES[pending].tolist(), TIMES[warm_up].tolist()) == ([300, 400], [100, 200])


def test_ended_sides_have_nothing_pending() -> None:
    progress = {side: Progress() for side in Side}

    assert states(finality(progress, grace_ms=0, ended=True)) == ([], [])
