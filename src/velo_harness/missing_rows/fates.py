"""What one step made of one row: passed it on, and as what, or why nothing came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import RowKind
from velo_engine.connectors.dead_letters import DeadLetter
from velo_engine.errors import Location
from velo_engine.plan import nodes
from velo_engine.plan.nodes import PlanNode
from velo_harness.missing_rows.carried_columns import carried
from velo_harness.missing_rows.conditions import failed_part
from velo_harness.missing_rows.recording import Edge, RecordedStep, Recording, is_shown
from velo_harness.missing_rows.row_search import matching
from velo_harness.reports.shown_values import text_of


class FateKind(StrEnum):
    """What became of a row."""

    PRESENT = "present"
    """It is in the output."""
    PASSED = "passed"
    """The step gave it on."""
    OTHER_VALUES = "other_values"
    """It came out, with other values."""
    FILTERED = "filtered"
    LATE = "late"
    NO_PARTNER = "no_partner"
    RETRACTED = "retracted"
    CUT = "cut"
    """By Top-N."""
    DROPPED_DUPLICATE = "dropped_duplicate"
    DEAD_LETTERED = "dead_lettered"
    IN_STATE = "in_state"
    """The step still holds it: its window has not closed."""
    NOT_READ = "not_read"
    """The input never held such a row."""
    LOST = "lost"
    """Nothing came of it, and nothing more is known."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a row at one step."""

    kind: FateKind
    text: str
    """For people: one sentence or several lines."""
    location: Location | None = None
    """The place in the SQL."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The same for machines."""
    rows: tuple[int, ...] = ()
    """Of a row that passed: the positions of what it became in the step's output."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of the run besides its steps."""

    recording: Recording
    late: Mapping[str, pa.Table]
    """Statement → its late rows, with `late_by_ms`."""
    letters: Sequence[DeadLetter]
    time_zone: str
    now_ms: int


def shown_row(values: Mapping[str, Any]) -> str:
    """A row for people, on one line."""
    return "{" + ", ".join(f"{name}: {text_of(value)}" for name, value in values.items() if is_shown(name)) + "}"


def shown_key(names: Sequence[str], values: Sequence[Any]) -> str:
    """`a = 1, b = x`."""
    return ", ".join(f"{name} = {text_of(value)}" for name, value in zip(names, values, strict=True))


def fate_of(step: RecordedStep, side: int, position: int, around: Surroundings) -> Fate:
    """What `step` made of the row at `position` of its input `side`."""
    from velo_harness.missing_rows import join_fates, ranked_fates, window_fates

    late = window_fates.late_fate(step, side, position, around)
    if late is not None:
        return late
    match step.node:
        case nodes.Project() | nodes.Filter():
            return _calculated(step, position, around)
        case nodes.TopN() | nodes.WindowTopN():
            return ranked_fates.ranked(step, position, around)
        case nodes.Deduplicate() | nodes.WindowDeduplicate() | nodes.ChangelogNormalize():
            return ranked_fates.deduplicated(step, position, around)
        case nodes.RegularJoin() | nodes.IntervalJoin() | nodes.TemporalJoin() | nodes.WindowJoin():
            return join_fates.joined(step, side, position, around)
        case nodes.TableJoin():
            return join_fates.looked_up(step, position, around)
        case nodes.WindowAggregate():
            return window_fates.aggregated(step, position, around)
        case nodes.GroupAggregate():
            return _grouped(step, position, around)
        case _:
            return plain_fate(step, side, position, around)


def plain_fate(step: RecordedStep, side: int, position: int, around: Surroundings) -> Fate:
    """A row of a step about which nothing special is known: passed, in a dead letter, or lost."""
    rows = descendants(step, side, position)
    if rows:
        return passed(rows)
    letter = _letter(step, position, around)
    if letter is not None:
        return letter
    match step.node:
        case nodes.Correlate():
            return Fate(FateKind.FILTERED, f"the table function {step.node.function.name} gave no row for it")
        case nodes.MatchRecognize():
            return Fate(FateKind.LOST, "no match of the pattern carries its values on")
        case _:
            return Fate(FateKind.LOST, f"{step_name(step.node)} gave out nothing for it")


def passed(rows: Sequence[int], text: str = "") -> Fate:
    """The row went on as the rows at these positions of the output."""
    return Fate(FateKind.PASSED, text, rows=tuple(rows))


def step_name(node: PlanNode) -> str:
    """What people call a step."""
    if isinstance(node, nodes.Scan):
        return f"the source {node.source.name}"
    if isinstance(node, nodes.Project) and isinstance(node.input, nodes.Filter):
        return "the condition and projection"
    return _NAMES.get(type(node).__name__, type(node).__name__)


