"""Records that come again, and records that come later: both are a new order of an input's records.

How much later something comes is counted on the times at which records arrive: their event times, as far as the source
has any (a record never arrives before the one in front of it), else one millisecond for each record.
"""

from __future__ import annotations

import numpy as np

from velo_engine.batch import Bools, Int64s
from velo_harness.faults.model import Duplicates, OutOfOrder


def arrivals(count: int, event_times_ms: Int64s | None) -> Int64s:
    """When each record of an input arrives, in milliseconds; rising."""
    if event_times_ms is None or not count:
        return np.arange(count, dtype=np.int64)
    return np.maximum.accumulate(event_times_ms)


def with_copies(arrival: Int64s, chosen: Int64s, wanted: Duplicates, rng: np.random.Generator) -> tuple[Int64s, Bools]:
    """The order with copies of the records `chosen`: per place the record that stands there, and whether as a copy."""
    count = len(arrival)
    copies = rng.integers(1, wanted.max_duplicates, len(chosen), endpoint=True)
    origin = np.concatenate([np.arange(count), np.repeat(chosen, copies)])
    is_copy = np.arange(len(origin)) >= count
    at = arrival[origin] + np.where(is_copy, wanted.delay_ms, 0)
    # A copy without delay stands right behind its record.
    first = origin if not wanted.delay_ms else np.where(is_copy, count, origin)
    by = np.lexsort((origin, is_copy, first, at))
    return origin[by], is_copy[by]


def moved_back(arrival: Int64s, chosen: Int64s, wanted: OutOfOrder, rng: np.random.Generator) -> tuple[Int64s, Bools]:
    """The order with the records `chosen` later: per place the record that stands there, and whether
    others have overtaken it because it was. A record that nothing could overtake stays where it is.
    """
    count = len(arrival)
    places = np.arange(count, dtype=np.int64)
    if wanted.max_delay_ms is not None:
        late = arrival[chosen] + rng.integers(0, wanted.max_delay_ms, len(chosen), endpoint=True)
        behind = np.searchsorted(arrival, late, side="left") - 1
    else:
        assert wanted.window_size is not None
        behind = chosen + rng.integers(1, wanted.window_size, len(chosen), endpoint=True)
    if wanted.window_size is not None:
        behind = np.minimum(behind, chosen + wanted.window_size)
    behind = np.clip(behind, chosen, count - 1)
    places[chosen] = behind
    is_late = np.zeros(count, np.bool_)
    is_late[chosen] = behind > chosen
    order = np.lexsort((np.arange(count), is_late, places))
    overtaken = np.maximum.accumulate(order) > order
    return order, is_late[order] & overtaken
