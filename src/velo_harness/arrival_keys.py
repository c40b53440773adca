"""The keys of arrival patterns, as tables, and how they become an `Arrival`."""

from __future__ import annotations

from decimal import Decimal

from velo_harness.constraints import Arrival, Bursts, Seasonality, Sessions
from velo_harness.keys import Fields, Key, ObjectFormat, bad_value
from velo_harness.kinds import FRACTION, SOME_NAMES, AnyOf, Choice, Duration, Integer, Number, Object, OneOrMany

_HOUR, _DAY = 3_600_000, 86_400_000
PERIODS = {"hourly": _HOUR, "daily": _DAY, "weekly": 7 * _DAY}
_PERIOD = Choice(PERIODS)

_SEASONALITY = ObjectFormat(
    "seasonality",
    "The rate rises and falls.",
    (
        Key("period", AnyOf((_PERIOD, Duration())), "hourly, daily, weekly, or a duration.", _DAY),
        Key("amplitude", FRACTION, "How much: at 1 nothing comes at the low.", Decimal("0.8")),
        Key("peak", Duration(), "When the rate is highest, from the start of the period (a week's is Monday).", 0),
    ),
)
_BURSTS = ObjectFormat(
    "bursts",
    "For a while the rate is higher.",
    (
        Key("length", Duration(), "How long a burst is.", required=True, aliases=("duration",)),
        Key("factor", Number(1), "How many times as high the rate is.", Decimal(10)),
        Key("every", Duration(), "A burst begins every so often, from the start of the range."),
        Key("count", Integer(1, 10_000), "So many bursts, anywhere in the range."),
    ),
)
_SESSIONS = ObjectFormat(
    "sessions",
    "The rows of an entity come in sessions.",
    (
        Key("entity", SOME_NAMES, "The fields that tell entities apart.", required=True, aliases=("by", "per")),
        Key("gap", Duration(), "More than this lies between sessions, less between rows of one.", required=True),
        Key("length", Duration(), "How long a session is at most.", required=True),
        Key("events", Integer(1, 1_000_000), "Rows of a session, on average.", 5),
    ),
)
ARRIVAL_KEYS = (
    Key(
        "seasonality",
        OneOrMany(AnyOf((Object(_SEASONALITY), _PERIOD)), 1),
        "Times: the rate rises and falls; hourly, daily, weekly, or {period, amplitude, peak}.",
        (),
    ),
    Key("bursts", Object(_BURSTS), "Times: for a while the rate is higher."),
    Key("sessions", Object(_SESSIONS), "Times: the rows of an entity come in sessions."),
)
ARRIVAL = ObjectFormat("arrival", "When rows come within the range of a time.", ARRIVAL_KEYS)


def arrival_of(fields: Fields) -> Arrival | None:
    """The arrival pattern among the constraints of a field. Errors: BAD_VALUE."""
    wrapped: Fields | None = fields["arrival"]
    written = [key.name for key in ARRIVAL_KEYS if fields.has(key.name)]
    if wrapped is not None and written:
        raise bad_value(f'"{written[0]}" stands under arrival and beside it', fields.at(written[0]))
    given = fields if wrapped is None else wrapped
    if not any(given.has(key.name) for key in ARRIVAL_KEYS):
        if wrapped is not None:
            raise bad_value("an arrival pattern needs seasonality, bursts or sessions", wrapped.location)
        return None
    if given.has("sessions") and (given.has("seasonality") or given.has("bursts")):
        other = "seasonality" if given.has("seasonality") else "bursts"
        raise bad_value(f'"{other}" has no effect beside "sessions"', given.at(other))
    return Arrival(
        tuple(_seasonality(one) for one in given["seasonality"]),
        None if given["bursts"] is None else _bursts(given["bursts"]),
        None if given["sessions"] is None else _sessions(given["sessions"]),
    )


def _seasonality(given: Fields | int) -> Seasonality:
    if isinstance(given, int):
        return Seasonality(given)
    if given["period"] <= 0:
        raise bad_value("the period must be longer than 0", given.at("period"))
    return Seasonality(given["period"], float(given["amplitude"]), given["peak"])


def _bursts(given: Fields) -> Bursts:
    if (given["every"] is None) == (given["count"] is None):
        raise bad_value("bursts need either every or count", given.location)
    if given["length"] <= 0:
        raise bad_value("the length must be longer than 0", given.at("length"))
    if given["every"] is not None and given["every"] <= given["length"]:
        raise bad_value("a burst begins before the one before it has ended", given.at("every"))
    return Bursts(given["length"], float(given["factor"]), given["every"], given["count"])


def _sessions(given: Fields) -> Sessions:
    for name in ("gap", "length"):
        if given[name] <= 0:
            raise bad_value(f"the {name} must be longer than 0", given.at(name))
    return Sessions(given["entity"], given["gap"], given["length"], given["events"])
