"""Comments above statements, as they stand above what becomes of these."""

from __future__ import annotations

from velo_engine.errors import VeloError
from velo_engine.sql.flink import statements as flink
from velo_engine.sql.flink.script import FlinkScript
from velo_engine.sql.source_text import SegmentKind, segments
from velo_import.convert.secrets import HIDDEN, is_secret, masked

_COMMENTS = (SegmentKind.LINE_COMMENT, SegmentKind.BLOCK_COMMENT)


def comments_above(script: FlinkScript) -> dict[int, str]:
    """The comments between each statement of a script and the one before it, by where the statement starts.

    Each line begins with `--`. Programs in other languages have none: their comments are not of the SQL.
    """
    if script.written is not None:
        return {}
    try:
        found = [(one.start, one.end) for one in segments(script.source) if one.kind in _COMMENTS]
    except VeloError:  # a quote that is never closed
        return {}
    places = [
        one.place
        for statement in script.statements
        for one in (statement.inserts if isinstance(statement, flink.StatementSet) else (statement,))
    ]
    above: dict[int, str] = {}
    end = 0
    for place in places:
        texts = [script.text[a:b] for a, b in found if end <= a and b <= place.start]
        lines = [line for text in texts for line in _lines(text)]
        if lines:
            above[place.start] = "\n".join(lines) + "\n"
        end = place.end
    return above


def _lines(comment: str) -> list[str]:
    """A comment as lines of the converted program."""
    if comment.startswith("/*+"):
        return []  # a hint
    if not comment.startswith("/*"):
        return [_line(comment[2:].strip())]
    return [_line(line.strip().removeprefix("*").strip()) for line in comment[2:-2].strip().splitlines()]


def _line(text: str) -> str:
    if text.startswith("@"):  # what would be an annotation of Velostream's
        text = f"({text})"
    if is_secret(text) and ("=" in text or ":" in text):
        text = HIDDEN
    return f"-- {masked(text)}".rstrip()
