"""Why a row is missing from a query's output, or where a record went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from velo_engine.plan import nodes
from velo_engine.schema import RowSchema
from velo_harness.missing_rows.carried_columns import carried
from velo_harness.missing_rows.fates import (
    Fate,
    FateKind,
    Surroundings,
    fate_of,
    retraction,
    shown_record,
    shown_row,
    step_name,
)
from velo_harness.missing_rows.recording import RecordedStep, Recording, is_shown
from velo_harness.missing_rows.row_search import Wanted, matching, nearest_row
from velo_harness.reports.shown_values import text_of

SHOWN_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """One step on the way of the row."""

    statement: str
    step: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of a row."""

    fate: Fate
    statement: str | None
    """Where its way ends."""
    trail: tuple[Stage, ...] = ()
    """Its way up to there."""
    record: str | None = None
    """The input record with which it came: itself, or the one whose time closed its window."""
    further: tuple[str, ...] = ()
    """What else a person may want to know."""


@dataclass(frozen=True, slots=True)
class _Loss:
    """The rows of a step's input from which the wanted row should have come."""

    step: RecordedStep
    side: int
    rows: Sequence[int]
    wanted: Wanted
    """In terms of the step's output."""
    labels: Mapping[int, str]
    """What the wanted columns are called in the statement's output."""


