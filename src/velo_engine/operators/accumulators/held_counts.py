"""Values and how often each is there: COLLECT, PERCENTILE and its relatives, JSON_OBJECTAGG, SINGLE_VALUE."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.functions.json_path import quoted
from velo_engine.operators.accumulators.held import Held
from velo_engine.operators.accumulators.held_lists import identity

Finish: TypeAlias = Callable[[Sequence[Any], Sequence[int]], Any]
"""From numbers in order and, for each, how many there are up to it, to a result."""


class HeldMultiset(Held):
    """COLLECT: a value taken back before it came counts -1 (Flink's CollectAggFunction)."""

    def __init__(self) -> None:
        self._counts: dict[Hashable, tuple[Any, int]] = {}

    def change(self, item: Any, weight: int) -> None:
        """Count the item up or down; at zero it is gone."""
        key = identity(item)
        count = self._counts.get(key, (item, 0))[1] + weight
        if count:
            self._counts[key] = (item, count)
        else:
            self._counts.pop(key, None)

    def result(self) -> list[tuple[Any, int]]:
        """Values and counts, by first arrival."""
        return list(self._counts.values())

    def entries(self) -> list[tuple[Any, int]]:
        """Values and counts."""
        return list(self._counts.values())


class HeldNumbers(Held):
    """Numbers in order with their counts, for results that depend on ranks."""

    def __init__(self, finish: Finish, *, as_double: bool) -> None:
        """`as_double`: numbers with the same DOUBLE are one."""
        self._as_double = as_double
        self._ordered: list[_Number] = []
        self._counts: dict[_Number, int] = {}
        self._finish = finish

    def change(self, item: Any, weight: int) -> None:
        """Count a number up or down; a pair is a number and how often it comes, nothing when that is not positive."""
        if isinstance(item, tuple):
            item, times = item
            if times <= 0:
                return
            weight *= times
        number = _Number(item, float(item) if self._as_double else item)
        count = self._counts.get(number)
        if count is None:
            bisect.insort(self._ordered, number)
            self._counts[number] = weight
        elif count + weight:
            self._counts[number] = count + weight
        else:
            del self._counts[number]
            del self._ordered[bisect.bisect_left(self._ordered, number)]

    def result(self) -> Any:
        """What `finish` makes of the numbers in order and their running count; None without numbers."""
        running = list(itertools.accumulate(self._counts[number] for number in self._ordered))
        if not running or running[-1] <= 0:
            return None
        return self._finish([number.value for number in self._ordered], running)

    def entries(self) -> list[tuple[Any, int]]:
        """Numbers and counts."""
        return [(number.value, self._counts[number]) for number in self._ordered]


class HeldFrequencies(HeldNumbers):
    """The same for pairs of a number and its frequency."""

    def entries(self) -> list[tuple[Any, int]]:
        """Pairs; the frequency of a number that was taken back more often than it came is kept as a negative count."""
        return [((n, abs(count)), 1 if count > 0 else -1) for n, count in super().entries()]


class _Number:
    """A number with Java's order of doubles: -0.0 before 0.0, NaN last and equal to itself."""

    __slots__ = ("_rank", "value")

    def __init__(self, value: Any, compared: Any) -> None:
        self.value = value
        if isinstance(compared, float):
            nan = math.isnan(compared)
            self._rank: tuple[Any, ...] = (1, 0, 0) if nan else (0, compared, math.copysign(1, compared))
        else:
            self._rank = (0, compared, 0)

    def __lt__(self, other: _Number) -> bool:
        return self._rank < other._rank

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Number) and self._rank == other._rank

    def __hash__(self) -> int:
        return hash(self._rank)


def percentile(fractions: Sequence[float], *, many: bool) -> Finish:
    """PERCENTILE by linear interpolation between neighbours (Flink's PercentileAggFunction), over DOUBLE."""

    def finish(numbers: Sequence[Any], running: Sequence[int]) -> Any:
        found = [_interpolated(numbers, running, fraction) for fraction in fractions]
        return found if many else found[0]

    return finish


def _interpolated(numbers: Sequence[Any], running: Sequence[int], fraction: float) -> float:
    position = fraction * (running[-1] - 1) + 1
    lower, higher = math.floor(position), math.ceil(position)
    at = bisect.bisect_left(running, lower)
    if running[at] >= higher:
        return float(numbers[at])
    return (higher - position) * float(numbers[at]) + (position - lower) * float(numbers[at + 1])


def percentile_disc(fraction: float) -> Finish:
    """The first number at or before which lies at least this share of all (standard SQL's PERCENTILE_DISC)."""

    def finish(numbers: Sequence[Any], running: Sequence[int]) -> Any:
        wanted = math.ceil(Decimal(repr(fraction)) * running[-1])
        return numbers[bisect.bisect_left(running, max(wanted, 1))]

    return finish


class HeldObject(Held):
    """JSON_OBJECTAGG over keys and JSON texts (Flink's JsonObjectAggFunction): a second equal key is an error."""

    def __init__(self, location: Location | None, *, absent_on_null: bool) -> None:
        self._members: dict[str, str | None] = {}
        self._location = location
        self._absent = absent_on_null

    def change(self, item: Any, weight: int) -> None:
        """Add a member, or remove it when it is there with this value."""
        key, value = item
        if key is None:
            raise self._failed("a key of JSON_OBJECTAGG is NULL")
        if weight < 0:
            if key in self._members and self._members[key] == value:
                del self._members[key]
            return
        if key in self._members:
            raise self._failed(f"the key '{key}' comes twice in JSON_OBJECTAGG")
        if value is not None or not self._absent:
            self._members[key] = value

    def result(self) -> str:
        """The object, its keys in the order of their UTF-16 units as in all JSON that Flink writes."""
        ordered = sorted(self._members, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        members = (f"{quoted(key)}:{self._members[key] or 'null'}" for key in ordered)
        return "{" + ",".join(members) + "}"

    def entries(self) -> list[tuple[Any, int]]:
        """Keys and values."""
        return [(member, 1) for member in self._members.items()]

    def _failed(self, message: str) -> VeloError:
        return VeloError(ErrorCode.JOB_FAILED, message, location=self._location)


class HeldSingle(Held):
    """SINGLE_VALUE: the only value; a second one is an error (Flink's SingleValueAggFunction). NULL is a value, too."""

    def __init__(self, location: Location | None) -> None:
        self._value: Any = None
        self._count = 0
        self._location = location

    def change(self, item: Any, weight: int) -> None:
        """Take the value, or give it up."""
        if weight > 0 and self._count > 0:
            raise VeloError(
                ErrorCode.JOB_FAILED,
                "a subquery or SINGLE_VALUE that stands for one value has more than one row",
                location=self._location,
            )
        self._value = item if weight > 0 else None
        self._count += weight

    def result(self) -> Any:
        """The value; None without one."""
        return self._value

    def entries(self) -> list[tuple[Any, int]]:
        """The value, or how often it was given up before it came."""
        return [] if self._count == 0 else [(self._value, self._count)]
