"""Editing the text of a list of rows so that what stays the same keeps its text, its comments and its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from velo_harness.updating.text_edits import TextEdit, line_break, line_end, line_start, next_line
from velo_harness.updating.yaml_spans import ListSpan, MappingSpan, NodeSpan, ScalarSpan
from velo_harness.updating.yaml_values import WIDE_ROW, WrittenCell, block_row, flow_row

Row: TypeAlias = tuple[WrittenCell, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """The written row `old` stays as it is."""

    old: int


@dataclass(frozen=True, slots=True)
class Changed:
    """Some values of the written row `old` change."""

    old: int
    cells: Row


@dataclass(frozen=True, slots=True)
class Replaced:
    """The written row `old` becomes another."""

    old: int
    row: Row


@dataclass(frozen=True, slots=True)
class Added:
    """A row that is not written yet."""

    row: Row


RowChange: TypeAlias = Kept | Changed | Replaced | Added


def list_edits(text: str, key: ScalarSpan, node: ListSpan, changes: Sequence[RowChange]) -> list[TextEdit]:
    """The edits after which the list `node`, the value of `key`, has the rows of `changes` in their order.

    Written rows that no change names are taken out. Old rows must be named in the order in which they stand.
    """
    if not changes:
        return [] if not node.items else _emptied(text, key, node)
    if not node.items:
        rows = [change.row for change in changes if isinstance(change, Added)]
        return [_filled(text, key, node, rows)]
    if all(isinstance(change, Added) for change in changes):
        changes = _in_place_of_all(changes, len(node.items))
    changes = _reusing_the_end(changes, len(node.items))
    layout = _FlowLayout(text, node) if node.flow else _BlockLayout(text, node)
    kept = {change.old: change for change in changes if not isinstance(change, Added)}
    edits = [edit for old, change in kept.items() for edit in _row_edits(text, node.items[old], change, layout)]
    edits += layout.removals([i for i in range(len(node.items)) if i not in kept])
    return edits + [layout.insertion(rows, before) for rows, before in _insertions(changes)]


def new_list(rows: Sequence[Row], indent: int, newline: str) -> str:
    """The text behind `rows:` of a list whose items stand at column `indent` (from 0)."""
    if not rows:
        return " []"
    return "".join(f"{newline}{' ' * indent}- {_fitting_row(row, indent + 2, newline)}" for row in rows)


def _fitting_row(row: Row, indent: int, newline: str) -> str:
    text = flow_row(row, padded=False)
    return text if indent + len(text) <= WIDE_ROW else block_row(row, indent, newline)


def _in_place_of_all(changes: Sequence[RowChange], written: int) -> list[RowChange]:
    """New rows in the places of the old ones, as far as there are any."""
    rows = [change.row for change in changes if isinstance(change, Added)]
    return [Replaced(i, row) if i < written else Added(row) for i, row in enumerate(rows)]


def _reusing_the_end(changes: Sequence[RowChange], written: int) -> list[RowChange]:
    """New rows at the end in the places of the last old ones, when these go."""
    kept = [change.old for change in changes if not isinstance(change, Added)]
    free = iter(range(max(kept, default=-1) + 1, written))
    following = {id(change) for change in _trailing(changes)}
    reused: list[RowChange] = []
    for change in changes:
        place = next(free, None) if id(change) in following else None
        reused.append(Replaced(place, change.row) if place is not None and isinstance(change, Added) else change)
    return reused


def _trailing(changes: Sequence[RowChange]) -> list[RowChange]:
    """The new rows behind the last old one."""
    last = max((i for i, change in enumerate(changes) if not isinstance(change, Added)), default=-1)
    return list(changes[last + 1 :])


def _filled(text: str, key: ScalarSpan, node: ListSpan, rows: Sequence[Row]) -> TextEdit:
    """Rows for `[]`: one a line below the key, unless the key itself stands in braces."""
    if text[line_start(text, key.start) : key.start].strip(" "):
        return TextEdit(node.start, node.end, "[" + ", ".join(flow_row(row, padded=False) for row in rows) + "]")
    colon = text.index(":", key.end) + 1
    return TextEdit(colon, node.end, new_list(rows, key.column - 1 + 2, line_break(text)))


def _emptied(text: str, key: ScalarSpan, node: ListSpan) -> list[TextEdit]:
    if node.flow:
        return [TextEdit(node.start, node.end, "[]")]
    colon = text.index(":", key.end) + 1
    return [TextEdit(colon, colon, " []"), *_BlockLayout(text, node).removals(range(len(node.items)))]


def _insertions(changes: Sequence[RowChange]) -> Iterator[tuple[list[Row], int | None]]:
    """Runs of added rows, with the old row that follows."""
    following: int | None = None
    found = []
    for added, run in groupby(reversed(changes), lambda change: isinstance(change, Added)):
        group = list(run)
        if added:
            found.append(([c.row for c in reversed(group) if isinstance(c, Added)], following))
        elif not isinstance(group[-1], Added):
            following = group[-1].old
    yield from reversed(found)


def _row_edits(text: str, item: NodeSpan, change: RowChange, layout: _Layout) -> Iterator[TextEdit]:
    match change:
        case Changed(cells=cells):
            assert isinstance(item, MappingSpan)
            values = {key.text: value for key, value in item.entries}
            for cell in cells:
                yield _cell_edit(text, values[cell.name], cell)
        case Replaced(row=row):
            yield TextEdit(item.start, item.end, layout.row_text(row, item))


def _cell_edit(text: str, old: NodeSpan, cell: WrittenCell) -> TextEdit:
    style = old.style if isinstance(old, ScalarSpan) else None
    written = cell.text(style if style in ("'", '"') else None)
    if old.start == old.end and text[old.start - 1 : old.start] == ":":
        written = " " + written
    return TextEdit(old.start, old.end, written)


class _FlowLayout:
    """A list in brackets."""

    def __init__(self, text: str, node: ListSpan) -> None:
        self._text = text
        self._items = node.items
        gaps = [text[a.end : b.start] for a, b in zip(node.items, node.items[1:], strict=False)]
        plain = [gap for gap in gaps if not gap.strip(" ,\r\n")]
        self._gap = plain[-1] if plain else ", "

    def row_text(self, row: Row, item: NodeSpan) -> str:
        """A row in the place of `item`."""
        return flow_row(row, padded=_is_padded(self._text, item))

    def removals(self, old: Sequence[int]) -> list[TextEdit]:
        """The edits that take rows out, with one comma each."""
        edits = []
        gone = set(old)
        for i in old:
            if i + 1 < len(self._items) and (set(range(i, len(self._items))) - gone):
                edits.append(TextEdit(self._items[i].start, self._items[i + 1].start, ""))
            else:
                edits.append(TextEdit(self._items[i - 1].end, self._items[i].end, ""))
        return edits

    def insertion(self, rows: Sequence[Row], before: int | None) -> TextEdit:
        """The edit that puts rows before an old one, or at the end."""
        last = self._items[-1]
        texts = [self.row_text(row, last) for row in rows]
        if before is None:
            return TextEdit(last.end, last.end, "".join(self._gap + text for text in texts))
        at = self._items[before].start
        return TextEdit(at, at, "".join(text + self._gap for text in texts))


class _BlockLayout:
    """A list with a dash for each row."""

    def __init__(self, text: str, node: ListSpan) -> None:
        self._text = text
        self._items = node.items
        self._indent = node.column - 1
        self._newline = line_break(text)
        self._dashes = [node.start]
        dash = re.compile(rf"^ {{{self._indent}}}-(?=\s)", re.MULTILINE)
        for above, item in zip(node.items, node.items[1:], strict=False):
            self._dashes.append([m.end() - 1 for m in dash.finditer(text, above.end, item.start)][-1])

    def row_text(self, row: Row, item: NodeSpan) -> str:
        """A row in the place of `item`, written as that is."""
        if isinstance(item, MappingSpan) and not item.flow:
            return block_row(row, item.column - 1, self._newline)
        return flow_row(row, padded=_is_padded(self._text, item))

    def removals(self, old: Sequence[int]) -> list[TextEdit]:
        """The edits that take rows out, with what stands behind them on their last line."""
        return [
            TextEdit(line_start(self._text, self._dashes[i]), next_line(self._text, self._items[i].end), "")
            for i in old
        ]

    def insertion(self, rows: Sequence[Row], before: int | None) -> TextEdit:
        """The edit that puts rows before an old one, or at the end."""
        last = self._items[-1]
        margin = " " * self._indent + "- "
        block = isinstance(last, MappingSpan) and not last.flow
        texts = [
            margin + (block_row(row, len(margin), self._newline) if block else self.row_text(row, last)) for row in rows
        ]
        if before is None:
            at = line_end(self._text, last.end)
            return TextEdit(at, at, "".join(self._newline + text for text in texts))
        at = line_start(self._text, self._dashes[before])
        return TextEdit(at, at, "".join(text + self._newline for text in texts))


_Layout: TypeAlias = _FlowLayout | _BlockLayout


def _is_padded(text: str, item: NodeSpan) -> bool:
    return text[item.start : item.start + 2] == "{ "


def names_of(node: ListSpan) -> tuple[str, ...]:
    """The keys of the first row."""
    first = node.items[0] if node.items else None
    return tuple(key.text for key, _ in first.entries) if isinstance(first, MappingSpan) else ()
