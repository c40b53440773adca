"""The plan of a program, explained: every operator with its changes, its keys and its state; advice on the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from velo_engine.errors import Location
from velo_engine.explain.advice import Advice, AdviceCode
from velo_engine.explain.expressions import expressions_of, unsteady_functions
from velo_engine.explain.state import ENDED_BY_TTL, StateNeed, state_need
from velo_engine.plan.changelog import ChangelogMode, changelog_mode
from velo_engine.plan.nodes import (
    AssignWatermark,
    PlannedProgram,
    PlannedStatement,
    PlanNode,
    RegularJoin,
    Scan,
    SourceKind,
    inputs,
)
from velo_engine.plan.render import describe
from velo_engine.plan.upsert_keys import upsert_keys
from velo_engine.sql.program import Program


@dataclass(frozen=True, slots=True)
class ExplainedNode:
    """One operator of a statement; `inputs` are those that it reads."""

    operator: str
    """Its name and parameters."""
    columns: tuple[tuple[str, str], ...]
    """Name and type of each output column."""
    changes: tuple[str, ...]
    """The kinds of changes it gives out: `+I`, `-U`, `+U`, `-D`."""
    keys: tuple[tuple[str, ...], ...]
    """The sets of columns of which each identifies a row."""
    state: StateNeed | None
    inputs: tuple[ExplainedNode, ...]


@dataclass(frozen=True, slots=True)
class ExplainedStatement:
    """A statement's plan."""

    name: str
    sink: str | None
    emit: str
    plan: ExplainedNode


@dataclass(frozen=True, slots=True)
class ExplainedSource:
    """What is read of a source."""

    name: str
    kind: str
    read: tuple[str, ...]
    """The columns that are decoded."""
    skipped: tuple[str, ...]
    """The columns that no statement uses."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A program's plan, explained."""

    sources: tuple[ExplainedSource, ...]
    statements: tuple[ExplainedStatement, ...]
    advice: tuple[Advice, ...]
    state_ttl_ms: int | None
    """The time after which unused state is given up; None: never."""


def explain(plan: PlannedProgram, program: Program) -> Explanation:
    """The explanation of `plan`, which is that of `program`."""
    places = {statement.name: statement.location for statement in program.statements}
    statements = tuple(
        ExplainedStatement(s.name, None if s.sink is None else s.sink.name, s.emit.name, _node(s.plan, plan))
        for s in plan.statements.values()
    )
    advice = [a for s in plan.statements.values() for a in _advice(s, plan, places.get(s.name))]
    return Explanation(tuple(_sources(plan)), statements, tuple(dict.fromkeys(advice)), plan.state_ttl_ms or None)


def _sources(plan: PlannedProgram) -> Iterator[ExplainedSource]:
    for source in plan.sources.values():
        names = source.schema.names
        read = [i for i in range(len(names)) if source.decoded is None or i in source.decoded]
        skipped = tuple(n for i, n in enumerate(names) if i not in read)
        yield ExplainedSource(source.name, source.kind.value, tuple(names[i] for i in read), skipped)


def _node(node: PlanNode, plan: PlannedProgram) -> ExplainedNode:
    names = node.schema.names
    keys = sorted(upsert_keys(node, plan.statements), key=lambda key: (len(key), sorted(key)))
    return ExplainedNode(
        operator=describe(node),
        columns=tuple((column.name, str(column.type)) for column in node.schema.columns),
        changes=_changes(changelog_mode(node, plan.statements)),
        keys=tuple(tuple(names[i] for i in sorted(key)) for key in keys),
        state=state_need(node, _retracting(node, plan)),
        inputs=tuple(_node(child, plan) for child in inputs(node)),
    )


def _changes(mode: ChangelogMode) -> tuple[str, ...]:
    return ("+I", *(("-U", "+U") if mode.updates else ()), *(("-D",) if mode.deletes else ()))


def _retracting(node: PlanNode, plan: PlannedProgram) -> bool:
    return any(not changelog_mode(child, plan.statements).insert_only for child in inputs(node))


def _advice(statement: PlannedStatement, plan: PlannedProgram, place: Location | None) -> Iterator[Advice]:
    for node in _walk(statement.plan):
        need = state_need(node, _retracting(node, plan))
        ended = isinstance(node, ENDED_BY_TTL)
        if need is not None and need.grows and not (ended and plan.state_ttl_ms):
            yield Advice(
                AdviceCode.UNBOUNDED_STATE,
                f"{statement.name}: {type(node).__name__} keeps {need.kept}; its bound: {need.bound}",
                "set 'state.ttl', or bound it with a window or by event time"
                if ended
                else "bound it by event time; state.ttl does not end it",
                place,
            )
        if isinstance(node, RegularJoin) and not node.left_keys:
            yield Advice(
                AdviceCode.NO_JOIN_KEY,
                f"{statement.name}: the join has no equal columns, so every row meets every row of the other side",
                "join on equality of columns",
                place,
            )
        if isinstance(node, AssignWatermark) and node.delay_ms == 0 and _is_stream(node, plan):
            name = node.schema.names[node.time_column]
            yield Advice(
                AdviceCode.NO_WATERMARK_DELAY,
                f"{statement.name}: the watermark follows {name} without delay, so rows out of order may be late",
                "declare WATERMARK FOR …, or set 'watermark.max_out_of_orderness'",
                place,
            )
        for function in unsteady_functions(expressions_of(node)):
            yield Advice(
                AdviceCode.NON_DETERMINISTIC,
                f"{statement.name}: {function.upper()} gives another value in every run",
                "tests freeze the clock and seed random numbers; a comparison of two runs must leave this column out",
                place,
            )
    mode = changelog_mode(statement.plan, plan.statements)
    if statement.sink is not None and not mode.insert_only and not statement.sink.upsert_key:
        yield Advice(
            AdviceCode.NO_UPSERT_KEY,
            f"{statement.name}: the result is updated, and no columns identify its rows",
            "mark the key in the select list with PRIMARY KEY",
            place,
        )


def _is_stream(node: AssignWatermark, plan: PlannedProgram) -> bool:
    return any(plan.sources[n.source.name].kind is SourceKind.STREAM for n in _walk(node) if isinstance(n, Scan))


def _walk(node: PlanNode) -> Iterator[PlanNode]:
    yield node
    children: Sequence[PlanNode] = inputs(node)
    for child in children:
        yield from _walk(child)
