"""The expected values of the example suites, computed without the engine: plain Python over the same files.

Integers, Decimal and dictionaries only; one record at a time, in the order of the input. The watermark and lateness rules are
written out from Flink's documentation: the watermark after a record is the highest event time minus the bound; a record is late
for a window when the watermark before it has reached the window's end minus one millisecond.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parents[2]
FLIGHTS = ROOT / "fixtures" / "flights"
Row: TypeAlias = dict[str, Any]

HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1)
WIDE = Context(prec=38, rounding=ROUND_HALF_UP)


def read_csv(path: Path) -> list[Row]:
    """The rows of a file, empty fields as None."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]


def departures(days: Iterable[int]) -> list[Row]:
    """Departures of these days of January 2013, in the order of the files."""
    rows = [row for day in days for row in read_csv(FLIGHTS / "departures" / f"2013-01-{day:02d}.csv")]
    for row in rows:
        for name in ("scheduled_at", "departed_at", "scheduled_hour"):
            row[name] = None if row[name] is None else datetime.fromisoformat(row[name])
        for name in ("flight", "dep_delay", "arr_delay", "air_time", "distance"):
            row[name] = None if row[name] is None else int(row[name])
    return rows


def average(values: list[int], digits: int) -> Decimal | None:
    """The mean, rounded half up to so many digits after the point."""
    if not values:
        return None
    quotient = WIDE.divide(Decimal(sum(values)), Decimal(len(values)))
    return quotient.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def windows(
    rows: Iterable[Row], time: str, bound: timedelta, size: timedelta, slide: timedelta
) -> tuple[dict[datetime, list[Row]], list[tuple[Row, timedelta]], list[Row]]:
    """Rows by window start; rows late for all their windows with by how much; rows without a time."""
    found: dict[datetime, list[Row]] = defaultdict(list)
    late: list[tuple[Row, timedelta]] = []
    timeless: list[Row] = []
    watermark: datetime | None = None
    for row in rows:
        at = row[time]
        if at is None:
            timeless.append(row)
            continue
        starts = list(_starts(at, size, slide))
        open_ = [s for s in starts if watermark is None or watermark < s + size - timedelta(milliseconds=1)]
        for start in open_:
            found[start].append(row)
        if not open_:
            assert watermark is not None
            late.append((row, watermark - (max(starts) + size - timedelta(milliseconds=1))))
        if watermark is None or at - bound > watermark:
            watermark = at - bound
    return found, late, timeless


def _starts(at: datetime, size: timedelta, slide: timedelta) -> Iterator[datetime]:
    start = at - (at - EPOCH) % slide
    while start + size > at:
        yield start
        start -= slide


def hourly_departures(days: Iterable[int]) -> list[Row]:
    found, _, _ = windows(departures(days), "departed_at", 5 * HOUR, HOUR, HOUR)
    result = []
    for start, rows in found.items():
        for origin in sorted({r["origin"] for r in rows}):
            delays = [r["dep_delay"] for r in rows if r["origin"] == origin]
            result.append(
                {
                    "origin": origin,
                    "window_start": start,
                    "departures": len(delays),
                    "average_delay": average(delays, 6),
                    "longest_delay": max(delays),
                }
            )
    return ordered(result)


def rolling_departures(days: Iterable[int]) -> list[Row]:
    found, _, _ = windows(departures(days), "departed_at", 5 * HOUR, 3 * HOUR, HOUR)
    result = []
    for start, rows in found.items():
        for origin in sorted({r["origin"] for r in rows}):
            miles = [r["distance"] for r in rows if r["origin"] == origin]
            result.append({"origin": origin, "window_start": start, "departures": len(miles), "miles": sum(miles)})
    return ordered(result)


def daily_departures(days: Iterable[int]) -> list[Row]:
    found, late, _ = windows(departures(days), "departed_at", 12 * HOUR, 24 * HOUR, 24 * HOUR)
    assert not late
    result = []
    for start, rows in found.items():
        for origin in sorted({r["origin"] for r in rows}):
            own = [r for r in rows if r["origin"] == origin]
            result.append(
                {
                    "origin": origin,
                    "window_start": start,
                    "departures": len(own),
                    "destinations": len({r["dest"] for r in own}),
                    "miles": sum(r["distance"] for r in own),
                    "average_delay": average([r["dep_delay"] for r in own], 6),
                }
            )
    return ordered(result)


