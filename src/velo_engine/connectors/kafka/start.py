"""Where reading a topic starts and ends.

Source: Flink's Kafka connector (`scan.startup.mode`, `scan.bounded.mode` and what belongs to them), and Kafka's own
`auto.offset.reset`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from velo_engine.errors import ErrorCode, VeloError, did_you_mean

if TYPE_CHECKING:
    from confluent_kafka import Consumer

START_MODES = ("earliest-offset", "latest-offset", "group-offsets", "timestamp", "specific-offsets")
BOUNDED_MODES = ("unbounded", "latest-offset", "group-offsets", "timestamp", "specific-offsets")
_OFFSET = re.compile(r"partition:(\d+),offset:(\d+)")
_MODE_NAMES = {"earliest": "earliest-offset", "latest": "latest-offset", "group": "group-offsets"}
_RESETS = {"earliest": "earliest", "smallest": "earliest", "beginning": "earliest"} | {
    "latest": "latest",
    "largest": "latest",
    "end": "latest",
}


class Place(Enum):
    """A place in every partition of a topic."""

    EARLIEST = "earliest-offset"
    LATEST = "latest-offset"
    TIMESTAMP = "timestamp"
    OFFSETS = "specific-offsets"
    GROUP = "group-offsets"


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where reading starts, or where it ends."""

    place: Place
    timestamp_ms: int = 0
    """Of TIMESTAMP: the first record that is not older."""
    offsets: Mapping[int, int] = field(default_factory=dict)
    """Of OFFSETS: per partition."""
    otherwise: Place = Place.EARLIEST
    """EARLIEST or LATEST, where the group has no offset and where `offsets` names none."""


EVERYTHING = Boundary(Place.EARLIEST)


def start_of(properties: Mapping[str, str]) -> Boundary:
    """Where a source with these properties starts: by `scan.startup.mode`; without one at the offsets that its group
    has committed, and else by `auto.offset.reset` (earliest unless it says latest).

    Raises VeloError BAD_PROPERTY for a value that means nothing.
    """
    written = properties.get("auto.offset.reset", "earliest")
    reset = _RESETS.get(written.casefold())
    if reset is None:
        raise VeloError(
            ErrorCode.BAD_PROPERTY,
            f'"{written}" is not a value of auto.offset.reset',
            hint=did_you_mean(written, ("earliest", "latest"), noun="value"),
        )
    otherwise = Place.LATEST if reset == "latest" else Place.EARLIEST
    if "scan.startup.mode" not in properties:
        return Boundary(Place.GROUP if "group.id" in properties else otherwise, otherwise=otherwise)
    return _boundary(properties, "scan.startup", START_MODES, otherwise)


def end_of(properties: Mapping[str, str]) -> Boundary | None:
    """Where a source with these properties ends, by `scan.bounded.mode`; None when it goes on. Raises as `start_of`."""
    if properties.get("scan.bounded.mode", "unbounded") == "unbounded":
        return None
    return _boundary(properties, "scan.bounded", BOUNDED_MODES, Place.LATEST)


def _boundary(properties: Mapping[str, str], scan: str, modes: Sequence[str], otherwise: Place) -> Boundary:
    written = properties[f"{scan}.mode"]
    name = _MODE_NAMES.get(written, written)
    if name not in modes:
        raise VeloError(
            ErrorCode.BAD_PROPERTY,
            f'"{written}" is not a value of {scan}.mode',
            hint=did_you_mean(written, modes, noun="mode"),
        )
    place = Place(name)
    if place is Place.GROUP and "group.id" not in properties:
        raise VeloError(ErrorCode.BAD_PROPERTY, f"{scan}.mode = {written} needs a group", hint="add group.id")
    if place is Place.TIMESTAMP:
        return Boundary(place, timestamp_ms=_milliseconds(properties, f"{scan}.timestamp-millis"))
    if place is Place.OFFSETS:
        return Boundary(place, offsets=_offsets(properties, f"{scan}.specific-offsets"), otherwise=otherwise)
    return Boundary(place, otherwise=otherwise)


def _milliseconds(properties: Mapping[str, str], key: str) -> int:
    written = properties.get(key, "")
    if not written.strip().isdecimal():
        raise VeloError(ErrorCode.BAD_PROPERTY, f'{key} is a number of milliseconds since 1970, not "{written}"')
    return int(written)


def _offsets(properties: Mapping[str, str], key: str) -> dict[int, int]:
    written = properties.get(key, "")
    parts = [_OFFSET.fullmatch(part.strip().replace(" ", "")) for part in written.split(";") if part.strip()]
    if not parts or not all(parts):
        raise VeloError(
            ErrorCode.BAD_PROPERTY, f'{key} is not "{written}"', hint="write partition:0,offset:42;partition:1,offset:7"
        )
    return {int(part[1]): int(part[2]) for part in parts if part is not None}


def offsets_at(
    boundary: Boundary, consumer: Consumer, topic: str, ranges: Mapping[int, tuple[int, int]], timeout_s: float
) -> dict[int, int]:
    """The offset of `boundary` in each partition, whose first and next offsets are `ranges`.

    A committed offset that the log no longer has counts as none. Raises KafkaException.
    """
    from confluent_kafka import TopicPartition

    first = {p: low for p, (low, _) in ranges.items()}
    last = {p: high for p, (_, high) in ranges.items()}
    otherwise = last if boundary.otherwise is Place.LATEST else first
    match boundary.place:
        case Place.EARLIEST:
            return first
        case Place.LATEST:
            return last
        case Place.OFFSETS:
            return {p: boundary.offsets.get(p, otherwise[p]) for p in ranges}
        case Place.TIMESTAMP:
            asked = [TopicPartition(topic, p, boundary.timestamp_ms) for p in ranges]
            found = {t.partition: t.offset for t in consumer.offsets_for_times(asked, timeout=timeout_s)}
            return {p: found[p] if found[p] >= 0 else last[p] for p in ranges}
        case Place.GROUP:
            committed = consumer.committed([TopicPartition(topic, p) for p in ranges], timeout=timeout_s)
            found = {t.partition: t.offset for t in committed}
            return {p: found[p] if first[p] <= found[p] <= last[p] else otherwise[p] for p in ranges}
