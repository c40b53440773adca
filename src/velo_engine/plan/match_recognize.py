"""MATCH_RECOGNIZE over a relation: checked, bound, and planned as a match below a projection of its measures.

What is refused here is refused by Flink, too (CommonExecMatch, NFACompiler), unless a message says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.functions.signature import NESTED
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.plan.match_missing import filled, without_null_tests
from velo_engine.plan.match_nodes import (
    AfterMatch,
    Definition,
    MatchProcessingTime,
    MatchRecognize,
    MatchTime,
    MatchValue,
    PatternVariable,
    RowsAggregate,
    RowValue,
    Skip,
)
from velo_engine.plan.match_scope import MatchNames, MatchScope
from velo_engine.plan.nodes import Project, SortKey
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation, fields_of
from velo_engine.plan.rewrite import map_columns
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.top_n import sort_key
from velo_engine.schema import Column, RowSchema
from velo_engine.sql import match_syntax as syntax

_SKIPS = {
    "next_row": Skip.TO_NEXT_ROW,
    "past_last_row": Skip.PAST_LAST_ROW,
    "first": Skip.TO_FIRST,
    "last": Skip.TO_LAST,
}


def plan_match(node: syntax.MatchRecognize, relation: Relation, text: ProgramText) -> Relation:
    """The matches in `relation` under the names of their partition columns and measures, without an alias."""
    scope = RelationScope(relation, text, clause="MATCH_RECOGNIZE")
    partition = _partition(node.args.get("partition_by") or (), scope)
    order, processing_time = _order(node, relation, scope)
    pattern = _pattern(node, relation, scope)
    names = MatchNames(relation, {variable.name: i for i, variable in enumerate(pattern)}, scope)
    measures = MatchScope(names)
    written = [
        (measure.alias, without_null_tests(text.bind_column(measure.this, measures)))
        for measure in node.args.get("measures") or ()
    ]
    _check_names([relation.node.schema.names[i] for i in partition], node, text)
    matched = MatchRecognize(
        input=relation.node,
        partition=tuple(partition),
        order=order,
        processing_time=processing_time,
        pattern=pattern,
        after=_after(node.args.get("after"), names.variables, text),
        within_ms=node.args.get("within_ms"),
        values=measures.values,
        schema=_schema(relation, partition, measures.values),
        location=text.locate(node),
    )
    filled_in = [(name, filled(expression, matched.values, pattern)) for name, expression in written]
    return _measured(relation, matched, filled_in)


def _partition(items: Sequence[exp.Expr], scope: RelationScope) -> list[int]:
    """The partition columns, which stand in the order of the input: Flink mixes their values up in any other."""
    text = scope.text
    partition: list[int] = []
    for item in items:
        found = text.bind(item, scope) if isinstance(item, exp.Column) else None
        if not isinstance(found, ColumnRef):
            raise text.unsupported("PARTITION BY an expression", item, "compute it in a subquery")
        if partition and found.index <= partition[-1]:
            raise text.unsupported(
                "PARTITION BY columns in another order than the input's",
                item,
                "write them in the order in which the input has them; the partitions are the same",
            )
        partition.append(found.index)
    return partition


def _order(node: syntax.MatchRecognize, relation: Relation, scope: RelationScope) -> tuple[tuple[SortKey, ...], bool]:
    """The sort keys, the time first, and whether that is processing time."""
    text = scope.text
    clause = node.args.get("order")
    items: Sequence[exp.Ordered] = () if clause is None else clause.expressions
    if not items:
        raise text.error(ErrorCode.MISSING_EVENT_TIME, "MATCH_RECOGNIZE needs ORDER BY a time", node, _ORDER_HINT)
    keys = []
    for item in items:
        found = text.bind(item.this, scope)
        if not isinstance(found, ColumnRef):
            raise text.unsupported("ORDER BY an expression", item, "compute it in a subquery")
        if found.type.name in NESTED:
            raise text.error(ErrorCode.TYPE_MISMATCH, f"ORDER BY needs a value with an order, not {found.type}", item)
        keys.append(sort_key(item, found.index))
    time = keys[0].column
    processing_time = time in relation.processing_times
    if time not in relation.event_times and not processing_time:
        raise text.error(
            ErrorCode.MISSING_EVENT_TIME,
            "the first column of ORDER BY must be the event time or the processing time",
            items[0],
            _ORDER_HINT,
        )
    if keys[0].descending:
        raise text.unsupported("ORDER BY time DESC", items[0], "matches are found in the order of time")
    if processing_time and len(keys) > 1:
        raise text.unsupported("ORDER BY processing time and further columns", items[1])
    if relation.event_times and not processing_time and time != relation.event_times[0]:
        raise text.unsupported("ORDER BY an event time other than the one that the watermark follows", items[0])
    return tuple(keys), processing_time


_ORDER_HINT = "declare one with WATERMARK FOR column AS …, or order by a column that is PROCTIME()"


def _pattern(node: syntax.MatchRecognize, relation: Relation, scope: RelationScope) -> tuple[PatternVariable, ...]:
    text = scope.text
    written: list[syntax.PatternVariable] = node.args["pattern"]
    positions: dict[str, int] = {}
    for variable in written:
        if variable.name in positions:
            raise text.unsupported(f"the variable {variable.name} more than once in a pattern", variable)
        positions[variable.name] = len(positions)
    definitions = _definitions(node, MatchNames(relation, positions, scope))
    pattern = tuple(
        PatternVariable(
            variable.name,
            int(variable.args["minimum"]),
            variable.args.get("maximum"),
            _is_greedy(variable),
            definitions.get(variable.name),
        )
        for variable in written
    )
    _check_quantifiers(written, pattern, node, text)
    return pattern


def _is_greedy(variable: syntax.PatternVariable) -> bool:
    """Whether its number of rows may vary, and it takes as many as it can; `?` is never greedy in Flink."""
    minimum, maximum = variable.args["minimum"], variable.args.get("maximum")
    return not variable.args.get("reluctant") and minimum != maximum and (minimum, maximum) != (0, 1)


def _definitions(node: syntax.MatchRecognize, names: MatchNames) -> Mapping[str, Definition]:
    text = names.text
    found: dict[str, Definition] = {}
    for item in node.args["define"]:
        if item.alias in found:
            raise text.error(ErrorCode.DUPLICATE_NAME, f"the variable {item.alias} is defined twice", item)
        if item.alias not in names.variables:
            raise text.error(
                ErrorCode.UNKNOWN_TABLE,
                f"DEFINE speaks of {item.alias}, which is not in the pattern",
                item,
                "Flink would not look at this definition",
            )
        scope = MatchScope(names, names.variables[item.alias])
        condition = text.condition(item.this, scope, "DEFINE")
        values = tuple(value for value in scope.values if isinstance(value, RowValue | RowsAggregate))
        found[item.alias] = Definition(without_null_tests(condition), values)
    return found


def _check_quantifiers(
    written: Sequence[syntax.PatternVariable],
    pattern: Sequence[PatternVariable],
    node: syntax.MatchRecognize,
    text: ProgramText,
) -> None:
    """Refuse quantifiers that Flink's automaton cannot have."""
    for i, variable in enumerate(written):
        quantifier = variable.args["quantifier"]
        optional = (pattern[i].minimum, pattern[i].maximum) == (0, 1)
        if optional and variable.args.get("reluctant"):
            raise text.unsupported("an optional variable that is reluctant ( ?? )", variable)
        if (optional or quantifier == "*" or quantifier == "{0,}") and i and pattern[i - 1].greedy:
            raise text.unsupported(
                f"an optional variable ( {variable.name}{quantifier} ) behind a greedy one",
                variable,
                f"make {pattern[i - 1].name} reluctant with ?, or write {{0,n}}",
            )
    if all(variable.minimum == 0 for variable in pattern):
        raise text.unsupported("a pattern that matches no rows at all", node, "one variable must take a row")
    if pattern[-1].greedy:
        raise text.unsupported(
            "a greedy quantifier at the end of a pattern", written[-1], "put ? behind it, or end with a plain variable"
        )


