"""Where the debugger pauses by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.schema import RowSchema
from velo_harness.predicates import where_true
from velo_harness.relation import Relation

_WHEN = re.compile(r"(?:^|\s)when\s+(?P<predicate>.+)$", re.IGNORECASE | re.DOTALL)
_PLACE = re.compile(r"(?P<name>[^:\s]+)(?::(?P<record>\d+))?")


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """A place to pause at: after a statement gave out a change, or handled a record of the run."""

    number: int
    statement: str | None
    """None: any that has the predicate's columns."""
    after_record: int | None = None
    predicate: str | None = None
    """A SQL predicate over the changes; None: any change."""

    def __str__(self) -> str:
        parts = [self.statement or "any statement"]
        if self.after_record is not None:
            parts.append(f"after record {self.after_record}")
        elif self.predicate is not None:
            parts.append(f"when {self.predicate}")
        else:
            parts.append("when it gives out a change")
        return " ".join(parts)

    def hit_by(self, statement: str, changes: Relation, time_zone: str) -> bool:
        """Whether changes that a statement has given out are where to pause; one behind a record is not hit so."""
        if self.statement not in (None, statement) or self.after_record is not None or not len(changes):
            return False
        if self.predicate is None:
            return True
        if self.statement is None and not has_columns_of(self.predicate, changes.schema, time_zone):
            return False
        return bool(rows_where(changes, self.predicate, time_zone))


def rows_where(relation: Relation, predicate: str, time_zone: str) -> list[int]:
    """The positions of the rows for which a predicate is true; none when a row has no value of it.

    Errors: those of SQL expressions.
    """
    place = Location("predicate", 1, 1, len(predicate), predicate)
    try:
        held = where_true(relation, predicate, place, time_zone)
    except VeloError as error:
        if error.code is ErrorCode.EXPRESSION_FAILED:
            return []
        raise
    return [i for i, true in enumerate(held.to_pylist()) if true]


def breakpoint_of(text: str, number: int, program: PlannedProgram, time_zone: str) -> Breakpoint:
    """The breakpoint that `<query>`, `<query>:<record>`, `when <predicate>` or `<query> when <predicate>` means.

    Errors: UNKNOWN_QUERY, BAD_VALUE, those of SQL expressions.
    """
    condition = _WHEN.search(text)
    place = (text[: condition.start()] if condition is not None else text).strip()
    predicate = None if condition is None else condition["predicate"].strip()
    statement = record = None
    if place:
        found = _PLACE.fullmatch(place)
        if found is None:
            hint = "break large, break large:12, break when amount > 10, break large when amount > 10"
            raise VeloError(ErrorCode.BAD_VALUE, f'"{place}" is no place to pause at', hint=hint)
        statement = known_statement(found["name"], program)
        record = None if found["record"] is None else int(found["record"])
    if record is not None and (predicate is not None or record < 1):
        raise VeloError(ErrorCode.BAD_VALUE, "give a record (from 1) or a predicate")
    if predicate is not None:
        _check(predicate, [statement] if statement is not None else list(program.statements), program, time_zone)
    return Breakpoint(number, statement, record, predicate)


def known_statement(name: str, program: PlannedProgram) -> str:
    """A statement of the program. Errors: UNKNOWN_QUERY."""
    if name not in program.statements:
        hint = did_you_mean(name, program.statements, noun="statement")
        raise VeloError(ErrorCode.UNKNOWN_QUERY, f'there is no statement "{name}"', hint=hint)
    return name


def has_columns_of(predicate: str, schema: RowSchema, time_zone: str) -> bool:
    """Whether a predicate can be asked of rows of `schema`."""
    try:
        rows_where(Relation("rows", schema, schema.arrow().empty_table()), predicate, time_zone)
    except VeloError:
        return False
    return True


def _check(predicate: str, statements: list[str], program: PlannedProgram, time_zone: str) -> None:
    """Raises what is wrong with a predicate when none of the statements can answer it."""
    schemas = [program.statements[name].plan.schema for name in statements]
    if not any(has_columns_of(predicate, schema, time_zone) for schema in schemas):
        name, schema = statements[0], schemas[0]
        rows_where(Relation(name, schema, schema.arrow().empty_table()), predicate, time_zone)
