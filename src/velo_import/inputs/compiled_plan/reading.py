"""The JSON of a compiled plan: its nodes and edges, and in plain words what of it is not as Flink writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_import.inputs.compiled_plan.logical_types import UnreadPart, columns_of
from velo_import.inputs.compiled_plan.relations import Node

MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError)
"""What reading JSON of another form raises."""
_KIND = re.compile(r"(?:stream|batch)-exec-(.*?)(?:_\d+)?\Z")
_HINT = "a plan is written whole by COMPILE PLAN 'file' FOR …"
_JSON_PROBLEMS = {
    "Expecting value": "here a value has to stand",
    "Expecting property name": 'here a name in "quotes" has to stand',
    "Expecting ',' delimiter": "here a comma or a closing bracket has to stand",
    "Expecting ':' delimiter": "here a colon has to stand",
    "Unterminated string": "the text that begins here does not end",
    "Invalid control character": "a line break or another control character stands in a text",
    "Invalid \\": "a backslash stands before something that it does not escape",
    "Extra data": "here the plan has ended, and something follows",
    "Illegal trailing comma": "a comma stands before a closing bracket",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The nodes of a plan by their numbers, and those that each reads."""

    version: str
    """Of the Flink that wrote it."""
    nodes: Mapping[int, Node]
    inputs: Mapping[int, list[int]]


def read_plan(text: str, file: str) -> Plan:
    """VeloError SQL_SYNTAX when the text is no plan, with the place in it."""
    return _Reading(text, file).plan()


def told(problem: Exception) -> str:
    """In words what one of `MALFORMED` says of JSON."""
    match problem:
        case UnreadPart():
            return str(problem)
        case KeyError():
            return f'"{problem.args[0]}" is missing' if problem.args else "something is missing"
        case IndexError():
            return "a list is too short"
        case _:
            return "a value is of another type, or in another number"


class _Reading:
    """One text."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file

    def plan(self) -> Plan:
        data = self._loaded()
        nodes: dict[int, Node] = {}
        for number, node in enumerate(data["nodes"]):
            found = self._node(number, node)
            if found.id in nodes:
                raise self._refusal(f"two nodes of the plan have the number {found.id}", self._line_of(found.id))
            nodes[found.id] = found
        inputs: dict[int, list[int]] = {identity: [] for identity in nodes}
        for number, edge in enumerate(data["edges"]):
            source, target = self._ends(number, edge, nodes)
            inputs[target].append(source)
        cycle = next(_cycles(inputs), None)
        if cycle is not None:
            way = " → ".join(map(str, cycle))
            raise self._refusal(f"the edges of the plan go in a circle: node {way}", self._line_of(cycle[0]))
        return Plan(str(data.get("flinkVersion", "")), nodes, inputs)

    def _loaded(self) -> Mapping[str, Any]:
        try:
            data = json.loads(self._text)
        except json.JSONDecodeError as problem:
            words = next((w for start, w in _JSON_PROBLEMS.items() if problem.msg.startswith(start)), "")
            if problem.pos >= len(self._text.rstrip()):
                words = "the file ends before the plan does" if self._text.strip() else "the file is empty"
            place = Location(self._file, problem.lineno, problem.colno)
            message = f"not JSON: {words}" if words else "not JSON"
            raise VeloError(ErrorCode.SQL_SYNTAX, message, location=place, hint=_HINT) from None
        except (ValueError, RecursionError):
            raise self._refusal("JSON with numbers or brackets without end, which no plan has") from None
        if not (isinstance(data, dict) and isinstance(data.get("nodes"), list) and isinstance(data.get("edges"), list)):
            hint = "velo import reads what COMPILE PLAN writes: an object with flinkVersion, nodes and edges"
            raise VeloError(
                ErrorCode.SQL_SYNTAX, "JSON that is no compiled plan", location=Location(self._file, 1), hint=hint
            )
        return data

    def _node(self, number: int, data: Any) -> Node:
        if not isinstance(data, dict) or not isinstance(data.get("id"), int):
            raise self._refusal(f"entry {number + 1} of the plan's nodes is no node: it has no number (id)")
        line = self._line_of(data["id"])
        for key in ("type", "outputType"):
            if key not in data:
                raise self._refusal(f"node {data['id']} of the plan is not as Flink writes it: it has no {key}", line)
        try:
            kind = _KIND.match(data["type"])
            return Node(data["id"], kind[1] if kind else data["type"], data, columns_of(data["outputType"]))
        except (UnreadPart, *MALFORMED) as problem:
            message = (
                f"node {data['id']} of the plan is not as Flink writes it: its type or outputType: {told(problem)}"
            )
            raise self._refusal(message, line) from None

    def _ends(self, number: int, edge: Any, nodes: Mapping[int, Node]) -> tuple[int, int]:
        """The nodes at the two ends of an edge."""
        ends = []
        for key in ("source", "target"):
            end = edge.get(key) if isinstance(edge, dict) else None
            if not isinstance(end, int):
                raise self._refusal(f"entry {number + 1} of the plan's edges is no edge: it has no {key}")
            if end not in nodes:
                message = f"edge {number + 1} of the plan has the {key} {end}, and there is no node {end}"
                raise self._refusal(message, self._line_of(end, key))
            ends.append(end)
        return ends[0], ends[1]

    def _line_of(self, number: int, key: str = "id") -> int:
        """The line where a number stands first as the value of a key."""
        found = re.search(rf'"{key}"\s*:\s*{number}\b', self._text)
        return 1 if found is None else self._text.count("\n", 0, found.start()) + 1

    def _refusal(self, message: str, line: int = 1) -> VeloError:
        return VeloError(ErrorCode.SQL_SYNTAX, message, location=Location(self._file, line), hint=_HINT)


def _cycles(inputs: Mapping[int, list[int]]) -> Iterator[list[int]]:
    """Ways in the direction of the rows that end where they begin."""
    done: set[int] = set()
    for start in inputs:
        way: list[int] = []
        ahead = [(start, iter(inputs[start]))] if start not in done else []
        way += [start] if ahead else []
        while ahead:
            node, rest = ahead[-1]
            following = next((one for one in rest if one not in done), None)
            if following is None:
                done.add(node)
                ahead.pop()
                way.pop()
            elif following in way:
                yield [following, *reversed(way[way.index(following) :])]
            else:
                ahead.append((following, iter(inputs[following])))
                way.append(following)
