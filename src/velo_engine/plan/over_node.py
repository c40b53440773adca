"""The node of OVER: every input row with values computed over rows before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from velo_engine.errors import Location
from velo_engine.plan.expressions import AggregateCall
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType

if TYPE_CHECKING:
    from velo_engine.plan.nodes import PlanNode


class OverOrder(Enum):
    """What ORDER BY of an OVER window names."""

    EVENT_TIME = "event time"
    PROCESSING_TIME = "processing time"
    VALUES = "values"
    """Any other column: a row that comes later may stand before others and change their results."""
    ARRIVAL = "arrival"
    """ROWS WINDOW BUFFER."""


@dataclass(frozen=True, slots=True)
class OverFrame:
    """The rows of a frame, which ends with the present row."""

    rows: bool
    """ROWS; else RANGE, where the rows of the present row's time or value belong to its frame, too."""
    preceding: int | None
    """Rows, or milliseconds for RANGE; None is UNBOUNDED PRECEDING."""


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A function of the place of rows in the frame: lag, lead, row_number, rank, dense_rank, ntile, percent_rank,
    cume_dist, nth_value.

    `args` are column positions: of LAG and LEAD the value and maybe the default, of NTH_VALUE the value.
    """

    function: str
    args: tuple[int, ...]
    type: SqlType
    number: int = 1
    """The distance of LAG and LEAD, the place of NTH_VALUE, the buckets of NTILE."""
    location: Location | None = field(default=None, compare=False)


OverCall: TypeAlias = AggregateCall | PlacedCall


@dataclass(frozen=True, slots=True)
class OverAggregate:
    """Adds the results of `calls` over a frame of the row's partition to each row.

    Output: the input columns, then the calls. By event time a row is given out when the watermark reaches its time,
    and rows that come too late are dropped; by arrival at once. `order_column` is None by processing time and arrival.
    Source: Flink's StreamExecOverAggregate and the function classes it names; see operators/over_aggregate.py.
    """

    input: PlanNode
    partition: tuple[int, ...]
    order: OverOrder
    order_column: int | None
    frame: OverFrame
    calls: tuple[OverCall, ...]
    schema: RowSchema
    expire_ms: int | None = None
    """ARRIVAL: rows older than this leave the buffer."""
    expire_column: int | None = None
    """ARRIVAL: the event time by which they grow old; None: processing time."""
    sort_column: int | None = None
    """ARRIVAL: the column by which the functions of places sort the buffer; None: arrival."""
    sort_descending: bool = False
    is_read: bool = False
    """Whether planning found that it stays, read or not."""
