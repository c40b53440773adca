"""Temporal joins as of event time: what the right side must be to have versions.

Source: Flink's TemporalJoinUtil, TemporalJoinRewriteWithUniqueKeyRule and StreamPhysicalTemporalJoinRule: an event time
and a primary key, all of which the condition compares for equality.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.changelog import Statements
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import columns_of
from velo_engine.plan.join_nodes import TemporalJoin
from velo_engine.plan.keyed_sides import KeyedSides
from velo_engine.plan.nodes import Filter, JoinKind, PlanNode, Project
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation
from velo_engine.plan.upsert_keys import upsert_keys


def plan_temporal_join(
    keyed: KeyedSides, kind: JoinKind, left_time: int, join: exp.Join, context: QueryContext
) -> Relation:
    """The rows of the left side with the version that each key had at `left_time`, an event time of the left side."""
    text, statements = context.text, context.statements
    if kind not in (JoinKind.INNER, JoinKind.LEFT):
        raise text.unsupported(
            f"{kind.value.upper()} JOIN with FOR SYSTEM_TIME AS OF", join, "put the versioned table on the right"
        )
    left, right = keyed.left, keyed.right
    if not right.event_times:
        raise text.error(
            ErrorCode.MISSING_EVENT_TIME,
            "FOR SYSTEM_TIME AS OF event time needs a versioned table, and the right side has no event time",
            join,
            "declare WATERMARK FOR its version column; for a reference table use PROCTIME()",
        )
    right_time = right.event_times[0]
    types = left.node.schema.types[left_time], right.node.schema.types[right_time]
    if types[0].name is not types[1].name:
        raise text.error(
            ErrorCode.TYPE_MISMATCH,
            f"the event times of a temporal join have one type; they are {types[0].as_nullable()} and "
            f"{types[1].as_nullable()}",
            join,
        )
    keys = upsert_keys(right.node, statements)
    if not any(key and key <= set(keyed.right_keys) for key in keys):
        raise _no_version_key(right, bool(keys), join, text)
    node = TemporalJoin(
        left=left.node,
        right=right.node,
        kind=kind,
        left_keys=keyed.left_keys,
        right_keys=keyed.right_keys,
        left_time=left_time,
        right_time=right_time,
        sees_update_before=_filters_versions(right.node, statements),
        condition=keyed.condition,
        schema=keyed.schema(kind),
    )
    result = keyed.result(node, kind)
    return replace(result, event_times=left.event_times, processing_times=left.processing_times)


def _no_version_key(right: Relation, has_key: bool, join: exp.Join, text: ProgramText) -> Exception:
    if not has_key:
        return text.unsupported(
            "FOR SYSTEM_TIME AS OF event time over rows without a primary key",
            join,
            "declare PRIMARY KEY (…) NOT ENFORCED, or keep the last row of a key with ROW_NUMBER",
        )
    return text.unsupported(
        "a temporal join without an equality for the whole primary key of the versioned table",
        join,
        f"the keys are among {', '.join(right.node.schema.names)}",
    )


def _filters_versions(node: PlanNode, statements: Statements) -> bool:
    """Whether a filter on other columns than a key stands over the versions.

    Such a filter may pass a -U without the +U that follows it, so that Flink keeps both.
    """
    match node:
        case Filter():
            columns = columns_of(node.predicate)
            if not any(columns <= key for key in upsert_keys(node.input, statements)):
                return True
            return _filters_versions(node.input, statements)
        case Project():
            return _filters_versions(node.input, statements)
        case _:
            return False
