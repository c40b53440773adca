"""What coverage counts: points of the SQL, each with the outcomes that rows can have there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class CoverPoint:
    """A place in the SQL where rows may go one way or another."""

    file: str
    line: int
    column: int
    kind: str
    """condition, branch, default, join, window, group, aggregate, top_n or union."""
    text: str
    """What stands there."""
    statement: str
    seen: Mapping[str, int] = field(compare=False)
    """Outcome → how many rows (or groups, partitions) had it; 0: none did."""
    length: int = 1
    """Characters to underline."""

    @property
    def key(self) -> tuple[str, int, int, str, str, str]:
        """What tells it from other points; the same point of another run has the same key."""
        return (self.file, self.line, self.column, self.kind, self.text, self.statement)

    @property
    def missing(self) -> tuple[str, ...]:
        """The outcomes that no row had."""
        return tuple(outcome for outcome, count in self.seen.items() if not count)


def merged(points: Iterable[CoverPoint]) -> tuple[CoverPoint, ...]:
    """Each point once, with the sums of its outcomes, in the order of the text."""
    found: dict[tuple[str, int, int, str, str, str], CoverPoint] = {}
    for point in points:
        other = found.get(point.key)
        if other is None:
            found[point.key] = point
            continue
        outcomes = dict.fromkeys((*other.seen, *point.seen))
        seen = {outcome: other.seen.get(outcome, 0) + point.seen.get(outcome, 0) for outcome in outcomes}
        found[point.key] = replace(other, seen=seen)
    return tuple(sorted(found.values(), key=lambda point: point.key))


def share(points: Iterable[CoverPoint]) -> float | None:
    """The outcomes that were seen by all outcomes; None without any."""
    counts = [count for point in points for count in point.seen.values()]
    return sum(count > 0 for count in counts) / len(counts) if counts else None
