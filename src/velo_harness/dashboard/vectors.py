"""Series with a value at each of many moments, and their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from velo_harness.dashboard.samples import Floats

NAME = "__name__"

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Sorted: equal when the labels are."""


@dataclass(frozen=True, slots=True)
class Series:
    """One of them."""

    labels: Mapping[str, str]
    values: Floats
    """At each moment; NaN where there is none."""

    @property
    def unnamed(self) -> Mapping[str, str]:
        """The labels without the name, which computing loses."""
        return {name: value for name, value in self.labels.items() if name != NAME}


Vector: TypeAlias = tuple[Series, ...]


def kept_labels(labels: Mapping[str, str], names: Sequence[str], *, without: bool) -> Labels:
    """Those that are named, or those that are not; the name of the series is never among them."""
    kept = ((k, v) for k, v in labels.items() if v and k != NAME and (k in names) is not without)
    return tuple(sorted(kept))
