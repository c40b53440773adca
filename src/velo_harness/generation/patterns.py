"""Text that matches a regular expression, drawn for a whole column at once.

The expression is parsed by Python's own parser; every node of the tree writes its characters for all rows at once into
a matrix of code points. Classes are drawn from printable ASCII (`\\d`, `\\w`, `.` too); open repetitions end after
`OPEN_REPEATS` more.
"""

from __future__ import annotations

import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.generation.characters import text_array

OPEN_REPEATS = 8
"""What `*`, `+` and `{n,}` add at most to their smallest number."""
MAX_LENGTH = 4096
"""Longest text of one pattern."""

_PRINTABLE = tuple(range(0x20, 0x7F))
_WORD = tuple(c for c in _PRINTABLE if chr(c).isalnum() or chr(c) == "_")
_CATEGORIES = {
    "CATEGORY_DIGIT": tuple(c for c in _PRINTABLE if chr(c).isdigit()),
    "CATEGORY_NOT_DIGIT": tuple(c for c in _PRINTABLE if not chr(c).isdigit()),
    "CATEGORY_WORD": _WORD,
    "CATEGORY_NOT_WORD": tuple(c for c in _PRINTABLE if c not in _WORD),
    "CATEGORY_SPACE": (0x20,),
    "CATEGORY_NOT_SPACE": tuple(c for c in _PRINTABLE if c != 0x20),
}


def matching(rng: np.random.Generator, n: int, expression: str) -> pa.Array:
    """`n` texts that the regular expression matches as a whole. Errors: BAD_VALUE, NOT_YET_SUPPORTED."""
    tree = parser.parse(expression)
    longest = _longest(tree)
    if longest > MAX_LENGTH:
        message = f"the pattern {expression} gives texts of up to {longest} characters; {MAX_LENGTH} is the most"
        raise VeloError(ErrorCode.BAD_VALUE, message)
    writer = _Writer(rng, n, longest, expression)
    writer.write(tree, np.arange(n))
    return writer.array()


def _longest(tree: Any) -> int:
    """The most characters that a tree writes."""
    total = 0
    for operation, argument in tree:
        name = str(operation)
        if name in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            total += 1
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, body = argument
            total += _most(low, high) * _longest(body)
        elif name == "SUBPATTERN":
            total += _longest(argument[-1])
        elif name == "ATOMIC_GROUP":
            total += _longest(argument)
        elif name == "BRANCH":
            total += max(_longest(branch) for branch in argument[1])
    return total


def _most(low: int, high: Any) -> int:
    return low + OPEN_REPEATS if high == parser.MAXREPEAT else int(high)


class _Writer:
    """Characters of all rows, each row at its own place."""

    def __init__(self, rng: np.random.Generator, n: int, longest: int, expression: str) -> None:
        self._rng = rng
        self._points = np.zeros((n, longest), np.uint32)
        self._at = np.zeros(n, np.int64)
        self._expression = expression

    def array(self) -> pa.Array:
        """The texts."""
        return text_array(self._points, self._at)

    def write(self, tree: Any, rows: Int64s) -> None:
        """Writes the whole tree into `rows`."""
        for operation, argument in tree:
            self._node(str(operation), argument, rows)

    def _node(self, name: str, argument: Any, rows: Int64s) -> None:
        match name:
            case "LITERAL":
                self._put(rows, argument)
            case "NOT_LITERAL":
                self._pick(rows, [c for c in _PRINTABLE if c != argument])
            case "ANY":
                self._pick(rows, _PRINTABLE)
            case "IN":
                self._pick(rows, self._members(argument))
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                self._repeat(argument, rows)
            case "SUBPATTERN":
                self.write(argument[-1], rows)
            case "ATOMIC_GROUP":
                self.write(argument, rows)
            case "BRANCH":
                self._branch(argument[1], rows)
            case "AT" if str(argument) in ("AT_BEGINNING", "AT_BEGINNING_STRING", "AT_END", "AT_END_STRING"):
                pass
            case _:
                raise self._refusal(name)

    def _put(self, rows: Int64s, points: Any) -> None:
        self._points[rows, self._at[rows]] = points
        self._at[rows] += 1

    def _pick(self, rows: Int64s, members: Sequence[int]) -> None:
        choice = np.asarray(members, np.uint32)
        self._put(rows, choice[self._rng.integers(0, len(choice), len(rows))])

    def _repeat(self, argument: Any, rows: Int64s) -> None:
        low, high, body = argument
        most = _most(low, high)
        times = self._rng.integers(low, most, len(rows), endpoint=True)
        for done in range(most):
            self.write(body, rows if done < low else rows[times > done])

    def _branch(self, branches: Any, rows: Int64s) -> None:
        chosen = self._rng.integers(0, len(branches), len(rows))
        for number, branch in enumerate(branches):
            self.write(branch, rows[chosen == number])

    def _members(self, items: Any) -> list[int]:
        """The code points of a class, without repetition."""
        negated = bool(items) and str(items[0][0]) == "NEGATE"
        members: dict[int, None] = {}
        for operation, argument in items[1:] if negated else items:
            match str(operation):
                case "LITERAL":
                    members[argument] = None
                case "RANGE":
                    members.update(dict.fromkeys(range(argument[0], min(argument[1], argument[0] + 0xFFFF) + 1)))
                case "CATEGORY":
                    members.update(dict.fromkeys(_CATEGORIES[str(argument)]))
        chosen = [c for c in _PRINTABLE if c not in members] if negated else list(members)
        if not chosen:
            raise self._refusal("a class without a printable character")
        return chosen

    def _refusal(self, name: str) -> VeloError:
        what = {"GROUPREF": "a back reference", "ASSERT": "a look-ahead", "ASSERT_NOT": "a negative look-ahead"}
        part = what.get(name, name.lower().replace("_", " "))
        message = f"generating from the pattern {self._expression} ({part}) is not supported by this version"
        hint = "write the pattern with classes, repetitions, groups and alternatives only"
        return VeloError(ErrorCode.NOT_YET_SUPPORTED, message, hint=hint)
