"""Queries: the text as written, with the names, hints and comments that the converted program has instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from velo_engine.sql.flink.names import joined_name
from velo_engine.sql.source_text import SourceText
from velo_engine.sql.syntax import SystemTime
from velo_import.catalog import quoted
from velo_import.convert.program import Piece
from velo_import.convert.spelling import edits_of_names
from velo_import.mapped_text import Edit, edits_of_comments, edits_of_variables

_RESERVED = frozenset({"ASC", "DESC"})
"""Words that Flink takes as the name of a column without AS."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A relation that a query names."""

    node: exp.Table
    written: str
    options: dict[str, str]
    """Of the hint OPTIONS behind it."""
    is_lookup: bool


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the name of a relation is in the converted program."""

    name: str
    piece: Piece


def readings(query: exp.Expr) -> Iterator[Reading]:
    """The relations that a query names, but for its own WITH."""
    own = {cte.alias for cte in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        parts = _parts(table)
        if not parts or (len(parts) == 1 and parts[0].name in own):
            continue
        written = joined_name(part.name for part in parts)
        yield Reading(table, written, hint_options(table), isinstance(table.args.get("system_time"), SystemTime))


def hint_options(node: exp.Expr) -> dict[str, str]:
    """The options of `/*+ OPTIONS('key' = 'value') */` behind a table."""
    found: dict[str, str] = {}
    for hint in node.args.get("hints") or ():
        found |= options_of(hint)
    return found


def options_of(hint: exp.Expr) -> dict[str, str]:
    """The options that a hint gives."""
    found: dict[str, str] = {}
    for call in hint.expressions if isinstance(hint, exp.Hint) else ():
        if isinstance(call, exp.Anonymous) and str(call.this).upper() == "OPTIONS":
            found |= {e.this.name: e.expression.name for e in call.expressions if isinstance(e, exp.EQ)}
    return found


def query_edits(
    query: exp.Expr, source: SourceText, start: int, end: int, resolve: Callable[[Reading], Resolved | None]
) -> tuple[list[Edit], tuple[Piece, ...]]:
    """The edits of a query in the characters `start` to `end`, and the pieces that it reads.

    All changes to the text of a query are made here: another rewrite adds its edits to these.
    """
    edits = [*edits_of_comments(source.text, start, end), *edits_of_variables(source.text, start, end)]
    edits += [*_edits_of_aliases(query), *_edits_of_groups(query)]
    names = {edit.start: edit for edit in edits_of_names(query, source)}
    reads: list[Piece] = []
    for reading in readings(query):
        found = resolve(reading)
        if found is None:
            continue
        reads.append(found.piece)
        parts = _parts(reading.node)
        if found.name != reading.written or found.name != parts[-1].name:
            edits += _renamed(reading.node, parts, found.name)
            for part in parts:
                names.pop(int(part.meta["start"]), None)
    edits += names.values()
    return edits, tuple(dict.fromkeys(reads))


def _edits_of_aliases(query: exp.Expr) -> list[Edit]:
    """Names of columns that are words of the grammar here."""
    names = (alias.args.get("alias") for alias in query.find_all(exp.Alias))
    return [
        Edit(int(name.meta["start"]), int(name.meta["end"]) + 1, f"`{name.name}`")
        for name in names
        if isinstance(name, exp.Identifier) and not name.args.get("quoted") and name.name.upper() in _RESERVED
        if "start" in name.meta
    ]


def _edits_of_groups(query: exp.Expr) -> list[Edit]:
    """Numbers in GROUP BY: Flink groups by their value, not by the item of the select list."""
    parts = [part for group in query.find_all(exp.Group) for part in group.expressions]
    return [
        Edit(int(part.meta["start"]), int(part.meta["end"]) + 1, f"CAST({part.name} AS INT)")
        for part in parts
        if isinstance(part, exp.Literal) and not part.is_string and "start" in part.meta
    ]


def _renamed(node: exp.Table, parts: list[exp.Identifier], name: str) -> Iterator[Edit]:
    """The name replaced; columns go on to be called by the one that the query knows, behind FOR SYSTEM_TIME if any."""
    text = quoted(name)
    last = parts[-1].name
    takes_alias = not isinstance(node.parent, exp.Expr) or type(node.parent).__name__ != "WindowTable"
    as_of = node.args.get("system_time")
    of_time = [p for p in as_of.find_all(exp.Identifier) if "end" in p.meta] if isinstance(as_of, SystemTime) else []
    if name != last and not node.alias and takes_alias:
        alias = f" AS {quoted(last)}"
        if of_time:
            end = max(int(part.meta["end"]) for part in of_time) + 1
            yield Edit(end, end, alias)
        else:
            text += alias
    yield Edit(int(parts[0].meta["start"]), int(parts[-1].meta["end"]) + 1, text)


def _parts(table: exp.Table) -> list[exp.Identifier]:
    """The identifiers of a name, each with its place in the text."""
    parts = [table.args.get(key) for key in ("catalog", "db", "this")]
    flat = [p for part in parts if part is not None for p in (part.flatten() if isinstance(part, exp.Dot) else (part,))]
    return [part for part in flat if isinstance(part, exp.Identifier) and "start" in part.meta]


_WORD = re.compile(r"'(?:[^']|'')*'|`[^`]*`|--[^\n]*|/\*.*?\*/|(?P<word>[A-Za-z_]\w*)|(?P<paren>[()])", re.DOTALL)


def query_start(source: SourceText, start: int, end: int) -> int:
    """Where the query of INSERT … and CREATE … AS begins: at the first SELECT, WITH or VALUES outside parentheses,
    else at the parenthesis before it."""
    depth, opened = 0, start
    for match in _WORD.finditer(source.text, start, end):
        if match["paren"] == "(":
            if not depth:
                opened = match.start()
            depth += 1
        elif match["paren"]:
            depth -= 1
        word = (match["word"] or "").upper()
        if word in ("SELECT", "VALUES"):
            return match.start() if not depth else opened
        if word == "WITH" and not depth and not _is_options(source.text, match.end()):
            return match.start()
    return start


_OPENING = re.compile(r"\s*\(")


def _is_options(text: str, position: int) -> bool:
    return _OPENING.match(text, position) is not None
