"""The comments of a program: those before a statement, at its head and at its foot."""

from __future__ import annotations

import re
from collections.abc import Sequence

from velo_engine.errors import Location
from velo_engine.sql.node_spans import SpannedStatement
from velo_engine.sql.source_text import SegmentKind, SourceText, segments

_OF_IMPORT = re.compile(r"-- (Converted from|Not converted): ")


class Comments:
    """Comments by the statement that they stand before."""

    def __init__(self, source: SourceText, spanned: Sequence[SpannedStatement]) -> None:
        self._by_line: dict[int, list[str]] = {}
        starts = [(one.tokens[0].start, one.statement.location.line, one.tokens[-1].end) for one in spanned]
        head: list[str] = []
        foot: list[str] = []
        for segment in segments(source):
            if segment.kind not in (SegmentKind.LINE_COMMENT, SegmentKind.BLOCK_COMMENT):
                continue
            inside = any(start <= segment.start <= end for start, _, end in starts)
            text = _as_lines(source.text[segment.start : segment.end])
            after = next((line for start, line, _ in starts if start > segment.start), None)
            if inside or _OF_IMPORT.match(text):
                continue
            if after is None:
                foot.append(text)
            elif starts and after == starts[0][1] and _gap_follows(source, segment.end):
                head += [*self._by_line.pop(after, []), text]
            else:
                self._by_line.setdefault(after, []).append(text)
        self.head = "\n".join(head)
        self.foot = "\n".join(foot)

    def before(self, place: Location) -> str:
        """The comments before the statement at a place."""
        return "\n".join(self._by_line.get(place.line, []))


def _gap_follows(source: SourceText, position: int) -> bool:
    """Whether an empty line stands behind a comment."""
    return re.match(r"[ \t]*\r?\n[ \t]*\r?\n", source.text[position:]) is not None


def _as_lines(text: str) -> str:
    """A comment as lines that begin with `--`; Flink's own client takes no other before a statement."""
    if text.startswith("--"):
        return text.rstrip()
    inner = text[2:-2].strip().splitlines()
    return "\n".join(f"-- {line.strip().removeprefix('*').strip()}".rstrip() for line in inner)
