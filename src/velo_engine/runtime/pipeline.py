"""The running form of a plan: operators in an order in which each comes after those it reads.

Consecutive Filter and Project nodes become one Calc, as in Flink's plans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.operators.base import Counters, LateRows, Operator, OperatorContext, RowFailures
from velo_engine.operators.calc import Calc
from velo_engine.operators.sink_changes import EnforceNotNull
from velo_engine.operators.table_join import TableJoin
from velo_engine.operators.values import Values
from velo_engine.plan import nodes
from velo_engine.plan.nodes import PlannedProgram, PlannedStatement, PlanNode
from velo_engine.plan.render import describe
from velo_engine.runtime.letters import RowPlace
from velo_engine.runtime.operator_factory import Surroundings, make_operator
from velo_engine.schema import RowSchema

STATELESS = (nodes.AssignWatermark, nodes.Union)
"""Nodes through which a row stays the row that was read."""

MULTIPLYING = (nodes.Correlate, nodes.Expand)
"""Nodes that make several rows out of one and keep none."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operator (or a scan, which has none) and where its input comes from."""

    statement: str
    name: str
    """What it does, and over which types: steps with equal names can take over each other's state."""
    node: PlanNode
    """What it runs; of a filter below a projection, which are one step, the projection."""
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
class SinkStep:
    """An operator between the changelog of a statement and its sink."""

    name: str
    operator: Operator
    counters: Counters


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All steps of a job, and which one gives out each statement's changelog."""

    steps: tuple[Step, ...]
    roots: Mapping[str, int]
    sinks: Mapping[str, tuple[SinkStep, ...]]
    """By statement what stands between its changelog and its sink, in order, where something does."""


@dataclass(frozen=True, slots=True)
class StepServices:
    """What the job provides for the operators of one statement."""

    failures: Callable[[str, RowPlace], RowFailures]
    """For a statement, and where in it the operator stands."""
    late: Callable[[str, Sequence[RowSchema], int, bool], LateRows]
    """For a statement, the schemas of the operator's inputs, the input that the rows come from, and whether a join may
    have multiplied them."""
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
        self._around = Surroundings(program.statements, partitions, program.state_ttl_ms)
        self._table_rows = table_rows
        self._steps: list[Step] = []
        self._roots: dict[str, int] = {}

    def build(self, targets: tuple[str, ...]) -> Pipeline:
        """The steps that `targets` need."""
        for name in closure(self._program, targets):
            statement = self._program.statements[name]
            self._roots[name] = self._node(statement, statement.plan)
        sinks = {name: steps for name in self._roots if (steps := tuple(self._sink_steps(name)))}
        return Pipeline(tuple(self._steps), self._roots, sinks)

    def _sink_steps(self, name: str) -> Iterator[SinkStep]:
        statement = self._program.statements[name]
        sink = statement.sink
        if sink is None:
            return
        if sink.not_null is not None:
            # Its row has reached the result, as one that a join has taken in: it was counted as accepted.
            context = self._sink_context(name, max(self._steps[self._roots[name]].place, RowPlace.JOINED))
            yield SinkStep(
                f"{name}: EnforceNotNull",
                EnforceNotNull(context, sink.not_null, statement.plan.schema),
                context.counters,
            )
        if sink.changes is not None:
            context = self._sink_context(name, RowPlace.IN_STATE)
            yield SinkStep(
                f"{name}: {describe(sink.changes)}",
                make_operator(context, sink.changes, self._around),
                context.counters,
            )

    def _sink_context(self, name: str, place: RowPlace) -> OperatorContext:
        return OperatorContext(
            kernel=self._kernel,
            failures=self._services.failures(name, place),
            late=self._services.late_letters(name),
            emit_unchanged=self._emit_unchanged,
            time_zone=self._time_zone,
        )

    def _node(self, statement: PlannedStatement, node: PlanNode) -> int:
        if isinstance(node, nodes.Upstream):
            return self._roots[node.statement]
        if isinstance(node, nodes.Scan):
            return self._add(statement, node, None, (), node.schema, scan=node)
        if isinstance(node, nodes.Values):
            return self._add(
                statement, node, lambda context: Values(context, node), (), node.schema, puts=RowPlace.IN_STATE
            )
        if isinstance(node, nodes.Filter | nodes.Project):
            return self._calc(statement, node)
        if isinstance(node, nodes.TableJoin):
            return self._table_join(statement, node)
        return self._stateful(statement, node)

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
            node,
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

        return self._add(statement, node, make, (at,), node.input.schema, puts=RowPlace.JOINED)

    def _stateful(self, statement: PlannedStatement, node: PlanNode) -> int:
        children = nodes.inputs(node)
        at = tuple(self._node(statement, child) for child in children)
        puts = None if isinstance(node, STATELESS) else RowPlace.IN_STATE
        if isinstance(node, MULTIPLYING) or _is_aligned_window_table(node):
            puts = RowPlace.JOINED
        late = getattr(node, "late_data", nodes.LateData.DROP)
        make = lambda context: make_operator(context, node, self._around)  # noqa: E731
        return self._add(statement, node, make, at, *(child.schema for child in children), puts=puts, late=late)

    def _accepted(self, statement: PlannedStatement, at: int) -> bool:
        """Whether the rows of a step have passed a join or an aggregation of this statement."""
        return self._steps[at].statement == statement.name and self._steps[at].accepted

    def _add(
        self,
        statement: PlannedStatement,
        node: PlanNode,
        make: Callable[[OperatorContext], Operator] | None,
        inputs: tuple[int, ...],
        *schemas: RowSchema,
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
            late=self._late_rows(statement, schemas, 0, accepted, place, late),
            late_right=self._late_rows(statement, schemas, 1, accepted, place, late) if len(schemas) > 1 else None,
            emit_unchanged=self._emit_unchanged,
            time_zone=self._time_zone,
        )
        step = Step(
            statement=statement.name,
            name=_step_name(node, schemas),
            node=node,
            operator=None if make is None else make(context),
            scan=scan,
            inputs=inputs,
            counters=context.counters,
            place=place if puts is None else max(place, puts),
            accepts=tuple(i for i in inputs if not self._accepted(statement, i))
            if accepted or puts is not None
            else (),
            accepted=accepted or puts is not None,
        )
        self._steps.append(step)
        return len(self._steps) - 1

    def _late_rows(
        self,
        statement: PlannedStatement,
        schemas: Sequence[RowSchema],
        side: int,
        joined: bool,
        place: RowPlace,
        late: nodes.LateData,
    ) -> LateRows:
        """Who takes the rows of input `side` that come too late for a window."""
        if late is nodes.LateData.DROP:
            return self._services.late(statement.name, schemas, side, joined)
        if place is RowPlace.IN_STATE:
            raise VeloError(
                ErrorCode.SQL_UNSUPPORTED,
                f"{statement.name}: late.data.strategy = dead_letter behind a join of streams or an aggregation is not "
                "supported: such a row is no record",
                hint="use drop",
            )
        return self._services.late_letters(statement.name)


def _step_name(node: PlanNode, schemas: Sequence[RowSchema]) -> str:
    inputs = "; ".join(", ".join(str(column.type) for column in schema.columns) for schema in schemas)
    return f"{describe(node)} over ({inputs})"


def _is_aligned_window_table(node: PlanNode) -> bool:
    """Whether `node` gives every row out at once, as often as it has windows."""
    return isinstance(node, nodes.WindowTable) and node.window.kind is not nodes.WindowKind.SESSION


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
