"""Which columns of a step's output are columns of its inputs."""

from __future__ import annotations

from collections.abc import Sequence

from velo_engine.plan import nodes
from velo_engine.plan.expressions import ColumnRef
from velo_engine.plan.nodes import PlanNode

_KEEPS_ALL = (
    nodes.Filter,
    nodes.AssignWatermark,
    nodes.TopN,
    nodes.WindowTopN,
    nodes.WindowDeduplicate,
    nodes.Deduplicate,
    nodes.WindowTable,
    nodes.OverAggregate,
    nodes.Correlate,
    nodes.TemporalSort,
    nodes.ChangelogNormalize,
    nodes.DropUpdateBefore,
    nodes.SinkUpsertMaterialize,
)
"""Nodes whose output begins with the input's columns."""

JOINS = (nodes.RegularJoin, nodes.IntervalJoin, nodes.TemporalJoin, nodes.WindowJoin)


def carried(node: PlanNode) -> list[dict[int, int]]:
    """For each input of the step that runs `node`: output position → input position."""
    match node:
        case nodes.Project():
            return [{i: e.index for i, e in enumerate(node.expressions) if isinstance(e, ColumnRef)}]
        case nodes.GroupAggregate() | nodes.WindowAggregate():
            return [dict(enumerate(node.keys))]
        case nodes.Union():
            return [_same(len(node.schema)) for _ in node.sources]
        case nodes.TableJoin():
            return [_same(len(node.input.schema))]
        case nodes.RegularJoin() | nodes.IntervalJoin() | nodes.TemporalJoin() | nodes.WindowJoin():
            left = len(node.left.schema)
            right = {} if node.kind.one_sided else {left + i: i for i in range(len(node.right.schema))}
            return [_same(left), right]
        case _ if isinstance(node, _KEEPS_ALL):
            width = min(len(node.schema), len(nodes.inputs(node)[0].schema))
            return [_same(width)]
        case _:
            return [_by_name(node, child.schema.names) for child in nodes.inputs(node)]


def _same(width: int) -> dict[int, int]:
    return {i: i for i in range(width)}


def _by_name(node: PlanNode, names: Sequence[str]) -> dict[int, int]:
    return {i: names.index(name) for i, name in enumerate(node.schema.names) if name in names}
