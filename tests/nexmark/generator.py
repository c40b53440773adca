"""The event stream of an auction house: of 50 events one person, three auctions, 46 bids.

Written from the published facts of Nexmark's generator (proportions, hot keys, ids, text lengths); own random numbers, the
same for the same seed. One event is a JSON object {event_type, person, auction, bid}, of which the one of that type is set.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]

PERSONS, AUCTIONS, BIDS = 1, 3, 46
CYCLE = PERSONS + AUCTIONS + BIDS
FIRST_EVENT_MS = 1_704_067_200_000
"""2024-01-01 00:00 UTC."""
MICROSECONDS_BETWEEN = 1000

HOT_AUCTION, HOT_BIDDER, HOT_SELLER = 2, 4, 4
"""All but one in so many go to the hot one of the last hundred."""
HOT_EVERY = 100
ACTIVE_PERSONS = 1000
AUCTIONS_IN_FLIGHT = 100
AHEAD = 10
"""So many ids that do not exist yet may be named, too."""

FIRST_AUCTION, FIRST_PERSON, FIRST_BIDDER, FIRST_CATEGORY = 1000, 1000, 2000, 10
"""Where ids begin. The published generator adds the persons' offset to bidders twice, so that bidders are other persons."""

FIRST_NAMES = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"]
LAST_NAMES = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"]
CITIES = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
]
STATES = ["AZ", "CA", "ID", "OR", "WA", "WY"]
HOT_CHANNELS = ("Google", "Facebook", "Baidu", "Apple")
CHANNELS = 10_000


