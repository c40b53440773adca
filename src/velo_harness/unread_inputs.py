"""Inputs of a query that no statement of it reads: foreign keys point into them, and checks look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.relation import Relation
from velo_harness.spec import Input


class UnreadInputs(Mapping[str, Relation]):
    """Relations by source name, each made when it is first asked for."""

    def __init__(self, given: Mapping[str, Input], make: Callable[[str], Relation]) -> None:
        """`make` makes the rows of one of `given`."""
        self._given = given
        self._make = make
        self._made: dict[str, Relation] = {}

    def __getitem__(self, name: str) -> Relation:
        if name not in self._given:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __contains__(self, name: object) -> bool:
        return name in self._given

    @property
    def written(self) -> tuple[str, ...]:
        """Those whose rows are written down, in a file, or another query's output: not generated."""
        generated = (None, None, None)
        return tuple(n for n, one in self._given.items() if (one.rows, one.data_file, one.from_previous) != generated)

    def notes(self, *, strict: bool) -> Iterator[str]:
        """Those whose rows nothing has asked for, once the checks are done; the first is an error when `strict`.

        Generated ones are left out: the keys of inputs of other queries may point into them. Errors: BAD_VALUE.
        """
        for name in self.written:
            if name not in self._made:
                message = f'the query reads no source "{name}": its rows have no effect'
                if strict:
                    raise VeloError(ErrorCode.BAD_VALUE, message, location=self._given[name].location)
                yield f"{message} ({self._given[name].location})"
