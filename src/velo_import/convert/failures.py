"""Statements that are not converted: what the report says of them, and where."""

from __future__ import annotations

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.flink.statements import Place
from velo_engine.sql.source_text import SourceText
from velo_import.model import Construct, Outcome

_ALTERNATIVES = {
    ErrorCode.UNKNOWN_FUNCTION: "write the function in Python and name it: -- @udf: module:function",
    ErrorCode.UNKNOWN_TABLE: "add its CREATE TABLE to the input",
}


def failure(error: VeloError, place: Place, feature: str, source: SourceText) -> Construct:
    """The row of a statement that is not converted: at the cause, if that is in the statement itself."""
    last_line = source.location(max(place.start, place.end - 1)).line
    alternative = error.hint or _ALTERNATIVES.get(error.code)
    if error.code is ErrorCode.UNKNOWN_FUNCTION:
        alternative = _ALTERNATIVES[error.code]
    where, reason = place.location, error.message
    cause = error.location
    if cause is not None and cause.file == where.file and where.line <= cause.line <= last_line:
        where = cause
    elif cause is not None:
        reason += f" ({cause.file}:{cause.line})"
    return Construct(where, shown(source, place), feature, "left out", Outcome.NOT_CONVERTED, reason, alternative)


def shown(source: SourceText, place: Place) -> str:
    """The beginning of a statement in one line."""
    text = " ".join(source.text[place.start : place.end].split())
    return text if len(text) <= 100 else text[:99] + "…"


def unnamed(place: Place) -> str:
    """What a query is called that is not converted, and has no name."""
    return f"query_line_{place.location.line}"
