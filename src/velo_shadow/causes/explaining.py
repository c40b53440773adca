"""Asks the detectors: the first that explains a difference names its cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from velo_shadow.causes.columns import swapped
from velo_shadow.causes.context import Context, Finding, context_of
from velo_shadow.causes.decimals import rounding
from velo_shadow.causes.floats import association
from velo_shadow.causes.nulls import null_or_absent
from velo_shadow.causes.texts import truncated
from velo_shadow.causes.ties import tie
from velo_shadow.causes.times import time_precision, time_zone
from velo_shadow.model import Difference

Detector: TypeAlias = Callable[[Difference, Context], Finding | None]

DETECTORS: tuple[Detector, ...] = (
    tie,
    null_or_absent,
    swapped,
    truncated,
    time_zone,
    time_precision,
    association,
    rounding,
)
"""Those whose evidence is rarest by accident come first."""


def explained(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """The differences with cause and evidence, in their order."""
    context = context_of(differences)
    return tuple(_explained(difference, context) for difference in differences)


def _explained(difference: Difference, context: Context) -> Difference:
    for detector in DETECTORS:
        finding = detector(difference, context)
        if finding is not None:
            return replace(difference, cause=finding.cause, evidence=finding.evidence)
    return difference
