"""Rows at Top-N and deduplication: cut by their rank, or given up for another row of their key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cmp_to_key
from typing import Any

from velo_engine.plan import nodes
from velo_engine.plan.changelog_nodes import KeepRow
from velo_engine.plan.nodes import SortKey
from velo_harness.missing_rows.fates import (
    Fate,
    FateKind,
    Surroundings,
    descendants,
    passed,
    plain_fate,
    retraction,
    shown_key,
    shown_row,
)
from velo_harness.missing_rows.recording import Edge, RecordedStep, is_shown
from velo_harness.missing_rows.row_search import equal_values, matching
from velo_harness.missing_rows.window_fates import EPOCH, shown_time
from velo_harness.reports.shown_values import text_of


def ranked(step: RecordedStep, position: int, around: Surroundings) -> Fate:
    """A row of a Top-N: its rank at the end, and when another row pushed it out."""
    node = step.node
    assert isinstance(node, nodes.TopN | nodes.WindowTopN)
    edge = step.inputs[0]
    row, names = edge.row(position), edge.schema.names
    rows = descendants(step, 0, position)
    standing = [i for i in rows if retraction(step.output, i, around.recording) is None]
    if standing:
        return passed(standing)
    rivals = _final_rows(edge, node.partition, row)
    before = [other for other in rivals if _compare(other, row, node.order) < 0]
    rank = len(before) + 1
    if not any(equal_values(other, row) for other in rivals):
        return plain_fate(step, 0, position, around)
    ties = sum(_compare(other, row, node.order) == 0 for other in rivals) - 1
    partition = shown_key([names[i] for i in node.partition], [row[i] for i in node.partition])
    kept = f"rows {node.first} to {node.limit}" if node.first > 1 else _first_rows(node.limit)
    order = ", ".join(names[key.column] + (" DESC" if key.descending else "") for key in node.order)
    text = f"cut: it has rank {rank} by {order}" + (f" where {partition}" if partition else "")
    text += f"; the query keeps the {kept}"
    if ties and rank <= node.limit:
        text += f", and of {ties + 1} rows that are equal in it the first to arrive"
    if before:
        last = _in_order(before, node.order)[: node.limit][-1]
        text += f", the last of which is {shown_row(dict(zip(names, last, strict=True)))}"
    if rows:
        text += f"; it was in the result until it was pushed out {retraction(step.output, rows[-1], around.recording)}"
    facts = {"rank": rank, "limit": node.limit, "first": node.first, "was_in_result": bool(rows)}
    return Fate(FateKind.CUT, text, facts=facts)


def _first_rows(limit: int) -> str:
    return "first row" if limit == 1 else f"first {limit} rows"


def deduplicated(step: RecordedStep, position: int, around: Surroundings) -> Fate:
    """A row of a deduplication: the row of its key that stands instead."""
    node = step.node
    assert isinstance(node, nodes.Deduplicate | nodes.WindowDeduplicate | nodes.ChangelogNormalize)
    partition = node.keys if isinstance(node, nodes.ChangelogNormalize) else node.partition
    edge = step.inputs[0]
    row, names = edge.row(position), edge.schema.names
    if isinstance(node, nodes.ChangelogNormalize) and node.passes is not None and row[node.passes] is not True:
        return Fate(FateKind.FILTERED, "filtered: the condition on the newest rows of its source is not true for it")
    rows = descendants(step, 0, position)
    if any(retraction(step.output, i, around.recording) is None for i in rows):
        return passed(rows)
    stands = _final_rows(step.output, partition, row)
    key = shown_key([names[i] for i in partition], [row[i] for i in partition])
    if not stands and rows:
        gone = retraction(step.output, rows[-1], around.recording)
        return Fate(FateKind.RETRACTED, f"the row with {key} was taken back {gone}", facts={"key": key})
    if not stands:
        return _late_first_row(step, position) or plain_fate(step, 0, position, around)
    kept = {n: v for n, v in zip(names, stands[0], strict=False) if is_shown(n)}
    match node:
        case nodes.WindowDeduplicate():
            last = node.keeps_last
        case nodes.Deduplicate():
            last = node.keep is KeepRow.LAST
        case _:
            last = True
    which = "last" if last else "first"
    text = f"dropped as a duplicate: of the rows with {key} the query keeps the {which} one, {shown_row(kept)}"
    if rows:
        text += f"; it stood until {retraction(step.output, rows[-1], around.recording)}"
    return Fate(FateKind.DROPPED_DUPLICATE, text, facts={"key": key, "kept": kept, "keeps": which})


def _late_first_row(step: RecordedStep, position: int) -> Fate | None:
    """A row of which the first of its key by event time is kept, and which came behind the watermark."""
    node, edge = step.node, step.inputs[0]
    if not isinstance(node, nodes.Deduplicate) or node.by_arrival or node.keep is not KeepRow.FIRST:
        return None
    time, watermark = edge.row(position)[node.time_column], edge.watermark_before(int(edge.seqs[position]))
    if not isinstance(time, datetime) or watermark is None or (time - EPOCH) // timedelta(milliseconds=1) > watermark:
        return None
    text = f"late: the watermark stood at {shown_time(watermark)}, its time is {text_of(time)}"
    return Fate(FateKind.LATE, text, facts={"watermark": shown_time(watermark), "time": text_of(time)})


def _final_rows(edge: Edge, partition: Sequence[int], row: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of the row's partition that stand at the end, in the order of their arrival."""
    final = edge.final()
    found = matching(final, {i: row[i] for i in partition})
    return [tuple(final.column(i)[at].as_py() for i in range(len(edge.schema))) for at in found]


def _in_order(rows: list[tuple[Any, ...]], order: Sequence[SortKey]) -> list[tuple[Any, ...]]:
    def compare(one: tuple[Any, ...], other: tuple[Any, ...]) -> int:
        return _compare(one, other, order)

    return sorted(rows, key=cmp_to_key(compare))


def _compare(one: Sequence[Any], other: Sequence[Any], order: Sequence[SortKey]) -> int:
    """Negative when `one` stands before `other`."""
    for key in order:
        a, b = one[key.column], other[key.column]
        if a == b:
            continue
        if a is None or b is None:
            return -1 if (a is None) == key.nulls_first else 1
        return -1 if (a > b) == key.descending else 1
    return 0