@dataclass(slots=True)
class _NotRead:
    """A source that never held such a row."""

    step: RecordedStep
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class RowTracer:
    """Traces rows of one statement through a recorded run."""

    around: Surroundings
    statement: str
    statements: tuple[str, ...]
    """Those that ran."""
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def _recording(self) -> Recording:
        return self.around.recording

    def missing(self, wanted: Wanted) -> Explanation:
        """Why a row with these values of the statement's output is not there."""
        root = self._recording.root(self.statement)
        at_end = matching(root.output.final(), wanted)
        if at_end:
            row = tuple(root.output.final().column(i)[at_end[0]].as_py() for i in range(len(root.output.schema)))
            return Explanation(
                Fate(FateKind.PRESENT, f"it is there: {shown_row(_named(root.output.schema, row))}"), None
            )
        given_out = [i for i in matching(root.output.rows, wanted) if i in set(root.output.added())]
        if given_out:
            return self._why_gone(root, wanted) or self._taken_back(root, given_out[-1])
        found = self._loss(root, wanted, dict(enumerate(root.output.schema.names)))
        if isinstance(found, _NotRead):
            return self._not_read(found)
        return self._explained(found)

    def followed(self, source: str, wanted: Wanted) -> Explanation:
        """Where a record of a source with these values went."""
        scans = self._scans(source)
        found = [
            self._follow(scan, rows[0], len(rows)) for scan in scans if (rows := matching(scan.output.rows, wanted))
        ]
        if not found:
            return self._not_read(_NotRead(scans[0], wanted))
        # Where a query reads a source twice, the way that comes furthest is the answer.
        return next((one for one in found if one.fate.kind is FateKind.PRESENT), found[0])

    def _scans(self, source: str) -> list[RecordedStep]:
        """The scans of a source that lead to the statement's output; when none does, all."""
        steps = self._recording.steps.values()
        scans = [s for s in steps if isinstance(s.node, nodes.Scan) and s.node.source.name == source]
        target = self._recording.root(self.statement).at
        return [scan for scan in scans if target in self._reached(scan.at)] or scans

    def _why_gone(self, step: RecordedStep, wanted: Wanted) -> Explanation | None:
        """Which step gave a row up that its input still has; None when it is no more than an update."""
        for side, columns in enumerate(carried(step.node)[: len(step.reads)]):
            below = {into: wanted[out] for out, into in columns.items() if out in wanted}
            rows = self._added(step, side, below) if below else []
            if rows and not matching(step.inputs[side].final(), below):
                return self._why_gone(self._recording.steps[step.reads[side]], below)
            if rows:
                fate = fate_of(step, side, rows[-1], self.around)
                record = shown_record(self._recording, int(step.inputs[side].seqs[rows[-1]]))
                told = fate.kind in (FateKind.CUT, FateKind.DROPPED_DUPLICATE, FateKind.NO_PARTNER)
                return Explanation(fate, step.statement, record=record) if told else None
        return None

    def _taken_back(self, root: RecordedStep, position: int) -> Explanation:
        gone = retraction(root.output, position, self._recording)
        came = shown_record(self._recording, int(root.output.seqs[position]))
        text = f"it was in the output after {came}, and was taken back {gone}"
        later = [i for i in root.output.added() if root.output.seqs[i] > root.output.seqs[position]]
        further = (f"afterwards came {shown_row(root.output.named(later[0]))}",) if later else ()
        return Explanation(Fate(FateKind.RETRACTED, text), self.statement, further=further)

    def _loss(self, step: RecordedStep, wanted: Wanted, labels: Mapping[int, str]) -> _Loss | _NotRead:
        """The first place, seen from the output, at which there are rows that the wanted one should come from."""
        if not step.reads:
            return _NotRead(step, wanted)
        below = [
            {into: wanted[out] for out, into in columns.items() if out in wanted} for columns in carried(step.node)
        ]
        sides = [side for side in range(len(step.reads)) if below[side]] or list(range(len(step.reads)))
        found = {side: self._added(step, side, below[side]) for side in sides}
        empty = [side for side in sides if not found[side]]
        if empty and (len(empty) == len(sides) or not isinstance(step.node, nodes.Union)):
            side = empty[0]
            names = {into: labels[out] for out, into in carried(step.node)[side].items() if out in labels}
            return self._loss(self._recording.steps[step.reads[side]], below[side], names)
        side = next(side for side in sides if found[side])
        return _Loss(step, side, found[side], wanted, labels)

    def _added(self, step: RecordedStep, side: int, wanted: Wanted) -> list[int]:
        edge = step.inputs[side]
        added = set(edge.added())
        return [i for i in matching(edge.rows, wanted) if i in added]

    def _explained(self, loss: _Loss) -> Explanation:
        step, edge = loss.step, loss.step.inputs[loss.side]
        position = loss.rows[0]
        fate = fate_of(step, loss.side, position, self.around)
        if not any(column in loss.wanted for column in carried(step.node)[loss.side]):
            fate = self._nearest(step, loss)
        elif fate.kind is FateKind.PASSED:
            fate = self._other_values(step, loss, fate)
        trail = [Stage(step.statement, step_name(step.node), f"reads {shown_row(edge.named(position))}")]
        more = (f"{len(loss.rows)} such rows came there; this is the first",) if len(loss.rows) > 1 else ()
        record = shown_record(self._recording, int(edge.seqs[position]))
        return Explanation(fate, step.statement, tuple(trail), record, more)

    def _other_values(self, step: RecordedStep, loss: _Loss, fate: Fate) -> Fate:
        """The row came out of the step, but not with the wanted values."""
        wanted, rows = loss.wanted, step.output.rows.take(list(fate.rows))
        names = [loss.labels.get(i, name) for i, name in enumerate(step.output.schema.names)]
        near = nearest_row(rows, wanted)
        assert near is not None
        at, different = near
        row = step.output.row(fate.rows[at])
        told = ", ".join(f"{names[i]} = {text_of(row[i])} (not {text_of(wanted[i])})" for i in different)
        place = None
        if isinstance(step.node, nodes.Project) and different:
            from velo_harness.missing_rows.conditions import span_of

            place = span_of(step.node.expressions[different[0]])
        how = f"{fate.text}; " if fate.text else ""
        text = f"{how}it came out with other values: {told or shown_row(_named(step.output.schema, row))}"
        facts = {"different": {names[i]: {"expected": wanted[i], "actual": row[i]} for i in different}}
        return Fate(FateKind.OTHER_VALUES, text, place, facts)

    def _nearest(self, step: RecordedStep, loss: _Loss) -> Fate:
        """The wanted values are computed here, so that no input row can be named: the nearest output."""
        wanted = loss.wanted
        names = [loss.labels.get(i, name) for i, name in enumerate(step.output.schema.names)]
        near = nearest_row(step.output.final(), wanted)
        computed = ", ".join(names[i] for i in wanted)
        text = f"{computed} is computed by {step_name(step.node)}, which gave out no such row"
        if near is None:
            return Fate(FateKind.LOST, f"{text}, nor any other")
        final = step.output.final()
        row = tuple(final.column(i)[near[0]].as_py() for i in range(len(names)))
        shown = shown_row(dict(zip(names, row, strict=True)))
        return Fate(
            FateKind.OTHER_VALUES,
            f"{text}; the nearest is {shown}",
            facts={"nearest": dict(zip(names, row, strict=True))},
        )

    def _not_read(self, lack: _NotRead) -> Explanation:
        node, names = lack.step.node, lack.step.output.schema.names
        what = f"the input {node.source.name}" if isinstance(node, nodes.Scan) else step_name(node)
        wanted = shown_row({names[i]: value for i, value in lack.wanted.items()})
        if not lack.wanted:
            return Explanation(Fate(FateKind.NOT_READ, f"{what} held no rows"), lack.step.statement)
        near = nearest_row(lack.step.output.rows, lack.wanted)
        if near is None:
            text = f"{what} never held a row {wanted}: it held none"
            return Explanation(Fate(FateKind.NOT_READ, text), lack.step.statement)
        at, different = near
        row = lack.step.output.row(at)
        told = ", ".join(f"{names[i]} is {text_of(row[i])}" for i in different)
        text = f"{what} never held a row {wanted}; the nearest is {shown_row(lack.step.output.named(at))}, where {told}"
        facts = {"nearest": lack.step.output.named(at), "different": [names[i] for i in different]}
        return Explanation(Fate(FateKind.NOT_READ, text, facts=facts), lack.step.statement, further=self._letters(lack))

    def _letters(self, lack: _NotRead) -> tuple[str, ...]:
        """Records of the source that did not decode: the row may be among them."""
        if not isinstance(lack.step.node, nodes.Scan):
            return ()
        name = lack.step.node.source.name
        letters = [letter for letter in self.around.letters if letter.source == name and letter.row is None]
        return tuple(f"a record of {name} did not decode: {letter.reason}" for letter in letters[:SHOWN_LETTERS])

    def _follow(self, scan: RecordedStep, position: int, count: int) -> Explanation:
        record = shown_record(self._recording, int(scan.output.seqs[position]))
        further = [f"{count} records are like this; this is the first"] if count > 1 else []
        trail: list[Stage] = []
        step, row = scan, position
        while True:
            if step is self._recording.root(self.statement):
                return self._arrived(step, row, trail, record, further)
            ways = list(self._ways(step))
            if not ways:
                text = f"{self.statement} does not read it"
                return Explanation(Fate(FateKind.LOST, text), step.statement, tuple(trail), record, tuple(further))
            step, side = ways[0]
            fate = fate_of(step, side, row, self.around)  # the edge has the rows of the step it reads
            if fate.kind is not FateKind.PASSED:
                return Explanation(fate, step.statement, tuple(trail), record, tuple(further))
            row = fate.rows[0]
            came = fate.text or "passed"
            trail.append(Stage(step.statement, step_name(step.node), f"{came} as {shown_row(step.output.named(row))}"))
            if len(fate.rows) > 1:
                further.append(f"{step_name(step.node)} made {len(fate.rows)} rows of it; this follows the first")

    def _ways(self, step: RecordedStep) -> Iterator[tuple[RecordedStep, int]]:
        """The steps that read `step` and lead to the statement's output."""
        target = self._recording.root(self.statement).at
        for reader, side in self._recording.readers(step.at, self.statements):
            if target in self._reached(reader.at):
                yield reader, side

    def _reached(self, at: int) -> set[int]:
        """The steps that read a step, directly or not, and itself."""
        reached = {at}
        for step in sorted(self._recording.steps.values(), key=lambda s: s.at):
            if reached & set(step.reads):
                reached.add(step.at)
        return reached

    def _arrived(
        self, root: RecordedStep, position: int, trail: list[Stage], record: str, further: list[str]
    ) -> Explanation:
        gone = retraction(root.output, position, self._recording)
        shown = shown_row(root.output.named(position))
        if gone is None:
            fate = Fate(
                FateKind.PRESENT, f"it is in the output, as {shown}", facts={"row": root.output.named(position)}
            )
            return Explanation(fate, None, tuple(trail), record, tuple(further))
        fate = Fate(FateKind.RETRACTED, f"it was in the output as {shown} and was taken back {gone}")
        return Explanation(fate, self.statement, tuple(trail), record, tuple(further))


def _named(schema: RowSchema, row: Sequence[Any]) -> dict[str, Any]:
    return {name: value for name, value in zip(schema.names, row, strict=True) if is_shown(name)}
