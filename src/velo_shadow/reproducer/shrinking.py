"""The fewest items with which something still holds (Zeller's delta debugging)."""

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
    """The items, in their order, without those that can be left out. It must hold with all of them."""
    kept = tuple(items)
    if not kept or holds(()):
        return Smallest((), complete=True)
    trials -= 1
    parts = 2
    while len(kept) >= 2:
        size = max(1, -(-len(kept) // parts))
        for start in range(0, len(kept), size):
            if trials <= 0:
                return Smallest(kept, complete=False)
            trials -= 1
            fewer = kept[:start] + kept[start + size :]
            if fewer and holds(fewer):
                kept, parts = fewer, max(2, parts - 1)
                break
        else:
            if size == 1:
                return Smallest(kept, complete=True)
            parts = min(len(kept), parts * 2)
    return Smallest(kept, complete=True)
