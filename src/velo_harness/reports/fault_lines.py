"""Injected faults as reports show them."""

from __future__ import annotations

from collections.abc import Sequence

from velo_harness.reports.shown_values import printable
from velo_harness.result import FaultCount


def fault_lines(faults: Sequence[FaultCount]) -> list[str]:
    """A line for each kind of fault in each source: how many there were, and what became of them."""
    lines = []
    for fault in faults:
        place = f" in {fault.source}" if fault.source else ""
        fates = ", ".join(f"{count:,} {fate.replace('_', ' ')}" for fate, count in fault.fates.items())
        lines.append(printable(f"fault: {fault.injected:,} {fault.kind}{place}" + (f" → {fates}" if fates else "")))
    return lines
