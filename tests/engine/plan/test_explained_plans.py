"""The changes on every edge and the upsert keys of every operator, held against Flink's recorded plans, node by node.

Flink's exchanges, projections, watermark assigners, scans and first phases of aggregations have no operator of their own
here; they give out the changes of their input.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from tests.oracle.case import CASES, load
from tests.oracle.engine_runner import program_text
from tests.oracle.explained import Operator, recorded_plans
from tests.oracle.known_differences import NOT_PLANNED

from velo_engine import Engine
from velo_engine.plan.changelog import changelog_mode
from velo_engine.plan.nodes import (
    AssignWatermark,
    Deduplicate,
    Filter,
    PlannedProgram,
    PlanNode,
    Project,
    Scan,
    TopN,
    inputs,
)
from velo_engine.plan.update_kinds import UpdateKind, update_kinds
from velo_engine.plan.upsert_keys import upsert_keys

WITHOUT_COUNTERPART = {
    *("Sink", "Exchange", "Calc", "WatermarkAssigner", "TableSourceScan"),
    *("LocalWindowAggregate", "LocalGroupAggregate", "DropUpdateBefore"),
}
"""Flink's nodes that are no operator here."""

OUR_NAMES = {
    "GlobalWindowAggregate": "WindowAggregate",
    "GroupWindowAggregate": "WindowAggregate",
    "Join": "RegularJoin",
    "LookupJoin": "TableJoin",
    "Match": "MatchRecognize",
    "Rank": "TopN",
    "SortLimit": "TopN",
    "WindowRank": "WindowTopN",
    "WindowTableFunction": "WindowTable",
}

PLANNED_DIFFERENTLY = {
    "order_limit/limit": "LIMIT alone is a Top-N by arrival",
    "set_operations/intersect_binds_tighter_1501": "Flink's metadata knows the rows of a UNION to be unique already",
    "top_n/empty_range": "Flink sees that no rank can pass and gives no rows",
    "values/computed": "a table of constants is one node, in Flink a union of one-row tables",
    "values/constants": "a table of constants is one node, in Flink a union of one-row tables",
}
"""Other operators than in Flink."""

KNOWN_BETTER = {
    "WindowAggregate": "Flink names no key where the window's bounds are columns of the result",
    "WindowDeduplicate": "as for window aggregates",
    "WindowTopN": "Flink names the rank alone, though every window has its own",
    "Values": "a single row has the empty key",
}
"""Operators whose upsert keys Flink's metadata does not know, or knows wrongly."""

_FULL_JOIN = "rows of either side whose keys are NULL and that match nothing would share their key"
OTHER_KEYS = {
    "left_join/full_join_grouped_807": _FULL_JOIN,
    "regular_join/full_of_groups_1701": _FULL_JOIN,
    "top_n/order_by_limit_over_counts": "Flink's SortLimit names no keys; the input's hold",
}

PLANS = {name: plan for name, plan in recorded_plans() if not {name, name.split("/")[0]} & NOT_PLANNED}


@cache
def _planned(name: str) -> PlannedProgram:
    return Engine().plan(program_text(load(CASES / f"{name}.json").definition))


def _operators(node: PlanNode) -> Iterator[PlanNode]:
    """From the root, inputs left to right."""
    if not isinstance(node, Scan | Filter | Project | AssignWatermark):
        yield node
    for child in inputs(node):
        yield from _operators(child)


def _name(node: PlanNode) -> str:
    """A deduplication is a Rank in Flink's optimised plan."""
    return "TopN" if isinstance(node, Deduplicate) else type(node).__name__


def _pairs(name: str) -> list[tuple[PlanNode, Operator]]:
    """Our operators beside Flink's."""
    *_, statement = _planned(name).statements.values()
    ours = list(_operators(statement.plan))
    flinks = [o for o in PLANS[name] if o.name not in WITHOUT_COUNTERPART]
    assert [_name(node) for node in ours] == [OUR_NAMES.get(o.name, o.name) for o in flinks]
    return list(zip(ours, flinks, strict=True))


def test_plans_of_every_kind_of_operator_are_recorded() -> None:
    recorded = {operator.name for plan in PLANS.values() for operator in plan}
    assert len(PLANS) >= 300
    assert {"Rank", "Join", "ChangelogNormalize", "OverAggregate", "Match", "Union", "IntervalJoin"} <= recorded


@pytest.mark.parametrize("name", [name for name in PLANS if name not in PLANNED_DIFFERENTLY])
def test_every_edge_has_the_changes_that_flink_gives_it(name: str) -> None:
    *_, statement = _planned(name).statements.values()
    statements = _planned(name).statements
    kinds = update_kinds(statement.plan, UpdateKind.BEFORE_AND_AFTER, statements)
    assert kinds is not None
    for node, flinks in _pairs(name):
        mode = changelog_mode(node, statements)
        found = ["I"]
        found += ["UB"] if kinds[id(node)] is UpdateKind.BEFORE_AND_AFTER else []
        found += ["UA"] if mode.updates else []
        found += ["D"] if mode.deletes else []
        assert tuple(found) == flinks.changes, flinks


@pytest.mark.parametrize("name", [name for name in PLANS if name not in {*PLANNED_DIFFERENTLY, *OTHER_KEYS}])
def test_every_operator_has_the_upsert_keys_that_flink_gives_it(name: str) -> None:
    for node, flinks in _pairs(name):
        if type(node).__name__ in KNOWN_BETTER:
            continue
        names = _names(node)
        keys = {frozenset(names[i] for i in key) for key in upsert_keys(node, _planned(name).statements)}
        wanted = {frozenset(names[-1] if n.startswith("w0$o") else n for n in key) for key in flinks.keys}
        if isinstance(node, TopN) and node.with_rank:
            # Flink names the input's keys as well, by which a row that drops out would not be found.
            wanted = {key for key in wanted if names[-1] in key}
        if not {n for key in wanted for n in key} <= set(names):
            # A key that is computed has another name.
            assert sorted(map(len, keys)) == sorted(map(len, wanted)), flinks
            continue
        assert keys == wanted, flinks


def _names(node: PlanNode) -> list[str]:
    """The columns' names, made unique as Flink does: k, k0, k1."""
    names: list[str] = []
    for name in node.schema.names:
        number, unique = 0, name
        while unique in names:
            unique, number = f"{name}{number}", number + 1
        names.append(unique)
    return names
