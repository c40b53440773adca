"""Recorded plans of Flink as trees of operators: which changes each gives out, and by which columns its rows are known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PLANS = Path(__file__).parent / "explain"

_CHANGES = re.compile(r"changelogMode=\[(.*?)\]")
_KEYS = re.compile(r"upsertKeys=\[((?:\[[^\]]*\](?:, )?)*)\]")


@dataclass(frozen=True)
class Operator:
    """One node of Flink's physical plan."""

    depth: int
    name: str
    changes: tuple[str, ...]
    """Of `I`, `UB`, `UA`, `D`."""
    keys: frozenset[frozenset[str]]
    """Upsert keys, each a set of column names."""


def recorded_plans() -> Iterator[tuple[str, tuple[Operator, ...]]]:
    """Every recorded plan under the name of its case, from the root, inputs left to right."""
    for path in sorted(PLANS.glob("*.json")):
        for name, lines in json.loads(path.read_text(encoding="utf-8")).items():
            yield f"{path.stem}/{name}", operators(lines)


def operators(lines: Sequence[str]) -> tuple[Operator, ...]:
    """The nodes of a plan as Flink prints it."""
    return tuple(_operator(line) for line in lines)


def _operator(line: str) -> Operator:
    text = line.lstrip(" :+-")
    changes, keys = _CHANGES.search(text), _KEYS.search(text)
    return Operator(
        depth=(len(line) - len(text)) // 3,
        name=text.split("(", 1)[0],
        changes=tuple(changes[1].split(",")) if changes is not None else (),
        keys=frozenset(
            frozenset(name for name in key.split(", ") if name) for key in re.findall(r"\[([^\]]*)\]", keys[1])
        )
        if keys is not None
        else frozenset(),
    )
