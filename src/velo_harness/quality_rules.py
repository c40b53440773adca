"""The rules of a `data_quality` assertion and how they are written: by column, or as a list of objects."""
# ruff: noqa: ARG002 - the methods are those of Kind

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from velo_engine.errors import Location
from velo_harness.keys import Fields, JsonSchema, Key, Kind, ObjectFormat, bad_value, read_object, shown
from velo_harness.kinds import Number, Regex, Text
from velo_harness.scalars import decimal_of
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence


@dataclass(frozen=True, slots=True)
class RangeRule:
    """Every number of a column lies between the bounds, both included."""

    field: str
    low: Decimal | None
    high: Decimal | None
    location: Location


@dataclass(frozen=True, slots=True)
class PatternRule:
    """The regular expression is found in every text of a column."""

    field: str
    pattern: str
    location: Location


@dataclass(frozen=True, slots=True)
class ReferenceRule:
    """Every value of a column is one of a column of an input."""

    field: str
    source: str
    source_field: str
    location: Location


_FIELD = Key("field", Text("a column name"), "The column.", required=True, aliases=("column", "name"))
_RANGE = ObjectFormat(
    "range rule",
    "The numbers of a column lie in a range.",
    (_FIELD, Key("min", Number(), "The smallest value."), Key("max", Number(), "The greatest value.")),
)
_BOUNDS = ObjectFormat("bounds", "Smallest and greatest value, both included.", _RANGE.keys[1:])
_PATTERN = ObjectFormat(
    "pattern rule",
    "A regular expression is found in the texts of a column.",
    (_FIELD, Key("pattern", Regex(), "The regular expression.", required=True, aliases=("regex", "matches"))),
)
_REFERENCE = ObjectFormat(
    "reference rule",
    "The values of a column are those of a column of an input.",
    (
        _FIELD,
        Key(
            "source",
            Text("an input"),
            "The input.",
            required=True,
            aliases=("reference_source", "references", "reference_table"),
        ),
        Key(
            "source_field", Text("a column name"), "Its column; by default called alike.", aliases=("reference_field",)
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Rules(Kind):
    """Column → rule, or a list of objects with the key `field`; read as a tuple of rules."""

    def accepts(self, node: YamlNode) -> bool:
        """Whether it is a mapping or a list."""
        return isinstance(node, YamlMapping | YamlSequence)

    def read(self, node: YamlNode) -> tuple[Any, ...]:
        """The rules. Errors: as of `read_object`, BAD_VALUE."""
        match node:
            case YamlMapping(entries=entries):
                return tuple(self.of_column(name.text, value) for name, value in entries)
            case YamlSequence(items=items):
                return tuple(self.of_object(read_object(item, self.table)) for item in items)
            case _:
                raise self.refuse(node)

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """Both forms."""
        whole = self.table.json_schema(definitions)
        return {
            "anyOf": [
                {"type": "object", "additionalProperties": self.column_schema(definitions)},
                {"type": "array", "items": whole},
            ]
        }

    @property
    @abstractmethod
    def table(self) -> ObjectFormat:
        """The keys of the long form."""

    @abstractmethod
    def of_object(self, fields: Fields) -> Any:
        """The rule of the long form."""

    @abstractmethod
    def of_column(self, name: str, node: YamlNode) -> Any:
        """The rule of the short form."""

    @abstractmethod
    def column_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """The JSON Schema of a value of the short form."""


@dataclass(frozen=True, slots=True)
class Ranges(Rules):
    """`{amount: [0, 100]}`, `{amount: {min: 0}}`, or `[{field: amount, min: 0}]`."""

    noun: str = "ranges by column"

    @property
    def table(self) -> ObjectFormat:
        """field, min, max."""
        return _RANGE

    def of_object(self, fields: Fields) -> RangeRule:
        """One range."""
        return _range(fields["field"], fields["min"], fields["max"], fields.location)

    def of_column(self, name: str, node: YamlNode) -> RangeRule:
        """One range."""
        if not isinstance(node, YamlSequence):
            fields = read_object(node, _BOUNDS)
            return _range(name, fields["min"], fields["max"], node.location)
        bounds = [decimal_of(item.text) if isinstance(item, YamlScalar) else None for item in node.items]
        if len(bounds) != 2 or None in bounds:
            raise bad_value("a range has two numbers: [smallest, greatest]", node.location)
        return _range(name, bounds[0], bounds[1], node.location)

    def column_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """Two numbers, or bounds."""
        pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
        return {"anyOf": [pair, _BOUNDS.json_schema(definitions)]}


def _range(field: str, low: Decimal | None, high: Decimal | None, location: Location) -> RangeRule:
    if low is None and high is None:
        raise bad_value(f"the range of {field} has neither min nor max", location)
    if low is not None and high is not None and low > high:
        raise bad_value(f"nothing is between {low} and {high}: the smallest comes first", location)
    return RangeRule(field, low, high, location)


@dataclass(frozen=True, slots=True)
class Patterns(Rules):
    """`{email: '.+@.+'}`, or `[{field: email, pattern: '.+@.+'}]`."""

    noun: str = "regular expressions by column"

    @property
    def table(self) -> ObjectFormat:
        """field, pattern."""
        return _PATTERN

    def of_object(self, fields: Fields) -> PatternRule:
        """One pattern."""
        return PatternRule(fields["field"], fields["pattern"], fields.at("pattern"))

    def of_column(self, name: str, node: YamlNode) -> PatternRule:
        """One pattern."""
        return PatternRule(name, Regex().read(node), node.location)

    def column_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """A regular expression."""
        return Regex().json_schema(definitions)


@dataclass(frozen=True, slots=True)
class References(Rules):
    """`{customer: customers.id}`, or `[{field: customer, source: customers, source_field: id}]`."""

    noun: str = "references by column"

    @property
    def table(self) -> ObjectFormat:
        """field, source, source_field."""
        return _REFERENCE

    def of_object(self, fields: Fields) -> ReferenceRule:
        """One reference."""
        source_field = fields["field"] if fields["source_field"] is None else fields["source_field"]
        return ReferenceRule(fields["field"], fields["source"], source_field, fields.at("source"))

    def of_column(self, name: str, node: YamlNode) -> ReferenceRule:
        """One reference."""
        found = re.fullmatch(r"(.+)\.([^.]+)", node.text) if isinstance(node, YamlScalar) else None
        if found is None:
            raise bad_value(f"a reference is written source.column, not {shown(node)}", node.location)
        return ReferenceRule(name, found[1], found[2], node.location)

    def column_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """`source.column`."""
        return {"type": "string", "pattern": r"^.+\.[^.]+$"}