def late_departures(days: Iterable[int]) -> list[Row]:
    _, late, _ = windows(departures(days), "departed_at", 5 * HOUR, HOUR, HOUR)
    return [
        {"origin": r["origin"], "departed_at": r["departed_at"], "late_by": by // timedelta(milliseconds=1)}
        for r, by in late
    ]


def named_departures(days: Iterable[int]) -> list[Row]:
    names = {r["carrier"]: r["name"] for r in read_csv(FLIGHTS / "airlines.csv")}

    def delay_class(delay: int | None) -> str:
        if delay is None:
            return "cancelled"
        return "on time" if delay <= 0 else "short" if delay <= 15 else "long" if delay <= 60 else "very long"

    return [
        {
            "carrier": r["carrier"],
            "airline": names[r["carrier"]],
            "flight": r["flight"],
            "origin": r["origin"],
            "dest": r["dest"],
            "dep_delay": r["dep_delay"],
            "delay_class": delay_class(r["dep_delay"]),
        }
        for r in departures(days)
        if r["carrier"] in names
    ]


def airline_delays(days: Iterable[int]) -> list[Row]:
    rows = named_departures(days)
    result = []
    for airline in {r["airline"] for r in rows}:
        delays = [r["dep_delay"] for r in rows if r["airline"] == airline]
        known = [d for d in delays if d is not None]
        result.append(
            {
                "airline": airline,
                "departures": len(delays),
                "flown": len(known),
                "delay_minutes": sum(known) if known else None,
                "average_delay": average(known, 6),
                "earliest": min(known, default=None),
                "latest": max(known, default=None),
            }
        )
    return ordered(result)


def slow_airlines(days: Iterable[int]) -> list[Row]:
    return [
        {"airline": r["airline"], "average_delay": r["average_delay"]}
        for r in airline_delays(days)
        if r["flown"] >= 50 and r["average_delay"] > 15
    ]


def busiest_routes(days: Iterable[int]) -> list[Row]:
    routes: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for r in departures(days):
        routes[r["origin"], r["dest"]].append(r)
    return ordered(
        {
            "origin": origin,
            "dest": dest,
            "departures": len(rows),
            "airlines": len({r["carrier"] for r in rows}),
            "miles": sum(r["distance"] for r in rows),
        }
        for (origin, dest), rows in routes.items()
        if len(rows) >= 10
    )


def airport_totals(days: Iterable[int]) -> list[Row]:
    rows = departures(days)
    result = []
    for origin in {r["origin"] for r in rows}:
        own = [r for r in rows if r["origin"] == origin]
        result.append(
            {
                "origin": origin,
                "departures": len(own),
                "destinations": len({r["dest"] for r in own}),
                "planes": len({r["tailnum"] for r in own} - {None}),
                "average_miles": sum(r["distance"] for r in own) // len(own),
                "kilometres": sum(r["distance"] * Decimal("1.609") for r in own).quantize(Decimal("0.00001")),
            }
        )
    return ordered(result)


def departures_with_weather(days: Iterable[int]) -> list[Row]:
    weather = {(r["origin"], datetime.fromisoformat(r["hour"])): r for r in read_csv(FLIGHTS / "weather.csv")}
    result = []
    for r in departures(days):
        w = weather.get((r["origin"], r["scheduled_hour"]), {})
        result.append(
            {
                "carrier": r["carrier"],
                "flight": r["flight"],
                "origin": r["origin"],
                "scheduled_hour": r["scheduled_hour"],
                "dep_delay": r["dep_delay"],
                "temp": _decimal(w.get("temp")),
                "wind_speed": None if w.get("wind_speed") is None else float(w["wind_speed"]),
                "visib": _decimal(w.get("visib")),
                "wet": Decimal(w.get("precip") or 0) > 0,
            }
        )
    return result


def weather_delays(days: Iterable[int]) -> list[Row]:
    groups: dict[tuple[str, bool], list[Row]] = defaultdict(list)
    for r in departures_with_weather(days):
        if r["dep_delay"] is not None:
            groups[r["origin"], r["wet"]].append(r)
    result = []
    for (origin, wet), rows in groups.items():
        temps = [r["temp"] for r in rows if r["temp"] is not None]
        result.append(
            {
                "origin": origin,
                "wet": wet,
                "flown": len(rows),
                "delay_minutes": sum(r["dep_delay"] for r in rows),
                "average_temp": None
                if not temps
                else WIDE.divide(sum(temps), Decimal(len(temps))).quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP),
                "lowest_visibility": min((r["visib"] for r in rows if r["visib"] is not None), default=None),
            }
        )
    return ordered(result)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def ordered(rows: Iterable[Row]) -> list[Row]:
    """By their columns from the left, as a file shows them."""
    return sorted(rows, key=lambda row: [str(v) for v in row.values()])


def as_text(value: Any) -> str:
    """A value as the expectation files write it; an empty field is NULL."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(sep=" ")
        case _:
            return str(value)


def milliseconds(at: datetime) -> int:
    """Since the epoch."""
    return (at.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