_NAMES = {
    "AssignWatermark": "the watermark",
    "Filter": "the condition",
    "Project": "the projection",
    "GroupAggregate": "the aggregation",
    "WindowAggregate": "the window aggregation",
    "WindowTable": "the window table function",
    "WindowTopN": "the Top-N of the window",
    "WindowDeduplicate": "the deduplication in the window",
    "WindowJoin": "the window join",
    "RegularJoin": "the join",
    "IntervalJoin": "the interval join",
    "TemporalJoin": "the temporal join",
    "TableJoin": "the lookup join",
    "TopN": "the Top-N",
    "Deduplicate": "the deduplication",
    "OverAggregate": "the OVER aggregation",
    "MatchRecognize": "MATCH_RECOGNIZE",
    "Union": "UNION ALL",
    "Correlate": "the table function",
}


def descendants(step: RecordedStep, side: int, position: int) -> list[int]:
    """The rows that a step gave out, at or after the row's event, with all columns that it carries over from it."""
    edge = step.inputs[side]
    row = edge.row(position)
    wanted = {out: row[into] for out, into in carried(step.node)[side].items()}
    if not wanted:
        return []
    seq, seqs = int(edge.seqs[position]), step.output.seqs
    added = set(step.output.added())
    found = matching(step.output.rows, wanted)
    return [i for i in found if seqs[i] >= seq and i in added]


def _calculated(step: RecordedStep, position: int, around: Surroundings) -> Fate:
    """A filter and projection keep the event of a row."""
    edge = step.inputs[0]
    node = step.node
    below = node.input if isinstance(node, nodes.Project) else node
    if isinstance(below, nodes.Filter):
        names = below.input.schema.names
        row = edge.rows.slice(position, 1).select(range(len(edge.schema)))
        part = failed_part(below.predicate, names, row, time_zone=around.time_zone, now_ms=around.now_ms)
        if part is not None and not part.is_error:
            values = ", ".join(f"{name} = {text_of(value)}" for name, value in part.values.items())
            return Fate(
                FateKind.FILTERED,
                f"filtered: {part.text} is {part.outcome}" + (f" ({values})" if values else ""),
                part.location,
                {"predicate": part.text, "outcome": part.outcome, "values": dict(part.values)},
            )
    letter = _letter(step, position, around)
    at = np.flatnonzero(step.output.seqs == edge.seqs[position]).tolist()
    if letter is not None and not at:
        return letter
    rows = [i for i in at if step.output.kinds[i] == edge.kinds[position]]
    return passed(rows) if rows else Fate(FateKind.LOST, f"{step_name(node)} gave out nothing for it")


def _letter(step: RecordedStep, position: int, around: Surroundings) -> Fate | None:
    """The dead letter of the record that caused a row."""
    found = around.recording.record_json(int(step.inputs[0].seqs[position]))
    for letter in around.letters if found is not None else ():
        if (letter.source, letter.row) == found and step.statement in letter.statement.split(", "):
            text = f"it went to the dead letter queue: {letter.reason}"
            return Fate(FateKind.DEAD_LETTERED, text, facts={"reason": letter.reason})
    return None


def _grouped(step: RecordedStep, position: int, around: Surroundings) -> Fate:
    """A row of an aggregation is counted in its group; the group may be gone at the end."""
    assert isinstance(step.node, nodes.GroupAggregate)
    rows = descendants(step, 0, position)
    row, names = step.inputs[0].row(position), step.inputs[0].schema.names
    key = shown_key([names[i] for i in step.node.keys], [row[i] for i in step.node.keys]) or "all rows"
    if not step.node.keys:
        seq = int(step.inputs[0].seqs[position])
        rows = [i for i in step.output.added() if step.output.seqs[i] >= seq]
    if not rows:
        return Fate(FateKind.LOST, f"it is in the group {key}, for which nothing was given out")
    gone = retraction(step.output, rows[-1], around.recording)
    if gone is not None and not _stands(step.output, step.node.keys, row):
        return Fate(FateKind.RETRACTED, f"it is in the group {key}, which was taken back {gone}", facts={"group": key})
    return passed(rows[-1:], f"counted in the group {key}")


def _stands(output: Edge, keys: Sequence[int], row: Sequence[Any]) -> bool:
    """Whether the group of a row is among the final rows."""
    final = output.final()
    return bool(matching(final, {i: row[key] for i, key in enumerate(keys)}))


def retraction(output: Edge, position: int, recording: Recording) -> str | None:
    """By what a row that was given out was taken back later; None when it stands."""
    equal = matching(output.rows, dict(enumerate(output.row(position))))
    kinds = output.kinds
    gone = next((i for i in equal if i > position and kinds[i] in (RowKind.UPDATE_BEFORE, RowKind.DELETE)), None)
    return None if gone is None else "at the event of " + shown_record(recording, int(output.seqs[gone]))


def shown_record(recording: Recording, seq: int) -> str:
    """The record of an event for people."""
    record = recording.record(seq)
    if record is None:
        return "a watermark or the end of the input"
    source, number, values = record
    return f"record {number} of {source} {shown_row(values)}"
