"""The event time of every record, as a run of the program shows it: also where it is computed from the columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.batch import Int64s, numpy_column
from velo_engine.plan import nodes
from velo_engine.plan.nodes import AssignWatermark, PlannedProgram, PlanNode
from velo_engine.runtime.step_run import StepRun

NO_TIME = np.iinfo(np.int64).min
"""In milliseconds: of a record without event time, before all others."""


@dataclass(slots=True)
class EventTimes:
    """Collects the steps of a run: give `take` to it as `on_step`."""

    program: PlannedProgram
    _read: dict[str, dict[int, list[Int64s]]] = field(default_factory=dict)
    """By source and step the events of its records."""
    _timed: dict[str, dict[int, list[tuple[Int64s, Int64s]]]] = field(default_factory=dict)
    """By source and step events with their times."""

    def take(self, run: StepRun) -> None:
        """Takes note of what reads a source, and of what makes event time of it."""
        if isinstance(run.node, nodes.Scan):
            seqs = np.array(numpy_column(run.output.rows, "seq"), np.int64)
            self._read.setdefault(run.node.source.name, {}).setdefault(run.at, []).append(seqs)
        elif isinstance(run.node, AssignWatermark):
            source = self._source(run.node)
            if source is not None:
                seqs = np.array(numpy_column(run.output.rows, "seq"), np.int64)
                times = milliseconds(run.output.rows.column(run.node.time_column))
                self._timed.setdefault(source, {}).setdefault(run.at, []).append((seqs, times))

    def by_source(self) -> Mapping[str, Int64s]:
        """Of each source with event time the times of its records, in their order."""
        found = {}
        for source, steps in self._timed.items():
            read = self._read.get(source)
            if not read:
                continue
            events = np.concatenate(next(iter(read.values())))
            parts = next(iter(steps.values()))
            seqs, times = (np.concatenate([part[i] for part in parts]) for i in range(2))
            own = np.full(len(events), NO_TIME)
            own[np.searchsorted(events, seqs)] = times
            found[source] = own
        return found

    def _source(self, node: PlanNode) -> str | None:
        """The only source below a node; None where several meet."""
        while not isinstance(node, nodes.Scan):
            below = nodes.inputs(node)
            if isinstance(node, nodes.Upstream):
                node = self.program.statements[node.statement].plan
            elif len(below) == 1:
                node = below[0]
            else:
                return None
        return node.source.name


def milliseconds(column: pa.ChunkedArray | pa.Array) -> Int64s:
    """Times as milliseconds since the epoch."""
    micros = pc.fill_null(pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64()), NO_TIME)
    numbers: Int64s = micros.to_numpy(zero_copy_only=False) if isinstance(micros, pa.Array) else micros.to_numpy()
    return np.where(numbers == NO_TIME, NO_TIME, numbers // 1000)