def _after(written: syntax.AfterMatch | None, variables: Mapping[str, int], text: ProgramText) -> AfterMatch:
    if written is None:
        return AfterMatch(Skip.TO_NEXT_ROW)
    skip = _SKIPS[str(written.args["kind"])]
    if written.args.get("this") is None:
        return AfterMatch(skip)
    name = written.this.name
    if name not in variables:
        raise text.error(ErrorCode.UNKNOWN_TABLE, f'"{name}" is not a variable of the pattern', written.this)
    return AfterMatch(skip, variables[name])


def _check_names(partition: Sequence[str], node: syntax.MatchRecognize, text: ProgramText) -> None:
    """A measure needs a name of its own."""
    measures: Sequence[exp.Alias] = node.args.get("measures") or ()
    if not measures:
        raise text.unsupported("MATCH_RECOGNIZE without MEASURES", node, "say what a match gives out")
    seen = set(partition)
    for measure in measures:
        if measure.alias in seen:
            raise text.error(ErrorCode.DUPLICATE_NAME, f"two columns of the match are called {measure.alias}", measure)
        seen.add(measure.alias)


def _schema(relation: Relation, partition: Sequence[int], values: Sequence[MatchValue]) -> RowSchema:
    keys = [relation.node.schema.columns[i] for i in partition]
    return RowSchema((*keys, *(Column(f"$match{i}", value.type) for i, value in enumerate(values))))


def _measured(relation: Relation, matched: MatchRecognize, measures: Sequence[tuple[str, Expression]]) -> Relation:
    """The partition columns and the measures."""
    width = len(matched.partition)
    keys = [ColumnRef(i, kind) for i, kind in enumerate(matched.schema.types[:width])]
    shifted = [map_columns(expression, lambda i: i + width) for _, expression in measures]
    schema = RowSchema(
        (
            *matched.schema.columns[:width],
            *(Column(name, expression.type) for name, expression in measures),
        )
    )
    node = Project(matched, (*keys, *shifted), schema)

    def measured(kind: type) -> list[int]:
        return [
            width + i
            for i, (_, expression) in enumerate(measures)
            if isinstance(expression, ColumnRef) and isinstance(matched.values[expression.index], kind)
        ]

    return Relation(
        node,
        fields_of(schema),
        event_times=tuple(measured(MatchTime)),
        processing_times=frozenset(measured(MatchProcessingTime)),
        bounded=relation.bounded,
    )
