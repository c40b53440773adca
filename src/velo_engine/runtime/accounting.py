"""Every record has one fate per statement, and the numbers must add up."""

from __future__ import annotations

from dataclasses import dataclass

from velo_engine.errors import ErrorCode, VeloError


@dataclass(slots=True)
class Accounting:
    """What became of the records that one statement read.

    `read = accepted + filtered + late + dead_lettered`; the other numbers stand beside.
    """

    read: int = 0
    """Records of its sources, and rows of the statements it reads."""
    accepted: int = 0
    """Records that reached a join, an aggregation or, without any, the output."""
    filtered: int = 0
    """Records removed by a predicate before that."""
    late: int = 0
    """Records for which every window had closed."""
    dead_lettered: int = 0
    """Records that did not decode or had no result."""
    partly_late: int = 0
    """Accepted records that were late for some of their windows."""
    emitted: int = 0
    """Changes given out."""
    written: int = 0
    """Records written to the sink."""
    state_rows: int = 0
    """Rows in state at the end."""

    def check(self, statement: str) -> None:
        """Raise VeloError INTERNAL when a record was lost or counted twice."""
        if self.read != self.accepted + self.filtered + self.late + self.dead_lettered:
            raise VeloError(
                ErrorCode.INTERNAL,
                f"the accounting of {statement} does not add up: read {self.read}, accepted {self.accepted}, "
                f"filtered {self.filtered}, late {self.late}, dead-lettered {self.dead_lettered}",
            )

    def __str__(self) -> str:
        parts = [f"read {self.read:,} = accepted {self.accepted:,} + filtered {self.filtered:,}"]
        parts.append(f"+ late {self.late:,} + dead-lettered {self.dead_lettered:,}")
        parts.append(f"| emitted {self.emitted:,}, written {self.written:,}, in state {self.state_rows:,}")
        if self.partly_late:
            parts.append(f"| partly late {self.partly_late:,}")
        return " ".join(parts)
