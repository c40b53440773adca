"""How the sources of a job that goes on are waited for."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pytest

from velo_engine import types
from velo_engine.connectors.source import SourceBatch
from velo_engine.runtime.inputs import TableInput, TableSource
from velo_engine.runtime.live_input import TURN_S, BoundedInput, LiveInput
from velo_engine.runtime.timeline import FixedClock
from velo_engine.schema import RowSchema


@dataclass
class Quiet:
    """A source that has nothing, and writes down how long it was waited for."""

    name: str
    ended: bool = False
    waited_s: list[float] = field(default_factory=list)

    def poll(self, limit: int, timeout_s: float) -> SourceBatch | None:
        self.waited_s.append(timeout_s)
        return None


def test_one_source_is_waited_for_all_the_time() -> None:
    source, over = Quiet("a"), Quiet("b", ended=True)
    assert LiveInput([source, over], FixedClock(0), 10).next(0, 0.1) is None
    assert (source.waited_s, over.waited_s) == ([0, 0.1], [])


@pytest.mark.parametrize("count", [2, 3])
def test_several_sources_are_waited_for_in_short_turns(count: int) -> None:
    sources = [Quiet(str(i)) for i in range(count)]
    assert LiveInput(sources, FixedClock(0), 10).next(0, 0.1) is None
    assert sum(sum(s.waited_s) for s in sources) == pytest.approx(0.1)
    assert max(max(s.waited_s) for s in sources) <= TURN_S


def test_without_time_nobody_waits() -> None:
    sources = [Quiet("a"), Quiet("b")]
    assert LiveInput(sources, FixedClock(0), 10).next(0, 0.0) is None
    assert not any(any(s.waited_s) for s in sources)


def test_a_span_with_as_much_as_a_source_may_give_is_full() -> None:
    schema = RowSchema.of(("n", types.BIGINT))
    rows = TableSource("t", schema, TableInput(pa.table({"n": list(range(25))})))
    live = LiveInput([BoundedInput(rows)], FixedClock(0), 10)
    spans = [live.next(seq, 0.0) for seq in (0, 10, 20)]
    assert [live.full(span) for span in spans if span is not None] == [True, True, False]


class Empty(Quiet):
    """A source that finds its end when it is asked, having nothing to give."""

    def poll(self, limit: int, timeout_s: float) -> SourceBatch | None:
        self.ended = True
        return super().poll(limit, timeout_s)


@pytest.mark.parametrize("count", [1, 2])
def test_sources_that_end_with_nothing_are_not_waited_for(count: int) -> None:
    sources = [Empty(str(i)) for i in range(count)]
    live = LiveInput(sources, FixedClock(0), 10)
    assert live.next(0, 0.1) is None
    assert (live.ended, [s.waited_s for s in sources]) == (True, [[0]] * count)
