"""Watches a run and says what it covered. It looks at batches and changes none, so a result is the same without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from velo_engine.batch import RowKind, physical_schema
from velo_engine.errors import Location, VeloError
from velo_engine.kernel import Kernel
from velo_engine.plan import nodes
from velo_engine.plan.nodes import PlannedStatement, PlanNode
from velo_engine.runtime.step_run import StepRun
from velo_harness.coverage.expression_points import EVERYWHERE, ExpressionPoint, ExpressionPoints, is_boolean
from velo_harness.coverage.flow_points import KEPT_ROWS, FlowPoint, flow_points, in_local_time
from velo_harness.coverage.points import CoverPoint, merged
from velo_harness.coverage.sites import StatementSites, Taken, statement_sites
from velo_harness.execution import Execution
from velo_harness.preparation import PreparedQuery
from velo_harness.result import QueryResult

_LATE = "late row"


@dataclass(slots=True)
class _Calc:
    """The points of a filter and a projection, and the query that counts them over a batch."""

    points: list[ExpressionPoint]
    sql: str = ""
    reads_time: bool = False

    def prepare(self) -> None:
        counted = [condition for point in self.points for condition in point.conditions.values()]
        columns = (f"count(*) FILTER (WHERE {condition}) AS n{n}" for n, condition in enumerate(counted))
        self.sql = f"SELECT {', '.join(columns)} FROM rows i"
        self.reads_time = "i.pt" in self.sql

    def take(self, found: Mapping[str, int]) -> None:
        counts = iter(found.values())
        for point in self.points:
            for outcome in point.conditions:
                point.counts[outcome] = point.counts.get(outcome, 0) + int(next(counts) or 0)


@dataclass(slots=True)
class _Flow:
    """The points of a node over all its rows, and the rows so far."""

    statement: str
    node: PlanNode
    points: list[tuple[FlowPoint, Location]]
    table: PlanNode | None = None
    """What gives the right side of a join with a table: another job reads it."""
    kept: list[list[pa.Table]] = field(default_factory=lambda: [[], []])

    def keep(self, side: int, rows: pa.Table) -> None:
        if sum(map(len, self.kept[side])) < KEPT_ROWS:
            self.kept[side].append(rows)


class CoverageCollector:
    """Collects the coverage of one run of one query: give `observe` to the job, then ask for `points`."""

    def __init__(self, prepared: PreparedQuery, variables: Mapping[str, str], time_zone: str = "UTC") -> None:
        self._program = prepared.program
        self._zone = time_zone
        self._kernel = Kernel()
        self._calcs: dict[int, _Calc] = {}
        self._flows: dict[int, _Flow] = {}
        self._tables: dict[int, list[_Flow]] = {}
        self._seen: set[int] = set()
        self.blind: set[str] = set()
        """Statements of which something could not be looked at."""
        sites = statement_sites(prepared.text, variables)
        for name, statement in prepared.program.statements.items():
            if name in sites:
                self._add(statement, sites[name])

    def observe(self, step: StepRun) -> None:
        """A hook for `JobOptions.on_step`."""
        at = id(step.node)
        for flow in self._tables.get(at, ()):
            if len(step.output):
                flow.keep(1, _rows(step.output.rows))
        if at in self._calcs and len(step.inputs[0]):
            self._count(self._calcs[at], step)
        if at in self._flows:
            for side, batch in enumerate(step.inputs):
                if len(batch):
                    self._flows[at].keep(side, _rows(batch.rows))

    def points(self, execution: Execution) -> tuple[CoverPoint, ...]:
        """All points of the program, with what this run saw."""
        try:
            found = [point.point() for calc in self._calcs.values() for point in calc.points]
            found += [point for flow in self._flows.values() for point in self._of(flow, execution)]
        finally:
            self._kernel.close()
        return merged(found)

    def on(self, result: QueryResult, execution: Execution) -> QueryResult:
        """The result of the run with what it covered, and a note of what could not be looked at."""
        points = self.points(execution)
        if not self.blind:
            return replace(result, coverage=points)
        note = f"SQL coverage: not all of {', '.join(sorted(self.blind))} could be looked at"
        return replace(result, coverage=points, notes=(*result.notes, note))

    def _count(self, calc: _Calc, step: StepRun) -> None:
        batch = step.inputs[0]
        rows = batch.rows
        if calc.reads_time:
            rows = rows.append_column("pt", pa.array(batch.processing_time.before(batch.seq)))
        try:
            (found,) = self._kernel.query(calc.sql, rows=_rows(rows)).to_pylist()
        except VeloError:
            self.blind.add(step.statement)
            return
        calc.take(found)

    def _of(self, flow: _Flow, execution: Execution) -> Iterator[CoverPoint]:
        sides = [*nodes.inputs(flow.node)]
        tables = [
            pa.concat_tables(kept) if kept else physical_schema(side.schema).empty_table()
            for side, kept in zip(sides, [*flow.kept, *([[]] * len(sides))], strict=False)
        ]
        tables[:1] = [in_local_time(flow.node, table, self._zone) for table in tables[:1]]
        result = execution.result.statements.get(flow.statement)
        for point, place in flow.points:
            counts: dict[str, int] = {}
            if any(len(table) for table in tables):
                try:
                    counts = point.count(self._kernel, tables)
                except VeloError:
                    self.blind.add(flow.statement)
            if _LATE in point.outcomes and result is not None:
                counts[_LATE] = result.accounting.late + result.accounting.partly_late
            seen = {outcome: counts.get(outcome, 0) for outcome in point.outcomes}
            yield CoverPoint(
                place.file, place.line, place.column, point.kind, point.text, flow.statement, seen, place.length
            )

    def _add(self, statement: PlannedStatement, sites: StatementSites) -> None:
        every = list(_nodes(statement.plan))
        finder = ExpressionPoints(statement.name, sites, self._zone)
        taken = {
            kind: Taken(places, sum(isinstance(node, kinds) for node in every), sites.start)
            for kind, (kinds, places) in {
                "join": (_JOIN_NODES, sites.joins),
                "window": ((nodes.WindowAggregate, nodes.WindowTable), sites.windows),
                "top_n": (_TOP_NODES, sites.limits),
                "group": ((nodes.GroupAggregate, nodes.WindowAggregate), sites.groups),
                "union": ((nodes.Union,), sites.unions),
            }.items()
        }
        inner = {id(node.input) for node in every if isinstance(node, nodes.Project)}
        for node in every:
            if isinstance(node, nodes.Filter | nodes.Project) and not (
                isinstance(node, nodes.Filter) and id(node) in inner
            ):
                self._add_calc(node, finder, sites)
            found = list(flow_points(node, finder.holds))
            if found:
                places = {kind: taken[kind].next() for kind in dict.fromkeys(p.kind for p in found) if kind in taken}
                self._add_flow(statement.name, node, [(p, _place(p, places, sites)) for p in found])

    def _add_calc(self, node: PlanNode, finder: ExpressionPoints, sites: StatementSites) -> None:
        points: list[ExpressionPoint] = []
        guard = EVERYWHERE
        below = node.input if isinstance(node, nodes.Project) else node
        if isinstance(below, nodes.Filter):
            points += finder.of_condition(below.predicate, EVERYWHERE, sites.start)
            guard = f"coalesce({finder.holds(below.predicate)}, FALSE)"
        for expression in node.expressions if isinstance(node, nodes.Project) else ():
            find = finder.of_condition if is_boolean(expression) else finder.of_value
            points += find(expression, guard, sites.start)
        if points:
            calc = _Calc(points)
            calc.prepare()
            self._calcs[id(node)] = calc

    def _add_flow(self, statement: str, node: PlanNode, points: list[tuple[FlowPoint, Location]]) -> None:
        flow = _Flow(statement, node, points)
        self._flows[id(node)] = flow
        if isinstance(node, nodes.TableJoin):
            table: PlanNode = node.table
            while isinstance(table, nodes.Upstream):
                table = self._program.statements[table.statement].plan
            self._tables.setdefault(id(table), []).append(flow)


_JOIN_NODES = (nodes.RegularJoin, nodes.IntervalJoin, nodes.TableJoin, nodes.TemporalJoin, nodes.WindowJoin)
_TOP_NODES = (nodes.TopN, nodes.WindowTopN, nodes.Deduplicate, nodes.WindowDeduplicate)


def _place(point: FlowPoint, places: Mapping[str, Location], sites: StatementSites) -> Location:
    if point.call is not None and point.call.location is not None and point.kind == "aggregate":
        return point.call.location
    place = places.get(point.kind, sites.start)
    if place is sites.start and point.call is not None and point.call.location is not None:
        return point.call.location
    return place


def _nodes(node: PlanNode) -> Iterator[PlanNode]:
    """The nodes of a plan in the order in which the text has them: what is read first comes first."""
    for child in nodes.inputs(node):
        yield from _nodes(child)
    yield node


def _rows(rows: pa.Table) -> pa.Table:
    """The rows that come in, not those that are taken back; columns c0, c1, … and `pt`."""
    kind = np.asarray(rows.column("kind"))
    coming = (kind == RowKind.INSERT) | (kind == RowKind.UPDATE_AFTER)
    return rows if coming.all() else rows.filter(pa.array(coming))
