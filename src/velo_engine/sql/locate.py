"""Where a syntax node stands in the text it was parsed from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from velo_engine.errors import Location


def locate(node: exp.Expression, text: str, file: str) -> Location | None:
    """The place of `node`: of its own token, else of the first token below it; None when nothing below has one.

    A qualified name is marked whole.

    sqlglot marks identifiers, literals and function names with the offsets of their token.
    """
    spans = [_span(part.meta) for part in (node, *node.walk()) if "start" in part.meta]
    if not spans:
        return None
    start, end = spans[0] if "start" in node.meta else min(spans)
    if isinstance(node, exp.Column | exp.Dot):
        end = max(end for _, end in spans)
    if start >= len(text):
        return None
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line = text[line_start : line_end if line_end >= 0 else len(text)].rstrip("\r")
    return Location(
        file=file,
        line=text.count("\n", 0, start) + 1,
        column=start - line_start + 1,
        length=max(1, end - start + 1),
        text=line,
    )


def _span(meta: Mapping[str, Any]) -> tuple[int, int]:
    """Offsets of the first and the last character of a node's token."""
    return int(meta["start"]), int(meta["end"])
