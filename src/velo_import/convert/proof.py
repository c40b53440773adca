"""Statements that are proven: all they are made of occurs in queries of which the engine gives Flink's recorded answer.

`proof.json` holds what those queries are made of: features with the number of queries, and words (functions, operators,
clauses, types that are cast to). It is made of the recorded cases of the project's tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from sqlglot import exp

from velo_engine.sql.syntax import GroupWindow, JsonCall, WindowTable
from velo_import.convert.features import features
from velo_import.model import Outcome

DATA = "proof.json"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the recorded queries are made of."""

    flink: str
    """The version that answered."""
    features: Mapping[str, int]
    """How many queries have each."""
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of a statement."""

    outcome: Outcome
    """PROVEN or SAME."""
    reasons: Mapping[str, str]
    """By feature; empty when the statement is not proven."""


UNPROVEN = Proof(Outcome.SAME, {})


@lru_cache
def recorded() -> Recorded:
    """What is shipped."""
    data = json.loads(files("velo_import").joinpath(DATA).read_text(encoding="utf-8"))
    return Recorded(data["flink"], data["features"], frozenset(data["words"]))


def proof_of(query: exp.Expr) -> Proof:
    """Whether `query` is made of what was recorded alone."""
    known = recorded()
    own = features(query)
    if not known.features.keys() >= set(own) or not known.words >= set(words(query)):
        return UNPROVEN
    said = f"answered as by Flink {known.flink} in {{}} recorded queries"
    return Proof(Outcome.PROVEN, {feature: said.format(known.features[feature]) for feature in own})


def words(query: exp.Expr) -> Iterator[str]:
    """What a query is made of: `SUM()` of functions, `Join LEFT`, `Cast`, `DataType DATE`, `Between`, …"""
    for node in query.walk():
        match node:
            case exp.Anonymous() | JsonCall():
                yield f"{node.name.upper()}()"
            case exp.Join():
                yield " ".join(("Join", *(str(node.args[key]) for key in ("side", "kind") if node.args.get(key))))
            case exp.DataType():
                yield f"DataType {getattr(node.this, 'value', node.this)}"
            case GroupWindow() | WindowTable():
                yield f"{type(node).__name__} {node.args['kind']}"
            case exp.Extract():
                yield f"Extract {node.this}"
            case _:
                yield type(node).__name__
