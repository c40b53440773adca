"""The fewest items with which something still holds: delta debugging, by ever smaller parts that are left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

MOST_TRIALS = 300
"""How often it may be asked."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Smallest(Generic[_T]):
    """What is left."""

    items: tuple[_T, ...]
    complete: bool
    """Not one item more can be left out; otherwise the trials ran out."""


def smallest(items: Sequence[_T], holds: Callable[[Sequence[_T]], bool], trials: int = MOST_TRIALS) -> Smallest[_T]:
    """The items, in their order, without those that can be left out. It must hold with all of them.

    Few of n are found in about twice their number times log2(n) trials.
    """
    kept = tuple(items)
    if not kept or holds(()):
        return Smallest((), complete=True)
    trials -= 1
    size = len(kept)
    removed = True
    while removed or size > 1:
        size, removed = max(1, size // 2), False
        start = 0
        while start < len(kept):
            if trials <= 0:
                return Smallest(kept, complete=False)
            trials -= 1
            fewer = kept[:start] + kept[start + size :]
            if fewer and holds(fewer):
                kept, removed = fewer, True
            else:
                start += size
    return Smallest(kept, complete=True)
