"""Cases that differ, kept as files; and differences that are explained."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import yaml

from tests.oracle.case import Answer, Case, Definition, text_of

FOUND = Path(__file__).parent / "found"
EXPLAINED = Path(__file__).parent / "explained.yaml"
MOST_EXPLAINED = 10


@dataclass(frozen=True)
class Explanation:
    """A difference that is as it should be."""

    what: str
    because: str
    query: str
    difference: str
    rows: str = ""
    """A regular expression found in a value of the inputs."""

    def covers(self, definition: Definition, reason: str) -> bool:
        """Whether it explains this difference."""
        if not (re.search(self.query, definition.query) and re.search(self.difference, reason)):
            return False
        values = (str(value) for table in definition.tables.values() for row in table.rows for value in row.values())
        return not self.rows or any(re.search(self.rows, value) for value in values)


@lru_cache
def explanations() -> tuple[Explanation, ...]:
    """All explained differences."""
    return tuple(Explanation(**entry) for entry in yaml.safe_load(EXPLAINED.read_text(encoding="utf-8")))


def explained(definition: Definition, reason: str) -> Explanation | None:
    """What explains a difference by its words."""
    return next((e for e in explanations() if e.covers(definition, reason)), None)


def store(definition: Definition, answer: Answer, flink: str, java: str) -> Path:
    """Write a case that differs; the path."""
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{definition.name}.json"
    path.write_text(text_of(Case(replace(definition, situations=()), flink, java, answer)), encoding="utf-8")
    return path
