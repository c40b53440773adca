"""Which expectation file holds what. `python -m tests.specs.expected_files` writes them from the independent computation."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from tests.specs import independent, independent_trades
from tests.specs.independent import ROOT, Row, as_text

FIRST_DAY = range(1, 2)

ALL_DAYS = range(1, 14)

FILES: dict[str, Callable[[], list[Row]]] = {
    "flights/expected/hourly_departures.csv": lambda: independent.hourly_departures(FIRST_DAY),
    "flights/expected/rolling_departures.csv": lambda: independent.rolling_departures(FIRST_DAY),
    "flights/expected/daily_departures.csv": lambda: independent.daily_departures(ALL_DAYS),
    "flights/expected/named_departures.csv": lambda: independent.named_departures(FIRST_DAY),
    "flights/expected/airline_delays.csv": lambda: independent.airline_delays(FIRST_DAY),
    "flights/expected/busiest_routes.csv": lambda: independent.busiest_routes(FIRST_DAY),
    "flights/expected/airport_totals.csv": lambda: independent.airport_totals(FIRST_DAY),
    "flights/expected/departures_with_weather.csv": lambda: independent.departures_with_weather(FIRST_DAY),
    "flights/expected/weather_delays.csv": lambda: independent.weather_delays(FIRST_DAY),
    "trades/expected/minute_bars.csv": independent_trades.minute_bars,
    "trades/expected/large_trades.csv": independent_trades.large_trades,
    "trades/expected/positions.csv": independent_trades.positions,
    "pipelines/expected/clean_orders.csv": independent_trades.clean_orders,
    "pipelines/expected/named_orders.csv": independent_trades.named_orders,
    "pipelines/expected/country_revenue.csv": independent_trades.country_revenue,
}


def rendered(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([as_text(v) for v in row.values()] for row in rows)
    return text.getvalue()


def main() -> None:
    for name, compute in FILES.items():
        path: Path = ROOT / "specs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(rendered(compute()), encoding="utf-8")


if __name__ == "__main__":
    main()
