"""When all scripts are read: what plans one by one is looked at as a whole, and queries get their names."""

from __future__ import annotations

from dataclasses import replace

from velo_engine.errors import VeloError
from velo_import.catalog import quoted
from velo_import.convert.draft import Draft
from velo_import.convert.failures import failure, unnamed
from velo_import.convert.features import features
from velo_import.convert.program import Piece, first_failure, planned
from velo_import.convert.window_clauses import write_clauses
from velo_import.mapped_text import MappedText
from velo_import.model import ConvertedStatement


def settle(draft: Draft) -> None:
    """Leave out what the program as a whole cannot have; write windows as clauses; name bare queries."""
    _settle_tables(draft)
    _settle_program(draft)
    write_clauses(draft)
    _name_queries(draft)


def _settle_tables(draft: Draft) -> None:
    """Tables that nothing uses, and that could not be read, are not part of the program."""
    used = {id(below) for piece in draft.pieces for below in piece.reads}
    for relation in draft.relations:
        piece = relation.piece
        if piece is None or relation.definition is None or id(piece) in used:
            continue
        probe = Piece(MappedText(), piece.source, piece.location, (piece,))
        probe.text.add(f"SELECT * FROM {quoted(relation.name)}")
        try:
            planned([*probe.closure()], draft.settings.current)
        except VeloError as error:
            draft.pieces.remove(piece)
            relation.piece, relation.failure = None, error
            draft.note_failure(error, relation.definition.statement.place, "table that cannot be read")


def _settle_program(draft: Draft) -> None:
    """Statements that plan one by one may not do so together: those that do not are left out."""
    while draft.pieces and (found := first_failure(draft.pieces, draft.settings.current)) is not None:
        piece, error = found
        for one in [p for p in draft.pieces if p is piece or any(below is piece for below in p.closure())]:
            _leave_out(draft, one, error)


def _leave_out(draft: Draft, piece: Piece, error: VeloError) -> None:
    """A statement that was converted is not, after all."""
    draft.pieces.remove(piece)
    made = draft.made.pop(id(piece), None)
    for relation in draft.relations:
        if relation.piece is piece:
            relation.piece, relation.failure = None, error
    if made is None:
        return
    old = draft.statements[made.position]
    construct = failure(error, made.place, features(made.query)[0], made.source)
    name = unnamed(made.place) if made.is_bare else old.name
    draft.statements[made.position] = ConvertedStatement(name, None, old.location, (), None, (construct,))
    first = next(at for at, one in enumerate(draft.constructs) if one is old.constructs[0])
    gone = {id(one) for one in old.constructs}
    draft.constructs[:] = [one for one in draft.constructs if id(one) not in gone]
    draft.constructs.insert(first, construct)


def _name_queries(draft: Draft) -> None:
    """Bare queries are called as the engine calls them, in order."""
    bare = sorted(made.position for made in draft.made.values() if made.is_bare)
    for number, position in enumerate(bare, 1):
        draft.statements[position] = replace(draft.statements[position], name=f"select_{number}")
