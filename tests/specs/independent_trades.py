"""The expected values of the suites over generated rows: plain Python over the rows that the spec's seed generates."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from tests.specs.independent import ROOT, WIDE, Row, ordered, read_csv, windows
from velo_harness.data_schema import load_data_schema
from velo_harness.generation.tables import TimePlan, generate
from velo_harness.spec import TimeSimulation

SPECS = ROOT / "specs"
NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def generated(schema: Path, records: int, event_time: str, per_second: int, jitter_ms: int) -> list[Row]:
    """The rows that a spec with seed 42 and this `now` generates."""
    simulation = TimeSimulation(
        start_time=f"-{records // per_second}s", jitter_ms=jitter_ms, events_per_second=Decimal(per_second)
    )
    table = generate(
        load_data_schema(schema), records=records, seed=42, now=NOW, event_times=TimePlan(simulation, event_time)
    )
    rows: list[Row] = table.to_pylist()
    return rows


def trades() -> list[Row]:
    return generated(SPECS / "trades" / "trades.schema.yaml", 2000, "event_time", 10, 7000)


def half_up(value: Decimal, digits: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def divided(dividend: Decimal, divisor: Decimal | int, digits: int) -> Decimal:
    return half_up(WIDE.divide(dividend, Decimal(divisor)), digits)


def minute_bars() -> list[Row]:
    found, _, _ = windows(trades(), "event_time", timedelta(seconds=5), MINUTE, MINUTE)
    result = []
    for start, rows in found.items():
        for symbol in {r["symbol"] for r in rows}:
            own = [r for r in rows if r["symbol"] == symbol]
            prices = [r["price"] for r in own]
            volume = sum(r["quantity"] for r in own)
            turnover = sum((r["price"] * r["quantity"] for r in own), Decimal(0))
            result.append(
                {
                    "symbol": symbol,
                    "window_start": start,
                    "window_end": start + MINUTE,
                    "trades": len(own),
                    "volume": volume,
                    "turnover": half_up(turnover, 4),
                    "average_price": divided(sum(prices), len(prices), 6),
                    "vwap": divided(turnover, volume, 6),
                    "low": min(prices),
                    "high": max(prices),
                }
            )
    return ordered(result)


def large_trades() -> list[Row]:
    return [
        {
            "trade_id": r["trade_id"],
            "symbol": r["symbol"],
            "price": r["price"],
            "quantity": r["quantity"],
            "amount": r["price"] * r["quantity"],
        }
        for r in trades()
        if r["price"] * r["quantity"] > 100000
    ]


def positions() -> list[Row]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for r in trades():
        groups[r["symbol"]].append(r)
    return ordered(
        {
            "symbol": symbol,
            "trades": len(rows),
            "position": sum(r["quantity"] if r["side"] == "BUY" else -r["quantity"] for r in rows),
            "turnover": half_up(sum((r["price"] * r["quantity"] for r in rows), Decimal(0)), 4),
        }
        for symbol, rows in groups.items()
    )


def orders() -> list[Row]:
    return generated(SPECS / "pipelines" / "orders.schema.yaml", 1000, "ordered_at", 5, 12000)


def clean_orders() -> list[Row]:
    rates = {"EUR": Decimal("1.08"), "GBP": Decimal("1.27")}
    result = []
    for r in orders():
        if r["customer_id"] is None or not r["amount"] > 0:
            continue
        currency = None if r["currency"] is None else r["currency"].strip(" ").upper()
        result.append(
            {
                "order_id": r["order_id"],
                "customer_id": r["customer_id"],
                "currency": currency,
                "amount_usd": half_up(r["amount"] * rates.get(currency, Decimal(1)), 4),
                "ordered_at": r["ordered_at"],
            }
        )
    return result


def named_orders() -> list[Row]:
    customers = {int(r["customer_id"]): r for r in read_csv(SPECS / "pipelines" / "customers.csv")}
    return [
        {
            "order_id": r["order_id"],
            "amount_usd": r["amount_usd"],
            "ordered_at": r["ordered_at"],
            "country": customers.get(r["customer_id"], {}).get("country") or "unknown",
            "tier": customers.get(r["customer_id"], {}).get("tier"),
        }
        for r in clean_orders()
    ]


def country_revenue() -> list[Row]:
    # The watermark is that of all orders: a filter stands above the source.
    names = {r["order_id"]: r for r in named_orders()}
    found, _, _ = windows(orders(), "ordered_at", timedelta(seconds=10), MINUTE, MINUTE)
    result = []
    for start, rows in found.items():
        groups: dict[str, list[Row]] = defaultdict(list)
        for r in rows:
            if r["order_id"] in names:
                groups[names[r["order_id"]]["country"]].append(names[r["order_id"]])
        for country, own in groups.items():
            amounts = [r["amount_usd"] for r in own]
            result.append(
                {
                    "country": country,
                    "window_start": start,
                    "orders": len(own),
                    "revenue": sum(amounts),
                    "largest": max(amounts),
                }
            )
    return ordered(result)
