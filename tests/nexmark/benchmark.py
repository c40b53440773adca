"""The queries over the generated events: as definitions for Flink and the engine, and what an answer comes to."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.nexmark.generator import Generator
from tests.oracle.case import Change, Definition, Row, Table

FOLDER = Path(__file__).parent
RECORDED = FOLDER / "recorded.json"
SMALL, FULL = 5_000, 50_000
"""Events in `make test` and in `make nexmark`."""

COLUMNS = """
  event_type INT,
  person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING,
             `dateTime` TIMESTAMP(3), extra STRING>,
  auction ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT,
              `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3), extra STRING>,
  `dateTime` AS CASE WHEN event_type = 0 THEN person.`dateTime`
                     WHEN event_type = 1 THEN auction.`dateTime`
                     ELSE bid.`dateTime` END,
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
"""

STREAMS = """WITH person AS (
  SELECT person.id, person.name, person.emailAddress, person.creditCard, person.city, person.state, `dateTime`, person.extra
  FROM src WHERE event_type = 0
), auction AS (
  SELECT auction.id, auction.itemName, auction.description, auction.initialBid, auction.reserve, `dateTime`,
         auction.expires, auction.seller, auction.category, auction.extra
  FROM src WHERE event_type = 1
), bid AS (
  SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, `dateTime`, bid.extra FROM src WHERE event_type = 2
)
"""
"""Put before every query: one stream of each type of event."""

SIDE_INPUT = Table(
    "key BIGINT, `value` STRING", tuple({"key": key, "value": f"value {key}"} for key in range(10_000)), lookup=True
)

UPSERTED = {"q9": (0,)}
"""Queries whose old rows Flink does not take back (see tests/fuzz/explained.yaml), and the key by which new ones replace them."""

QUERIES = tuple(
    sorted(
        (path.stem for path in (FOLDER / "queries").glob("*.sql")), key=lambda name: (name[0], int(name.lstrip("qcep")))
    )
)


@dataclass(frozen=True)
class Summary:
    """What a changelog comes to. Hashes do not depend on the order of rows."""

    rows: int
    kinds: Mapping[str, int]
    changelog: str
    final: str

    def to_json(self) -> dict[str, Any]:
        """For the file of recorded answers."""
        return {"rows": self.rows, "kinds": dict(self.kinds), "changelog": self.changelog, "final": self.final}


def definition(query: str, events: int) -> Definition:
    """A query over the first events."""
    text = (FOLDER / "queries" / f"{query}.sql").read_text(encoding="utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    tables = {"src": Table(COLUMNS, event_rows(events))}
    if "side_input" in body:
        tables["side_input"] = SIDE_INPUT
    return Definition(query, "nexmark", (), tables, STREAMS + body)


@lru_cache(maxsize=2)
def event_rows(count: int) -> tuple[Row, ...]:
    """The events."""
    return tuple(Generator().events(count))


def summary(query: str, changelog: Iterable[Change]) -> Summary:
    """The summary of a query's changelog."""
    changes = list(changelog)
    kinds = Counter(str(change[0]) for change in changes)
    key = UPSERTED.get(query)
    final = _folded(changes) if key is None else _upserted(changes, key)
    return Summary(
        len(changes),
        {kind: kinds[kind] for kind in ("+I", "-U", "+U", "-D") if kinds[kind]},
        _hash(Counter(changes)),
        _hash(final),
    )


def _folded(changes: list[Change]) -> Counter[Change]:
    table: Counter[Change] = Counter()
    for kind, *values in changes:
        table[tuple(values)] += 1 if kind in ("+I", "+U") else -1
    assert all(count >= 0 for count in table.values()), "a change takes back a row that is not there"
    return +table


def _upserted(changes: list[Change], key: tuple[int, ...]) -> Counter[Change]:
    table: dict[Change, Change] = {}
    for kind, *values in changes:
        name = tuple(values[i] for i in key)
        if kind in ("+I", "+U"):
            table[name] = tuple(values)
        elif kind == "-D":
            del table[name]
    return Counter(table.values())


def _hash(rows: Counter[Change]) -> str:
    """The sum of the rows' hashes."""
    total = 0
    for row, count in rows.items():
        digest = hashlib.sha256(json.dumps(row, ensure_ascii=False).encode()).digest()
        total += count * int.from_bytes(digest[:16], "big")
    return f"{total % (1 << 128):032x}"


def recorded(events: int) -> dict[str, Summary]:
    """Flink's answers over so many events."""
    data = json.loads(RECORDED.read_text(encoding="utf-8"))
    return {name: Summary(**entry) for name, entry in data["answers"][str(events)].items()}
