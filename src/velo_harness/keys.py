"""The keys that a YAML object may have, as tables: one table drives the strict reader and the shipped JSON Schema.

A `Kind` says what a value may be; a `Key` gives it a name, a default and a line of documentation; an `ObjectFormat` is
a set of keys. `read_object` accepts exactly what the table lists: an unknown key, a wrong type and a missing key each
have their own error at their own place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence

JsonSchema = dict[str, Any]

NOT_SUPPORTED_HINT = "take it out, or run this spec with a version that has it; nothing in a spec is ignored silently"


class Kind(ABC):
    """What a value may be: how it is read from a node, and how JSON Schema says it."""

    @property
    @abstractmethod
    def noun(self) -> str:
        """What the value must be, for messages: `a whole number`."""

    @abstractmethod
    def accepts(self, node: YamlNode) -> bool:
        """Whether the node has the right shape; a union tries its kinds by this."""

    @abstractmethod
    def read(self, node: YamlNode) -> Any:
        """The value. Errors: BAD_VALUE at the node, and those of nested objects."""

    @abstractmethod
    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """The JSON Schema; named objects are put into `definitions` and referred to."""

    def refuse(self, node: YamlNode) -> VeloError:
        """The error for a node that is not of this kind."""
        return bad_value(f"this must be {self.noun}, not {shown(node)}", node.location)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an object. `aliases` are other accepted spellings of it."""

    name: str
    kind: Kind
    doc: str
    default: Any = None
    required: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def spellings(self) -> tuple[str, ...]:
        """The name and its aliases."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class ObjectFormat:
    """The keys of one kind of object."""

    name: str
    """What messages and JSON Schema definitions call it: `query`."""
    doc: str
    keys: tuple[Key, ...]

    @property
    def by_spelling(self) -> dict[str, Key]:
        """Keys by every accepted spelling."""
        return {spelling: key for key in self.keys for spelling in key.spellings}

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """The object's JSON Schema."""
        properties: JsonSchema = {}
        alternatives = []
        for key in self.keys:
            for spelling in key.spellings:
                described = dict(key.kind.json_schema(definitions))
                described["description"] = key.doc if spelling == key.name else f"The same as {key.name}. {key.doc}"
                properties[spelling] = described
            if key.required and key.aliases:
                alternatives.append({"anyOf": [{"required": [spelling]} for spelling in key.spellings]})
        schema: JsonSchema = {"type": "object", "description": self.doc, "properties": properties}
        if required := [key.name for key in self.keys if key.required and not key.aliases]:
            schema["required"] = required
        if alternatives:
            schema["allOf"] = alternatives
        schema["additionalProperties"] = False
        return schema


@dataclass(frozen=True, slots=True)
class Fields:
    """The values of an object that was read, by the first spelling of their keys."""

    values: Mapping[str, Any]
    """Every key of the format; absent ones have their default."""
    locations: Mapping[str, Location]
    """Places of the values that are written."""
    location: Location
    """The object's place."""
    key_locations: Mapping[str, Location] = field(default_factory=dict)
    """Places of the keys that are written."""
    nodes: Mapping[str, YamlNode] = field(default_factory=dict, compare=False)
    """The values that are written, unread."""

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def has(self, name: str) -> bool:
        """Whether the key is written."""
        return name in self.locations

    def at(self, name: str) -> Location:
        """The value's place, else the object's."""
        return self.locations.get(name, self.location)

    def place_within(self, name: str, text: str) -> Location:
        """Where `text` stands in the value, as a key or in a list; else the value's place."""
        node = self.nodes.get(name)
        if isinstance(node, YamlMapping):
            inner: Iterable[YamlNode] = (key for key, _ in node.entries)
        else:
            inner = node.items if isinstance(node, YamlSequence) else ()
        found = (one.location for one in inner if isinstance(one, YamlScalar) and one.text == text)
        return next(found, self.at(name))


def read_object(node: YamlNode, table: ObjectFormat) -> Fields:
    """The object's values. Errors: BAD_VALUE, UNKNOWN_KEY, MISSING_KEY."""
    if not isinstance(node, YamlMapping):
        raise bad_value(f"{_with_article(table.name)} must be a mapping of keys, not {shown(node)}", node.location)
    by_spelling = table.by_spelling
    written: dict[str, tuple[YamlScalar, YamlNode]] = {}
    for name, value in node.entries:
        key = by_spelling.get(name.text)
        if key is None:
            raise _unknown_key(name, table)
        if key.name in written:
            first = written[key.name][0].text
            raise bad_value(f'"{name.text}" means the same as "{first}", which is given too', name.location)
        written[key.name] = (name, value)
    for key in table.keys:
        if key.required and key.name not in written:
            message = f'{_with_article(table.name)} needs the key "{key.name}"'
            raise VeloError(ErrorCode.MISSING_KEY, message, location=node.location, hint=key.doc)
    values = {key.name: key.default for key in table.keys}
    values |= {name: by_spelling[name].kind.read(value) for name, (_, value) in written.items()}
    return Fields(
        values,
        {name: value.location for name, (_, value) in written.items()},
        node.location,
        {name: key.location for name, (key, _) in written.items()},
        {name: value for name, (_, value) in written.items()},
    )


def _unknown_key(name: YamlScalar, table: ObjectFormat) -> VeloError:
    hint = did_you_mean(name.text, table.by_spelling, noun="key")
    message = f'unknown key "{name.text}" in {_with_article(table.name)}'
    return VeloError(ErrorCode.UNKNOWN_KEY, message, location=name.location, hint=hint)


def bad_value(message: str, location: Location, *, hint: str | None = None) -> VeloError:
    """A BAD_VALUE error."""
    return VeloError(ErrorCode.BAD_VALUE, message, location=location, hint=hint)


def not_supported(what: str, location: Location) -> VeloError:
    """The error for a part of the format that this version recognises and does not do."""
    message = f"{what} is not supported by this version"
    return VeloError(ErrorCode.NOT_YET_SUPPORTED, message, location=location, hint=NOT_SUPPORTED_HINT)


def shown(node: YamlNode) -> str:
    """A node as messages show it."""
    match node:
        case YamlScalar(text=""):
            return "an empty value"
        case YamlScalar(text=text):
            return f'"{text}"' if len(text) <= SHOWN_CHARACTERS else f'"{text[:SHOWN_CHARACTERS]}…"'
        case YamlSequence():
            return "a list"
        case _:
            return "a mapping"


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


SHOWN_CHARACTERS = 60
"""How much of a scalar a message repeats."""
