"""Which characters and words are special in Flink SQL, and what is blanked before the tokenizer reads it.

Source: Flink's FlinkSqlParserImpl with Calcite's Lex.JAVA: names are quoted by backticks, comments start with `--` or
`//`, and names keep their case.
"""

from __future__ import annotations

import re
from typing import ClassVar

from velo_engine.sql.dialect import Velostream, VelostreamTokenizer
from velo_engine.sql.source_text import SourceText

_SEGMENT = re.compile(
    r"'(?:[^']|'')*+'|`[^`]*`|(?P<hint>/\*\+.*?\*/)|(?P<comment>--[^\r\n]*|//[^\r\n]*|/\*.*?\*/)", re.DOTALL
)


class FlinkTokenizer(VelostreamTokenizer):
    """As in the velostream dialect, but only backticks quote a name."""

    IDENTIFIERS: ClassVar = ["`"]


class Flink(Velostream):
    """Flink SQL."""

    Tokenizer = FlinkTokenizer


def without_comments(source: SourceText) -> str:
    """The text with blanks in place of comments and `{+ … }` in place of hints `/*+ … */`; every character keeps its
    place."""
    return _SEGMENT.sub(_blanked, source.text)


def _blanked(segment: re.Match[str]) -> str:
    text = segment.group()
    if segment.group("hint"):
        return "{+ " + text[3:-2] + " }"
    return re.sub(r"[^\r\n]", " ", text) if segment.group("comment") else text
