"""The key `stress_test` of specs."""

from __future__ import annotations

from velo_harness.keys import Fields, Key, ObjectFormat
from velo_harness.kinds import Boolean, Integer, Number
from velo_harness.stress.stress_settings import StressSettings

STRESS_TEST = ObjectFormat(
    "stress test",
    "The queries are repeated at volume and measured.",
    (
        Key("enabled", Boolean(), "Whether runs do so; velo-test stress always does.", True),
        Key("records", Integer(1), "Records of each generated stream; 100000 by default."),
        Key(
            "rate_per_second",
            Number(0),
            "Records come at this pace, in real time; else as fast as they are taken.",
        ),
        Key(
            "duration_seconds",
            Number(0),
            "With a rate: how long records come. Without: the run is repeated until so much time is over.",
        ),
    ),
)


def stress_settings(fields: Fields | None) -> StressSettings:
    """The settings that a spec states."""
    if fields is None:
        return StressSettings()
    rate, duration = fields["rate_per_second"], fields["duration_seconds"]
    return StressSettings(
        fields["enabled"],
        fields["records"],
        float(rate) if rate else None,
        float(duration) if duration else None,
    )
