"""The running form of a plan: operators in an order in which each comes after those it reads.

Consecutive Filter and Project nodes become one Calc, as in Flink's plans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.operators.assign_watermark import AssignWatermark
from velo_engine.operators.base import Counters, LateRows, Operator, OperatorContext, RowFailures
from velo_engine.operators.calc import Calc
from velo_engine.operators.group_aggregate import GroupAggregate
from velo_engine.operators.regular_join import RegularJoin
from velo_engine.operators.session_window import SessionWindow
from velo_engine.operators.table_join import TableJoin
from velo_engine.operators.top_n import TopN
from velo_engine.operators.window_aggregate import WindowAggregate
from velo_engine.plan import nodes
from velo_engine.plan.changelog import changelog_mode
from velo_engine.plan.monotonicity import unretracted_calls
from velo_engine.plan.nodes import PlannedProgram, PlannedStatement, PlanNode
from velo_engine.runtime.letters import RowPlace
from velo_engine.schema import RowSchema


@dataclass(frozen=True, slots=True)
class Step:
    """One operator (or a scan, which has none) and where its input comes from."""

    statement: str
    operator: Operator | None
    scan: nodes.Scan | None
    inputs: tuple[int, ...]
    """Positions of earlier steps."""
    counters: Counters
    place: RowPlace
    """Where the rows that it gives out stand."""
    accepts: tuple[int, ...]
    """The inputs on whose path it is the first join or aggregation: their rows are the accepted ones."""
    accepted: bool
    """Its rows have passed such a step of the same statement."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All steps of a job, and which one gives out each statement's changelog."""

    steps: tuple[Step, ...]
    roots: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StepServices:
    """What the job provides for the operators of one statement."""

    failures: Callable[[str, RowPlace], RowFailures]
    """For a statement, and where in it the operator stands."""
    late: Callable[[str, RowSchema, bool], LateRows]
    """For a statement, the schema of the rows, and whether a join may have multiplied them."""
    late_letters: Callable[[str], LateRows]
    """For a statement whose late rows are dead letters."""


