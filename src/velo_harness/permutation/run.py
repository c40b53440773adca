"""Runs a query again with its records in other orders, and says when its result depends on that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from velo_engine.errors import Location, VeloError
from velo_engine.plan.nodes import SourceChanges
from velo_harness.execution import Execution
from velo_harness.inputs import RunInputs
from velo_harness.permutation.contents import Contents, contents_of, difference, same_fates
from velo_harness.permutation.orders import Order, OrderMaker, inputs_in, order_of, source_times, swaps
from velo_harness.permutation.printed import query_yaml
from velo_harness.permutation.shrinking import Shrinker, SmallestCase
from velo_harness.preparation import PreparedQuery
from velo_harness.programs import sink_statement
from velo_harness.result import CheckFailure, Finding, Outcome, Permutations, QueryResult
from velo_harness.spec import Query

CHECK = "order of arrival"
"""What a failure is called."""

DRAWS = 4
"""How often an order is drawn for each that is wanted: few records have few orders, which come again."""

Executes = Callable[[RunInputs], AbstractContextManager[Execution]]


@dataclass(frozen=True, slots=True)
class Permuter:
    """Permutes the records of one run."""

    query: Query
    prepared: PreparedQuery
    inputs: RunInputs
    executes: Executes
    """Runs the query over inputs."""
    count: int
    """How many other orders are tried."""

    def result(self, result: QueryResult, execution: Execution) -> QueryResult:
        """`result` of the run in the spec's order, with what other orders say."""
        seed = self.prepared.seed
        if self.inputs.ticks:
            reason = "the timeline of an input says in which order things happen"
            return replace(result, permutations=Permutations(seed, skipped=reason))
        base = order_of(self.inputs)
        program = self.prepared.program
        changes = frozenset(n for n, s in program.sources.items() if s.changes is not SourceChanges.INSERTS)
        times, hidden = source_times(program, self.inputs)
        maker = OrderMaker(base, times, seed, changes, hidden)
        wanted = contents_of(execution, self._statements())
        tried: set[tuple[tuple[str, int], ...]] = {_identities(base)}
        compared = discarded = 0
        for number in range(self.count * DRAWS):
            if compared + discarded == self.count:
                break
            order = maker.order(number)
            if _identities(order) in tried:
                continue
            tried.add(_identities(order))
            found = self._contents(order)
            if found is None or not same_fates(wanted, found):
                discarded += 1
                continue
            compared += 1
            if difference(wanted, found, self._ignored()) is not None:
                numbers = Permutations(seed, compared, discarded, number)
                return self._depends(replace(result, permutations=numbers), base, order)
        numbers = Permutations(seed, compared, discarded, None, None if compared else _why_none(base, discarded))
        return self._does_not_depend(replace(result, permutations=numbers))

    def _statements(self) -> list[str]:
        """The statements whose contents the spec checks."""
        program = self.prepared.program
        sinks = (sink_statement(output.sink, program, output.location) for output in self.query.outputs)
        return [*dict.fromkeys((self.prepared.statement, *sinks))]

    def _ignored(self) -> Sequence[str]:
        return () if self.query.expect is None else self.query.expect.ignore

    def _contents(self, order: Order) -> Contents | None:
        """What comes out in an order; None when the run fails."""
        try:
            with self.executes(inputs_in(order, self.inputs)) as execution:
                return contents_of(execution, self._statements())
        except VeloError:
            return None

    def _differs(self, base: Order, other: Order) -> bool:
        one, two = self._contents(base), self._contents(other)
        if one is None or two is None or not same_fates(one, two):
            return False
        return difference(one, two, self._ignored()) is not None

    def _does_not_depend(self, result: QueryResult) -> QueryResult:
        assert result.permutations is not None
        if self.query.order_dependent is None or not result.permutations.orders:
            return result
        note = f"order_dependent, but none of {result.permutations.orders} other orders changed the result"
        return replace(result, notes=(*result.notes, note))

    def _depends(self, result: QueryResult, base: Order, other: Order) -> QueryResult:
        """The result of a query that depends on the order, with the smallest case."""
        if self.query.order_dependent is not None:
            note = f"the result depends on the order of arrival, as the spec says: {self.query.order_dependent}"
            return replace(result, notes=(*result.notes, note))
        case = Shrinker(self._differs).smallest(base, other)
        failure = CheckFailure(CHECK, self._finding(case, result), self._place())
        text = "\n".join(["the smallest case: the same rows in two orders, with two results", *self._yaml(case)])
        outcome = Outcome.FAILED if result.outcome is Outcome.PASSED else result.outcome
        return replace(
            result,
            outcome=outcome,
            failures=(*result.failures, failure),
            notes=(*result.notes, text),
            checks=result.checks + 1,
        )

    def _finding(self, case: SmallestCase, result: QueryResult) -> Finding:
        assert result.permutations is not None
        count, moved = len(case.base), swaps(case.other, case.base)
        records = f"{count} {'record' if count == 1 else 'records'}"
        smallest = "" if case.complete else " (not shrunk to the end)"
        actual = f"another result after {moved} {'swap' if moved == 1 else 'swaps'} among {records}{smallest}"
        notes = (
            f"order {result.permutations.failing} of seed {result.permutations.seed} showed it first",
            "if it has to be so, say order_dependent: and why, in the query",
        )
        return Finding("the same final contents in every order that the watermark allows", actual, notes=notes)

    def _place(self) -> Location:
        return self.query.location

    def _yaml(self, case: SmallestCase) -> list[str]:
        lines: list[str] = []
        for order, what in ((case.base, "in the order of the spec"), (case.other, "in another order")):
            contents = self._contents(order)
            assert contents is not None
            lines += query_yaml(self.query.name, order, self.inputs, contents.final[self._shown(case)], what)
        return lines

    def _shown(self, case: SmallestCase) -> str:
        """The statement whose contents differ."""
        one, two = self._contents(case.base), self._contents(case.other)
        found = None if one is None or two is None else difference(one, two, self._ignored())
        return self.prepared.statement if found is None else found[0]


def _identities(order: Order) -> tuple[tuple[str, int], ...]:
    return tuple((arrival.source, arrival.index) for arrival in order)


def _why_none(base: Order, discarded: int) -> str:
    if discarded:
        return "every other order made other rows late"
    if len(base) < 2:
        return "fewer than two records arrive"
    return "the records can arrive in one order only"
