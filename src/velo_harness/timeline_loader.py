"""Reading the timeline of an input: every entry does one thing, at a time that does not go back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.keys import Fields, bad_value
from velo_harness.spec import RowLiteral, TimelineAction, TimelineEntry
from velo_harness.timeline_keys import WHOLE_SOURCE

_WITH_PARTITION = (TimelineAction.ROW, TimelineAction.WATERMARK)


@dataclass(frozen=True, slots=True)
class ReadTimeline:
    """A timeline as the model has it."""

    entries: tuple[TimelineEntry, ...]
    rows: tuple[RowLiteral, ...]
    """Those of the entries that are rows."""


def timeline_of(many: Sequence[Fields], partitions: int) -> ReadTimeline:
    """The timeline of an input with so many partitions. Errors: MISSING_KEY, BAD_VALUE, each at its entry."""
    entries, rows = [], []
    reached_ms = 0
    for fields in many:
        entry = _entry(fields, partitions)
        if entry.at_ms is not None and entry.at_ms < reached_ms:
            message = f"at goes back: the entry before this one is at {reached_ms} ms after the start"
            raise bad_value(message, fields.at("at"))
        reached_ms = (reached_ms if entry.at_ms is None else entry.at_ms) + entry.duration_ms
        entries.append(entry)
        if entry.action is TimelineAction.ROW:
            rows.append(fields["row"])
    return ReadTimeline(tuple(entries), tuple(rows))


def _entry(fields: Fields, partitions: int) -> TimelineEntry:
    actions = [action for action in TimelineAction if fields.has(action.value)]
    if not actions:
        message = f"this entry does nothing: give one of {', '.join(TimelineAction)}"
        raise VeloError(ErrorCode.MISSING_KEY, message, location=fields.location)
    action, *others = actions
    if others:
        message = f"{others[0]} and {action} are two things: give each an entry of its own"
        raise bad_value(message, fields.key_locations[others[0]])
    partition = fields["partition"]
    if partition is not None and action not in _WITH_PARTITION:
        raise bad_value(f"partition has no effect on {action}", fields.key_locations["partition"])
    place = "partition"
    if action is TimelineAction.IDLE and fields["idle"] != WHOLE_SOURCE:
        partition, place = fields["idle"], "idle"
    if partition is not None and partition >= partitions:
        hint = "say how many there are with partitions:"
        raise bad_value(f"the input has the partitions 0 to {partitions - 1}", fields.at(place), hint=hint)
    return TimelineEntry(
        action,
        partition,
        fields["at"],
        fields["watermark"],
        fields["advance_processing_time"] or fields["wait"] or 0,
        fields.location,
    )
