"""Items in the order of their arrival: ARRAY_AGG, LISTAGG, JSON_ARRAYAGG, and FIRST_VALUE and LAST_VALUE over rows that
are taken back.

Rules: taking back removes the oldest equal item; an item that is not there is not missed (Flink's ArrayAggFunction,
ListAggWithRetractAggFunction, JsonArrayAggFunction, FirstValueWithRetractAggFunction). The last two order values by the
machine's clock in Flink, and by arrival within a millisecond, which here is arrival.
"""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any, TypeAlias

from velo_engine.operators.accumulators.held import Held

Shape: TypeAlias = Callable[[Collection[Any]], Any]
"""From items in order to a result."""


class HeldList(Held):
    """Items that are never taken back."""

    def __init__(self, shape: Shape) -> None:
        self._items: list[Any] = []
        self._shape = shape

    def change(self, item: Any, weight: int) -> None:  # noqa: ARG002 - always 1
        """Add an item."""
        self._items.append(item)

    def extend(self, items: Sequence[Any]) -> None:
        """Add items."""
        self._items.extend(items)

    def result(self) -> Any:
        """What the shape makes of all items."""
        return self._shape(self._items)

    def entries(self) -> list[tuple[Any, int]]:
        """The items."""
        return [(item, 1) for item in self._items]


class _Bag(Held):
    """Items that may be taken back, in order of arrival; each change takes the same time."""

    def __init__(self) -> None:
        self._items: OrderedDict[int, Any] = OrderedDict()
        self._places: dict[Hashable, deque[int]] = {}
        self._next = 0

    @abstractmethod
    def result(self) -> Any:
        """The result."""

    def change(self, item: Any, weight: int) -> None:
        """Add an item, or remove the oldest that is equal."""
        key = identity(item)
        if weight > 0:
            self._places.setdefault(key, deque()).append(self._next)
            self._items[self._next] = item
            self._next += 1
            return
        places = self._places.get(key)
        if places:
            del self._items[places.popleft()]
            if not places:
                del self._places[key]

    def entries(self) -> list[tuple[Any, int]]:
        """The items."""
        return [(item, 1) for item in self._items.values()]


class HeldBag(_Bag):
    """Items that may be taken back, and a result of all."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._shape = shape

    def result(self) -> Any:
        """What the shape makes of all items."""
        return self._shape(self._items.values())


class HeldFirst(_Bag):
    """The oldest item that is left."""

    def result(self) -> Any:
        """None when nothing is left."""
        return next(iter(self._items.values()), None)


class HeldLast(_Bag):
    """The newest item that is left."""

    def result(self) -> Any:
        """None when nothing is left."""
        return next(reversed(self._items.values()), None)


class HeldText(Held):
    """Strings that are never taken back, joined as they come."""

    def __init__(self, separator: str, shape: Callable[[str | None], str | None]) -> None:
        self._text: str | None = None
        self._separator = separator
        self._shape = shape

    def change(self, item: Any, weight: int) -> None:  # noqa: ARG002 - always 1
        """Add a string."""
        self._text = item if self._text is None else f"{self._text}{self._separator}{item}"

    def extend(self, items: Sequence[Any]) -> None:
        """Add strings."""
        if items:
            self.change(self._separator.join(items), 1)

    def result(self) -> str | None:
        """What the shape makes of the text, which is None before the first string."""
        return self._shape(self._text)

    def entries(self) -> list[tuple[Any, int]]:
        """The text as one string."""
        return [] if self._text is None else [(self._text, 1)]


def as_array(items: Collection[Any]) -> list[Any] | None:
    """ARRAY_AGG: NULL of nothing."""
    return list(items) or None


def as_text(separator: str) -> Shape:
    """LISTAGG: NULL of nothing."""
    return lambda items: separator.join(items) if items else None


def as_json_array(items: Collection[Any]) -> str:
    """JSON_ARRAYAGG over JSON texts."""
    return "[" + ",".join("null" if item is None else item for item in items) + "]"


def identity(item: Any) -> Hashable:
    """What is equal exactly when Java's `equals` is true of the boxed items: floats by their bits, NaN one of them."""
    if isinstance(item, float):
        return struct.pack("<d", item) if item == item else b"NaN"
    if isinstance(item, dict):
        return tuple(identity(v) for v in item.values())
    if isinstance(item, list | tuple):
        return tuple(identity(v) for v in item)
    hashable: Hashable = item
    return hashable
