"""What state each operator keeps, and what bounds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from velo_engine.plan.changelog_nodes import ChangelogNormalize, Deduplicate, KeepRow, SinkUpsertMaterialize
from velo_engine.plan.nodes import (
    AssignWatermark,
    GroupAggregate,
    IntervalJoin,
    MatchRecognize,
    OverAggregate,
    PlanNode,
    RegularJoin,
    TableJoin,
    TemporalJoin,
    TemporalSort,
    TopN,
    WindowAggregate,
    WindowDeduplicate,
    WindowJoin,
    WindowKind,
    WindowTable,
    WindowTopN,
)
from velo_engine.plan.over_node import OverOrder


@dataclass(frozen=True, slots=True)
class StateNeed:
    """What one operator keeps."""

    kept: str
    """In words: `one row of 3 accumulators per (symbol)`."""
    bound: str
    """In words: `the watermark passes the end of the window`."""
    grows: bool
    """Whether it grows as long as new keys or rows come, state TTL apart."""


ENDED_BY_TTL = (GroupAggregate, Deduplicate, TopN, RegularJoin, ChangelogNormalize, SinkUpsertMaterialize)
"""The operators whose state ends by state.ttl; others keep theirs, as in Flink."""

_WATERMARK = "given up when the watermark passes"


def state_need(node: PlanNode, retracting: bool) -> StateNeed | None:
    """The state of one operator, `retracting` when its input may take rows back; None for one without state."""
    match node:
        case AssignWatermark():
            return StateNeed("the greatest time of each partition", "the number of partitions", grows=False)
        case GroupAggregate() | Deduplicate() | TopN() | RegularJoin() | TableJoin():
            return _unwindowed(node, retracting)
        case WindowAggregate() | WindowTable() | WindowTopN() | WindowDeduplicate() | WindowJoin():
            return _windowed(node)
        case IntervalJoin():
            bound = "the clock passes" if node.left_time is None else "the watermark passes"
            return StateNeed("rows of both sides", f"given up when {bound} the bounds of the join", grows=False)
        case TemporalJoin():
            names = node.right.schema.names
            kept = f"left rows that wait for the watermark, and the versions of each {_key(names, node.right_keys)}"
            return StateNeed(kept, f"one version per {_key(names, node.right_keys)} stays for ever", grows=True)
        case OverAggregate():
            return _over(node)
        case TemporalSort():
            return StateNeed("rows that wait for the watermark", f"{_WATERMARK} their time", grows=False)
        case MatchRecognize():
            return _matching(node)
        case ChangelogNormalize():
            names = node.input.schema.names
            return _per_key(f"the last row per {_key(names, node.keys)}", names, node.keys)
        case SinkUpsertMaterialize():
            names = node.input.schema.names
            return _per_key(f"all rows that stand per {_key(names, node.keys)}", names, node.keys)
        case _:
            return None


def _unwindowed(node: GroupAggregate | Deduplicate | TopN | RegularJoin | TableJoin, retracting: bool) -> StateNeed:
    match node:
        case GroupAggregate():
            names = node.input.schema.names
            kept = f"{_count(len(node.calls), 'accumulator')} per {_key(names, node.keys)}"
            values = sorted({names[i] for call in node.calls for i in call.args if call.distinct})
            if values:
                kept += f", and the different values of {', '.join(values)}"
            if retracting and any(call.function in ("min", "max") for call in node.calls):
                kept += ", and all values under MIN and MAX, since rows are taken back"
            return _per_key(kept, names, node.keys)
        case Deduplicate():
            names = node.input.schema.names
            what = "a mark" if node.keep is KeepRow.FIRST else "the last row"
            return _per_key(f"{what} per {_key(names, node.partition)}", names, node.partition)
        case TopN():
            names = node.input.schema.names
            rows = "all rows, since rows are taken back," if retracting else _count(node.limit, "row")
            return _per_key(f"{rows} per {_key(names, node.partition)}", names, node.partition)
        case RegularJoin():
            return StateNeed("all rows of both sides", "nothing gives rows up", grows=True)
        case TableJoin():
            return StateNeed("the whole reference table", "its size", grows=False)


def _windowed(
    node: WindowAggregate | WindowTable | WindowTopN | WindowDeduplicate | WindowJoin,
) -> StateNeed | None:
    bound = f"{_WATERMARK} the end of the window"
    match node:
        case WindowAggregate():
            what = "session" if node.window.kind is WindowKind.SESSION else "window"
            if node.allowed_lateness_ms:
                bound += f" by {node.allowed_lateness_ms} ms"
            key = _key(node.input.schema.names, node.keys)
            return StateNeed(f"{_count(len(node.calls), 'accumulator')} per {key} and open {what}", bound, grows=False)
        case WindowTable():
            if node.window.kind is not WindowKind.SESSION:
                return None
            return StateNeed("the rows of open sessions", bound, grows=False)
        case WindowTopN():
            kept = f"{_count(node.limit, 'row')} per {_key(node.input.schema.names, node.partition)}"
            return StateNeed(kept, bound, grows=False)
        case WindowDeduplicate():
            return StateNeed(f"one row per {_key(node.input.schema.names, node.partition)}", bound, grows=False)
        case WindowJoin():
            return StateNeed("rows of both sides in open windows", bound, grows=False)


def _over(node: OverAggregate) -> StateNeed:
    names = node.input.schema.names
    key = _key(names, node.partition)
    if node.order is OverOrder.VALUES:
        return StateNeed(f"all rows per {key}, in order", "nothing gives rows up", grows=True)
    if node.frame.preceding is None:
        return _per_key(f"{_count(len(node.calls), 'accumulator')} per {key}", names, node.partition)
    if node.frame.rows:
        return _per_key(f"{_count(node.frame.preceding, 'row')} per {key}", names, node.partition)
    return StateNeed(f"rows of the last {node.frame.preceding} ms per {key}", f"{_WATERMARK} the frame", grows=False)


def _matching(node: MatchRecognize) -> StateNeed:
    key = _key(node.input.schema.names, node.partition)
    kept = f"matches under way and their rows per {key}"
    if node.within_ms is not None:
        return StateNeed(kept, f"given up {node.within_ms} ms after their first row (WITHIN)", grows=False)
    return StateNeed(kept, "a match that never ends is never given up", grows=True)


def _per_key(kept: str, names: Sequence[str], columns: Sequence[int]) -> StateNeed:
    if not columns:
        return StateNeed(kept, "there is one group", grows=False)
    return StateNeed(kept, f"the number of different {_key(names, columns)}", grows=True)


def _key(names: Sequence[str], columns: Iterable[int]) -> str:
    return f"({', '.join(names[i] for i in columns)})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number:,} {what}s"
