"""The time series of one metric: a value for each set of labels, at most so many of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Int64s

Floats = npt.NDArray[np.float64]

MOST_SERIES = 1000
"""Of one metric. Prometheus keeps every one that it has ever seen: a label such as an order number would fill it."""
OTHER = "other"
"""The value of every label of the series that takes the rows of all further sets of labels."""
LABEL_LENGTH = 200
"""Characters of a label's value; the rest is cut off."""

Labels = tuple[str, ...]


class Series:
    """Where each set of labels has its place, and per place `width` numbers, which begin with 0."""

    def __init__(self, labels: int, width: int = 1, most: int = MOST_SERIES) -> None:
        """`labels` is how many labels a set has."""
        self._most = most
        self._other: Labels = (OTHER,) * labels
        self._places: dict[Labels, int] = {}
        self.values: Floats = np.zeros((16, width))
        """By place; the rows behind the last place are free."""
        self.overflowing = False
        """Whether there were more sets than places."""

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[tuple[Labels, Floats]]:
        return ((labels, self.values[place]) for labels, place in self._places.items())

    def places(self, sets: Sequence[Labels]) -> Int64s:
        """The place of each set; that of `OTHER` for those that come when all places are taken."""
        places = np.fromiter((self._place(labels) for labels in sets), np.int64, len(sets))
        while len(self._places) > len(self.values):
            self.values = np.concatenate([self.values, np.zeros_like(self.values)])
        return places

    @property
    def other(self) -> int | None:
        """The place of the rows whose labels have none; None while all have."""
        return self._places.get(self._other) if self.overflowing else None

    def _place(self, labels: Labels) -> int:
        found = self._places.get(labels)
        if found is not None:
            return found
        if len(self._places) >= self._most:
            self.overflowing = True
            labels = self._other
        return self._places.setdefault(labels, len(self._places))
