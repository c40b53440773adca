"""The keys of one entry of an input's timeline."""

from __future__ import annotations

from velo_harness.keys import Key, ObjectFormat
from velo_harness.kinds import AnyOf, Constant, Duration, Integer, Row, Text

WHOLE_SOURCE = -1
"""What `idle: true` is read as: no single partition."""

TIMELINE_ENTRY = ObjectFormat(
    "timeline entry",
    "One thing that happens: a row, a watermark, idleness, a step of the clock, or a restart.",
    (
        Key("row", Row(), "A row arrives."),
        Key("watermark", Text("a time"), "No row with this event time or an earlier one will come."),
        Key(
            "idle",
            AnyOf((Integer(0, 999), Constant(True, WHOLE_SOURCE))),
            "This partition (true: all) holds no watermark back until it says something again.",
        ),
        Key("advance_processing_time", Duration(), "The clock moves on by this much."),
        Key("wait", Duration(), "So much time passes: on the run's clock, with now: wall in reality."),
        Key("restart", Constant(True, True), "The job is stopped, its state saved, and a fresh job goes on."),
        Key("partition", Integer(0, 999), "The partition of the row, or the one whose watermark it is."),
        Key("at", Duration(), "When it happens: so long after the start, by processing time."),
    ),
)
