"""What `velo kafka topics`, `groups` and `tail` print."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from velo_harness.reports.shown_values import printable_lines

if TYPE_CHECKING:
    from velo_engine.connectors.kafka.cluster_view import GroupOffset, GroupView, TopicView
    from velo_engine.connectors.kafka.merge import KafkaMessage


class ListFormat(StrEnum):
    """What a list is written in."""

    TEXT = "text"
    JSON = "json"


class RecordFormat(StrEnum):
    """What records are written in."""

    JSON = "json"
    RAW = "raw"
    KEY_VALUE = "key-value"


def topics_text(topics: Sequence[TopicView]) -> str:
    """One line a topic."""
    rows = [(t.name, str(len(t.partitions)), str(t.replicas), str(t.records)) for t in topics]
    return columns(("TOPIC", "PARTITIONS", "REPLICAS", "OFFSETS"), rows)


def topics_json(topics: Sequence[TopicView]) -> str:
    """One object a topic, with its partitions."""
    return _json(
        [
            {
                "topic": t.name,
                "replicas": t.replicas,
                "partitions": [
                    {"partition": p.number, "first_offset": p.first_offset, "next_offset": p.next_offset}
                    for p in t.partitions
                ],
            }
            for t in topics
        ]
    )


def groups_text(groups: Sequence[GroupView]) -> str:
    """One line a group."""
    return columns(("GROUP", "STATE", "MEMBERS"), [(g.name, g.state, str(g.members)) for g in groups])


def groups_json(groups: Sequence[GroupView]) -> str:
    """One object a group."""
    return _json([{"group": g.name, "state": g.state, "members": g.members} for g in groups])


def offsets_text(offsets: Sequence[GroupOffset]) -> str:
    """One line a partition, and the sum."""
    rows = [(o.topic, str(o.partition), str(o.offset), str(o.next_offset), str(o.lag), o.metadata) for o in offsets]
    rows.append(("all", "", "", "", str(sum(o.lag for o in offsets)), ""))
    return columns(("TOPIC", "PARTITION", "OFFSET", "END", "LAG", "METADATA"), rows)


def offsets_json(offsets: Sequence[GroupOffset]) -> str:
    """One object a partition."""
    return _json(
        [
            {
                "topic": o.topic,
                "partition": o.partition,
                "offset": o.offset,
                "next_offset": o.next_offset,
                "lag": o.lag,
                "metadata": o.metadata,
            }
            for o in offsets
        ]
    )


def columns(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns, the first to the left and numbers to the right."""
    shown = [[printable_lines(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(len(row[i]) for row in shown) for i in range(len(titles))]
    right = [bool(rows) and all(row[i].isdecimal() or not row[i] for row in rows) for i in range(len(titles))]
    lines = [
        "  ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in shown
    ]
    return "\n".join(lines)


def record_bytes(message: KafkaMessage, form: RecordFormat, topic: str) -> bytes:
    """One record as a line, without the line's end. A tombstone is empty in the raw form."""
    value, key = message.value(), message.key()
    match form:
        case RecordFormat.RAW:
            return value or b""
        case RecordFormat.KEY_VALUE:
            return (b"" if key is None else key) + b"\t" + (value or b"")
        case RecordFormat.JSON:
            _, timestamp_ms = message.timestamp()
            fields: dict[str, object] = {
                "topic": topic,
                "partition": message.partition(),
                "offset": message.offset(),
                "timestamp": None if timestamp_ms < 0 else _iso(timestamp_ms),
                **_text("key", key),
                **_text("value", value),
            }
            if headers := message.headers():
                fields["headers"] = [{"name": name, **_text("value", text)} for name, text in headers]
            return msgspec.json.encode(fields)


def _iso(timestamp_ms: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=timestamp_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(name: str, data: bytes | None) -> dict[str, str | None]:
    """The bytes as text when they are UTF-8, else in base64 under another name."""
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
