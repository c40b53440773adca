"""What the watermark of a step with several inputs is when some of them are idle.

An idle input holds no watermark back; when all are idle the watermark stays where it is; it never goes back when an
idle input returns. Source: Flink's IndexedCombinedWatermarkStatus, with which operators of two inputs combine theirs.

Operators take the lowest watermark of their inputs and know nothing of idleness: here the watermarks of the inputs are
raised to what the operator may take as reached, so that the lowest of them is the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from velo_engine.batch import INITIAL_WATERMARK, ChangeBatch, Int64s, StepFunction

_NONE_ACTIVE = 2**63 - 1


@dataclass(slots=True)
class Alignment:
    """The inputs of one step; remembers the watermark that they have reached together."""

    reached: int = INITIAL_WATERMARK

    def aligned(self, inputs: Sequence[ChangeBatch]) -> list[ChangeBatch]:
        """The inputs with raised watermarks, where any of them may be idle."""
        if all(batch.idle is None for batch in inputs):
            return list(inputs)
        steps = [s.seqs for batch in inputs for s in (batch.watermark, batch.idle) if s is not None]
        seqs = reduce(np.union1d, steps)
        own = [batch.watermark.after(seqs) for batch in inputs]
        held = [self._held_back(batch, marks, seqs) for batch, marks in zip(inputs, own, strict=True)]
        lowest = np.min(held, axis=0) if len(seqs) else np.empty(0, np.int64)
        none = np.all([_idle(batch, seqs) for batch in inputs], axis=0) if len(seqs) else np.empty(0, np.bool_)
        reached = np.concatenate([[self._opening(inputs)], np.where(none, INITIAL_WATERMARK, lowest)])
        together = np.maximum.accumulate(reached)
        self.reached = int(together[-1])
        raised = [
            _rising(max(batch.watermark.opening, int(together[0])), seqs, np.maximum(marks, together[1:]))
            for batch, marks in zip(inputs, own, strict=True)
        ]
        return [replace(batch, watermark=mark) for batch, mark in zip(inputs, raised, strict=True)]

    def _opening(self, inputs: Sequence[ChangeBatch]) -> int:
        active = [b.watermark.opening for b in inputs if b.idle is None or not b.idle.opening]
        return max(self.reached, min(active, default=INITIAL_WATERMARK))

    def _held_back(self, batch: ChangeBatch, marks: Int64s, seqs: Int64s) -> Int64s:
        return np.where(_idle(batch, seqs), _NONE_ACTIVE, marks)


def all_idle(inputs: Sequence[ChangeBatch]) -> StepFunction | None:
    """Whether the output of a step is idle: when all of its inputs are. None: never."""
    found = [batch.idle for batch in inputs if batch.idle is not None]
    if not found or len(found) < len(inputs):
        return None
    if len(found) == 1:
        return found[0]
    seqs = reduce(np.union1d, [idle.seqs for idle in found])
    values = np.min([idle.after(seqs) for idle in found], axis=0)
    opening = min(idle.opening for idle in found)
    changes = values != np.concatenate([[opening], values[:-1]])
    return StepFunction(opening, seqs[changes], values[changes])


def _idle(batch: ChangeBatch, seqs: Int64s) -> Int64s:
    return np.zeros(len(seqs), np.int64) if batch.idle is None else batch.idle.after(seqs)


def _rising(opening: int, seqs: Int64s, values: Int64s) -> StepFunction:
    rises = values > np.concatenate([[opening], values[:-1]]) if len(values) else np.empty(0, np.bool_)
    return StepFunction(opening, seqs[rises], values[rises])
