"""What names mean: columns of a relation, aliases of earlier select items, fields of a ROW.

A column of the input wins over an alias of the select list, everywhere; an alias is only looked for when no input
column has the name. Among the input columns an unqualified name must be the only one; a system column without alias is
that of the leftmost relation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.plan.aggregate_syntax import function_name, is_aggregate
from velo_engine.plan.expressions import PROCTIME, Call, ColumnRef, Expression
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Field, Relation, system_name
from velo_engine.sql.expression_binder import bind_field
from velo_engine.types import timestamp_ltz

NO_ALIASES: Mapping[str, Expression] = {}


class RelationScope:
    """Names over the columns of one relation (a join is one relation), and aliases of earlier select items."""

    def __init__(
        self,
        relation: Relation,
        text: ProgramText,
        aliases: Mapping[str, Expression] = NO_ALIASES,
        clause: str = "this place",
        later_aliases: frozenset[str] = frozenset(),
    ) -> None:
        """`later_aliases` are names of the select list that mean nothing here; they only make an error clearer."""
        self.relation = relation
        self.text = text
        self._aliases = aliases
        self._clause = clause
        self._later_aliases = later_aliases
        self._types = relation.node.schema.types
        self._by_name: dict[str, list[Field]] = {}
        for field in relation.fields:
            self._by_name.setdefault(_lookup_name(field.name), []).append(field)

    def resolve(self, column: exp.Column) -> Expression:
        """The input column, the field of a ROW column, or the alias that `column` names."""
        parts = [part.name for part in column.parts]
        location = self.text.locate(column)
        if len(parts) > 1:
            found = self._find(parts[1], parts[0])
            if found:
                return self._fields(self._reference(found[0], location), parts[2:], column)
        found = [field for field in self._find(parts[0], None) if field.bare]
        if len(found) > 1 and not all(field.system for field in found):
            raise self._ambiguous(parts[0], found, column)
        if found:
            return self._fields(self._reference(found[0], location), parts[1:], column)
        if parts[0] in self._aliases:
            return self._fields(replace(self._aliases[parts[0]], location=location), parts[1:], column)
        raise self._unknown(parts, column)

    def planned(self, node: exp.Expr) -> Expression | None:
        """Nothing stands for a node yet; constructs that have no meaning in this clause are refused by name."""
        refuse_misplaced(node, self._clause, self.text)
        return self._processing_time(node) if function_name(node) == "proctime" else None

    def _processing_time(self, node: exp.Expr) -> Expression:
        """`PROCTIME()`: the processing time that a scan adds, which a lookup join may name; else the clock."""
        location = self.text.locate(node)
        fields = self._by_name.get("_processing_time", [])
        if fields:
            return self._reference(fields[0], location)
        return Call(PROCTIME, (), timestamp_ltz(3).as_nullable(False), location)

    def has(self, name: str) -> bool:
        """Whether an input column has the name."""
        return bool(self._find(name, None))

    def _find(self, name: str, alias: str | None) -> list[Field]:
        found = self._by_name.get(_lookup_name(name), [])
        found = found if alias is None else [field for field in found if field.relation == alias]
        if not found and system_name(name) == "_event_time" and self.relation.event_times:
            return [Field(name, self.relation.event_times[0])]
        return found

    def _reference(self, field: Field, location: Location | None) -> ColumnRef:
        return ColumnRef(field.position, self._types[field.position], location)

    def _fields(self, value: Expression, names: Sequence[str], column: exp.Column) -> Expression:
        """The nested field that `names` lead to."""
        for name in names:
            value = bind_field(value, name, self.text.locate(column))
        return value

    def _ambiguous(self, name: str, found: Sequence[Field], column: exp.Column) -> VeloError:
        owners = [field.relation for field in found if field.relation is not None]
        return self.text.error(
            ErrorCode.AMBIGUOUS_COLUMN,
            f'"{name}" is a column of {" and of ".join(owners)}' if owners else f'several columns are called "{name}"',
            column,
            "write " + " or ".join(f"{owner}.{name}" for owner in owners) if owners else None,
        )

    def _unknown(self, parts: Sequence[str], column: exp.Column) -> VeloError:
        known = [field for field in self.relation.fields if not field.system]
        if len(parts) > 1 and parts[0] not in self.relation.aliases:
            return self.text.error(
                ErrorCode.UNKNOWN_TABLE,
                f'nothing in FROM is called "{parts[0]}"',
                column,
                did_you_mean(parts[0], self.relation.aliases, noun="relation"),
            )
        name = parts[1] if len(parts) > 1 else parts[0]
        if system_name(name) is not None:
            return _unknown_system_column(name, column, self.text)
        if len(parts) > 1:
            known = [field for field in known if field.relation == parts[0]]
        if name in self._later_aliases and len(parts) == 1:
            return self.text.error(
                ErrorCode.UNKNOWN_COLUMN,
                f'"{name}" is an alias of the select list, and {self._clause} sees only columns of the input',
                column,
                "repeat its expression, or filter in a query around this one",
            )
        owner = f'"{parts[0]}"' if len(parts) > 1 else "the input"
        return self.text.error(
            ErrorCode.UNKNOWN_COLUMN,
            f'{owner} has no column "{name}"; it has {_listed(field.name for field in known)}',
            column,
            did_you_mean(name, (field.name for field in known), noun="column"),
        )


SHOWN_COLUMNS = 30
"""How many columns of the input an error lists."""


def _listed(names: object) -> str:
    unique = list(dict.fromkeys(names))  # type: ignore[call-overload]
    more = len(unique) - SHOWN_COLUMNS
    return (", ".join(unique[:SHOWN_COLUMNS]) or "no columns") + (f" and {more} more" if more > 0 else "")


def refuse_misplaced(node: exp.Expr, clause: str, text: ProgramText) -> None:
    """Refuse what cannot stand in a scalar expression: OVER, subqueries, aggregates."""
    if isinstance(node, exp.Window):
        raise text.unsupported(f"OVER in {clause}", node, _OVER_HINT)
    if isinstance(node, exp.Query | exp.Exists | exp.Any | exp.All) or (
        isinstance(node, exp.In) and node.args.get("query") is not None
    ):
        raise text.unsupported("a subquery in an expression", node, "join the relation instead")
    if is_aggregate(node):
        raise text.error(ErrorCode.INVALID_GROUPING, f"an aggregate in {clause} has no meaning", node, "use HAVING")


_OVER_HINT = "only the Top-N pattern is: ROW_NUMBER() OVER (...) AS rn in a subquery, and WHERE rn <= n around it"


def _lookup_name(name: str) -> str:
    """System columns are the same in any case, all others exactly as written."""
    return system_name(name) or name


def _unknown_system_column(name: str, column: exp.Column, text: ProgramText) -> VeloError:
    if name.lower() in ("_window_start", "_window_end"):
        return text.error(
            ErrorCode.UNKNOWN_COLUMN,
            f"{name} exists only with a window",
            column,
            "add WINDOW TUMBLING(...) or the like",
        )
    if name.lower() == "_event_time":
        return text.error(
            ErrorCode.MISSING_EVENT_TIME,
            "the input has no event time",
            column,
            "name the column with 'event.time.field' in WITH, or keep the event-time column in the select list below",
        )
    return text.error(
        ErrorCode.UNKNOWN_COLUMN,
        f"{name} is a column of records read from a source, not of this input",
        column,
        f"select {name} AS ... where the source is read",
    )
