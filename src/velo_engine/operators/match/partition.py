"""The partial and complete matches of one partition, moved on row by row.

Source: org.apache.flink.cep.nfa.NFA. Each partial match is tried with every row, and a new one begins with every row. A
complete match is given out once no partial match began earlier; what it skips is forgotten, partial or complete. Of the
matches that begin with one row only the first to be complete remains, whatever the strategy.

Flink tells branches of a match apart by version numbers in a shared buffer; here each match knows its rows as a linked
list, whose beginnings are shared in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from velo_engine.batch import FINAL_WATERMARK
from velo_engine.operators.match.automaton import FINAL, Automaton
from velo_engine.operators.match.priority_queue import Item, offer, poll, remove_if
from velo_engine.plan.match_nodes import AfterMatch, Skip

Memory: TypeAlias = tuple[Any, ...]
"""What the definitions need to know of the rows that a partial match has taken."""

Judge: TypeAlias = Callable[[tuple[Any, ...], Memory], Any]
"""Whether a row, given by its prepared values, can be taken: true, false or None. May raise NoValueError."""

Take: TypeAlias = Callable[[tuple[Any, ...], Memory], Memory]
"""What the definitions need to know once the row is taken."""


class Row:
    """A row of the input while it waits or a match refers to it."""

    __slots__ = ("__weakref__", "number", "place", "time", "values")

    def __init__(self, number: int, time: int, values: tuple[Any, ...]) -> None:
        self.number = number
        """Its place in the order of arrival."""
        self.time = time
        """Milliseconds."""
        self.values = values
        """What the definitions need of it, prepared."""
        self.place = 0
        """Its place in the order of processing, once it is processed."""


Path: TypeAlias = "tuple[Row, int, Path | None]"
"""The last row of a match, the variable that took it, and the path before."""

# A queue's items: (place of the first row, state, path, memory, the first row).
NEVER_BEGUN = 2**62
"""The place in the queue of the match that begins with the next row: behind all others, as in Flink."""


class SkipError(Exception):
    """A match that cannot be skipped from as AFTER MATCH says; the message is Flink's."""


class Matching:
    """What is the same for all partitions: automaton, definitions, skip strategy and bound in time."""

    def __init__(
        self,
        automaton: Automaton,
        judges: Sequence[Judge | None],
        takes: Sequence[Take],
        empty: Memory,
        after: AfterMatch,
        variable_names: Sequence[str],
        within_ms: int | None,
    ) -> None:
        self.automaton = automaton
        self.judges = judges
        self.takes = takes
        self.empty = empty
        self.within_ms = within_ms
        self._after = after
        self._names = variable_names

    def beginning(self) -> Item:
        """The match that the next row may begin."""
        return (NEVER_BEGUN, self.automaton.start, None, self.empty, None)

    def skipped(self, path: Path, first: int) -> int:
        """Matches that began before this place are skipped after a match of `path`, which began at place `first`."""
        skip = self._after.skip
        if skip is Skip.TO_NEXT_ROW:
            return first + 1
        if skip is Skip.PAST_LAST_ROW:
            return path[0].place + 1
        place = self._place_of_target(path, first_row=skip is Skip.TO_FIRST)
        if place is None:
            assert self._after.variable is not None
            name = self._names[self._after.variable]
            raise SkipError(f"Could not skip to {name}. No such element in the found match")
        if place == first:
            raise SkipError("Could not skip to first element of a match.")
        return place

    def _place_of_target(self, path: Path, *, first_row: bool) -> int | None:
        """The place of the first or last row of the variable that AFTER MATCH names."""
        found = None
        at: Path | None = path
        while at is not None:
            if at[1] == self._after.variable:
                found = at[0].place
                if not first_row:
                    return found
            at = at[2]
        return found


class Partition:
    """The matches of one partition."""

    __slots__ = ("complete", "partial")

    def __init__(self, matching: Matching) -> None:
        self.partial: list[Item] = [matching.beginning()]
        self.complete: list[Item] = []

    @property
    def idle(self) -> bool:
        """Whether nothing but the beginning is left."""
        return len(self.partial) == 1 and not self.complete

    def advance(self, row: Row, matching: Matching) -> list[Path]:
        """The matches to give out once `row` is processed. Raises NoValueError and SkipError."""
        partial: list[Item] = []
        found: list[Item] = []
        for item in self.partial:
            for follower in self._followers(item, row, matching):
                if follower[1] == FINAL:
                    offer(found, follower)
                else:
                    offer(partial, follower)
        return self._given_out(partial, found, matching)

    def expire(self, time: int, matching: Matching) -> list[Path]:
        """The matches to give out once partial ones that may last no longer than `time` are forgotten."""
        within = matching.within_ms
        earliest = self.partial[0]
        if within is None or earliest[0] == NEVER_BEGUN:
            return []
        if time < FINAL_WATERMARK and time - earliest[4].time < within:
            return []
        kept = [item for item in self.partial if item[0] == NEVER_BEGUN or not _expired(item[4].time, time, within)]
        if len(kept) == len(self.partial):
            return []
        partial: list[Item] = []
        for item in kept:
            offer(partial, item)
        return self._given_out(partial, [], matching)

    def first_to_expire(self) -> Row | None:
        """The first row of the partial match that began first; None without one.

        Flink sets no timer for a match that begins at or before the epoch.
        """
        earliest: Row | None = self.partial[0][4]
        if earliest is None or earliest.time > 0:
            return earliest
        begun = [item for item in self.partial if item[4] is not None and item[4].time > 0]
        return min(begun, key=_place)[4] if begun else None

    def _followers(self, item: Item, row: Row, matching: Matching) -> list[Item]:
        """What becomes of a partial match with the next row; the beginning stays a beginning."""
        first, state, path, memory, first_row = item
        values = row.values
        verdicts: dict[int, bool] = {}
        judges = matching.judges

        def takes(variable: int) -> bool:
            verdict = verdicts.get(variable)
            if verdict is None:
                judge = judges[variable]
                verdict = verdicts[variable] = judge is None or judge(values, memory) is True
            return verdict

        begins = first == NEVER_BEGUN
        followers: list[Item] = []
        for edge in matching.automaton.edges[state]:
            variable = edge.variable
            if (edge.unless and any(map(takes, edge.unless))) or not takes(variable):
                continue
            taken = (row, variable, path)
            place, begun = (row.place, row) if begins else (first, first_row)
            remembered = matching.takes[variable](values, memory)
            followers.append((place, edge.target, taken, remembered, begun))
            if edge.completes is not None and not any(map(takes, edge.completes)):
                followers.append((place, FINAL, taken, remembered, begun))
        if begins:
            followers.append(item)
        return followers

    def _given_out(self, partial: list[Item], found: list[Item], matching: Matching) -> list[Path]:
        """Take over the new queues; complete matches that no partial one precedes are given out, in order."""
        complete = self.complete
        for item in found:
            offer(complete, item)
        out: list[Path] = []
        while complete and complete[0][0] <= partial[0][0]:
            first, _, path, _, _ = poll(complete)
            bound = matching.skipped(path, first)
            remove_if(partial, lambda item, bound=bound: item[0] < bound)  # type: ignore[misc]
            remove_if(complete, lambda item, bound=bound: item[0] < bound)  # type: ignore[misc]
            out.append(path)
        self.partial = partial
        return out


def _place(item: Item) -> int:
    place: int = item[0]
    return place


def _expired(start: int, time: int, within_ms: int) -> bool:
    """Whether a match that began at `start` is over at `time`; the difference of two Java longs may wrap around."""
    elapsed = time - start
    return within_ms <= elapsed <= FINAL_WATERMARK
