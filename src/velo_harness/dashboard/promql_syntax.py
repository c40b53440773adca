"""The part of PromQL that generated panels use, as a tree: https://prometheus.io/docs/prometheus/latest/querying/basics/."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

AGGREGATIONS = frozenset({"sum", "avg", "min", "max", "count", "group", "topk", "bottomk", "stddev", "quantile"})
WITH_PARAMETER = frozenset({"topk", "bottomk", "quantile"})
RANGE_FUNCTIONS = frozenset(
    {
        "rate", "irate", "increase", "delta", "deriv", "changes", "avg_over_time", "min_over_time", "max_over_time",
        "sum_over_time", "count_over_time", "last_over_time",
    }
)  # fmt: skip
"""Of one range vector."""
INSTANT_FUNCTIONS = {
    "abs": 1, "ceil": 1, "floor": 1, "round": 1, "sqrt": 1, "exp": 1, "ln": 1, "log2": 1, "log10": 1,
    "clamp_min": 2, "clamp_max": 2, "clamp": 3, "histogram_quantile": 2, "scalar": 1, "vector": 1, "time": 0,
    "sort": 1, "sort_desc": 1,
}  # fmt: skip
"""With the number of their arguments."""
SET_OPERATORS = frozenset({"and", "or", "unless"})
COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"or"}),
    frozenset({"and", "unless"}),
    COMPARISONS,
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
"""Binary operators from the weakest; `^` binds stronger than all and than a sign, and to the right."""
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
SHOWN_RANGE = "9999y"
"""In place of a range: all that the page shows."""
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<duration>(?:\d+(?:ms|[smhdwy]))+(?![\w.]))
    | (?P<number>0x[0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)? )
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    | (?P<mark>=~|!~|==|!=|>=|<=|[-+*/%^(){}\[\],=<>@])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t"}
_T = TypeVar("_T")
MOST_DEPTH = 40
"""Of expressions in each other."""


class PromqlError(ValueError):
    """A query that is none, or uses what the page cannot compute."""


@dataclass(frozen=True, slots=True)
class Number:
    """A literal."""

    value: float


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on a label."""

    label: str
    operator: str
    """`=`, `!=`, `=~` or `!~`."""
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """Series by name and labels: the newest values, or with a range all of that time."""

    name: str
    matchers: tuple[Matcher, ...] = ()
    range_s: float | None = None
    offset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Series with equal labels become one; `without` turns the list of labels around."""

    operator: str
    of: Expression
    labels: tuple[str, ...] = ()
    without: bool = False
    parameter: Expression | None = None


@dataclass(frozen=True, slots=True)
class Matching:
    """Which series of two sides belong together."""

    labels: tuple[str, ...] = ()
    on: bool = False
    """The labels are those that must be equal; otherwise those that are ignored."""
    many: str | None = None
    """`left` or `right`: the side on which several series may match one."""
    taken: tuple[str, ...] = ()
    """Labels that the many take from the one."""


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two expressions."""

    operator: str
    left: Expression
    right: Expression
    as_bool: bool = False
    """A comparison gives 0 and 1, rather than the series for which it holds."""
    matching: Matching = Matching()


Expression: TypeAlias = Number | Selector | Call | Aggregate | Binary


def parse_promql(text: str) -> Expression:
    """The tree of a query. Raises PromqlError."""
    reader = _Reader(_tokens(text))
    found = reader.binary(0)
    reader.end()
    return found


