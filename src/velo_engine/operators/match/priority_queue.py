"""Java's PriorityQueue, to the last exchange of elements: equal elements come out in the order that it gives them.

Flink keeps partial and completed matches in such queues by the row with which they began, where ties are the rule;
which of two equal matches is given out, and the other skipped, is decided by the places of elements in the array.
Source: java.util.PriorityQueue of JDK 17 (siftUp, siftDown, bulkRemove, heapify).

An item is a tuple that begins with its key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Item: TypeAlias = tuple[Any, ...]


def offer(queue: list[Item], item: Item) -> None:
    """Add an item."""
    at = len(queue)
    queue.append(item)
    key = item[0]
    while at:
        parent = (at - 1) >> 1
        above = queue[parent]
        if key >= above[0]:
            break
        queue[at] = above
        at = parent
    queue[at] = item


def poll(queue: list[Item]) -> Item:
    """Take out the first item."""
    first = queue[0]
    last = queue.pop()
    if queue:
        _sift_down(queue, 0, last)
    return first


def remove_if(queue: list[Item], removed: Callable[[Item], bool]) -> None:
    """Take out all items for which `removed` is true."""
    kept = [item for item in queue if not removed(item)]
    if len(kept) == len(queue):
        return
    queue[:] = kept
    for at in range((len(queue) >> 1) - 1, -1, -1):
        _sift_down(queue, at, queue[at])


def _sift_down(queue: list[Item], at: int, item: Item) -> None:
    size = len(queue)
    half = size >> 1
    key = item[0]
    while at < half:
        child = 2 * at + 1
        below = queue[child]
        if child + 1 < size and below[0] > queue[child + 1][0]:
            child += 1
            below = queue[child]
        if key <= below[0]:
            break
        queue[at] = below
        at = child
    queue[at] = item
