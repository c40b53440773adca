"""The regular expression functions, and LIKE with an escape and a pattern from a column, for the kernel."""

from __future__ import annotations

import re

import pyarrow as pa

from velo_engine.functions.java_regex import refusal, usable
from velo_engine.functions.python_function import PythonFunction, row_function
from velo_engine.functions.python_text import units


def regexp(text: str, pattern: str) -> bool:
    """Whether a part of the text matches."""
    regex = usable(pattern) if pattern else None
    return regex is not None and regex.search(text) is not None


def regexp_full(text: str, pattern: str) -> bool:
    """Whether the whole text matches."""
    regex = usable(pattern)
    return regex is not None and regex.fullmatch(text) is not None


def regexp_replace(text: str, pattern: str, replacement: str) -> str | None:
    """The text with every match replaced by `replacement`, in which nothing is special."""
    regex = usable(pattern)
    return None if regex is None else regex.sub(lambda _: replacement, text)


def regexp_extract(text: str, pattern: str, group: int) -> str | None:
    """A group of the first match."""
    regex = usable(pattern)
    if regex is None or not 0 <= group <= regex.groups:
        return None
    match = regex.search(text)
    return None if match is None else match.group(group)


def regexp_extract_all(text: str, pattern: str, group: int) -> list[str | None] | None:
    """A group of every match."""
    regex = usable(pattern)
    if regex is None or not 0 <= group <= regex.groups:
        return None
    return [match.group(group) for match in regex.finditer(text)]


def regexp_count(text: str, pattern: str) -> int | None:
    """The number of matches."""
    regex = usable(pattern)
    return None if regex is None else sum(1 for _ in regex.finditer(text))


def regexp_instr(text: str, pattern: str) -> int | None:
    """The position of the first match in UTF-16 units, from 1; 0 when there is none."""
    regex = usable(pattern)
    if regex is None:
        return None
    match = regex.search(text)
    return 0 if match is None else len(units(text[: match.start()])) + 1


def regexp_substr(text: str, pattern: str) -> str | None:
    """The first match."""
    return regexp_extract(text, pattern, 0)


def str_to_map(text: str, list_delimiter: str, key_delimiter: str) -> list[tuple[str, str | None]] | None:
    """Entries of a text by Java's String.split, of a key that repeats the last; None for a refused delimiter."""
    items, keys = usable(list_delimiter), usable(key_delimiter)
    if items is None or keys is None:
        return None
    if not text.strip():
        return []
    entries: dict[str, str | None] = {}
    for item in _split(text, items, 0):
        key, *value = _split(item, keys, 2)
        entries[key] = value[0] if value else None
    return list(entries.items())


def _split(text: str, pattern: re.Pattern[str], limit: int) -> list[str]:
    """Java's String.split: no empty part before a match of nothing at the start, none at the end without a limit."""
    parts: list[str] = []
    start = 0
    for match in pattern.finditer(text):
        if limit and len(parts) == limit - 1:
            break
        if match.end() == 0:
            continue
        parts.append(text[start : match.start()])
        start = match.end()
    parts.append(text[start:])
    while not limit and len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts


_ANY_BUT_LINE_END = "[^\\n\\r\\x85\\u2028\\u2029]"


def like(text: str, pattern: str, escape: str) -> bool | None:
    """LIKE … ESCAPE (empty for none); None when the escape stands before an ordinary character."""
    output: list[str] = []
    position = 0
    while position < len(pattern):
        c = pattern[position]
        if c == escape:
            following = pattern[position + 1 : position + 2]
            if following not in ("%", "_", escape) or not following:
                return None
            output.append(re.escape(following))
            position += 1
        else:
            output.append({"%": ".*", "_": _ANY_BUT_LINE_END}.get(c) or re.escape(c))
        position += 1
    return re.compile("".join(output), re.DOTALL).fullmatch(text) is not None


_TEXT, _INT, _FLAG = "VARCHAR", "INTEGER", "BOOLEAN"

KERNEL_FUNCTIONS: tuple[PythonFunction, ...] = (
    row_function("velo_regexp", (_TEXT,) * 2, _FLAG, pa.bool_(), regexp),
    row_function("velo_regexp_full", (_TEXT,) * 2, _FLAG, pa.bool_(), regexp_full),
    row_function("velo_regexp_replace", (_TEXT,) * 3, _TEXT, pa.string(), regexp_replace),
    row_function("velo_regexp_extract", (_TEXT, _TEXT, _INT), _TEXT, pa.string(), regexp_extract),
    row_function(
        "velo_regexp_extract_all", (_TEXT, _TEXT, _INT), "VARCHAR[]", pa.list_(pa.string()), regexp_extract_all
    ),
    row_function(
        "velo_str_to_map", (_TEXT,) * 3, "MAP(VARCHAR, VARCHAR)", pa.map_(pa.string(), pa.string()), str_to_map
    ),
    row_function("velo_regexp_count", (_TEXT,) * 2, _INT, pa.int32(), regexp_count),
    row_function("velo_regexp_instr", (_TEXT,) * 2, _INT, pa.int32(), regexp_instr),
    row_function("velo_regexp_substr", (_TEXT,) * 2, _TEXT, pa.string(), regexp_substr),
    row_function("velo_regexp_refusal", (_TEXT,), _TEXT, pa.string(), refusal),
    row_function("velo_like", (_TEXT,) * 3, _FLAG, pa.bool_(), like),
)
