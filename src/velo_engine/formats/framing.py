"""Confluent's wire format: a zero byte, the schema's id in four bytes, then the datum.

Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from velo_engine.connectors.schema_registry import URL_OPTION, RegistrySchema, SchemaRegistry, open_registry
from velo_engine.errors import ErrorCode, VeloError

FRAME_SIZE = 5


@dataclass(frozen=True, slots=True)
class Subject:
    """Where a sink's schema is registered, and how."""

    registry: SchemaRegistry
    name: str
    auto_register: bool
    use_latest: bool

    def id_of(self, schema: RegistrySchema) -> int:
        """The id under which `schema` is registered. Raises VeloError when it is not and may not be."""
        if self.auto_register:
            return self.registry.register(self.name, schema)
        found = self.registry.lookup(self.name, schema)
        if found is None:
            raise VeloError(
                ErrorCode.SCHEMA_MISMATCH,
                f"the schema of the rows is not registered under {self.name} in {self.registry.url}",
                hint="register it, set auto.register.schemas = true, or write with use.latest.version = true",
            )
        return found

    def latest(self, *, serialized: bool = False) -> tuple[int, RegistrySchema]:
        """The newest registered schema. Raises VeloError when there is none."""
        found = self.registry.latest(self.name, serialized=serialized)
        if found is None:
            raise VeloError(
                ErrorCode.SCHEMA_MISMATCH,
                f"there is no schema under {self.name} in {self.registry.url}",
                hint="register one, or leave use.latest.version away",
            )
        return found


def framed_registry(format_name: str, options: Mapping[str, str]) -> SchemaRegistry:
    """The registry of a framed format. Raises VeloError when the options name none."""
    registry = open_registry(options)
    if registry is None:
        raise VeloError(
            ErrorCode.BAD_PROPERTY, f'the format "{format_name}" needs a schema registry', hint=f"set {URL_OPTION}"
        )
    return registry


def subject_of(registry: SchemaRegistry, options: Mapping[str, str], *, is_key: bool) -> Subject | None:
    """The subject of a topic's keys or values: the option `subject`, else `<topic>-key` or `<topic>-value`.

    None when the options name neither a subject nor a topic.
    """
    topic = options.get("topic")
    given = next(
        (options[k] for k in ("subject", "avro-confluent.subject", "protobuf-confluent.subject") if k in options), None
    )
    name = given or (f"{topic}-{'key' if is_key else 'value'}" if topic else None)
    if name is None:
        return None
    return Subject(
        registry,
        name,
        auto_register=flag(options, "auto.register.schemas", True),
        use_latest=flag(options, "use.latest.version", False),
    )


def flag(options: Mapping[str, str], key: str, default: bool) -> bool:
    """A true or false option. Raises VeloError for anything else."""
    written = options.get(key)
    if written is None:
        return default
    if written.strip().casefold() in ("true", "false"):
        return written.strip().casefold() == "true"
    raise VeloError(ErrorCode.BAD_PROPERTY, f'"{key}" is "{written}"', hint="it can be true or false")


def frame(schema_id: int) -> bytes:
    """The five bytes before a datum."""
    return b"\x00" + schema_id.to_bytes(4)


def by_schema(messages: Sequence[bytes], failures: dict[int, str]) -> dict[int, list[int]]:
    """The positions of the messages of each schema id, in the order of the first; others go to `failures`."""
    found: dict[int, list[int]] = {}
    starts: dict[bytes, list[int]] = {}
    for i, message in enumerate(messages):
        at = starts.get(message[:FRAME_SIZE])
        if at is None:
            if len(message) < FRAME_SIZE or message[0] != 0:
                failures[i] = "the record does not begin with a zero byte and a schema id"
                continue
            at = starts[message[:FRAME_SIZE]] = found[int.from_bytes(message[1:FRAME_SIZE])] = []
        at.append(i)
    return found
