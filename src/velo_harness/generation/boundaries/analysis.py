"""The analysis of a plan: every column of every node traced back to columns of sources, and what is done with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from velo_engine.plan import nodes as n
from velo_engine.plan.expressions import Call, Case, ColumnRef, Expression, children, columns_of, walk
from velo_engine.plan.match_nodes import RowsAggregate, RowValue
from velo_engine.plan.nodes import PlannedProgram, PlanNode
from velo_engine.plan.rewrite import inlined
from velo_engine.schema import Column
from velo_engine.types import BOOLEAN, TypeName
from velo_harness.generation.boundaries.facts import (
    Earlier,
    EventTime,
    Facts,
    Frame,
    Join,
    Measure,
    Opaque,
    Pattern,
    Ranking,
    Route,
    SourceColumn,
    Step,
    Windows,
)

MOST_VARIANTS = 16
"""Ways through unions and joins of unions that are told apart."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to a node: its columns over leaves, and what rows went through."""

    columns: tuple[Expression, ...]
    route: Route = field(default_factory=Route)

    def with_columns(self, columns: Iterable[Expression]) -> _Way:
        return _Way(tuple(columns), self.route)

    def over(self, expression: Expression) -> Expression:
        """An expression of the node over leaves."""
        return inlined(expression, self.columns)

    def at(self, positions: Iterable[int]) -> tuple[Expression, ...]:
        return tuple(self.columns[position] for position in positions)

    def computing(self, expressions: Sequence[Expression]) -> _Way:
        """After these have been computed: the conditions in them choose among values."""
        tests = tuple(test for expression in expressions for test in _conditions(expression))
        computed = tuple(e for e in expressions if not isinstance(e, ColumnRef))
        route = replace(self.route, tests=self.route.tests + tests, computed=self.route.computed + computed)
        return _Way(self.columns, route)

    def filtered(self, *predicates: Expression | None) -> _Way:
        filters = tuple(part for p in predicates if p is not None for part in _conjuncts(p))
        return _Way(self.columns, replace(self.route, filters=self.route.filters + filters))


def analysed(program: PlannedProgram, statements: Sequence[str]) -> Facts:
    """What `statements` do with the columns of their sources."""
    tracing = _Tracing(program)
    for name in statements:
        tracing.facts.routes += [way.route for way in tracing.statement(name)]
    return tracing.facts


