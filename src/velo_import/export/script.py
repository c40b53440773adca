"""The text of an exported program; INSERTs that follow one another are a statement set, which is one job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from velo_import.export.model import ExportedProgram, ExportedStatement, Form, NoteKind


def script_text(program: ExportedProgram) -> str:
    """The script as a file: comments, statements with their semicolons, and what is not in it."""
    return "".join(_parts(program))


def executed(statements: Sequence[ExportedStatement]) -> Iterator[tuple[str, tuple[ExportedStatement, ...]]]:
    """What a client of Flink carries out, one after the other, and the statements that each is made of."""
    for inserts, group in groupby(statements, key=lambda one: one.form is Form.INSERT):
        together = tuple(group)
        if inserts and len(together) > 1:
            yield _statement_set(together), together
        else:
            yield from ((one.sql, (one,)) for one in together)


def _parts(program: ExportedProgram) -> Iterator[str]:
    yield program.head + "\n\n" if program.head else ""
    settings = [one for one in program.statements if one.form is Form.SET]
    for one in settings:
        yield f"{one.sql};\n"
    yield "\n" if settings else ""
    for sql, group in executed([one for one in program.statements if one.form is not Form.SET]):
        if len(group) == 1 and group[0].comment:
            yield group[0].comment + "\n"
        yield f"{sql};\n\n"
    yield program.foot + "\n" if program.foot else ""
    for note in program.notes:
        if note.kind is NoteKind.REFUSED:
            place = f"{note.location.file}:{note.location.line}"
            yield f"-- Not exported: {' '.join(f'{place}: {note.message}'.split())}\n"


def _statement_set(inserts: Sequence[ExportedStatement]) -> str:
    lines = (f"{one.comment}\n{one.sql};\n" if one.comment else f"{one.sql};\n" for one in inserts)
    return "EXECUTE STATEMENT SET\nBEGIN\n" + "".join(lines) + "END"
