"""A pattern as an automaton, built as Flink's NFACompiler does for strict contiguity.

A variable that may loop is a state with an edge to itself, `{n,m}` is a row of states, and a greedy variable forbids
the following one to take a row that it could take itself. Going on to the next state without taking a row is folded
into the edges: each edge of a state takes one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from velo_engine.plan.match_nodes import PatternVariable

FINAL = -1
"""The target of an edge that completes the pattern."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Takes a row into `variable` when its definition holds and that of no variable of `unless` does."""

    variable: int
    unless: tuple[int, ...]
    target: int
    completes: tuple[int, ...] | None
    """Not None: the pattern may end here too, unless the definition of one of these variables holds for the row."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """The edges of every state, in the order in which Flink follows them."""

    start: int
    edges: tuple[tuple[Edge, ...], ...]


@dataclass(slots=True, eq=False)
class _State:
    """A state while it is built: at most one edge that takes a row, and at most one that does not."""

    variable: int
    target: _State | None = None
    target_unless: list[int] = field(default_factory=list)
    skips: bool = False
    next: _State | None = None
    next_unless: list[int] = field(default_factory=list)


def automaton(pattern: Sequence[PatternVariable]) -> Automaton:
    """The automaton of `pattern`; it cannot end without a row."""
    states: list[_State] = []
    sink: _State | None = None
    for position in reversed(range(len(pattern))):
        sink = _converted(position, pattern[position], sink, states)
    assert sink is not None, "a pattern has a variable"
    numbers = {id(state): i for i, state in enumerate(states)}
    return Automaton(numbers[id(sink)], tuple(tuple(_edges(state, numbers)) for state in states))


def _converted(position: int, variable: PatternVariable, sink: _State | None, states: list[_State]) -> _State:
    """The first state of `variable` in front of `sink` (None: the end)."""

    def singleton(target: _State | None, skips: bool) -> _State:
        state = _State(position, target, skips=skips, next=sink if skips else None)
        states.append(state)
        return state

    last = sink
    repeated = max(variable.minimum, 1)
    if variable.maximum is None:
        looping = singleton(None, skips=True)
        looping.target = looping
        last = looping
    if variable.greedy and sink is not None:
        sink.target_unless.append(position)
        sink.next_unless.append(position)
    if variable.maximum is not None:
        for _ in range(repeated, variable.maximum):
            last = singleton(last, skips=True)
    for _ in range(repeated - 1):
        last = singleton(last, skips=False)
    return singleton(last, skips=variable.minimum == 0)


def _edges(state: _State, numbers: dict[int, int]) -> list[Edge]:
    """What can be taken in `state` and in the states that it may go on to without a row."""
    edges = []
    here: _State | None = state
    unless: list[int] = []
    while here is not None:
        target = FINAL if here.target is None else numbers[id(here.target)]
        forbidden = _unique([*unless, *here.target_unless])
        edges.append(Edge(here.variable, forbidden, target, _completes(here.target)))
        unless += here.next_unless
        here = here.next if here.skips else None
    return edges


def _completes(target: _State | None) -> tuple[int, ...] | None:
    """What must not hold for the pattern to end in `target`; None when it cannot (or has ended already)."""
    if target is None:
        return None
    here: _State | None = target
    unless: list[int] = []
    while here is not None:
        if not here.skips:
            return None
        unless += here.next_unless
        here = here.next
    return _unique(unless)


def _unique(positions: Sequence[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(positions))
