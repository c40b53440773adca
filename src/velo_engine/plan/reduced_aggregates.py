"""Sums and counts that Flink computes in place of SUM and AVG, and whose changes it sends although nobody reads them.

Its planner replaces MIN, MAX, AVG, FIRST_VALUE and LAST_VALUE of a group key by the key, and in the same step AVG by a
sum and a count, and SUM of what may be NULL by a sum and a count. It does so where fewer calls are left, or as many and
a filter above then reads keys only and goes below. An update leaves the aggregation whenever the sum or the count has
changed: `AVG(x)` of 2 and of 2, 2 are two updates. Source: AggregateReduceFunctionsRule, the cost of
FlinkLogicalAggregate, and recorded plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from velo_engine.plan.expressions import AggregateCall, Expression, columns_of
from velo_engine.plan.nodes import Filter, GroupAggregate, PlanNode, Project, inputs
from velo_engine.plan.relation import column_refs
from velo_engine.plan.rewrite import conjuncts, inlined, with_inputs
from velo_engine.plan.upsert_keys import is_of_key
from velo_engine.schema import Column, RowSchema
from velo_engine.type_rules import aggregate_type
from velo_engine.types import BIGINT

_COUNT = BIGINT.as_nullable(False)


def with_reduced_aggregates(node: PlanNode, conditions: Sequence[Expression] = ()) -> PlanNode:
    """The plan with those sums and counts beside the calls that are computed from them.

    `conditions` are those of filters right above.
    """
    match node:
        case Filter():
            return replace(node, input=with_reduced_aggregates(node.input, [*conditions, *conjuncts(node.predicate)]))
        case Project():
            moved = [inlined(condition, node.expressions) for condition in conditions]
            return replace(node, input=with_reduced_aggregates(node.input, moved))
    node = with_inputs(node, [with_reduced_aggregates(child) for child in inputs(node)])
    if not isinstance(node, GroupAggregate):
        return node
    return _reduced(node, filtered=any(_reads_keys_only(condition, node) for condition in conditions))


def _reads_keys_only(condition: Expression, node: GroupAggregate) -> bool:
    """Whether a condition reads calls that give keys back, and no others."""
    first = len(node.keys)
    given = {first + i for i, call in enumerate(node.calls) if is_of_key(call, node.keys)}
    read = columns_of(condition)
    return bool(read & given) and read <= given | set(range(first))


def _reduced(node: GroupAggregate, *, filtered: bool) -> PlanNode:
    hidden = _hidden(node, filtered)
    if not hidden:
        return node
    columns = [Column(f"$part{i}", call.type) for i, call in enumerate(hidden)]
    schema = RowSchema((*node.schema.columns, *columns))
    wide = replace(node, calls=(*node.calls, *hidden), schema=schema)
    return Project(wide, column_refs(node.schema), node.schema)


def _hidden(node: GroupAggregate, filtered: bool) -> list[AggregateCall]:
    """The parts that are no calls of `node`, where Flink computes the parts. `filtered`: a filter above goes below."""
    of_keys = [call for call in node.calls if is_of_key(call, node.keys)]
    if not of_keys:
        return []
    others = [call for call in node.calls if not is_of_key(call, node.keys)]
    parts = {_key(part): part for call in others for part in _parts(node, call)}
    if len(parts) >= len({_key(call) for call in node.calls}) + filtered:
        return []
    shown = {_key(_plain_count(node, call)) for call in others if call.function != "avg"}
    return [part for key, part in parts.items() if key not in shown]


def _parts(node: GroupAggregate, call: AggregateCall) -> list[AggregateCall]:
    """What Flink computes for `call`."""
    if call.function not in ("sum", "avg"):
        return [_plain_count(node, call)]
    kind = node.input.schema.types[call.args[0]]
    total = replace(call, function="sum", type=aggregate_type("sum", [kind], call.distinct, ()))
    count = _plain_count(node, replace(call, function="count", type=_COUNT))
    needs_count = call.function == "avg" or kind.nullable or call.filter is not None
    return [total, count] if needs_count else [total]


def _plain_count(node: GroupAggregate, call: AggregateCall) -> AggregateCall:
    """COUNT of what is never NULL as COUNT(*)."""
    counts_rows = call.function == "count" and not call.distinct and len(call.args) == 1
    if counts_rows and not node.input.schema.types[call.args[0]].nullable:
        return replace(call, args=())
    return call


def _key(call: AggregateCall) -> tuple[object, ...]:
    return call.function, call.args, call.distinct, call.filter, call.constants
