"""Where a side is, as a command line says it.

| address | means |
|---|---|
| `kafka://totals` | the topic, at the brokers that the command is told |
| `kafka://host:9092/totals`, `kafka://a:9092,b:9092/totals` | the topic at these brokers |
| `kafka://totals?format=debezium-json` | records in another format than JSON |
| `kafka://totals?format=avro-confluent&schema.registry.url=http://registry:8081` | with options of format and client |
| `kafka://totals?changelog=upsert&start=2026-01-01T00:00:00Z` | upserts, from a time on (or `latest`, `committed`) |
| anything else | a file of rows |

What follows `?` has the names of a stream in shadow_config.yaml and of its `properties`; `%26` is an `&` in a value.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_shadow.config import FileStream, Stream, TopicStream
from velo_shadow.folding import Changelog

SCHEME = "kafka://"
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
"""Source: Kafka's Topic.validate."""
_OTHER_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")


def is_topic(text: str) -> bool:
    """Whether an address names a topic."""
    return text[: len(SCHEME)].lower() == SCHEME


def parse_address(text: str, *, brokers: str | None = None, folder: Path | None = None) -> Stream:
    """The stream at an address: a topic without brokers of its own is at `brokers`, a file's path is relative to
    `folder` (by default the process's).

    Errors: BAD_VALUE for no address, no name of a topic, or when nothing says where a topic is.
    """
    if is_topic(text):
        return _topic(text, brokers)
    other = _OTHER_SCHEME.match(text)
    if other is not None:
        hint = "topics are kafka://topic, files paths; --engine spark reads table://NAME and addresses of stores"
        raise VeloError(ErrorCode.BAD_VALUE, f'"{text}" is neither a topic nor a file', hint=hint)
    if not text.strip():
        raise VeloError(ErrorCode.BAD_VALUE, "the address of a side is empty", hint="give kafka://topic, or a file")
    return FileStream(Path(text) if folder is None else folder / text)


def shown_address(stream: Stream) -> str:
    """A stream as reports and messages call it: `kafka://totals`, or the file's path."""
    return f"{SCHEME}{stream.topic}" if isinstance(stream, TopicStream) else str(stream.path)


def _topic(text: str, brokers: str | None) -> TopicStream:
    place, _, written = text[len(SCHEME) :].partition("?")
    at, slash, topic = place.rpartition("/")
    if _TOPIC.fullmatch(topic) is None or topic in (".", ".."):
        hint = "kafka://topic, or kafka://host:port/topic; names have letters, digits, '.', '_' and '-'"
        raise VeloError(ErrorCode.BAD_VALUE, f'"{text}" names no topic', hint=hint)
    if slash and not at:
        hint = f"kafka://{topic}, or kafka://host:port/{topic}"
        raise VeloError(ErrorCode.BAD_VALUE, f'"{text}" names no brokers', hint=hint)
    where = at or brokers
    if not where:
        hint = f"kafka://host:port/{topic}, or --brokers host:port"
        raise VeloError(ErrorCode.BAD_VALUE, f'nothing says where the topic of "{text}" is', hint=hint)
    options = _options(text, written)
    form, start = options.pop("format", "json"), options.pop("start", "earliest")
    stated = options.pop("changelog", Changelog.APPEND)
    if stated not in tuple(Changelog):
        hint = did_you_mean(stated, tuple(Changelog), noun="changelog")
        raise VeloError(ErrorCode.BAD_VALUE, f'"{stated}" in "{text}" is no changelog', hint=hint)
    return TopicStream(topic, where, form, options, Changelog(stated), start)


def _options(text: str, written: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in written.split("&"):
        name, equals, value = part.partition("=")
        if not part:
            continue
        if not equals or not name:
            hint = "options are name=value, such as format=avro-confluent"
            raise VeloError(ErrorCode.BAD_VALUE, f'"{part}" in "{text}" is no option', hint=hint)
        found[unquote(name)] = unquote(value)
    return found
