"""Why a row is missing so far: the questions of `velo-test explain`, asked of a job that has not ended."""

from __future__ import annotations

from velo_harness.debugging.session import DebugSession
from velo_harness.missing_rows.fates import Surroundings
from velo_harness.missing_rows.report import explanation_text
from velo_harness.missing_rows.row_question import RowQuestion, answer, row_of


def explained_so_far(session: DebugSession, query: str, row: str) -> str:
    """The answer for people. Errors: as `explain_row`."""
    question = RowQuestion(row_of(row))
    now_ms = 0 if session.at is None else session.at.output.processing_time.closing
    around = Surroundings(session.recording, {}, session.letters, session.time_zone, now_ms)
    found = answer(question, session.program, query, session.seen, around)
    return explanation_text(found, query, row)
