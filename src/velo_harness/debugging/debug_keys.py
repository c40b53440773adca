"""The key `debug` of specs: how `velo-test debug` starts."""

from __future__ import annotations

from velo_harness.debugging.debug_settings import DebugSettings, LogLevel, WrittenBreakpoint
from velo_harness.keys import Fields, Key, ObjectFormat
from velo_harness.kinds import Boolean, Choice, Integer, ListOf, Object, Text

BREAKPOINT = ObjectFormat(
    "breakpoint",
    "Where the debugger pauses.",
    (
        Key("query", Text("a query name"), "The query.", required=True),
        Key(
            "after_record", Integer(1), "Behind this record of the run; by default whenever the query gives out a row."
        ),
    ),
)

DEBUG = ObjectFormat(
    "debug settings",
    "How velo-test debug starts; plain runs say once that they ignore it.",
    (
        Key("enabled", Boolean(), "Whether these settings count.", False),
        Key("pause_on_start", Boolean(), "Pauses before the first record.", True),
        Key("breakpoints", ListOf(Object(BREAKPOINT)), "Where it pauses.", ()),
        Key("show_intermediate_values", Boolean(), "Shows what each step made of the record, at every pause.", False),
        Key(
            "log_level",
            Choice({level.name.lower(): level for level in LogLevel}),
            "What is said while the job runs: error, warn, info, debug, trace.",
            LogLevel.INFO,
        ),
    ),
)


def debug_settings(fields: Fields | None) -> DebugSettings:
    """The settings that a spec states."""
    if fields is None:
        return DebugSettings()
    breakpoints = tuple(
        WrittenBreakpoint(given["query"], given["after_record"], given.at("query")) for given in fields["breakpoints"]
    )
    return DebugSettings(
        fields["enabled"],
        fields["pause_on_start"],
        breakpoints,
        fields["show_intermediate_values"],
        fields["log_level"],
    )
