"""What moves down to the operators that compare whole rows: predicates, and which columns the query reads.

Flink prunes the columns below a ChangelogNormalize or a deduplication and moves the predicate right above a
ChangelogNormalize into it (PushCalcPastChangelogNormalizeRule). It shows in the changes: an update that only touches
other columns is none, and a row that no longer passes is deleted rather than taken back.
"""

from __future__ import annotations

from dataclasses import replace

from velo_engine.plan.changelog_nodes import ChangelogNormalize, Deduplicate
from velo_engine.plan.expressions import Expression, columns_of
from velo_engine.plan.nodes import Filter, PlanNode, Project, inputs
from velo_engine.plan.relation import column_refs, project
from velo_engine.plan.rewrite import inlined, with_inputs
from velo_engine.plan.used_columns import read_columns


def pushed_down(node: PlanNode) -> PlanNode:
    """The plan of a whole statement with its predicates and its columns moved down."""
    if not _compares(node):
        return node
    filtered = _filtered(node)
    return _narrowed(filtered, frozenset(range(len(filtered.schema))))


def _compares(node: PlanNode) -> bool:
    """Whether anything in the plan compares rows."""
    return isinstance(node, ChangelogNormalize | Deduplicate) or any(_compares(child) for child in inputs(node))


def _filtered(node: PlanNode) -> PlanNode:
    """The plan with predicates right above a ChangelogNormalize inside it."""
    if isinstance(node, Filter):
        above: list[Project] = []
        below, predicate = node.input, node.predicate
        while isinstance(below, Project):
            above.append(below)
            predicate = inlined(predicate, below.expressions)
            below = below.input
        if isinstance(below, ChangelogNormalize) and below.passes is None:
            result: PlanNode = _with_predicate(below, predicate)
            for projection in reversed(above):
                result = replace(projection, input=result)
            return result
    return with_inputs(node, [_filtered(child) for child in inputs(node)])


def _with_predicate(node: ChangelogNormalize, predicate: Expression) -> ChangelogNormalize:
    below = project(
        node.input,
        [*column_refs(node.input.schema), predicate],
        [*node.input.schema.names, "$passes"],
    )
    return replace(node, input=below, passes=len(node.input.schema))


def _narrowed(node: PlanNode, wanted: frozenset[int]) -> PlanNode:
    """The plan with every comparison of rows narrowed to the columns that the query reads."""
    match node:
        case ChangelogNormalize():
            read = wanted | set(node.keys) | _predicate_columns(node)
            node = replace(node, compared=tuple(sorted(read)))
        case Deduplicate():
            read = wanted | set(node.partition)
            node = replace(node, compared=tuple(i for i in node.compared if i in read))
            node = node if node.by_arrival else replace(node, time_column=_first_time(node, wanted))
    children = inputs(node)
    if not children:
        return node
    columns = read_columns(node, wanted)
    narrowed = [_narrowed(child, read) for child, read in zip(children, columns, strict=True)]
    return with_inputs(node, narrowed)


def _first_time(node: Deduplicate, wanted: frozenset[int]) -> int:
    """The column by which StreamExecDeduplicate compares: the first event time of its input, whatever ORDER BY says."""
    read = wanted | {node.time_column, *node.partition}
    return min(i for i in (node.time_column, *node.event_times) if i in read)


def _predicate_columns(node: ChangelogNormalize) -> frozenset[int]:
    if node.passes is None or not isinstance(node.input, Project):
        return frozenset()
    predicate = node.input.expressions[node.passes]
    return columns_of(predicate)
