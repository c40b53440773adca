"""What a sink takes of a changelog, and what the changelog must pass through before it.

A table that Flink's DDL declares takes what Flink's connector takes. Any other sink writes the newest values: +I and +U
as records, upserts by key where it says so. Source: FlinkChangelogModeInferenceProgram (inferSinkRequiredTraits,
analyzeUpsertMaterializeStrategy).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from velo_engine.errors import Location
from velo_engine.plan.changelog import Statements, changelog_mode
from velo_engine.plan.changelog_nodes import DropUpdateBefore, SinkUpsertMaterialize
from velo_engine.plan.nodes import PlanNode, Upstream
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.sources import CHANGELOG_FORMATS
from velo_engine.plan.update_kinds import UpdateKind, update_kinds
from velo_engine.plan.upsert_keys import upsert_keys


class SinkTakes(Enum):
    """Which changes a sink takes."""

    NEWEST = "newest"
    """Whatever comes: it keeps +I and +U (no connector of Flink's)."""
    INSERTS = "inserts"
    UPSERTS = "upserts"
    """+I, +U and -D, by its primary key."""
    ALL = "all"


_APPENDING = ("kafka", "filesystem", "file")


def sink_takes(properties: Mapping[str, str]) -> SinkTakes:
    """What a sink with these properties takes."""
    connector = properties.get("connector", "").lower()
    if not connector:
        return SinkTakes.NEWEST
    if properties.get("format", "").lower().startswith(CHANGELOG_FORMATS):
        return SinkTakes.ALL
    if properties.get("mode", "").lower() == "upsert":
        return SinkTakes.UPSERTS
    return SinkTakes.INSERTS if connector in _APPENDING else SinkTakes.NEWEST


def check_taken(
    node: PlanNode, name: str, takes: SinkTakes, statements: Statements, text: ProgramText, at: Location | None
) -> None:
    """Refuse a changelog that its sink does not take."""
    mode = changelog_mode(node, statements)
    if takes is not SinkTakes.INSERTS or mode.insert_only:
        return
    kinds = [kind for kind, there in (("update", mode.updates), ("delete", mode.deletes)) if there]
    raise text.unsupported(
        f"writing {' and '.join(kinds)} changes to {name}, which takes only new rows,",
        at,
        "use upsert-kafka with a PRIMARY KEY, or a changelog format such as debezium-json",
    )


def changes_for_sink(
    statement: str,
    node: PlanNode,
    key: Sequence[int],
    conflict: str | None,
    takes: SinkTakes,
    statements: Statements,
    text: ProgramText,
    at: Location | None,
) -> PlanNode | None:
    """What stands between the changelog of `statement` and a sink of upserts by `key`; None: nothing.

    Raises VeloError where Flink does: rows of several upsert keys share one primary key, and nothing says what then.
    """
    if takes is not SinkTakes.UPSERTS or not key:
        return None
    above = Upstream(statement, node.schema)
    identified = any(found <= set(key) for found in upsert_keys(node, statements))
    if not identified and conflict is None:
        raise text.unsupported(
            "a primary key that does not identify the rows of the query",
            at,
            "say which row counts: ON CONFLICT DO DEDUPLICATE",
        )
    if not identified and conflict != "DEDUPLICATE":
        raise text.unsupported(f"ON CONFLICT DO {conflict}", at, "use ON CONFLICT DO DEDUPLICATE")
    if changelog_mode(node, statements).insert_only:
        return None
    if not identified:
        return SinkUpsertMaterialize(above, tuple(key), node.schema)
    if update_kinds(node, UpdateKind.ONLY_AFTER, statements) is not None:
        return DropUpdateBefore(above, node.schema)
    return None
