"""Joins: which node runs a JOIN, and the names and times in its result.

The right side decides first: a reference table (or FOR SYSTEM_TIME AS OF processing time) makes a TableJoin, FOR
SYSTEM_TIME AS OF event time a TemporalJoin. Between streams a bound on the times of both sides makes an IntervalJoin,
anything else a RegularJoin. An expression that is a key and no column, or has to be cast to meet the other side's type,
is projected below the join. What the condition says of one side alone is filtered below it, where the kind of join
allows that: rows that can match nothing are not kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.plan.interval_joins import plan_interval_join
from velo_engine.plan.join_condition import bound_conjuncts, one_sided
from velo_engine.plan.keyed_sides import KeyedSides, keyed_sides
from velo_engine.plan.nodes import Filter, JoinKind, RegularJoin, TableJoin
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Field, Relation, append
from velo_engine.plan.rewrite import conjunction
from velo_engine.plan.temporal_joins import plan_temporal_join
from velo_engine.plan.window_joins import window_join

_SUPPORTED_ARGS = frozenset({"this", "on", "using", "side", "kind", "within_ms"})
_PLAIN_KINDS = frozenset({"", "INNER", "OUTER", "CROSS"})


@dataclass(frozen=True, slots=True)
class Moment:
    """FOR SYSTEM_TIME AS OF."""

    value: exp.Expr
    column: int | None
    """The event time of the left side; None for processing time."""


@dataclass(frozen=True, slots=True)
class JoinStep:
    """One JOIN of a FROM clause, and the relation on its right."""

    join: exp.Join
    right: Relation
    moment: Moment | None = None

    @property
    def looks_up(self) -> bool:
        """Whether the right side is read whole, before the first record of a stream."""
        return self.right.reference or (self.moment is not None and self.moment.column is None)


def plan_join(
    left: Relation, step: JoinStep, kind: JoinKind, conditions: Sequence[exp.Expr], context: QueryContext
) -> Relation:
    """`left` joined with the right side of `step` as `kind`; without condition and USING every pair of rows."""
    join, right, text = step.join, step.right, context.text
    shared = set(left.aliases) & set(right.aliases)
    if shared:
        raise text.error(
            ErrorCode.DUPLICATE_NAME,
            f'two relations in FROM are called "{min(shared)}"',
            join.this,
            "give one an alias",
        )
    using = tuple(identifier.name for identifier in join.args.get("using") or ())
    parts: Sequence[Expression]
    parts = _using(left, right, using, join, text) if using else bound_conjuncts(left, right, conditions, text)
    if step.looks_up:
        return _table_join(keyed_sides(left, right, parts), step, kind, using, text)
    if step.moment is not None and step.moment.column is not None:
        return plan_temporal_join(keyed_sides(left, right, parts), kind, step.moment.column, join, context)
    written = join_kind(join, text)
    left, right, parts = filtered_below(left, right, kind, parts)
    bounded = plan_interval_join(left, right, kind, parts, using, written, join, text)
    if bounded is not None:
        if using and written is JoinKind.FULL:
            raise text.unsupported("FULL JOIN with USING of times", join, "write ON, and COALESCE of both columns")
        return bounded
    keyed = keyed_sides(left, right, parts, written)
    joined = stream_join(keyed, kind, join, context, using)
    return _merged(joined, keyed, using, text) if using and written is JoinKind.FULL else joined


def _merged(joined: Relation, keyed: KeyedSides, using: Sequence[str], text: ProgramText) -> Relation:
    """The result of a full join where a USING column without alias is that of the side that is there."""
    types = joined.node.schema.types
    fields = list(joined.fields)
    added: list[tuple[str, Expression]] = []
    for name in using:
        (right,) = [field.position for field in keyed.right.fields if field.name == name and field.bare]
        at = next(i for i, field in enumerate(fields) if field.name == name and field.bare)
        left, other = fields[at].position, keyed.moved(right)
        columns = {"left": ColumnRef(left, types[left]), "right": ColumnRef(other, types[other])}
        value = exp.Coalesce(this=exp.column("left"), expressions=[exp.column("right")])
        added.append((name, text.bind(value, _Columns(columns))))
        fields.append(replace(fields[at], bare=False))
        fields[at] = Field(name, len(types) + len(added) - 1)
    return replace(joined, node=append(joined.node, added), fields=tuple(fields))


def stream_join(
    keyed: KeyedSides, kind: JoinKind, at: exp.Expr, context: QueryContext, using: Sequence[str] = ()
) -> Relation:
    """A join per window where the keys hold the bounds of one, else a regular one."""
    return window_join(keyed, kind, using, at, context) or regular_join(keyed, kind, using)


def regular_join(keyed: KeyedSides, kind: JoinKind, using: Sequence[str] = ()) -> Relation:
    """A join without a bound. Time attributes end here, as in Flink: a joined row may come long after its time."""
    node = RegularJoin(
        left=keyed.left.node,
        right=keyed.right.node,
        kind=kind,
        left_keys=keyed.left_keys,
        right_keys=keyed.right_keys,
        condition=keyed.condition,
        schema=keyed.schema(kind),
        null_safe_keys=keyed.null_safe,
    )
    return keyed.result(node, kind, using)


def filtered_below(
    left: Relation, right: Relation, kind: JoinKind, parts: Sequence[Expression]
) -> tuple[Relation, Relation, Sequence[Expression]]:
    """Both sides without the rows that `kind` leaves out for what `parts` say of them alone, and the other parts."""
    drops_left = kind in (JoinKind.INNER, JoinKind.RIGHT, JoinKind.SEMI)
    drops_right = kind is not JoinKind.RIGHT and kind is not JoinKind.FULL
    width = len(left.node.schema)
    of_left, of_right, others = one_sided(parts, width, left=drops_left, right=drops_right)
    return _where(left, of_left), _where(right, of_right), others


def _where(relation: Relation, parts: Sequence[Expression]) -> Relation:
    predicate = conjunction(parts)
    return relation if predicate is None else relation.on(Filter(relation.node, predicate, relation.node.schema))


def is_unconditional(join: exp.Join) -> bool:
    """`FROM a, b` and CROSS JOIN: the condition of the join, if there is one, stands in WHERE."""
    return not (join.args.get("on") or join.args.get("using") or join.args.get("method"))


def join_kind(join: exp.Join, text: ProgramText) -> JoinKind:
    """The kind that is written. Raises SQL_UNSUPPORTED for a join that does not run."""
    if join.args.get("method"):
        raise text.unsupported(f"{join.args['method']} JOIN", join, "write ON")
    for arg, value in join.args.items():
        if value and arg not in _SUPPORTED_ARGS:
            raise text.unsupported(f"{arg.strip('_').replace('_', ' ').upper()} of a join", join)
    written = str(join.args.get("kind") or "").upper()
    side = str(join.args.get("side") or "").upper()
    if written not in _PLAIN_KINDS:
        raise text.unsupported(f"{written} JOIN", join)
    return JoinKind(side.lower()) if side else JoinKind.INNER


def _using(
    left: Relation, right: Relation, names: Sequence[str], join: exp.Join, text: ProgramText
) -> tuple[Expression, ...]:
    """Each name is a column of both sides: their equalities."""
    width = len(left.node.schema)
    equality = exp.EQ(this=exp.column("left"), expression=exp.column("right"))
    parts = []
    for name in names:
        beside = _using_column(right, name, join, text)
        columns = {"left": _using_column(left, name, join, text), "right": replace(beside, index=beside.index + width)}
        scope = _Columns(columns)
        parts.append(text.bind(equality, scope))
    return tuple(parts)


class _Columns:
    """The scope of `left = right` and its like."""

    def __init__(self, columns: Mapping[str, ColumnRef]) -> None:
        self._columns = columns

    def resolve(self, column: exp.Column) -> Expression:
        """The column of that side."""
        return self._columns[column.name]

    def planned(self, node: exp.Expr) -> Expression | None:  # noqa: ARG002 - the protocol's
        """Nothing."""
        return None


def _using_column(relation: Relation, name: str, join: exp.Join, text: ProgramText) -> ColumnRef:
    found = [field.position for field in relation.fields if field.name == name and field.bare]
    if len(found) == 1:
        return ColumnRef(found[0], relation.node.schema.types[found[0]], text.locate(join))
    code = ErrorCode.AMBIGUOUS_COLUMN if found else ErrorCode.UNKNOWN_COLUMN
    problem = "several columns" if found else "no column"
    raise text.error(code, f'USING ({name}): one side has {problem} called "{name}"', join, "write ON instead")


def _table_join(keyed: KeyedSides, step: JoinStep, kind: JoinKind, using: Sequence[str], text: ProgramText) -> Relation:
    if kind not in (JoinKind.INNER, JoinKind.LEFT):
        raise text.unsupported(
            f"{kind.value.upper()} JOIN with a reference table",
            step.join,
            "put the stream on the left, and use LEFT JOIN",
        )
    if step.moment is not None and not keyed.left_keys:
        raise text.unsupported(
            "FOR SYSTEM_TIME AS OF without an equality between the sides", step.join, "join ON left.key = right.key"
        )
    node = TableJoin(
        input=keyed.left.node,
        table=keyed.right.node,
        kind=kind,
        left_keys=keyed.left_keys,
        right_keys=keyed.right_keys,
        condition=keyed.condition,
        schema=keyed.schema(kind),
    )
    left = keyed.left
    return replace(
        keyed.result(node, kind, using),
        event_times=left.event_times,
        processing_times=left.processing_times,
        windows=left.windows,
        bounded=left.bounded,
        time_source=left.time_source,
    )
