"""Where a comparison stands while it runs: the fields of a line, where lines go, and the moments that are kept."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from velo_cli.shadow_live import ShadowLive, view_fields
from velo_shadow.model import Side
from velo_shadow.reports.course import Course
from velo_shadow.stream.comparator import StreamView

VIEW = StreamView(
    left=1_234_567,
    right=1_234_570,
    matched=1_234_401,
    different=166,
    pending=12,
    warm_up=40,
    copies=5,
    by_column={"currency": 2, "amount": 164},
    latest_ms={Side.LEFT: 1_767_268_800_000, Side.RIGHT: 1_767_268_797_000},
    rows_per_second=52_100.4,
    steps=7,
)


def test_a_line_says_how_it_stands_and_who_is_behind() -> None:
    assert view_fields(VIEW, 52_100.4) == [
        "read 1,234,567 left, 1,234,570 right (52,100/s)",
        "1,234,401 equal",
        "166 different",
        "12 pending",
        "40 warm-up",
        "5 delivered again",
        "right 3.0 s behind",
        "in amount 164, currency 2",
    ]


def test_what_is_nothing_is_not_said() -> None:
    quiet = StreamView(left=1, right=1, matched=1, different=0, pending=0, warm_up=0, copies=0)
    near = {Side.LEFT: 5_000, Side.RIGHT: 5_999}

    assert view_fields(replace(quiet, latest_ms=near), 0.0) == [
        "read 1 left, 1 right (0/s)", "1 equal", "0 different", "0 pending",
    ]  # fmt: skip
    ahead = replace(quiet, latest_ms={Side.LEFT: 0, Side.RIGHT: 600_000}, by_column=dict.fromkeys("abcdef", 1))
    assert view_fields(ahead, 0.0)[-2:] == ["left 10 min behind", "in a 1, b 1, c 1, d 1 …"]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_there_is_a_line_a_sink_every_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with ShadowLive(["totals", "raw\x1b[31m"], clock=clock) as live:
        for second in range(70):
            clock.now = 100.0 + second
            live.show("totals", replace(VIEW, left=second))
            live.show("raw\x1b[31m", VIEW)

    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert [line.split("  ")[:3] for line in lines] == [
        ["0:00:30", "totals", "read 30 left, 1,234,570 right (52,100/s)"],
        ["0:00:30", "raw\\x1b[31m", "read 1,234,567 left, 1,234,570 right (52,100/s)"],
        ["0:01:00", "totals", "read 60 left, 1,234,570 right (52,100/s)"],
        ["0:01:00", "raw\\x1b[31m", "read 1,234,567 left, 1,234,570 right (52,100/s)"],
    ]


def test_a_course_keeps_few_moments_evenly_and_always_the_last() -> None:
    course = Course(most=20, memory=lambda: 7)
    assert course.moments == ()

    for second in range(1001):
        course.add(float(second), replace(VIEW, left=second))

    kept = [moment.elapsed_s for moment in course.moments]
    gaps = [after - before for before, after in pairwise(kept[:-1])]
    assert (kept[0], kept[-1]) == (0.0, 1000.0)
    assert 10 <= len(kept) <= 20
    assert max(gaps) <= 4 * min(gaps)
    assert {moment.memory_bytes for moment in course.moments} == {7}
    assert [moment.compared for moment in course.moments] == [1_234_567] * len(kept)
