"""The keys of `fault_injection`, as tables."""

from __future__ import annotations

from velo_harness.faults.model import Corruption, Malformation
from velo_harness.keys import Key, ObjectFormat
from velo_harness.kinds import FRACTION, SOME_NAMES, AnyOf, Boolean, Choice, Duration, Integer, ListOf, Object

_ENABLED = Key("enabled", Boolean(), "false switches it off and leaves it written.", True)
_RATE = Key("rate", FRACTION, "The share of the records of each input, 0 to 1.", required=True)

MALFORMED_RECORDS = ObjectFormat(
    "malformed records",
    "Records whose bytes are no longer what the format wants.",
    (
        _ENABLED,
        _RATE,
        Key(
            "types",
            ListOf(Choice({m.value: m for m in Malformation}), 1),
            "How they are malformed, in equal shares; by default in every way.",
            tuple(Malformation),
        ),
    ),
)

DUPLICATES = ObjectFormat(
    "duplicates",
    "Records that come again.",
    (
        _ENABLED,
        _RATE,
        Key("max_duplicates", Integer(1, 1000), "Copies of a record, at most; there is at least one.", 1),
        Key("delay_ms", Duration(), "How long after the record its copies come.", 0),
    ),
)

OUT_OF_ORDER = ObjectFormat(
    "out of order",
    "Records that come later than they should.",
    (
        _ENABLED,
        _RATE,
        Key("max_delay_ms", Duration(), "By how much at most."),
        Key("window_size", Integer(1), "How many records overtake one, at most."),
    ),
)

FIELD_CORRUPTION = ObjectFormat(
    "field corruption",
    "Values that are wrong, though of their type.",
    (
        _ENABLED,
        _RATE,
        Key("fields", SOME_NAMES, "The fields; by default all.", aliases=("target_fields",)),
        Key(
            "corruption_types",
            ListOf(Choice({c.value: c for c in Corruption}), 1),
            "How they are corrupted, in equal shares; by default in every way that applies to the field.",
            tuple(Corruption),
        ),
    ),
)

SLOW_PROCESSING = ObjectFormat(
    "slow processing",
    "Records that keep the job busy: its clock moves on; with now: wall the time really passes.",
    (
        _ENABLED,
        _RATE,
        Key("min_delay_ms", Duration(), "For so long at least.", 0),
        Key("max_delay_ms", Duration(), "For so long at most.", required=True),
    ),
)

BROKER = ObjectFormat(
    "broker",
    "A broker that goes away and comes back; for runs on the embedded broker.",
    (
        _ENABLED,
        Key("restart_after", Integer(0), "It is stopped and started again when so many records have been handled."),
        Key(
            "drop_connections",
            AnyOf((Integer(1, 1000), Boolean())),
            "So often (true: once) all connections are cut, at even distances.",
            0,
        ),
    ),
)

FAULT_INJECTION = ObjectFormat(
    "fault injection",
    "Faults that are really injected; the report counts them and what became of each.",
    (
        Key("seed", Integer(0), "Which records are hit; by default the seed of the run."),
        Key("enable_dlq", Boolean(), "true: unusable records are set aside; false: the first one ends the job."),
        Key("dlq_max_size", Integer(0), "Dead letters kept; all are counted."),
        Key("malformed_records", Object(MALFORMED_RECORDS), "Records that do not decode, or not as they should."),
        Key("duplicates", Object(DUPLICATES), "Records that come again."),
        Key("out_of_order", Object(OUT_OF_ORDER), "Records that come later than they should."),
        Key("field_corruption", Object(FIELD_CORRUPTION), "Values that are wrong, though of their type."),
        Key("slow_processing", Object(SLOW_PROCESSING), "Records that keep the job busy."),
        Key("broker", Object(BROKER), "The broker goes away and comes back."),
    ),
)
