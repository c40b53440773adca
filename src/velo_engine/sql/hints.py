"""Hints, `/*+ NAME(…) */`: comments to this engine. Those that change results are refused, the others warned of.

Source: Flink's FlinkHintStrategies and the hints of its documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from velo_engine.errors import ErrorCode, VeloError, nearest
from velo_engine.sql.program import Warning
from velo_engine.sql.source_text import SegmentKind, SourceText, segments

_REFUSED = {
    "STATE_TTL": "SET 'state.ttl' = '…' holds for all operators",
    "OPTIONS": "give the options as properties in WITH (…) of the table",
}
_OF_BATCH = "it chooses a join of batch jobs"
_WITHOUT_EFFECT = {
    "LOOKUP": "a table is read whole before the first record of a stream, so no look-up is repeated",
    "BROADCAST": _OF_BATCH,
    "SHUFFLE_HASH": _OF_BATCH,
    "SHUFFLE_MERGE": _OF_BATCH,
    "NEST_LOOP": _OF_BATCH,
    "MULTI_JOIN": "joins are run one by one, with the same result",
}
_NAME = re.compile(r"(?P<text>'(?:[^']|'')*')|(?P<opening>\()|(?P<closing>\))|(?P<name>[^\W\d]\w*)")


def hint_warnings(source: SourceText) -> tuple[Warning, ...]:
    """A warning for each hint of a program. VeloError SQL_UNSUPPORTED for one that would change results."""
    return tuple(
        warning
        for segment in segments(source)
        if segment.kind is SegmentKind.BLOCK_COMMENT and source.text.startswith("/*+", segment.start)
        for warning in _warnings(source, segment.start, segment.end)
    )


def _warnings(source: SourceText, start: int, end: int) -> Iterator[Warning]:
    found = list(_names(source.text, start + len("/*+"), end - len("*/")))
    if not found:
        yield Warning("hints have no meaning here", source.location(start, end))
    for name, at in found:
        place = source.location(at, at + len(name))
        word = name.upper()
        if word in _REFUSED:
            raise VeloError(
                ErrorCode.SQL_UNSUPPORTED,
                f"the hint {word} is not supported",
                location=place,
                hint=_REFUSED[word],
            )
        if word in _WITHOUT_EFFECT:
            yield Warning(f"the hint {word} has no effect here: {_WITHOUT_EFFECT[word]}", place)
            continue
        close = nearest(word, (*_REFUSED, *_WITHOUT_EFFECT))
        yield Warning(f"there is no hint {word}", place, None if close is None else f"did you mean {close}?")


def _names(text: str, start: int, end: int) -> Iterator[tuple[str, int]]:
    """The names outside parentheses, with their places."""
    depth = 0
    for part in _NAME.finditer(text, start, end):
        if part["opening"]:
            depth += 1
        elif part["closing"]:
            depth -= 1
        elif part["name"] and depth == 0:
            yield part["name"], part.start()
