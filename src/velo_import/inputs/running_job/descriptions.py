"""What Flink's REST interface says of a job's operators: `Calc(select=[…], where=[…])`, in trees of chained ones."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_OPERATOR = re.compile(r"(?:\[\d+\]:)?(?P<kind>[A-Za-z]\w*)\((?P<inner>.*)\)\Z", re.DOTALL)
_WRITER = re.compile(r"(?:Sink: )?(?P<name>.+?)\[\d+\](?:: (?P<part>Writer|Committer|Global Committer))?\Z")
_INDENT = re.compile(r"^(?P<before>(?:[ :]  )*)(?::-|\+-) ")
_OPENING, _CLOSING = "([{", ")]}"


class UnreadOperator(Exception):  # noqa: N818 - not an error of the program
    """An operator that is not made SQL of; `text` is what it says of itself."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(reason)
        self.text = text
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator as it describes itself."""

    text: str
    kind: str
    """`Calc`, `Join`, …; `Writer` for a sink that says no more than its name."""
    values: Mapping[str, str]
    """What stands in the brackets behind each word."""
    inputs: tuple[Operator, ...] = ()

    def list(self, word: str) -> list[str]:
        """The parts of a list; empty when the operator does not have it."""
        return [part for part in parts_of(self.values.get(word, "")) if part]


def parts_of(text: str, separator: str = ",") -> list[str]:
    """The pieces between separators that are in no brackets and in no quotes."""
    found, depth, start, quoted = [], 0, 0, False
    for position, character in enumerate(text):
        if character == "'" and not (text[position - 1 : position] == "(" and text[position : position + 3] == "'w$"):
            quoted = not quoted
        elif quoted:
            continue
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == separator and depth == 0:
            found.append(text[start:position].strip())
            start = position + 1
    found.append(text[start:].strip())
    return found


def operator_of(text: str, inputs: tuple[Operator, ...]) -> Operator:
    """An operator from its line."""
    line = text.strip()
    if writer := _WRITER.match(line):
        kind = "Writer" if (writer["part"] or "Writer") == "Writer" else "Committer"
        return Operator(line, kind, {"table": writer["name"]}, inputs)
    found = _OPERATOR.match(line)
    if found is None:
        return Operator(line, line.split("(")[0], {}, inputs)
    values = {}
    for part in parts_of(found["inner"]):
        word, _, value = part.partition("=")
        values[word.strip()] = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    return Operator(re.sub(r"\A\[\d+\]:", "", line), found["kind"], values, inputs)


def sinks_of(plan: Mapping[str, Any]) -> tuple[Operator, ...]:
    """The sinks of a job's plan, each with all operators below it.

    UnreadOperator for a graph whose edges cannot be told. KeyError and the like when the plan is none.
    """
    return _Graph(plan["nodes"]).sinks()


class _Graph:
    """The vertices of a job, whose operators are chained in trees."""

    def __init__(self, vertices: Sequence[Mapping[str, Any]]) -> None:
        self._vertices = {vertex["id"]: vertex for vertex in vertices}
        self._leaves: dict[str, list[Operator]] = {}

    def sinks(self) -> tuple[Operator, ...]:
        found = [leaf for identity in self._vertices for leaf in self._read(identity)]
        return tuple(one for one in found if one.kind in ("Sink", "Writer"))

    def _read(self, identity: str) -> list[Operator]:
        """The last operators of a vertex."""
        if identity not in self._leaves:
            vertex = self._vertices[identity]
            inputs = sorted(vertex.get("inputs") or (), key=lambda one: int(one["num"]))
            below = tuple(self._output(one["id"]) for one in inputs)
            lines = html.unescape(vertex["description"]).replace("<br/>", "\n").split("\n")
            self._leaves[identity] = list(_leaves([line for line in lines if line.strip()], below))
        return self._leaves[identity]

    def _output(self, identity: str) -> Operator:
        """The operator of a vertex that sends rows to others."""
        found = [one for one in self._read(identity) if one.kind not in ("Sink", "Writer", "Committer")]
        if len(found) != 1:
            text = html.unescape(self._vertices[identity]["description"]).replace("<br/>", " ")
            raise UnreadOperator(text, "which of its chained operators sends the rows on is not said")
        return found[0]


def _leaves(lines: Sequence[str], below: tuple[Operator, ...]) -> Iterator[Operator]:
    """The operators of a chain that no other one reads; a line reads the one above it that stands further left."""
    path: list[tuple[int, Operator]] = []
    made: list[Operator] = []
    read: set[int] = set()
    for line in lines:
        indent = _INDENT.match(line)
        depth = len(indent["before"]) // 3 + 1 if indent else 0
        if depth == 0 and made:
            raise UnreadOperator(line, "it is one of several beginnings of a chain")
        path = [(level, one) for level, one in path if level < depth]
        inputs = (path[-1][1],) if path else below
        read.update(id(one) for one in inputs)
        operator = operator_of(line[indent.end() :] if indent else line, inputs)
        made.append(operator)
        path.append((depth, operator))
    yield from (one for one in made if id(one) not in read)
