"""Both sides, opened: what they are, what is compared, and readers that give it.

What the first records of a topic showed is kept beside the comparison's state (`columns.json`): a comparison that goes
on reads by the types that it began with, whatever a topic has got since.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType
from velo_shadow.config import FileStream, Stream
from velo_shadow.folding import Changelog
from velo_shadow.model import DEFAULT_GRACE_MS, ColumnEquality, ComparisonPlan, Side
from velo_shadow.offline import SideFile, read_side
from velo_shadow.planning import plan_column, plan_for
from velo_shadow.sides.file_reader import FileReader
from velo_shadow.sides.topic_side import RememberedTopic, TopicSide, identity_of, open_topic, recalled_topic
from velo_shadow.stream.changes import StreamReader

OpenSide: TypeAlias = SideFile | TopicSide
COLUMNS_FILE = "columns.json"


@dataclass(frozen=True, slots=True)
class OpenSides:
    """Two sides that can be compared."""

    plan: ComparisonPlan
    sides: Mapping[Side, OpenSide]
    types: Mapping[Side, Mapping[str, SqlType]]
    """The columns that are read of each."""

    @property
    def changelogs(self) -> Mapping[Side, Changelog]:
        """How each side says what it says."""
        return {side: one.changelog for side, one in self.sides.items()}

    @property
    def labels(self) -> Mapping[Side, str]:
        """What reports call them."""
        return {side: one.label for side, one in self.sides.items()}

    def readers(self, *, once: bool) -> dict[Side, StreamReader]:
        """A reader of each; `once`: to the ends that the topics have when they are first read."""
        return {side: self._reader(side, once=once) for side in Side}

    def _reader(self, side: Side, *, once: bool) -> StreamReader:
        one, types = self.sides[side], self.types[side]
        if isinstance(one, SideFile):
            return FileReader(one, types)
        return one.reader(types, ignored=[n for n in self.plan.ignored if n not in types], once=once)


def open_sides(
    left: Stream,
    right: Stream,
    *,
    key: Sequence[str] = (),
    equality: Mapping[str, ColumnEquality] | None = None,
    ignored: Iterable[str] = (),
    time_column: str | None = None,
    grace_ms: int = DEFAULT_GRACE_MS,
    declared: RowSchema | None = None,
    folder: Path | None = None,
) -> OpenSides:
    """Two streams as sides, with the plan of their comparison.

    `declared`: the columns, where a program declares them. `folder`: where the comparison keeps its state; what was
    learnt there of a topic holds.

    Raises VeloError: no broker (INFRASTRUCTURE_MISSING), no such topic or file, records that are not in their format,
    EMPTY_INPUT when nothing shows the columns of either side, and as `plan_for`.
    """
    known = _recalled(folder)
    streams = {Side.LEFT: left, Side.RIGHT: right}
    sides = {side: _open(side, stream, key, declared, known.get(side)) for side, stream in streams.items()}
    sides = _with_columns(sides)
    plan = plan_for(
        sides[Side.LEFT],
        sides[Side.RIGHT],
        key=key,
        equality=equality,
        ignored=ignored,
        time_column=time_column,
        grace_ms=grace_ms,
    )
    found = OpenSides(plan, sides, {side: _types_read(side, sides, plan) for side in Side})
    if folder is not None:
        _remember(folder, found)
    return found


def _open(
    side: Side, stream: Stream, key: Sequence[str], declared: RowSchema | None, known: RememberedTopic | None
) -> OpenSide:
    if isinstance(stream, FileStream):
        return read_side(stream.path, side, stream.changelog)
    if known is not None and known.address == identity_of(stream):
        return recalled_topic(stream, known, key=key, declared=declared)
    return open_topic(stream, key=key, declared=declared)


def _with_columns(sides: Mapping[Side, OpenSide]) -> dict[Side, OpenSide]:
    """The sides, where a topic without records is taken to have the columns of the other side."""
    found = dict(sides)
    for side, one in sides.items():
        other = sides[side.other]
        if isinstance(one, TopicSide) and one.is_empty:
            if not other.types:
                message = f"neither {sides[Side.LEFT].label} nor {sides[Side.RIGHT].label} has a record yet"
                hint = "nothing shows their columns: start when one of them has records, or give the program (app.sql)"
                raise VeloError(ErrorCode.EMPTY_INPUT, message, hint=hint)
            found[side] = one.as_other(other.types, other.table)
    return found


def _types_read(side: Side, sides: Mapping[Side, OpenSide], plan: ComparisonPlan) -> dict[str, SqlType]:
    """The columns of a side that are read: those compared, and the one of event time. A topic may come to have one that
    its first records left out, as writers may do with NULLs."""
    planned = {column.name: column.type for column in (*plan.key, *plan.columns)}
    if plan.time_column is not None and plan.time_column not in planned:
        planned[plan.time_column] = plan_column(plan.time_column, sides, ColumnEquality()).type
    one = sides[side]
    types = {name: one.types[name] or planned[name] for name in one.types if name in planned}
    if isinstance(one, TopicSide) and one.may_have_more:
        types |= {name: kind for name, kind in planned.items() if name not in types}
    return types


def _recalled(folder: Path | None) -> dict[Side, RememberedTopic]:
    path = None if folder is None else folder / COLUMNS_FILE
    if path is None or not path.is_file():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[Side, RememberedTopic])
    except (OSError, msgspec.MsgspecError) as problem:
        message = f"what the comparison knows of its topics cannot be read: {path}: {problem}"
        hint = "remove the folder to begin anew"
        raise VeloError(ErrorCode.STATE_MISMATCH, message, hint=hint) from None


def _remember(folder: Path, found: OpenSides) -> None:
    topics = {
        side: one.remembered(found.types[side]) for side, one in found.sides.items() if isinstance(one, TopicSide)
    }
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{COLUMNS_FILE}.new"
    made.write_bytes(msgspec.json.encode(topics))
    os.replace(made, folder / COLUMNS_FILE)
