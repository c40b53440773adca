"""The parts of CREATE TABLE as text: items of its column list with their places, merged as LIKE merges them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlglot.tokenizer_core import Token, TokenType

from velo_engine.sql.flink.dialect import Flink, without_comments
from velo_engine.sql.flink.statements import CreateTable
from velo_engine.sql.source_text import SourceText

_GENERICS = frozenset({"ROW", "MAP", "ARRAY", "MULTISET", "STRUCT", "RAW"})


class ItemKind(StrEnum):
    """What an item of a column list is; the words of LIKE."""

    PHYSICAL = "PHYSICAL"
    GENERATED = "GENERATED"
    METADATA = "METADATA"
    WATERMARKS = "WATERMARKS"
    CONSTRAINTS = "CONSTRAINTS"


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a column list, in the characters `start` to `end` (exclusive) of its source."""

    kind: ItemKind
    name: str
    source: SourceText
    start: int
    end: int

    @property
    def text(self) -> str:
        """As written."""
        return self.source.text[self.start : self.end]


def items_of(statement: CreateTable, source: SourceText) -> tuple[Item, ...]:
    """The items of the column list of `statement`, which stands in `source`."""
    tokens = statement_tokens(source, statement.place.start, statement.place.end)
    opening = _column_list(tokens)
    if opening is None:
        return ()
    items: list[Item] = []
    current: list[Token] = []
    depth = angles = 0
    for before, token in zip(tokens[opening:], tokens[opening + 1 :], strict=False):
        kind = token.token_type
        if kind in (TokenType.L_PAREN, TokenType.L_BRACKET):
            depth += 1
        elif kind in (TokenType.R_PAREN, TokenType.R_BRACKET):
            depth -= 1
        elif kind == TokenType.LT and before.text.upper() in _GENERICS:
            angles += 1
        elif angles and set(token.text) == {">"}:
            angles -= len(token.text)
        if depth < 0 or (kind == TokenType.COMMA and not depth and not angles):
            if current:
                items.append(_item(current, source))
            current = []
            if depth < 0:
                break
        else:
            current.append(token)
    return tuple(items)


def statement_tokens(source: SourceText, start: int, end: int) -> list[Token]:
    """The tokens of the characters `start` to `end` (exclusive), with their places in `source`."""
    tokens = Flink().tokenize(without_comments(SourceText(source.file, source.text[start:end])))
    for token in tokens:
        token.start += start
        token.end += start
    return list(tokens)


def _column_list(tokens: Sequence[Token]) -> int | None:
    """The index of the parenthesis that opens the column list."""
    for index, token in enumerate(tokens):
        if token.token_type == TokenType.L_PAREN:
            return index
        if token.text.upper() in ("WITH", "LIKE", "AS", "PARTITIONED", "DISTRIBUTED", "COMMENT"):
            return None
    return None


def _item(tokens: Sequence[Token], source: SourceText) -> Item:
    words = [token.text.upper() for token in tokens]
    start, end = tokens[0].start, tokens[-1].end + 1
    if words[:2] == ["WATERMARK", "FOR"]:
        return Item(ItemKind.WATERMARKS, "", source, start, end)
    if words[0] in ("CONSTRAINT", "UNIQUE", "PRIMARY KEY") or words[:2] == ["PRIMARY", "KEY"]:
        return Item(ItemKind.CONSTRAINTS, "", source, start, end)
    if words[1:2] == ["AS"]:
        return Item(ItemKind.GENERATED, tokens[0].text, source, start, end)
    kind = ItemKind.METADATA if "METADATA" in words[2:] else ItemKind.PHYSICAL
    return Item(kind, tokens[0].text, source, start, end)


def without_metadata(item: Item) -> Item:
    """`name TYPE METADATA …` as `name TYPE`."""
    tokens = statement_tokens(item.source, item.start, item.end)
    before = next(at for at, token in enumerate(tokens) if at >= 2 and token.text.upper() == "METADATA")
    return replace(item, end=tokens[before - 1].end + 1)


def merged_items(own: Iterable[Item], above: Iterable[Item], options: Sequence[tuple[str, str]]) -> tuple[Item, ...]:
    """The items of `CREATE TABLE own LIKE above (options)`. Source: Flink's MergeTableLikeUtil."""
    own = list(own)
    taken = [item for item in above if _included(item.kind, options)]
    names = {item.name for item in own if item.name}
    single = {item.kind for item in own} & {ItemKind.WATERMARKS, ItemKind.CONSTRAINTS}
    kept = [item for item in taken if item.kind not in single and (not item.name or item.name not in names)]
    last = (ItemKind.WATERMARKS, ItemKind.CONSTRAINTS)
    return tuple(sorted((*kept, *own), key=lambda item: item.kind in last))


def includes_options(options: Sequence[tuple[str, str]]) -> bool:
    """Whether LIKE takes the options of WITH, too."""
    return _included("OPTIONS", options)


def _included(what: str, options: Sequence[tuple[str, str]]) -> bool:
    given = {name: action for action, name in options}
    return given.get(what, given.get("ALL", "INCLUDING")) != "EXCLUDING"