class PipelineBuilder:
    """Turns the statements of a program into steps."""

    def __init__(
        self,
        program: PlannedProgram,
        kernel: Kernel,
        services: StepServices,
        *,
        emit_unchanged: bool,
        time_zone: str,
        partitions: Mapping[str, int],
        table_rows: Callable[[PlanNode], pa.Table],
    ) -> None:
        self._program = program
        self._kernel = kernel
        self._services = services
        self._emit_unchanged = emit_unchanged
        self._time_zone = time_zone
        self._partitions = partitions
        self._table_rows = table_rows
        self._steps: list[Step] = []
        self._roots: dict[str, int] = {}

    def build(self, targets: tuple[str, ...]) -> Pipeline:
        """The steps that `targets` need."""
        for name in closure(self._program, targets):
            statement = self._program.statements[name]
            self._roots[name] = self._node(statement, statement.plan)
        return Pipeline(tuple(self._steps), self._roots)

    def _node(self, statement: PlannedStatement, node: PlanNode) -> int:
        if isinstance(node, nodes.Upstream):
            return self._roots[node.statement]
        if isinstance(node, nodes.Scan):
            return self._add(statement, None, (), node.schema, scan=node)
        if isinstance(node, nodes.Filter | nodes.Project):
            return self._calc(statement, node)
        if isinstance(node, nodes.TableJoin):
            return self._table_join(statement, node)
        return self._keyed(statement, node)

    def _calc(self, statement: PlannedStatement, node: nodes.Filter | nodes.Project) -> int:
        expressions = None
        below: PlanNode = node
        if isinstance(node, nodes.Project):
            expressions, below = node.expressions, node.input
        predicate = None
        if isinstance(below, nodes.Filter):
            predicate, below = below.predicate, below.input
        at = self._node(statement, below)
        return self._add(
            statement,
            lambda context: Calc(context, below.schema, predicate, expressions, node.schema),
            (at,),
            below.schema,
        )

    def _table_join(self, statement: PlannedStatement, node: nodes.TableJoin) -> int:
        at = self._node(statement, node.input)

        def make(context: OperatorContext) -> Operator:
            join = TableJoin(context, node, node.input.schema, node.table.schema)
            join.load(self._table_rows(node.table))
            return join

        return self._add(statement, make, (at,), node.input.schema, puts=RowPlace.JOINED)

    def _keyed(self, statement: PlannedStatement, node: PlanNode) -> int:
        children = nodes.inputs(node)
        at = tuple(self._node(statement, child) for child in children)
        schema = children[0].schema
        make: Callable[[OperatorContext], Operator]
        match node:
            case nodes.AssignWatermark():
                partitions = self._partitions.get(_scanned(node), 1)
                return self._add(statement, lambda c: AssignWatermark(c, node, partitions), at, schema)
            case nodes.GroupAggregate():
                retracting = self._retracting(node.input)
                kept = unretracted_calls(node, self._program.statements)
                make = lambda c: GroupAggregate(  # noqa: E731
                    c, node, schema, retracting=retracting, unretracted=kept
                )
            case nodes.WindowAggregate(window=nodes.WindowSpec(kind=nodes.WindowKind.SESSION)):
                make = lambda c: SessionWindow(c, node, schema)  # noqa: E731
            case nodes.WindowAggregate():
                make = lambda c: WindowAggregate(c, node, schema)  # noqa: E731
            case nodes.RegularJoin():
                make = lambda c: RegularJoin(c, node)  # noqa: E731
            case nodes.TopN():
                retracting = self._retracting(node.input)
                make = lambda c: TopN(c, node, schema, retracting=retracting)  # noqa: E731
            case _:
                raise AssertionError(f"no operator for {type(node).__name__}")
        late = node.late_data if isinstance(node, nodes.WindowAggregate) else nodes.LateData.DROP
        return self._add(statement, make, at, schema, puts=RowPlace.IN_STATE, late=late)

    def _accepted(self, statement: PlannedStatement, at: int) -> bool:
        """Whether the rows of a step have passed a join or an aggregation of this statement."""
        return self._steps[at].statement == statement.name and self._steps[at].accepted

    def _retracting(self, node: PlanNode) -> bool:
        """Whether rows of `node` may be taken back."""
        return not changelog_mode(node, self._program.statements).insert_only

    def _add(
        self,
        statement: PlannedStatement,
        make: Callable[[OperatorContext], Operator] | None,
        inputs: tuple[int, ...],
        schema: RowSchema,
        *,
        scan: nodes.Scan | None = None,
        puts: RowPlace | None = None,
        late: nodes.LateData = nodes.LateData.DROP,
    ) -> int:
        """Append a step. `puts`: where its rows stand because of it, for a join or an aggregation."""
        place = max((self._steps[i].place for i in inputs), default=RowPlace.READ)
        accepted = any(self._accepted(statement, i) for i in inputs)
        context = OperatorContext(
            kernel=self._kernel,
            failures=self._services.failures(statement.name, place),
            late=self._late_rows(statement, schema, accepted, place, late),
            emit_unchanged=self._emit_unchanged,
            time_zone=self._time_zone,
        )
        step = Step(
            statement=statement.name,
            operator=None if make is None else make(context),
            scan=scan,
            inputs=inputs,
            counters=context.counters,
            place=place if puts is None else max(place, puts),
            accepts=() if puts is None else tuple(i for i in inputs if not self._accepted(statement, i)),
            accepted=accepted or puts is not None,
        )
        self._steps.append(step)
        return len(self._steps) - 1

    def _late_rows(
        self, statement: PlannedStatement, schema: RowSchema, joined: bool, place: RowPlace, late: nodes.LateData
    ) -> LateRows:
        """Who takes the rows that come too late for a window."""
        if late is nodes.LateData.DROP:
            return self._services.late(statement.name, schema, joined)
        if place is RowPlace.IN_STATE:
            raise VeloError(
                ErrorCode.SQL_UNSUPPORTED,
                f"{statement.name}: late.data.strategy = dead_letter behind a join of streams or an aggregation is not "
                "supported: such a row is no record",
                hint="use drop",
            )
        return self._services.late_letters(statement.name)


def closure(program: PlannedProgram, targets: tuple[str, ...]) -> list[str]:
    """`targets` and all statements they read, in program order."""
    needed: set[str] = set()
    waiting = list(targets)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting.extend(program.statements[name].reads)
    return [name for name in program.statements if name in needed]


def _scanned(node: PlanNode) -> str:
    """The source that feeds a watermark generator (nothing but projections stand between them)."""
    while not isinstance(node, nodes.Scan):
        if isinstance(node, nodes.Upstream):
            return ""
        (node,) = nodes.inputs(node)
    return node.source.name