class _Tracing:
    def __init__(self, program: PlannedProgram) -> None:
        self.facts = Facts()
        self._program = program
        self._statements: dict[str, list[_Way]] = {}

    def statement(self, name: str) -> list[_Way]:
        if name not in self._statements:
            self._statements[name] = self._ways(self._program.statements[name].plan)
        return self._statements[name]

    def _ways(self, node: PlanNode) -> list[_Way]:
        below = [self._ways(child) for child in n.inputs(node)]
        if isinstance(node, n.Union):
            return [way for ways in below for way in ways][:MOST_VARIANTS]
        if len(below) == 2:
            pairs = list(product(*below))[:MOST_VARIANTS]
            return [self._joined(node, left, right) for left, right in pairs]
        if not below:
            return self._source(node)
        return [way for one in below[0] for way in self._single(node, one)][:MOST_VARIANTS]

    def _source(self, node: PlanNode) -> list[_Way]:
        match node:
            case n.Upstream(statement=statement):
                return self.statement(statement)
            case n.Scan(source=source, schema=schema):
                own = len(source.schema)
                columns: list[Expression] = [
                    self.facts.leaves.of_source(source.name, i, column.type)
                    for i, column in enumerate(schema.columns[:own])
                ]
                return [_Way((*columns, *self._opaque(schema.columns[own:])))]
            case _:
                return [_Way(tuple(self._opaque(node.schema.columns)))]

    def _opaque(self, columns: Iterable[Column]) -> list[ColumnRef]:
        types = [column.type for column in columns]
        return [self.facts.leaves.other(Opaque(kind), kind) for kind in types]

    def _single(self, node: PlanNode, way: _Way) -> list[_Way]:
        """What a node with one input does."""
        facts = self.facts
        match node:
            case n.Filter(predicate=predicate):
                return [way.filtered(way.over(predicate))]
            case n.Project(expressions=expressions):
                traced = [way.over(expression) for expression in expressions]
                return [way.computing(traced).with_columns(traced)]
            case n.Expand(projections=projections):
                return [way.with_columns(way.over(e) for e in projection) for projection in projections]
            case n.AssignWatermark(time_column=column, delay_ms=delay):
                self._event_time(way.columns[column], delay)
                return [way]
            case n.GroupAggregate():
                return [way.with_columns(self._aggregated(node, way))]
            case n.WindowAggregate():
                keys = way.at(node.keys)
                self._windows(node.window, way.columns[node.time_column], node.allowed_lateness_ms, keys)
                return [way.with_columns((*self._aggregated(node, way), *self._opaque(node.schema.columns[-3:])))]
            case n.WindowTable():
                self._windows(node.window, way.columns[node.time_column], 0, way.at(node.partition))
            case n.TopN():
                limit = node.limit if node.limit_column is None else node.first
                self._ranking(way, node.partition, [key.column for key in node.order], limit)
            case n.WindowTopN():
                self._ranking(way, node.partition, [key.column for key in node.order], node.limit)
            case n.Deduplicate() | n.WindowDeduplicate():
                self._ranking(way, node.partition, [node.time_column], 1)
            case n.OverAggregate():
                facts.aggregates = True
                self._keys(way.at(node.partition))
                range_ms = node.expire_ms if node.frame.rows else node.frame.preceding
                rows = node.frame.preceding if node.frame.rows else None
                facts.frames[Frame(way.at(node.partition), rows, range_ms)] = None
            case n.MatchRecognize():
                facts.aggregates = True
                self._keys(way.at(node.partition))
                self._pattern(node, way)
                return [way.with_columns(self._opaque(node.schema.columns))]
            case _:
                pass
        more = node.schema.columns[len(way.columns) :]
        return [way.with_columns((*way.columns, *self._opaque(more)))]

    def _aggregated(self, node: n.GroupAggregate | n.WindowAggregate, way: _Way) -> list[Expression]:
        """The keys and measures of an aggregation."""
        self.facts.aggregates = True
        keys = way.at(node.keys)
        self._keys(keys)
        found = list(keys)
        for call in node.calls:
            argument = way.columns[call.args[0]] if call.args else None
            found.append(self.facts.leaves.other(Measure(call.function, argument, keys), call.type))
        return found

    def _keys(self, keys: Iterable[Expression]) -> None:
        for key in keys:
            self.facts.keys.update(
                dict.fromkeys(sorted(i for i in columns_of(key) if self.facts.leaves.column(i) is not None))
            )

    def _event_time(self, time: Expression, delay_ms: int) -> None:
        sources = self.facts.leaves.sources_of(time)
        if sources is not None and len(sources) == 1:
            self.facts.times.setdefault(next(iter(sources)), EventTime(time, delay_ms))

    def _windows(self, spec: n.WindowSpec, time: Expression, lateness_ms: int, keys: tuple[Expression, ...]) -> None:
        self._keys(keys)
        for source in sorted(self.facts.leaves.sources_of(time) or ()):
            if spec.kind is not n.WindowKind.ATTACHED:
                self.facts.windows[Windows(source, spec, lateness_ms, keys)] = None

    def _ranking(self, way: _Way, partition: Iterable[int], order: Iterable[int], limit: int) -> None:
        self.facts.aggregates = True
        keys = way.at(partition)
        self._keys(keys)
        self.facts.rankings[Ranking(keys, way.at(order), limit)] = None

    def _pattern(self, node: n.MatchRecognize, way: _Way) -> None:
        if node.within_ms is not None:
            self.facts.spans_ms[node.within_ms] = None
        steps = []
        for number, variable in enumerate(node.pattern):
            condition = None
            if variable.definition is not None:
                values = [self._pattern_value(value, number, way) for value in variable.definition.values]
                condition = inlined(variable.definition.condition, values)
            steps.append(Step(condition, variable.minimum, variable.maximum))
        self.facts.patterns[Pattern(way.at(node.partition), tuple(steps), node.within_ms)] = None

    def _pattern_value(self, value: RowValue | RowsAggregate, number: int, way: _Way) -> Expression:
        """What a definition looks at: a column of the row that is judged, or one of a row before it."""
        if not isinstance(value, RowValue):
            return self.facts.leaves.other(Opaque(value.type), value.type)
        column = way.columns[value.column]
        own = value.variable in (number, None) and not value.from_first and value.offset == 0
        if own or not isinstance(column, ColumnRef):
            return column
        return self.facts.leaves.other(Earlier(column.index), value.type)

    def _joined(self, node: PlanNode, left: _Way, right: _Way) -> _Way:
        route = Route(
            left.route.filters + right.route.filters,
            left.route.tests + right.route.tests,
            left.route.computed + right.route.computed,
        )
        both = _Way(left.columns + right.columns, route)
        if not isinstance(node, n.TableJoin | n.RegularJoin | n.IntervalJoin | n.TemporalJoin | n.WindowJoin):
            return both
        condition = None if node.condition is None else both.over(node.condition)
        join = Join(node.kind, left.at(node.left_keys), right.at(node.right_keys), condition)
        if isinstance(node, n.IntervalJoin) and node.left_time is not None and node.right_time is not None:
            times = (left.columns[node.left_time], right.columns[node.right_time])
            join = replace(
                join, left_time=times[0], right_time=times[1], lower_ms=node.lower_ms, upper_ms=node.upper_ms
            )
        if isinstance(node, n.TemporalJoin):
            join = replace(join, left_time=left.columns[node.left_time], right_time=right.columns[node.right_time])
        self.facts.joins[join] = None
        self._keys((*join.left_keys, *join.right_keys))
        met = both.filtered(condition)
        return met.with_columns(left.columns) if node.kind.one_sided else met