class Generator:
    """A stream of events; iterate over `events`."""

    def __init__(self, seed: int = 42) -> None:
        self._random = random.Random(seed)
        self._hot_urls = [self._url() for _ in HOT_CHANNELS]
        self._channels = [self._channel(number) for number in range(CHANNELS)]

    def events(self, count: int) -> Iterator[Event]:
        """The first `count` events."""
        for number in range(count):
            place = number % CYCLE
            if place < PERSONS:
                yield {"event_type": 0, "person": self._person(number), "auction": None, "bid": None}
            elif place < PERSONS + AUCTIONS:
                yield {"event_type": 1, "person": None, "auction": self._auction(number), "bid": None}
            else:
                yield {"event_type": 2, "person": None, "auction": None, "bid": self._bid(number)}

    def _person(self, number: int) -> Event:
        name = f"{self._random.choice(FIRST_NAMES)} {self._random.choice(LAST_NAMES)}"
        email = f"{self._word(7)}@{self._word(5)}.com"
        card = " ".join(f"{self._random.randrange(10_000):04d}" for _ in range(4))
        city, state = self._random.choice(CITIES), self._random.choice(STATES)
        length = 8 + len(name) + len(email) + len(card) + len(city) + len(state)
        return {
            "id": _last_person(number) + FIRST_PERSON,
            "name": name,
            "emailAddress": email,
            "creditCard": card,
            "city": city,
            "state": state,
            "dateTime": _timestamp(_time_ms(number)),
            "extra": self._padding(length, 200),
        }

    def _auction(self, number: int) -> Event:
        newest = _last_person(number)
        hot = self._random.randrange(HOT_SELLER) > 0
        seller = newest // HOT_EVERY * HOT_EVERY if hot else self._some_person(newest)
        initial_bid = self._price()
        now = _time_ms(number)
        horizon = _time_ms(number + AUCTIONS_IN_FLIGHT * CYCLE // AUCTIONS) - now
        expires = now + 1 + self._random.randrange(max(horizon * 2, 1))
        name, description = self._word(20), self._word(100)
        return {
            "id": _last_auction(number) + FIRST_AUCTION,
            "itemName": name,
            "description": description,
            "initialBid": initial_bid,
            "reserve": initial_bid + self._price(),
            "dateTime": _timestamp(now),
            "expires": _timestamp(expires),
            "seller": seller + FIRST_PERSON,
            "category": FIRST_CATEGORY + self._random.randrange(5),
            "extra": self._padding(48 + len(name) + len(description), 500),
        }

    def _bid(self, number: int) -> Event:
        newest_auction, newest_person = _last_auction(number), _last_person(number)
        hot = self._random.randrange(HOT_AUCTION) > 0
        auction = newest_auction // HOT_EVERY * HOT_EVERY if hot else self._some_auction(newest_auction)
        hot = self._random.randrange(HOT_BIDDER) > 0
        bidder = newest_person // HOT_EVERY * HOT_EVERY + 1 if hot else self._some_person(newest_person)
        if self._random.randrange(2) > 0:
            at = self._random.randrange(len(HOT_CHANNELS))
            channel, url = HOT_CHANNELS[at], self._hot_urls[at]
        else:
            channel, url = self._channels[self._random.randrange(CHANNELS)]
        return {
            "auction": auction + FIRST_AUCTION,
            "bidder": bidder + FIRST_BIDDER,
            "price": self._price(),
            "channel": channel,
            "url": url,
            "dateTime": _timestamp(_time_ms(number)),
            "extra": self._padding(32, 100),
        }

    def _some_person(self, newest: int) -> int:
        count = newest + 1
        active = min(count, ACTIVE_PERSONS)
        return count - active + self._random.randrange(active + AHEAD)

    def _some_auction(self, newest: int) -> int:
        oldest = max(newest - AUCTIONS_IN_FLIGHT, 0)
        return oldest + self._random.randrange(max(newest - oldest + 1 + AHEAD, 1))

    def _price(self) -> int:
        """In cents, between 1 and a million, most of them small."""
        return int(10 ** (self._random.random() * 6) * 100 + 0.5)

    def _word(self, longest: int, gap: str = " ") -> str:
        """Letters, with a gap at one place in 13."""
        length = 3 + self._random.randrange(longest - 3)
        letters = [
            gap if self._random.randrange(13) == 0 else chr(ord("a") + self._random.randrange(26))
            for _ in range(length)
        ]
        return "".join(letters).strip()

    def _padding(self, length: int, wanted: int) -> str:
        """Letters that bring a record of `length` to about the wanted length."""
        if length > wanted:
            return ""
        missing = wanted - length
        spread = round(missing * 0.2)
        count = missing - spread + (self._random.randrange(2 * spread) if spread else 0)
        return "".join(self._random.choices(string.ascii_lowercase, k=count))

    def _url(self) -> str:
        directories = "/".join(self._word(5, "_") for _ in range(3))
        return f"https://www.nexmark.com/{directories}/item.htm?query=1"

    def _channel(self, number: int) -> tuple[str, str]:
        url = self._url()
        if self._random.randrange(10) > 0:
            url += f"&channel_id={_reversed_bits(number)}"
        return f"channel-{number}", url


def lines(count: int, seed: int = 42) -> Iterator[str]:
    """The events as JSON, one text each."""
    for event in Generator(seed).events(count):
        yield json.dumps(event)


def _last_person(number: int) -> int:
    cycle, place = divmod(number, CYCLE)
    return cycle * PERSONS + min(place, PERSONS - 1)


def _last_auction(number: int) -> int:
    cycle, place = divmod(number, CYCLE)
    if place < PERSONS:
        return cycle * AUCTIONS - 1
    return cycle * AUCTIONS + min(place - PERSONS, AUCTIONS - 1)


def _time_ms(number: int) -> int:
    return FIRST_EVENT_MS + number * MICROSECONDS_BETWEEN // 1000


def _timestamp(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03d}"


def _reversed_bits(number: int) -> int:
    """The 32 bits of a number back to front, as an absolute signed number."""
    reversed_bits = int(f"{number:032b}"[::-1], 2)
    return abs(reversed_bits - (1 << 32) if reversed_bits >= 1 << 31 else reversed_bits)
