"""ALTER TABLE: the table as it is from there on; statements above mean the one that was there when they stood.

Options are set and reset; columns, the watermark and the primary key are added, modified and dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from velo_engine.errors import VeloError
from velo_engine.sql.flink.names import joined_name
from velo_engine.sql.flink.script import parse_script
from velo_engine.sql.flink.statements import Command, CreateTable
from velo_engine.sql.source_text import SourceText
from velo_import.catalog import quoted
from velo_import.convert.declared import declared
from velo_import.convert.definitions import Item, ItemKind, items_of
from velo_import.convert.draft import Draft, Relation
from velo_import.convert.program import literal
from velo_import.convert.tables import Definition, definition_of, with_options
from velo_import.model import Outcome

_ACTIONS = frozenset({"SET", "RESET", "ADD", "MODIFY", "DROP"})
_TEXT = re.compile(r"\bALTER\s+TABLE\b.*?\b(?:ADD|MODIFY)\b\s*(?P<items>.*)\Z", re.IGNORECASE | re.DOTALL)
_POSITION = re.compile(r"\s+(?:(?P<first>FIRST)|AFTER\s+(?P<after>`[^`]+`|\w+))\s*\Z", re.IGNORECASE)
_LAST = (ItemKind.WATERMARKS, ItemKind.CONSTRAINTS)
_DROPPED = {"PRIMARY KEY": ItemKind.CONSTRAINTS, "CONSTRAINT": ItemKind.CONSTRAINTS, "WATERMARK": ItemKind.WATERMARKS}


def alter_table(draft: Draft, statement: Command) -> bool:
    """Whether the ALTER TABLE is applied; else nothing is changed."""
    words = [word for word in statement.words if word.upper() not in ("IF", "EXISTS")]
    at = next((number for number, word in enumerate(words) if word.upper() in _ACTIONS), None)
    if at is None:
        return False
    name = "".join(words[:at])
    relation = draft.catalog.find(name)
    if relation is None or relation.definition is None or relation.piece is None:
        return False
    try:
        changed = _changed(draft, relation.definition, statement, words[at].upper(), words[at + 1 :])
    except VeloError:
        return False
    if changed is None:
        return False
    place = statement.place.location
    changed = replace(changed, statement=replace(changed.statement, place=statement.place))
    draft.catalog.define(name, declared(draft, changed, _name(draft, relation)))
    written = " ".join((statement.name, *statement.words))
    reason = "later statements see the table as it is then"
    draft.note(place, written, "alter table", "the table from here on", Outcome.SAME, reason)
    return True


def _name(draft: Draft, relation: Relation) -> str:
    """The name of the altered table: its own if no statement has used the table as it was."""
    piece = relation.piece
    if piece is None or any(piece in other.reads for other in draft.pieces):
        return draft.catalog.flat_name(joined_name((relation.name,)))
    draft.pieces.remove(piece)
    relation.piece = None
    return relation.name


def _changed(
    draft: Draft, definition: Definition, statement: Command, action: str, words: Sequence[str]
) -> Definition | None:
    """The table after the action; None when that is not known here."""
    if action == "SET":
        pairs = zip(words, words[1:], words[2:], strict=False)
        return with_options(definition, {key: value for key, equals, value in pairs if equals == "="})
    if action == "RESET":
        gone = set(words) - {"(", ")", ","}
        return replace(definition, options={k: v for k, v in definition.options.items() if k not in gone})
    if action == "DROP":
        return _rebuilt(definition, _without(definition.items, words))
    match = _TEXT.search(draft.source.text, statement.place.start, statement.place.end)
    return None if match is None else _rebuilt(definition, _with(definition.items, match["items"], action))


def _without(items: Sequence[Item], words: Sequence[str]) -> list[Item] | None:
    kind = _DROPPED.get(words[0].upper()) if words else None
    if kind is not None:
        return [item for item in items if item.kind is not kind]
    gone = set(words) - {"(", ")", ","}
    if not gone <= {item.name for item in items}:
        return None
    return [item for item in items if item.name not in gone]


def _with(items: Sequence[Item], text: str, action: str) -> list[Item] | None:
    """The items with those of `text`, which are new ones, or others in their place."""
    text = text.strip()
    text = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    position = _POSITION.search(text)
    if position is not None:
        text = text[: position.start()]
    written = f"CREATE TABLE altered ({text})"
    (statement,) = parse_script(written).statements
    if not isinstance(statement, CreateTable):
        return None
    new = items_of(statement, SourceText("", written))
    kept = list(items)
    for item in new:
        known = next((at for at, one in enumerate(kept) if _is_other(one, item)), None)
        if (known is None) is (action == "MODIFY"):
            return None
        if known is not None:
            kept[known] = item
        else:
            kept.insert(_place(kept, item, position), item)
    return kept


def _is_other(one: Item, item: Item) -> bool:
    """Whether the two are the same part of a table."""
    return one.name == item.name and (bool(item.name) or one.kind is item.kind)


def _place(items: Sequence[Item], item: Item, position: re.Match[str] | None) -> int:
    """Where a new item stands: columns before the watermark and the primary key."""
    if item.kind in _LAST:
        return len(items)
    if position is not None and position["first"]:
        return 0
    if position is not None and position["after"]:
        before = position["after"].strip("`")
        return next((at + 1 for at, one in enumerate(items) if one.name == before), len(items))
    return next((at for at, one in enumerate(items) if one.kind in _LAST), len(items))


def _rebuilt(definition: Definition, items: Sequence[Item] | None) -> Definition | None:
    """The table with these items."""
    if items is None:
        return None
    lines = ",\n    ".join(item.text for item in items)
    options = ", ".join(f"{literal(key)} = {literal(value)}" for key, value in definition.options.items())
    tail = f" WITH ({options})" if options else ""
    written = f"CREATE TABLE {quoted(definition.statement.name.rpartition('.')[2])} (\n    {lines}\n){tail}"
    (statement,) = parse_script(written, file=definition.source.file).statements
    if not isinstance(statement, CreateTable):
        return None
    return definition_of(statement, SourceText(definition.source.file, written), None)
