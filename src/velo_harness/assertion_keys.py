"""What an assertion may say whatever its type: the common keys, operators with their spellings, and what a type is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from velo_harness.keys import Key, ObjectFormat
from velo_harness.kinds import NAMES, SOME_NAMES, Boolean, Choice, DataLiteral, ListOf, ScalarLiteral, Text
from velo_harness.spec import Operator, Severity

OPERATORS = {
    "equals": Operator.EQUALS,
    "equal": Operator.EQUALS,
    "eq": Operator.EQUALS,
    "=": Operator.EQUALS,
    "==": Operator.EQUALS,
    "not_equals": Operator.NOT_EQUALS,
    "not_equal": Operator.NOT_EQUALS,
    "ne": Operator.NOT_EQUALS,
    "!=": Operator.NOT_EQUALS,
    "<>": Operator.NOT_EQUALS,
    "greater_than": Operator.GREATER_THAN,
    "gt": Operator.GREATER_THAN,
    ">": Operator.GREATER_THAN,
    "less_than": Operator.LESS_THAN,
    "lt": Operator.LESS_THAN,
    "<": Operator.LESS_THAN,
    "greater_than_or_equal": Operator.GREATER_THAN_OR_EQUAL,
    "greater_than_or_equals": Operator.GREATER_THAN_OR_EQUAL,
    "gte": Operator.GREATER_THAN_OR_EQUAL,
    ">=": Operator.GREATER_THAN_OR_EQUAL,
    "less_than_or_equal": Operator.LESS_THAN_OR_EQUAL,
    "less_than_or_equals": Operator.LESS_THAN_OR_EQUAL,
    "lte": Operator.LESS_THAN_OR_EQUAL,
    "<=": Operator.LESS_THAN_OR_EQUAL,
    "between": Operator.BETWEEN,
    "in": Operator.IN,
    "contains": Operator.CONTAINS,
    "starts_with": Operator.STARTS_WITH,
    "ends_with": Operator.ENDS_WITH,
    "matches": Operator.MATCHES,
}
"""Every spelling of an operator after `operator:`."""

SHORT_FORMS = {word: operator for word, operator in OPERATORS.items() if word.replace("_", "").isalpha()}
"""Operators usable as keys: `greater_than: 0`."""


class Compares(Enum):
    """Whether a type of assertion compares a value with an operator."""

    NO = "no"
    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class AssertionType:
    """One type of assertion."""

    name: str
    doc: str
    parameters: tuple[Key, ...]
    compares: Compares = Compares.NO
    one_of: tuple[str, ...] = ()
    """Parameters of which at least one must be given, for the assertion to check anything.

    A comparison does as well, where the type takes one.
    """
    over_rows: bool = True
    """Whether it looks at rows of the output, among which `where` can choose."""

    def format(self) -> ObjectFormat:
        """All keys that an assertion of this type may have."""
        taken = {spelling for key in self.parameters for spelling in key.spellings}
        comparing = () if self.compares is Compares.NO else tuple(k for k in COMPARISON_KEYS if k.name not in taken)
        common = tuple(key for key in COMMON_KEYS if self.over_rows or key.name != "where")
        return ObjectFormat(f"{self.name} assertion", self.doc, (*common, *self.parameters, *comparing))


COMMON_KEYS = (
    Key("type", Text(), "What is checked.", required=True),
    Key("message", Text(), "Shown when it fails.", aliases=("reason", "description")),
    Key("severity", Choice({s.value: s for s in Severity}), "A warning does not fail the query.", Severity.ERROR),
    Key("where", Text(), "A SQL predicate: only output rows for which it is true are looked at."),
    Key("allow_empty", Boolean(), "Pass although there is no row to look at.", False),
)

COMPARISON_KEYS = (
    Key("operator", Choice(OPERATORS), "How the value is compared with value, expected, or min and max."),
    Key("value", DataLiteral(), "What the value is compared with.", aliases=("expected",)),
    Key("values", ListOf(DataLiteral()), "The values of operator: in."),
    Key("min", ScalarLiteral(), "The smallest value allowed."),
    Key("max", ScalarLiteral(), "The greatest value allowed."),
    *(Key(word, DataLiteral(), f"Short for operator: {word}.") for word in SHORT_FORMS),
)

FIELD = Key("field", Text(), "The column.", required=True)


def names(name: str, doc: str, *aliases: str, required: bool = False, default: tuple[str, ...] = ()) -> Key:
    """A key that takes one name or a list of them."""
    return Key(name, SOME_NAMES if required else NAMES, doc, None if required else default, required, aliases)
