"""The input of the scenarios in `shadow/`, from one seed each.

python -m tests.shadow.scenarios.inputs      write all files of input; what Flink answered must then be recorded again

Every row says in `arrived` as which of all rows of its scenario it comes. No DDL declares this column, so both engines
pass over it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

SCENARIOS = Path(__file__).parents[3] / "shadow"

START = datetime(2026, 3, 28, 20, 0)
"""The night in which summer time begins in Europe lies within the input."""
REGIONS = ("north", "south", "east", "west", "centre")
NAMES = ("Ada Byron", "Grace Hopper", "Alan Turing", "Edsger Dijkstra", "Barbara Liskov", "Tony Hoare", "Jean Bartik")

Row: TypeAlias = dict[str, Any]
Arrival: TypeAlias = tuple[float, str, Row]
"""When it comes (seconds since START), its table, and its columns."""


def _at(seconds: float, digits: int = 3) -> str:
    moment = START + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[: 20 + digits]


def _cents(chance: random.Random, low: int, high: int) -> str:
    return f"{chance.randrange(low * 100, high * 100) / 100:.2f}"


def _late(chance: random.Random, most_s: float) -> float:
    """How long after its own time a row comes: mostly at once, now and then far too late."""
    return chance.uniform(720, 2400) if chance.random() < 0.04 else chance.uniform(0, most_s)


def _customer(chance: random.Random) -> str:
    return f"{chance.choice(NAMES)} {chance.randrange(100, 160)}"


def _tumbling(chance: random.Random) -> Iterable[Arrival]:
    for i in range(700):
        time = chance.uniform(0, 6 * 3600)
        row = {
            "order_id": i, "customer": _customer(chance), "region": chance.choice(REGIONS),
            "amount": _cents(chance, 1, 900), "weight": chance.uniform(0.05, 30), "ordered_at": _at(time),
        }  # fmt: skip
        late = _late(chance, 25) if chance.random() < 0.8 else chance.uniform(60, 290)
        yield time + late, "orders", row


def _running_totals(chance: random.Random) -> Iterable[Arrival]:
    branches = {f"account {i:03}": chance.choice(REGIONS) for i in range(90)}
    for i in range(500):
        time = chance.uniform(0, 6 * 3600)
        account = chance.choice(tuple(branches))
        row = {
            "payment_id": i, "account": account, "branch": branches[account],
            "amount": _cents(chance, -300, 900), "fee": chance.uniform(0.01, 4),
            "note": chance.choice(("rent", "salary", "test", "gift")), "paid_at": _at(time),
        }  # fmt: skip
        yield time + chance.uniform(0, 8), "payments", row


def _interval_join(chance: random.Random) -> Iterable[Arrival]:
    for i in range(260):
        time, amount = chance.uniform(0, 6 * 3600), _cents(chance, 1, 900)
        yield time + chance.uniform(0, 20), "orders", {
            "order_id": i, "customer": _customer(chance), "region": chance.choice(REGIONS),
            "amount": amount, "ordered_at": _at(time),
        }  # fmt: skip
        after = chance.choice((chance.uniform(0, 890), 900.0, chance.uniform(901, 1500)))
        if chance.random() < 0.9:
            yield time + after + chance.uniform(0, 20), "payments", {
                "payment_id": 1000 + i, "order_id": i, "paid_by": chance.choice(("card", "cash", "transfer")),
                "paid": amount if chance.random() < 0.6 else _cents(chance, 1, 900), "paid_at": _at(time + after),
            }  # fmt: skip


def _left_join(chance: random.Random) -> Iterable[Arrival]:
    for i in range(220):
        time = chance.uniform(0, 6 * 3600)
        yield time, "orders", {
            "order_id": i, "customer": _customer(chance), "region": chance.choice(REGIONS),
            "amount": _cents(chance, 1, 900), "ordered_at": _at(time),
        }  # fmt: skip
        if chance.random() < 0.7:
            shipped = time + chance.uniform(-60, 7200)
            yield shipped, "shipments", {
                "order_id": i, "carrier": chance.choice(("road", "rail", "air")),
                "tracking": f"parcel {chance.randrange(10**9):09}", "cost": _cents(chance, 2, 40), "shipped_at": _at(shipped),
            }  # fmt: skip


def _top_n(chance: random.Random) -> Iterable[Arrival]:
    categories = {i: chance.choice(REGIONS) for i in range(60)}
    for i in range(600):
        time, auction = chance.uniform(0, 6 * 3600), chance.randrange(60)
        row = {
            "bid_id": i, "auction": auction, "category": categories[auction], "bidder": _customer(chance),
            # Prices of few values: many auctions have ties.
            "price": f"{chance.randrange(10, 60) / 2:.2f}", "bid_at": _at(time),
        }  # fmt: skip
        yield time, "bids", row


def _sessions(chance: random.Random) -> Iterable[Arrival]:
    for i in range(160):
        visitor, country = f"visitor {i % 70:03}", REGIONS[i % 70 % 5]
        time = chance.uniform(0, 6 * 3600)
        for _ in range(chance.randrange(1, 7)):
            time += chance.choice((chance.uniform(1, 290), 300.0, chance.uniform(20, 60)))
            yield time + _late(chance, 50), "clicks", {
                "visitor": visitor, "country": country, "page": f"/page/{chance.randrange(100, 999)}",
                "size": chance.randrange(100, 90_000), "clicked_at": _at(time),
            }  # fmt: skip


def _dedup(chance: random.Random) -> Iterable[Arrival]:
    for i in range(300):
        time = chance.uniform(0, 6 * 3600)
        for version in range(chance.choice((1, 1, 2, 3))):
            row = {
                "event_id": f"event {i:05}", "kind": chance.choice(("login", "logout", "order", "refund")),
                "region": REGIONS[i % 5], "payload": f"{chance.choice(NAMES)}, version {version}",
                "cost": f"{chance.randrange(10**8) / 10**4:.4f}", "happened_at": _at(time),
            }  # fmt: skip
            yield time + chance.uniform(0, 15), "events", row
            time += chance.uniform(1, 600)


def _control(chance: random.Random) -> Iterable[Arrival]:
    for i in range(250):
        time = chance.uniform(0, 6 * 3600)
        yield time, "purchases", {
            "purchase_id": i, "shop": chance.choice(REGIONS), "buyer": _customer(chance),
            "total": _cents(chance, 1, 900), "bought_at": _at(time),
        }  # fmt: skip


def _readings(chance: random.Random) -> Iterable[Arrival]:
    for i in range(400):
        time, shard = chance.uniform(0, 6 * 3600), chance.randrange(6)
        yield time, "readings", {
            "reading_id": i, "device": f"sensor-{shard}-{chance.randrange(100):03}", "shard": shard,
            "room": chance.choice((" cellar", "attic ", "hall", "kitchen")), "fahrenheit": chance.uniform(-60, 120),
            "volts": f"{chance.randrange(1, 5 * 10**6) / 10**6:.6f}", "charge": chance.randrange(0, 101),
            "ok": chance.random() < 0.8, "remark": chance.choice((None, "", "needs a new battery", "seen by Ann")),
            "measured_at": _at(time, 6),
        }  # fmt: skip


INPUTS: Mapping[str, Callable[[random.Random], Iterable[Arrival]]] = {
    "tumbling": _tumbling,
    "running_totals": _running_totals,
    "interval_join": _interval_join,
    "left_join": _left_join,
    "top_n": _top_n,
    "sessions": _sessions,
    "dedup": _dedup,
    "control": _control,
    "readings": _readings,
}


def files(name: str, seed: int | None = None) -> dict[str, str]:
    """By table the text of its file; with a seed, of one like it."""
    chance = random.Random(f"velo shadow {name}" if seed is None else f"velo shadow {name} {seed}")
    arrivals = sorted(INPUTS[name](chance), key=lambda arrival: arrival[0])
    lines: dict[str, list[str]] = {}
    for position, (_, table, row) in enumerate(arrivals):
        lines.setdefault(table, []).append(json.dumps({"arrived": position, **row}) + "\n")
    return {table: "".join(some) for table, some in lines.items()}


def write(name: str) -> None:
    """The files of one scenario."""
    folder = SCENARIOS / name / "input"
    folder.mkdir(parents=True, exist_ok=True)
    for table, text in files(name).items():
        (folder / f"{table}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for name in INPUTS:
        write(name)