def parse_range(text: str) -> float:
    """Seconds of a duration such as `5m` or `1h30m`. Raises PromqlError."""
    parts = _DURATION.findall(text)
    if not parts or "".join(a + b for a, b in parts) != text:
        raise PromqlError(f'"{text}" is not a duration')
    seconds = sum(int(number) * _UNITS_S[unit] for number, unit in parts)
    if not seconds:
        raise PromqlError("a range of no time")
    return float(seconds)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise PromqlError(f'"{text[at:].strip()[:20]}" is not understood')
        assert match.lastgroup is not None
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class _Reader:
    """Recursive descent, a method for each form."""

    def __init__(self, tokens: Sequence[tuple[str, str]]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise PromqlError(f'"{self._tokens[self._at][1]}" is not expected here')

    def binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._signed()
        left = self.binary(level + 1)
        while (operator := self._peek().lower()) in _LEVELS[level] and self._kind() != "text":
            self._next()
            as_bool = self._accept("bool")
            if as_bool and operator not in COMPARISONS:
                raise PromqlError(f"bool does not go with {operator}")
            matching = self._matching()
            left = Binary(operator, left, self.binary(level + 1), as_bool, matching)
        return left

    def _signed(self) -> Expression:
        if self._accept("-"):
            return Binary("*", Number(-1.0), self._nested(self._signed))
        if self._accept("+"):
            return self._nested(self._signed)
        base = self._primary()
        if self._peek() == "[":
            raise PromqlError("a range of computed values (a subquery) is not computed here")
        if self._accept("^"):
            return Binary("^", base, self._nested(self._signed))
        return base

    def _primary(self) -> Expression:
        kind, word = self._next()
        if kind == "number":
            return Number(float(int(word, 16)) if word.startswith("0x") else float(word))
        if word == "(":
            inner = self._nested(lambda: self.binary(0))
            self._expect(")")
            return inner
        if word == "{":
            self._at -= 1
            return self._selector("")
        if kind != "name":
            raise PromqlError(f'"{word}" is not expected here')
        lower = word.lower()
        if lower in ("inf", "nan"):
            return Number(float(lower))
        if lower in AGGREGATIONS and self._peek().lower() in ("(", "by", "without"):
            return self._aggregate(lower)
        return self._call(word) if self._peek() == "(" else self._selector(word)

    def _call(self, name: str) -> Expression:
        if name not in RANGE_FUNCTIONS and name not in INSTANT_FUNCTIONS:
            raise PromqlError(f"the function {name} is not computed here")
        self._expect("(")
        arguments = self._list(lambda: self._nested(lambda: self.binary(0)), ")")
        wanted = 1 if name in RANGE_FUNCTIONS else INSTANT_FUNCTIONS[name]
        if len(arguments) != wanted:
            raise PromqlError(f"{name} has {wanted} arguments, not {len(arguments)}")
        is_range = wanted == 1 and isinstance(arguments[0], Selector) and arguments[0].range_s is not None
        if is_range is not (name in RANGE_FUNCTIONS):
            raise PromqlError(f"{name} takes {'no ' if is_range else ''}series with a range such as [5m]")
        return Call(name, tuple(arguments))

    def _aggregate(self, operator: str) -> Expression:
        grouping = self._grouping()
        self._expect("(")
        arguments = self._list(lambda: self._nested(lambda: self.binary(0)), ")")
        if len(arguments) != (2 if operator in WITH_PARAMETER else 1):
            raise PromqlError(f"{operator} has another number of arguments")
        labels, without = grouping or self._grouping() or ((), False)
        parameter = arguments[0] if operator in WITH_PARAMETER else None
        return Aggregate(operator, arguments[-1], labels, without, parameter)

    def _grouping(self) -> tuple[tuple[str, ...], bool] | None:
        for word in ("by", "without"):
            if self._accept(word):
                return self._labels(), word == "without"
        return None

    def _labels(self) -> tuple[str, ...]:
        self._expect("(")
        return tuple(self._list(self._name, ")"))

    def _matching(self) -> Matching:
        labels: tuple[str, ...] = ()
        on = self._accept("on")
        if on or self._accept("ignoring"):
            labels = self._labels()
        for side in ("left", "right"):
            if self._accept(f"group_{side}"):
                return Matching(labels, on, side, self._labels() if self._peek() == "(" else ())
        return Matching(labels, on)

    def _selector(self, name: str) -> Selector:
        matchers: list[Matcher] = []
        if self._accept("{"):
            matchers = self._list(self._matcher, "}")
        if not name:
            named = [m for m in matchers if m.label == "__name__" and m.operator == "="]
            if len(named) != 1:
                raise PromqlError("series without a name are not looked for")
            name, matchers = named[0].value, [m for m in matchers if m not in named]
        range_s = None
        if self._accept("["):
            range_s = parse_range(self._next()[1])
            self._expect("]")
        offset_s = parse_range(self._next()[1]) if self._accept("offset") else 0.0
        if self._peek() in ("@", "["):
            raise PromqlError(f'"{self._peek()}" is not computed here')
        return Selector(name, tuple(matchers), range_s, offset_s)

    def _matcher(self) -> Matcher:
        label, (_, operator), (kind, text) = self._name(), self._next(), self._next()
        if operator not in ("=", "!=", "=~", "!~") or kind != "text":
            raise PromqlError(f"the label {label} is compared with no text")
        value = text[1:-1] if text[0] == "`" else re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text[1:-1])
        if "~" in operator:
            try:
                re.compile(value)
            except (re.error, OverflowError, RecursionError):
                raise PromqlError(f'"{value}" is not a regular expression') from None
        return Matcher(label, operator, value)

    def _list(self, item: Callable[[], _T], closing: str) -> list[_T]:
        """Items with commas between them, to the closing bracket; the opening one is read."""
        found: list[_T] = []
        while not self._accept(closing):
            found.append(item())
            if not self._accept(","):
                self._expect(closing)
                break
        return found

    def _nested(self, inner: Callable[[], Expression]) -> Expression:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise PromqlError("the query is nested too deeply")
        found = inner()
        self._depth -= 1
        return found

    def _name(self) -> str:
        kind, token = self._next()
        if kind != "name":
            raise PromqlError(f'"{token}" is not the name of a label')
        return token

    def _kind(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise PromqlError("the query ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, token: str) -> bool:
        if self._kind() == "text" or self._peek().lower() != token:
            return False
        self._at += 1
        return True

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise PromqlError(f'"{token}" is missing before "{self._peek() or "the end"}"')