def _conjuncts(expression: Expression) -> list[Expression]:
    """The parts that must all be true."""
    if isinstance(expression, Call) and expression.function == "and":
        return [part for arg in expression.args for part in _conjuncts(arg)]
    return [expression]


def _conditions(expression: Expression) -> list[Expression]:
    """The outermost conditions in an expression, and those that functions stand for."""
    found: list[Expression] = []
    if expression.type.name is TypeName.BOOLEAN and not isinstance(expression, ColumnRef | Case):
        return [expression] if columns_of(expression) else []
    if isinstance(expression, Call) and expression.function == "nullif":
        found.append(Call("equals", expression.args, BOOLEAN, expression.location))
    if isinstance(expression, Call) and expression.function in ("greatest", "least"):
        found.append(Call("less", expression.args[:2], BOOLEAN, expression.location))
    if isinstance(expression, Call) and expression.function == "coalesce":
        asked = [Call("is_null", (arg,), BOOLEAN.as_nullable(False), arg.location) for arg in expression.args[:-1]]
        found += [Call("and", tuple(asked[:n]), BOOLEAN, expression.location) for n in range(2, len(asked) + 1)]
        found += asked[:1]
    for child in children(expression):
        found += _conditions(child)
    return [test for test in found if columns_of(test)]


def comparisons(expression: Expression) -> list[Call]:
    """The calls in an expression that compare."""
    return [part for part in walk(expression) if isinstance(part, Call) and part.function in COMPARING]


COMPARING = frozenset(
    {
        *("equals", "not_equals", "less", "less_equal", "greater", "greater_equal"),
        *("is_distinct_from", "is_not_distinct_from", "in", "like"),
    }
)
"""Functions whose operands decide on which side of a boundary a row is."""


def is_source_column(facts: Facts, expression: Expression) -> SourceColumn | None:
    """The source's column that an expression is, unchanged."""
    return facts.leaves.column(expression.index) if isinstance(expression, ColumnRef) else None
