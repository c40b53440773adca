"""Flink's windows in the syntax of Velostream, and EMIT: wherever that is surely the same program.

The whole program is planned as Flink writes it and with clauses; a clause stays only if both plans are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from velo_engine.errors import VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_import.convert.draft import Draft
from velo_import.convert.program import Piece, planned
from velo_import.convert.same_plan import same_program
from velo_import.convert.windows import Rewrites, rewrites
from velo_import.mapped_text import Edit, MappedText
from velo_import.model import Construct

_ONCE = "Flink gives the result of a window out once, when it is complete: that is EMIT FINAL, not EMIT CHANGES"
_CHANGES = "with emit.semantics = flink: every change as Flink gives it out"
_KEPT = "the plan of a WINDOW clause would not be the same"
_READ = "; the engine reads Flink's syntax as well"


@dataclass(slots=True, eq=False)
class _Attempt:
    """A statement whose windows are being written as clauses."""

    piece: Piece
    written: MappedText
    """As it was before."""
    rewrites: Rewrites
    windows: dict[int, tuple[Edit, ...]] = field(default_factory=dict)
    """The edits of each window that is a clause now, by its number."""
    emits: bool = False

    def apply(self) -> None:
        """The piece gets the text with the edits that are made now."""
        emit = self.rewrites.emit if self.emits else None
        edits = [edit for own in self.windows.values() for edit in own]
        self.piece.text = self.written.edited([*edits, *([] if emit is None else [emit])])

    def take_all(self) -> None:
        """All edits."""
        self.windows = {number: one.variants[0] for number, one in enumerate(self.rewrites.windows)}
        self.emits = self.rewrites.emit is not None
        self.apply()

    def take_none(self) -> None:
        """No edit."""
        self.windows, self.emits = {}, False
        self.apply()


def write_clauses(draft: Draft) -> None:
    """The statements of the program with WINDOW clauses and EMIT, and what the report says of them."""
    attempts = list(_attempts(draft))
    if not attempts:
        return
    readers = _readers(draft)
    program = _Program.of(draft, _around([attempt.piece for attempt in attempts], readers))
    for attempt in attempts:
        attempt.take_all()
    if not program.is_same():
        for attempt in attempts:
            attempt.take_none()
        for attempt in attempts:
            _one_by_one(attempt, _Program.of(draft, _around([attempt.piece], readers)))
    places = {id(construct): number for number, construct in enumerate(draft.constructs)}
    for attempt in attempts:
        _report(draft, attempt, places)


def _readers(draft: Draft) -> dict[int, list[Piece]]:
    """The pieces that read each piece, by its id."""
    found: dict[int, list[Piece]] = {}
    for piece in draft.pieces:
        for below in piece.reads:
            found.setdefault(id(below), []).append(piece)
    return found


def _around(pieces: Sequence[Piece], readers: Mapping[int, list[Piece]]) -> list[Piece]:
    """The pieces, all that read them, and what these need, in the order of a program."""
    pending, above = list(pieces), {id(piece): piece for piece in pieces}
    while pending:
        for reader in readers.get(id(pending.pop()), ()):
            if id(reader) not in above:
                above[id(reader)] = reader
                pending.append(reader)
    needed = {id(below): below for one in above.values() for below in one.closure()}
    return list(needed.values())


def _attempts(draft: Draft) -> Iterator[_Attempt]:
    for piece in draft.pieces:
        if id(piece) in draft.made and any(map(_is_written, _constructs(draft, piece))):
            yield _Attempt(piece, piece.text, rewrites(piece.text.text))


def _is_written(construct: Construct) -> bool:
    """Whether the construct is one that Velostream writes in its own way."""
    return construct.feature.startswith(("aggregation", "window table ", "group window "))


@dataclass(frozen=True, slots=True)
class _Program:
    """A part of the program as it stands now, against the same as Flink wrote it."""

    draft: Draft
    pieces: list[Piece]
    written: PlannedProgram

    @classmethod
    def of(cls, draft: Draft, pieces: list[Piece]) -> _Program:
        """The part that `pieces` make, which are as Flink wrote them, or the same."""
        return cls(draft, pieces, planned(pieces, draft.settings.current))

    def is_same(self) -> bool:
        """Whether the engine plans the same."""
        try:
            return same_program(self.written, planned(self.pieces, self.draft.settings.current))
        except VeloError:
            return False


def _one_by_one(attempt: _Attempt, program: _Program) -> None:
    """Every window that can be a clause, with the names of its bounds if they can be had."""
    for number, one in enumerate(attempt.rewrites.windows):
        for edits in one.variants:
            attempt.windows[number] = edits
            attempt.apply()
            if program.is_same():
                break
        else:
            del attempt.windows[number]
            attempt.apply()
    attempt.emits = attempt.rewrites.emit is not None
    attempt.apply()
    if attempt.emits and not program.is_same():
        attempt.emits = False
        attempt.apply()


# --- report ---


def _constructs(draft: Draft, piece: Piece) -> tuple[Construct, ...]:
    """What the report says of the statement of a piece."""
    return draft.statements[draft.made[id(piece)].position].constructs


def _report(draft: Draft, attempt: _Attempt, places: Mapping[int, int]) -> None:
    """The statement as it is written now, in the job and in the report."""
    position = draft.made[id(attempt.piece)].position
    old = draft.statements[position]
    new = tuple(_construct(construct, attempt) for construct in old.constructs)
    draft.statements[position] = replace(old, sql=attempt.piece.text.text, constructs=new)
    for before, after in zip(old.constructs, new, strict=True):
        draft.constructs[places[id(before)]] = after


def _construct(construct: Construct, attempt: _Attempt) -> Construct:
    if construct.feature == "aggregation":
        became = "EMIT CHANGES" if attempt.emits and not attempt.rewrites.windows else construct.became
        return _became(construct, became, _CHANGES)
    known = [(n, one) for n, one in enumerate(attempt.rewrites.windows) if one.feature == construct.feature]
    other = attempt.rewrites.others.get(construct.feature)
    if not known and other is None:
        return construct
    clauses = list(dict.fromkeys(one.clause for number, one in known if number in attempt.windows))
    if not clauses:
        return _became(construct, "kept as written", (other or _KEPT) + _READ)
    if other is not None or len(attempt.windows) < len(attempt.rewrites.windows):
        clauses.append("others kept as written")
    return _became(construct, ", ".join(clauses), _ONCE)


def _became(construct: Construct, became: str, reason: str) -> Construct:
    """The row of the report with a further reason."""
    reasons = (reason, *([] if construct.reason is None else [construct.reason]))
    return replace(construct, became=became, reason="; ".join(reasons))
