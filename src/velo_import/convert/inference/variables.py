"""Types that are not known yet, and what is said of them: values that must agree are one variable."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TypeAlias

from velo_engine.types import (
    BIGINT,
    BINARIES,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGERS,
    NUMERICS,
    STRING,
    STRINGS,
    SqlType,
    TypeName,
    array,
    map_of,
    row,
    time,
    timestamp,
    timestamp_ltz,
)

CANDIDATES: Mapping[str, SqlType] = {
    "string": STRING,
    "integer": BIGINT,
    "number": DOUBLE,
    "timestamp": timestamp(3),
    "instant": timestamp_ltz(3),
    "date": DATE,
    "boolean": BOOLEAN,
    "time": time(0),
    "bytes": BYTES,
    "array": array(STRING),
    "map": map_of(STRING, STRING),
}
"""The kinds of values, the one first that is taken when several fit, and the type of each."""

_NESTED = frozenset({TypeName.ROW, TypeName.ARRAY, TypeName.MAP, TypeName.MULTISET})
ANY = frozenset(CANDIDATES)
NUMBER = frozenset({"integer", "number"})
TIMES = frozenset({"timestamp", "instant"})
MOMENT = frozenset({"timestamp", "instant", "date"})

_MOMENT_NAME = re.compile(r"(?:^|_)(?:ts|timestamp|datetime|rowtime)$|(?:_time|_at|_timestamp|_ts|[a-z]Time|[a-z]Ts)$")
_FRACTION_NAME = re.compile(
    r"price|amount|rate|cost|fee|total|revenue|profit|tax|discount|salary|balance", re.IGNORECASE
)
_PROCESSING_NAME = re.compile(
    r"^(?:\w*_)?proc(?:essing)?_?time$|^p_?time$|^proc$|^\w*_proc$|[a-z]ProcTime$", re.IGNORECASE
)


class Variable:
    """One unknown type."""

    __slots__ = ("_above", "allowed", "column", "element", "fields", "known", "names", "values", "wishes")

    def __init__(self, name: str = "") -> None:
        self._above: Variable | None = None
        self.allowed: frozenset[str] = ANY
        self.wishes: Counter[str] = Counter()
        """Kinds that something speaks for, and how much."""
        self.known: Counter[SqlType] = Counter()
        """Types that it has elsewhere: of declared columns."""
        self.fields: dict[str, Variable] = {}
        """Of a ROW."""
        self.element: Variable | None = None
        """Of an ARRAY."""
        self.values: Variable | None = None
        """Of a MAP."""
        self.column = ""
        """The one column that UNNEST makes of it, when it is an element."""
        self.names = {name} if name else set()

    def root(self) -> Variable:
        """The variable that stands for all that agree."""
        found = self
        while found._above is not None:
            found = found._above
        return found

    def restrict(self, kinds: frozenset[str]) -> None:
        """It is one of `kinds`; what contradicts what was said before is not heard."""
        own = self.root()
        own.allowed = own.allowed & kinds or own.allowed

    def wish(self, kind: str, weight: int = 1) -> None:
        """Something speaks for `kind`."""
        self.root().wishes[kind] += weight

    def learn(self, found: SqlType) -> None:
        """It has this type elsewhere."""
        self.root().known[found.as_nullable()] += 1

    def field(self, name: str) -> Variable:
        """A field of it: it is a ROW."""
        return self.root().fields.setdefault(name, Variable(name))

    def item(self) -> Variable:
        """An element of it: it is an ARRAY."""
        own = self.root()
        own.element = own.element or Variable()
        return own.element

    def value(self) -> Variable:
        """A value of it: it is a MAP of strings."""
        own = self.root()
        own.values = own.values or Variable()
        return own.values

    def elsewhere(self) -> SqlType | None:
        """The type that it has elsewhere: the one that it has most often."""
        known = self.root().known
        return max(known.items(), key=lambda one: (one[1], str(one[0])))[0] if known else None

    def type(self) -> SqlType:
        """The type that all that was said leads to."""
        own = self.root()
        known = own.elsewhere()
        is_nested = bool(own.fields) or own.element is not None or own.values is not None
        if known is not None and (not is_nested or known.name in _NESTED):
            return known
        if own.fields:
            return row(*((name, child.type()) for name, child in own.fields.items()))
        if own.element is not None:
            return array(own.element.of_array())
        if own.values is not None:
            return map_of(STRING, own.values.type())
        return CANDIDATES[own._kind()]

    def of_array(self) -> SqlType:
        """The type as that of an element: UNNEST makes columns of the fields of rows, so a row that is one column of
        it is a field itself."""
        own = self.root()
        found = own.type()
        return row((own.column, found)) if own.column and found.name is TypeName.ROW else found

    def at(self, position: int, name: str) -> Variable:
        """A field of it by its position, called `name` unless it has a name."""
        fields = list(self.root().fields.values())
        return fields[position] if position < len(fields) else self.field(name)

    def _kind(self) -> str:
        order = {kind: at for at, kind in enumerate(CANDIDATES)}
        wished = [(-weight, order[kind], kind) for kind, weight in self.wishes.items() if kind in self.allowed]
        kind = min(wished)[2] if wished else ""
        if not kind and "timestamp" in self.allowed and any(map(_MOMENT_NAME.search, self.names)):
            kind = "timestamp"
        kind = kind or min(self.allowed, key=order.__getitem__)
        fraction = "number" in self.allowed and any(map(_FRACTION_NAME.search, self.names))
        if kind == "integer" and (fraction or self.wishes["number"]):
            return "number"
        return kind


Term: TypeAlias = "Variable | SqlType | None"
"""What is known of the type of an expression: a type, one that is still open, nothing."""


def kind_of(found: SqlType) -> str | None:
    """The kind of values of a type; None for one that no column gets by inference."""
    if found.name in STRINGS:
        return "string"
    if found.name in INTEGERS:
        return "integer"
    if found.name in NUMERICS:
        return "number"
    if found.name in BINARIES:
        return "bytes"
    kinds = {TypeName.TIMESTAMP: "timestamp", TypeName.TIMESTAMP_LTZ: "instant"}
    return kinds.get(found.name) or (found.name.value.lower() if found.name.value.lower() in ANY else None)


def agree(*terms: Term) -> Term:
    """The terms have one type; what is known of it."""
    variables = [term.root() for term in terms if isinstance(term, Variable)]
    for term in terms:
        if isinstance(term, SqlType) and variables and (kind := kind_of(term)) is not None:
            variables[0].wish(kind, 2)
    for one, other in pairwise(variables):
        _unite(one.root(), other.root())
    if variables:
        return variables[0]
    return next((term for term in terms if term is not None), None)


def _unite(one: Variable, other: Variable) -> None:
    if one is other:
        return
    other._above = one
    one.allowed = one.allowed & other.allowed or one.allowed
    one.wishes.update(other.wishes)
    one.known.update(other.known)
    one.names |= other.names
    one.column = one.column or other.column
    for name, child in other.fields.items():
        agree(one.field(name), child)
    if other.element is not None:
        agree(one.item(), other.element)
    if other.values is not None:
        agree(one.value(), other.values)
    known = one.elsewhere()
    if known is not None and known.fields:
        for child, (_, found) in zip(one.fields.values(), known.fields, strict=False):
            child.learn(found)


def restrict(terms: Iterable[Term], kinds: frozenset[str], wish: str | None = None) -> None:
    """All of `terms` that are open are of one of `kinds`, preferably of `wish`."""
    for term in terms:
        if isinstance(term, Variable):
            term.restrict(kinds)
            if wish is not None:
                term.wish(wish)


def is_processing_time(name: str) -> bool:
    """Whether a column is called as the processing time is."""
    return _PROCESSING_NAME.search(name) is not None
