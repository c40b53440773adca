"""What a comparison leaves in its folder: a manifest that is replaced in one step, and the files that it names.

A step writes files under names that no manifest knows yet, syncs them and then moves the new manifest into place.
Killed at any moment, the folder holds the manifest of before or the one of after; files that it does not name are
what is left of a step that was not finished, and are removed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_shadow.folding import Changelog
from velo_shadow.model import ComparisonPlan, Side
from velo_shadow.stream.changes import Positions
from velo_shadow.stream.tallies import Tallies

FORMAT = 1
"""Of the folder; another number cannot be read."""
MANIFEST = "manifest.json"
LARGEST_PART = 4_000_000
"""Rows of a part, from which no more are added to it: it is read when rows of its times come."""


class Part(msgspec.Struct, forbid_unknown_fields=True):
    """A file of what has left and is asked for again: fingerprints of rows, or whole windows; and their times."""

    file: str
    rows: int
    first_ms: int | None
    last_ms: int | None


class SideState(msgspec.Struct, forbid_unknown_fields=True):
    """One side, as far as it has been taken in."""

    changes: int = 0
    """Records that were taken in."""
    copies: int = 0
    """Rows delivered again with an identical value."""
    unmatched: int = 0
    """Changes of an append stream that take rows back."""
    warm_up: int = 0
    """Rows left out when they came because they lie before the start."""
    first_ms: int | None = None
    """The earliest event time seen; None: no row had one."""
    latest_ms: int | None = None
    """The latest moment seen, of event time or, where the plan has none, of writing."""
    ended: bool = False
    """Nothing more is to come."""
    has_untimed: bool = False
    """Some row had no event time, so that the same row may come again at another time."""
    rows: str | None = None
    """The file of the rows that stand."""
    standing: int = 0
    """How many these are."""
    sample: str | None = None
    """The file of its sample (`sample`)."""
    sampled_up_to: int | None = None
    """The largest fingerprint in it; None while it has places left."""
    rows_seen: int = 0
    """Rows that it was drawn from."""
    tallies: Tallies = msgspec.field(default_factory=Tallies)


class State(msgspec.Struct, forbid_unknown_fields=True):
    """The whole of a comparison between two steps."""

    plan: str
    """What is compared and by which kernel: state of anything else cannot be gone on with."""
    format: int = FORMAT
    step: int = 0
    positions: dict[Side, list[tuple[str, int, int]]] = msgspec.field(default_factory=dict)
    """By side: topic, partition, offset of the next record."""
    sides: dict[Side, SideState] = msgspec.field(default_factory=lambda: {side: SideState() for side in Side})
    matched: int = 0
    """Pairs that have left because they are equal."""
    parts: list[Part] = msgspec.field(default_factory=list)
    finished: bool = False
    ended: bool = False
    """Whether it was finished because both sides had ended."""

    def files(self) -> set[str]:
        """Names of the files that belong to it."""
        of_sides = [name for side in self.sides.values() for name in (side.rows, side.sample) if name is not None]
        return {part.file for part in self.parts} | set(of_sides)

    def positions_of(self, side: Side) -> Positions:
        """Where a side goes on."""
        return {(topic, partition): offset for topic, partition, offset in self.positions.get(side, [])}

    def at(self, positions: Mapping[Side, Positions]) -> None:
        """Take in where both sides have come to."""
        for side, ways in positions.items():
            self.positions[side] = sorted((topic, partition, offset) for (topic, partition), offset in ways.items())


def overlaps(part: Part, first: int | None, last: int | None) -> bool:
    """Whether rows of these times may be of the part; of no rows: no."""
    if first is None or last is None:
        return False
    return part.first_ms is None or part.last_ms is None or (part.first_ms <= last and first <= part.last_ms)


def plan_name(
    plan: ComparisonPlan, changelogs: Mapping[Side, Changelog], warm_up_until_ms: int | None, kernel: str
) -> str:
    """What tells comparisons apart. The kernel's version is part of it: fingerprints are its hashes."""
    changes = [changelogs[side].value for side in Side]
    return hashlib.sha256(repr((plan, changes, warm_up_until_ms, kernel)).encode()).hexdigest()


def load(folder: Path, plan: str) -> State | None:
    """The state that a run left; None when there is none. Removes what an unfinished step left.

    Errors: STATE_MISMATCH for a damaged folder, and for the state of another comparison.
    """
    place = folder / MANIFEST
    if not place.is_file():
        _remove_but(folder, set())
        return None
    try:
        state = msgspec.json.decode(place.read_bytes(), type=State)
    except (msgspec.DecodeError, OSError) as error:
        raise _unreadable(place, f'"{place}" is no state of a comparison: {error}') from None
    if state.format != FORMAT or state.plan != plan:
        raise _unreadable(place, f'"{folder}" holds the state of another comparison')
    for name in sorted(state.files()):
        if not (folder / name).is_file():
            raise _unreadable(place, f'"{folder}" lacks the file "{name}" of its state')
    _remove_but(folder, state.files())
    return state


def save(folder: Path, state: State) -> None:
    """Make `state` the folder's, once all of its files are on the disk."""
    for name in sorted(state.files()):
        _sync(folder / name)
    new = folder / f"{MANIFEST}.new"
    with new.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / MANIFEST)
    _sync(folder)
    _remove_but(folder, state.files())


def _unreadable(place: Path, message: str) -> VeloError:
    hint = "remove the folder to begin anew, or name another one"
    return VeloError(ErrorCode.STATE_MISMATCH, message, location=Location(str(place), 1), hint=hint)


def _remove_but(folder: Path, names: Iterable[str]) -> None:
    kept = {*names, MANIFEST}
    for path in folder.iterdir():
        if path.is_file() and path.name not in kept and path.name.endswith((".parquet", f"{MANIFEST}.new")):
            path.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
