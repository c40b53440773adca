"""The edits of one `expect` block."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import pyarrow as pa

from velo_engine.errors import VeloError
from velo_engine.plan.relation import system_name
from velo_harness.bags import near_rows
from velo_harness.expectations import LATE_BY, ActualOutput, literals_of_file
from velo_harness.relation import Relation, python_value
from velo_harness.spec import ColumnScope, Expectation
from velo_harness.updating.row_alignment import Alignment, aligned_changelog, aligned_late, aligned_rows
from velo_harness.updating.row_lists import (
    Added,
    Changed,
    Kept,
    Replaced,
    Row,
    RowChange,
    list_edits,
    names_of,
    new_list,
)
from velo_harness.updating.rows_files import file_content
from velo_harness.updating.text_edits import TextEdit, line_break, line_end
from velo_harness.updating.written import NewFile
from velo_harness.updating.yaml_spans import ListSpan, MappingSpan, ScalarSpan
from velo_harness.updating.yaml_values import WrittenCell, flow_row, text_text

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms"))


class Part(Enum):
    """The parts of an expectation that hold or not, each by itself."""

    ROWS = "rows"
    """`rows` or `rows_file`."""
    CHANGELOG = "changelog"
    LATE = "late"


class ExpectationEdits:
    """Collects the edits of one expectation, whose text is at `node`."""

    def __init__(self, text: str, node: MappingSpan, expect: Expectation, actual: ActualOutput) -> None:
        self._text = text
        self._node = node
        self._expect = expect
        self._actual = actual
        self.edits: list[TextEdit] = []
        self.said: list[str] = []
        self.rows_file: NewFile | None = None
        self._write_key()

    def write(self, part: Part) -> int:
        """Makes a part say what came out; gives the number of rows that it then has."""
        alignment = self._aligned(part)
        if part is Part.ROWS and self._expect.rows_file is not None:
            return self._write_file(alignment)
        relation = self._relation(part)
        key, node = self._list(part)
        names = names_of(node) if alignment is not None else ()
        changes = self._changes(relation, names or self._all_names(part), alignment)
        self.edits += list_edits(self._text, key, node, changes)
        self.said.append(_said(part.value, changes, len(node.items)))
        return len(changes)

    def _aligned(self, part: Part) -> Alignment | None:
        """The written rows beside the actual ones; None when they do not fit each other and all are written anew."""
        align = {Part.ROWS: aligned_rows, Part.CHANGELOG: aligned_changelog, Part.LATE: aligned_late}[part]
        try:
            alignment = align(self._expect, self._actual)
        except VeloError:
            return None
        compared = {column.name for column in alignment.columns}
        wanted = self._actual.late.schema.names if part is Part.LATE else self._actual.final.schema.names
        left_out = set(wanted) - compared - set(self._expect.ignore) - {LATE_BY}
        if self._expect.columns is ColumnScope.EXACT and self._is_about(part) and left_out:
            return None
        return alignment if compared else None

    def _is_about(self, part: Part) -> bool:
        """Whether `columns` is about this part: about late rows only where no output is compared."""
        others = (self._expect.rows, self._expect.rows_file, self._expect.changelog)
        return part is not Part.LATE or all(other is None for other in others)

    def _relation(self, part: Part) -> Relation:
        actual = self._actual
        return {Part.ROWS: actual.final, Part.CHANGELOG: actual.changelog, Part.LATE: actual.late}[part]

    def _all_names(self, part: Part) -> tuple[str, ...]:
        """The columns of rows that are written anew: all but those to be ignored."""
        relation = self._actual.late if part is Part.LATE else self._actual.final
        ignored = {relation.position(name) for name in self._expect.ignore}
        names = tuple(n for i, n in enumerate(relation.schema.names) if i not in ignored)
        if part is Part.LATE:
            return tuple("late_by" if name == LATE_BY else name for name in names if system_name(name) is None)
        return names if part is Part.ROWS else ("op", *names)

    def _list(self, part: Part) -> tuple[ScalarSpan, ListSpan]:
        entry = self._node.entry(part.value)
        assert entry is not None
        key, node = entry
        assert isinstance(node, ListSpan)
        return key, node

    def _changes(self, relation: Relation, names: Sequence[str], alignment: Alignment | None) -> list[RowChange]:
        if alignment is None:
            return [Added(_row(relation, names, i)) for i in range(len(relation))]
        changes: list[RowChange] = []
        for old, new in alignment.pairs:
            if new is None:
                assert old is not None
                changes.append(Kept(old))
                continue
            row = _row(relation, names, new)
            if old is None:
                changes.append(Added(row))
                continue
            different = {c.name for c in alignment.columns if not near_rows([c], [old], [new])[0, 0]}
            cells = tuple(cell for cell in row if _own_name(relation, cell.name) in different)
            changes.append(Changed(old, cells) if cells else Replaced(old, row))
        return changes

    def _write_file(self, alignment: Alignment | None) -> int:
        """The rows file anew: its columns and the order of its rows stay, as far as they are right."""
        output, path = self._actual.final, self._expect.rows_file
        assert path is not None
        names: Sequence[str] = self._all_names(Part.ROWS)
        written = None
        if alignment is not None:
            literals = literals_of_file(self._expect, self._actual)
            names, written = literals.names, literals.table
        positions = [p for name in names if (p := output.position(name)) is not None]
        schema = output.schema.select(positions)
        actual = pa.table([output.column(p) for p in positions], schema=schema.arrow())
        before = 0
        if alignment is not None and written is not None:
            before = written.num_rows
            own = pa.table(written.columns, schema=schema.arrow())
            order = [old if new is None else before + new for old, new in alignment.pairs]
            actual = pa.concat_tables([own, actual]).take(pa.array(order, pa.int64()))
        newline = _file_line_break(path)
        self.rows_file = NewFile(path, file_content(path, schema, actual, newline))
        self.said.append(f"{path.name} ({actual.num_rows} rows" + (")" if before else ", new)"))
        return int(actual.num_rows)

    def _write_key(self) -> None:
        """A key with a column that the output no longer has becomes the one that the plan proves."""
        unknown = [name for name in self._expect.key if self._actual.final.position(name) is None]
        entry = self._node.entry("key")
        if unknown and entry is not None and self._actual.key:
            names = "[" + ", ".join(text_text(name) for name in self._actual.key) + "]"
            self.edits.append(TextEdit(entry[1].start, entry[1].end, names))
            self.said.append("key")


def new_expectation(text: str, query: MappingSpan, final: Relation) -> TextEdit:
    """The edit that gives a query without expectation one with the rows of `final`, behind its last key."""
    rows = [_row(final, final.schema.names, i) for i in range(len(final))]
    last = query.entries[-1][1]
    if query.flow:
        inner = ", ".join(flow_row(row, padded=False) for row in rows)
        return TextEdit(last.end, last.end, f", expect: {{rows: [{inner}]}}")
    newline, indent = line_break(text), " " * (query.column - 1)
    at = line_end(text, last.end)
    body = new_list(rows, query.column - 1 + 4, newline)
    return TextEdit(at, at, f"{newline}{indent}expect:{newline}{indent}  rows:{body}")


def _row(relation: Relation, names: Sequence[str], row: int) -> Row:
    return tuple(_cell(relation, name, row) for name in names)


def _cell(relation: Relation, name: str, row: int) -> WrittenCell:
    position = relation.position(_own_name(relation, name))
    assert position is not None
    value = python_value(relation.column(position)[row])
    if name == "late_by" and relation.schema.names[position] == LATE_BY:
        return WrittenCell(name, None, _duration(value))
    if name == "op" and position == len(relation.schema) - 1 and value in ("+I", "-U", "+U", "-D"):
        return WrittenCell(name, None, value)
    return WrittenCell(name, relation.type(position), value)


def _own_name(relation: Relation, name: str) -> str:
    if name == "late_by" and LATE_BY in relation.schema.names:
        return LATE_BY
    position = relation.position(name)
    return name if position is None else relation.schema.names[position]


def _duration(milliseconds: int) -> str:
    return next(f"{milliseconds // unit}{name}" for unit, name in _UNITS if milliseconds % unit == 0)


def _file_line_break(path: Path) -> str:
    try:
        return line_break(path.read_bytes()[:100_000].decode(errors="replace"))
    except OSError:
        return "\n"


def _said(what: str, changes: Sequence[RowChange], before: int) -> str:
    changed = sum(isinstance(change, Changed | Replaced) for change in changes)
    added = sum(isinstance(change, Added) for change in changes)
    if before and added == len(changes):
        changed, added = min(before, added), max(0, added - before)
    removed = before - (len(changes) - added)
    counts = [f"{n} {word}" for n, word in ((changed, "changed"), (added, "added"), (removed, "removed")) if n]
    return f"{what} ({', '.join(counts) or 'the columns'})"
