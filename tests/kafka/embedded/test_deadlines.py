"""Things that happen after a while."""

from __future__ import annotations

from tests.kafka.embedded.clock import ManualClock


def test_deadlines_come_in_order_of_time_once_each() -> None:
    clock, happened = ManualClock(), list[str]()
    clock.deadlines.after(200, lambda: happened.append("later"))
    clock.deadlines.after(100, lambda: happened.append("sooner"))
    clock.advance(100)
    assert happened == ["sooner"]
    clock.advance(1000)
    assert happened == ["sooner", "later"]


def test_a_deadline_can_be_moved_both_ways_and_called_off() -> None:
    clock, happened = ManualClock(), list[str]()
    start = clock.now
    later, sooner, off = (
        clock.deadlines.after(500, lambda name=name: happened.append(f"{name} {clock.now - start}"))  # type: ignore[misc]
        for name in ("later", "sooner", "off")
    )
    later.move(start + 900)
    sooner.move(start + 200)
    off.cancel()
    clock.advance(2000)
    assert happened == ["sooner 200", "later 900"]
