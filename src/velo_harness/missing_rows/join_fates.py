"""Rows at joins: without partner, or with partners that do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from velo_engine.plan import nodes
from velo_engine.plan.nodes import JoinKind
from velo_harness.missing_rows.conditions import failed_part
from velo_harness.missing_rows.fates import (
    Fate,
    FateKind,
    Surroundings,
    descendants,
    passed,
    retraction,
    shown_key,
    shown_row,
    step_name,
)
from velo_harness.missing_rows.recording import Edge, RecordedStep
from velo_harness.missing_rows.row_search import matching, nearest_keys
from velo_harness.missing_rows.window_fates import shown_span
from velo_harness.reports.shown_values import text_of

SHOWN_KEYS = 3
"""Keys of the other side that are shown to one that has no partner."""


def joined(step: RecordedStep, side: int, position: int, around: Surroundings) -> Fate:
    """A row of a join of two inputs."""
    node = step.node
    assert isinstance(node, nodes.RegularJoin | nodes.IntervalJoin | nodes.TemporalJoin | nodes.WindowJoin)
    rows = descendants(step, side, position)
    standing = [i for i in rows if retraction(step.output, i, around.recording) is None]
    if standing:
        return passed(standing)
    if rows:
        gone = retraction(step.output, rows[-1], around.recording)
        return Fate(FateKind.RETRACTED, f"it was in the result until it was taken back {gone}")
    own, others = (node.left_keys, node.right_keys) if side == 0 else (node.right_keys, node.left_keys)
    return _unjoined(step, side, position, (own, others), step.inputs[1 - side], around)


def looked_up(step: RecordedStep, position: int, around: Surroundings) -> Fate:
    """A row that looks up a reference table."""
    node = step.node
    assert isinstance(node, nodes.TableJoin)
    rows = descendants(step, 0, position)
    if rows:
        return passed(rows)
    table = around.recording.table(node.table) or Edge(node.table.schema)
    return _unjoined(step, 0, position, (node.left_keys, node.right_keys), table, around)


def _unjoined(
    step: RecordedStep,
    side: int,
    position: int,
    keys: tuple[Sequence[int], Sequence[int]],
    other: Edge,
    around: Surroundings,
) -> Fate:
    node: Any = step.node
    edge = step.inputs[side]
    row = edge.row(position)
    key = [row[i] for i in keys[0]]
    shown = shown_key([edge.schema.names[i] for i in keys[0]], key)
    facts: dict[str, Any] = {"key": shown}
    if node.kind.one_sided and side == 1:
        text = f"rows of this side only decide which rows of the other side stay: this one those where {shown}"
        return Fate(FateKind.FILTERED, text, facts=facts)
    if node.kind is JoinKind.ANTI:
        has = f"it has a match where {shown}" if shown else "it has a match"
        return Fate(FateKind.FILTERED, f"{has}, and the query keeps rows without one", facts=facts)
    if None in key and len(getattr(node, "null_safe_keys", ())) < len(key):
        return Fate(
            FateKind.NO_PARTNER, f"no join partner: its key is NULL ({shown}), which matches nothing", facts=facts
        )
    wanted = dict(zip(keys[1], key, strict=True))
    partners = matching(other.rows, wanted)
    if partners and other.batches and not matching(other.final(), wanted):
        gone = retraction(other, partners[-1], around.recording)
        text = f"no join partner at the end: {shown_row(other.named(partners[-1]))} was taken back {gone}"
        return Fate(FateKind.NO_PARTNER, text, facts=facts)
    if not partners:
        near = nearest_keys(_keys_of(other, keys[1]), tuple(key), SHOWN_KEYS)
        nearest = "; ".join(shown_key([other.schema.names[i] for i in keys[1]], found) for found in near)
        facts["nearest"] = [list(map(text_of, found)) for found in near]
        text = f"no join partner: the other side has no row for {shown}"
        return Fate(FateKind.NO_PARTNER, text + (f"; it has {nearest}" if nearest else ", it is empty"), facts=facts)
    return _not_fitting(step, side, position, other, partners, around, shown)


def _not_fitting(
    step: RecordedStep, side: int, position: int, other: Edge, partners: Sequence[int], around: Surroundings, key: str
) -> Fate:
    """There are rows with the key, and none of them joins."""
    node: Any = step.node
    edge = step.inputs[side]
    if isinstance(node, nodes.IntervalJoin) and node.left_time is not None and node.right_time is not None:
        apart = _nearest_in_time(node, side, edge.row(position), [other.row(i) for i in partners])
        if apart is not None:
            return apart
    if isinstance(node, nodes.TemporalJoin) and side == 0:
        time = edge.row(position)[node.left_time]
        first = min(other.row(i)[node.right_time] for i in partners)
        if first > time:
            text = f"no join partner: at its time {text_of(time)} there was no version for {key}; the first is of "
            return Fate(FateKind.NO_PARTNER, text + text_of(first), facts={"key": key, "first": text_of(first)})
    if node.condition is not None:
        left = edge if side == 0 else other
        names = (*left.schema.names, *(other if side == 0 else edge).schema.names)
        found = _joined_row(edge, position, other, partners[-1], side)
        part = failed_part(node.condition, names, found, time_zone=around.time_zone, now_ms=around.now_ms)
        if part is not None:
            values = ", ".join(f"{name} = {text_of(value)}" for name, value in part.values.items())
            text = f"no join partner: for {key} there is {shown_row(other.named(partners[-1]))}, but {part.text} is "
            facts = {"key": key, "predicate": part.text, "values": dict(part.values)}
            return Fate(FateKind.NO_PARTNER, f"{text}{part.outcome} ({values})", part.location, facts)
    text = (
        f"{step_name(node)} gave out nothing for it, although the other side has {shown_row(other.named(partners[-1]))}"
    )
    return Fate(FateKind.LOST, text, facts={"key": key})


def _nearest_in_time(
    node: nodes.IntervalJoin, side: int, row: Sequence[Any], others: Sequence[Sequence[Any]]
) -> Fate | None:
    """The partner that comes nearest in time, when all are out of bounds."""
    assert node.left_time is not None
    assert node.right_time is not None
    own, their = (node.left_time, node.right_time) if side == 0 else (node.right_time, node.left_time)
    if not isinstance(row[own], datetime):
        return None
    distances = []
    for other in others:
        ms = (row[own] - other[their]) // timedelta(milliseconds=1)
        distances.append(((ms if side == 0 else -ms), other[their]))
    if any(node.lower_ms <= ms <= node.upper_ms for ms, _ in distances):
        return None
    ms, time = min(distances, key=lambda d: max(node.lower_ms - d[0], d[0] - node.upper_ms))
    text = (
        f"no join partner in time: the nearest one is of {text_of(time)}, {_signed(ms)} from the left row's time minus "
        f"the right row's; allowed are {_signed(node.lower_ms)} to {_signed(node.upper_ms)}"
    )
    facts = {"difference_ms": ms, "lower_ms": node.lower_ms, "upper_ms": node.upper_ms}
    return Fate(FateKind.NO_PARTNER, text, facts=facts)


def _signed(milliseconds: int) -> str:
    return ("-" if milliseconds < 0 else "+") + shown_span(abs(milliseconds)) if milliseconds else "0"


def _joined_row(edge: Edge, position: int, other: Edge, partner: int, side: int) -> pa.Table:
    own = [edge.rows.column(i).slice(position, 1) for i in range(len(edge.schema))]
    their = [other.rows.column(i).slice(partner, 1) for i in range(len(other.schema))]
    columns = [*own, *their] if side == 0 else [*their, *own]
    return pa.table(columns, names=[f"c{i}" for i in range(len(columns))])


def _keys_of(edge: Edge, keys: Sequence[int]) -> list[tuple[Any, ...]]:
    return list(zip(*(edge.rows.column(i).to_pylist() for i in keys), strict=True))
