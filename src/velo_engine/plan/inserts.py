"""Several INSERT INTO of one target: their rows together, as Flink's statement sets write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from velo_engine.errors import ErrorCode
from velo_engine.plan.nodes import Sink
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation
from velo_engine.plan.select import PlannedQuery
from velo_engine.plan.set_operations import union_all
from velo_engine.plan.statement_relations import StatementRelations
from velo_engine.sql.program import Statement


@dataclass(frozen=True, slots=True)
class StatementPart:
    """A statement planned by itself: all there is of it, or one of several INSERTs."""

    statement: Statement
    query: PlannedQuery
    relation: Relation
    """Its rows under the columns of its target."""
    target: Statement | None
    relations: StatementRelations


def united_inserts(parts: Sequence[StatementPart], text: ProgramText) -> Relation:
    """The rows of all parts. Raises VeloError when they do not have the same columns."""
    first = parts[0]
    wanted = [(column.name, column.type.as_nullable()) for column in first.relation.node.schema.columns]
    for part in parts[1:]:
        if [(column.name, column.type.as_nullable()) for column in part.relation.node.schema.columns] != wanted:
            raise text.error(
                ErrorCode.TYPE_MISMATCH,
                f"two statements write {part.statement.name} with different columns",
                part.statement.location,
                f"declare the columns: CREATE TABLE {part.statement.name} (column TYPE, ...)",
            )
        if part.statement.emit is not first.statement.emit:
            raise text.unsupported(
                f"writing {part.statement.name} with EMIT FINAL and without", part.statement.location
            )
    return union_all([part.relation for part in parts])


def shared_sink(sinks: Sequence[Sink | None], parts: Sequence[StatementPart], text: ProgramText) -> Sink:
    """The one sink of all parts. Raises VeloError when they say different things of it."""
    together: Sink | None = None
    for sink, part in zip(sinks, parts, strict=True):
        assert sink is not None, "an INSERT has a sink"
        if together is None:
            together = sink
            continue
        known = together.properties
        differing = [key for key, value in sink.properties.items() if known.get(key, value) != value]
        if differing or sink.upsert_key != together.upsert_key:
            what = differing[0] if differing else "PRIMARY KEY"
            raise text.error(
                ErrorCode.BAD_PROPERTY,
                f"two statements write {sink.name} with different {what}",
                part.statement.location,
                "say it once, where the target is declared",
            )
        together = replace(together, properties={**known, **sink.properties})
    assert together is not None, "there are parts"
    return together
