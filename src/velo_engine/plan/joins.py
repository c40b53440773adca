"""Joins: which kind a JOIN is, its keys, and the names in its result.

The right side decides: a reference table (or FOR SYSTEM_TIME AS OF processing time) makes a TableJoin, anything else a
RegularJoin. Equalities between one expression of each side are the keys; an expression that is not a column, or has to
be cast to meet the other side's type, is projected below the join. What else ON says is the condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.expressions import Call, ColumnRef, Expression, walk
from velo_engine.plan.nodes import JoinKind, RegularJoin, TableJoin
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Field, Relation, append
from velo_engine.plan.rewrite import conjunction, map_columns
from velo_engine.plan.scope import RelationScope
from velo_engine.schema import Column, RowSchema
from velo_engine.sql.expression_binder import coerce
from velo_engine.type_rules import comparable
from velo_engine.types import STRINGS, SqlType

_SUPPORTED_ARGS = frozenset({"this", "on", "using", "side", "kind"})
_PLAIN_KINDS = frozenset({"", "INNER", "OUTER", "CROSS"})


@dataclass(frozen=True, slots=True)
class _Sides:
    """What both sides have in common, over left ++ right."""

    left: tuple[Expression, ...]
    right: tuple[Expression, ...]
    rest: tuple[Expression, ...]


def plan_join(
    left: Relation,
    right: Relation,
    join: exp.Join,
    conditions: Sequence[exp.Expr],
    looked_up: bool,
    text: ProgramText,
) -> Relation:
    """`left` joined with `right` where all of `conditions` hold, or as USING says; without either, every pair.

    `looked_up`: FOR SYSTEM_TIME AS OF processing time.
    """
    kind = _kind(join, text)
    shared = set(left.aliases) & set(right.aliases)
    if shared:
        raise text.error(
            ErrorCode.DUPLICATE_NAME,
            f'two relations in FROM are called "{min(shared)}"',
            join.this,
            "give one an alias",
        )
    using = tuple(identifier.name for identifier in join.args.get("using") or ())
    sides = _using(left, right, using, join, text) if using else _on(left, right, conditions, text)
    if looked_up and not sides.left:
        raise text.unsupported(
            "FOR SYSTEM_TIME AS OF without an equality between the sides", join, "join ON left.key = right.key"
        )
    if looked_up or right.reference:
        if kind not in (JoinKind.INNER, JoinKind.LEFT):
            raise text.unsupported(
                f"{kind.value.upper()} JOIN with a reference table",
                join,
                "put the stream on the left, and use LEFT JOIN",
            )
        return _table_join(left, right, kind, sides, using)
    _refuse_time_joins(left, right, sides, join, text)
    if using and kind is JoinKind.FULL:
        raise text.unsupported("FULL JOIN with USING", join, "write ON, and COALESCE of both columns")
    return _regular_join(left, right, kind, sides, using)


def conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """The operands of AND, through parentheses, in order."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.And):
        return [*conjuncts(node.this), *conjuncts(node.expression)]
    return [node]


def is_unconditional(join: exp.Join) -> bool:
    """`FROM a, b` and CROSS JOIN: the condition of the join, if there is one, stands in WHERE."""
    return not (join.args.get("on") or join.args.get("using") or join.args.get("method"))


def connecting(left: Relation, right: Relation, conditions: Sequence[exp.Expr], text: ProgramText) -> list[exp.Expr]:
    """Those of `conditions` that speak of both sides and of nothing else."""
    scope = RelationScope(_side_by_side(left, right), text, clause="WHERE")
    width = len(left.node.schema)
    found = []
    for condition in conditions:
        sides: set[bool | None] = set()
        for column in condition.find_all(exp.Column):
            try:
                bound = scope.resolve(column)
            except VeloError:
                sides.add(None)
            else:
                sides |= {part.index >= width for part in walk(bound) if isinstance(part, ColumnRef)}
        if sides == {False, True}:
            found.append(condition)
    return found


def _kind(join: exp.Join, text: ProgramText) -> JoinKind:
    if join.args.get("within_ms") is not None:
        raise text.unsupported("JOIN … WITHIN (an interval join)", join)
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


def _on(left: Relation, right: Relation, conditions: Sequence[exp.Expr], text: ProgramText) -> _Sides:
    width = len(left.node.schema)
    scope = RelationScope(_side_by_side(left, right), text, clause="ON")
    keys: list[tuple[Expression, Expression]] = []
    rest: list[Expression] = []
    for part in conditions:
        bound = text.condition(part, scope, "ON")
        pair = _equality(bound, width)
        if pair is None:
            rest.append(bound)
        else:
            keys.append(pair)
    return _Sides(tuple(a for a, _ in keys), tuple(b for _, b in keys), tuple(rest))


def _using(left: Relation, right: Relation, names: Sequence[str], join: exp.Join, text: ProgramText) -> _Sides:
    """Each name is a column of both sides."""
    width = len(left.node.schema)
    equality = exp.EQ(this=exp.column("left"), expression=exp.column("right"))
    keys: list[tuple[Expression, Expression]] = []
    for name in names:
        scope = _OneColumnEach(_using_column(left, name, join, text), _using_column(right, name, join, text), width)
        pair = _equality(text.bind(equality, scope), width)
        assert pair is not None, "an equality of one column of each side is a key"
        keys.append(pair)
    return _Sides(tuple(a for a, _ in keys), tuple(b for _, b in keys), ())


class _OneColumnEach:
    """The scope of `left = right`."""

    def __init__(self, left: ColumnRef, right: ColumnRef, width: int) -> None:
        self._columns = {"left": left, "right": replace(right, index=right.index + width)}

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


def _side_by_side(left: Relation, right: Relation) -> Relation:
    """The names of both sides over left ++ right, as ON sees them: nothing is padded yet."""
    width = len(left.node.schema)
    schema = RowSchema(left.node.schema.columns + right.node.schema.columns)
    provisional = RegularJoin(left.node, right.node, JoinKind.INNER, (), (), None, schema)
    shifted = tuple(replace(field, position=field.position + width) for field in right.fields)
    return Relation(provisional, left.fields + shifted, left.event_times)


def _equality(condition: Expression, width: int) -> tuple[Expression, Expression] | None:
    """The operands of an equality between the sides, left then right, each over its own side and both of one type.

    None for anything else.
    """
    if not (isinstance(condition, Call) and condition.function == "equals" and len(condition.args) == 2):
        return None
    a, b = condition.args
    side_a, side_b = _side(a, width), _side(b, width)
    if {side_a, side_b} != {0, 1}:
        return None
    left, right = (a, b) if side_a == 0 else (b, a)
    common = comparable(left.type, right.type)
    if common is None:
        return None
    right = map_columns(right, lambda index: index - width)
    return _as_key(left, common), _as_key(right, common)


def _as_key(key: Expression, common: SqlType) -> Expression:
    """`key` in the type in which the sides meet; strings of any length are one type of key."""
    if key.type.name in STRINGS or key.type.as_nullable() == common.as_nullable():
        return key
    return coerce(key, common.as_nullable(key.type.nullable))


def _side(expression: Expression, width: int) -> int | None:
    """0 when only columns of the left side occur, 1 for the right, None for both or none."""
    sides = {int(part.index >= width) for part in walk(expression) if isinstance(part, ColumnRef)}
    return sides.pop() if len(sides) == 1 else None


def _table_join(left: Relation, right: Relation, kind: JoinKind, sides: _Sides, using: Sequence[str]) -> Relation:
    keyed = _keyed(left, right, sides)
    node = TableJoin(
        input=keyed.left.node,
        table=keyed.right.node,
        kind=kind,
        left_keys=keyed.left_keys,
        right_keys=keyed.right_keys,
        condition=keyed.condition,
        schema=_joined_schema(keyed.left, keyed.right, kind),
    )
    return Relation(
        node,
        _joined_fields(keyed.left, keyed.right, kind, using),
        event_times=left.event_times,
        processing_times=left.processing_times,
        windows=left.windows,
        bounded=left.bounded,
        time_source=left.time_source,
    )


def _regular_join(left: Relation, right: Relation, kind: JoinKind, sides: _Sides, using: Sequence[str]) -> Relation:
    """Time attributes end here, as in Flink: a joined row may come long after its time."""
    keyed = _keyed(left, right, sides)
    node = RegularJoin(
        left=keyed.left.node,
        right=keyed.right.node,
        kind=kind,
        left_keys=keyed.left_keys,
        right_keys=keyed.right_keys,
        condition=keyed.condition,
        schema=_joined_schema(keyed.left, keyed.right, kind),
    )
    fields = _joined_fields(keyed.left, keyed.right, kind, using)
    return Relation(node, fields, bounded=left.bounded and right.bounded)


@dataclass(frozen=True, slots=True)
class _KeyedSides:
    """Both sides with their keys as columns, and the condition over the widened left ++ right."""

    left: Relation
    right: Relation
    left_keys: tuple[int, ...]
    right_keys: tuple[int, ...]
    condition: Expression | None


def _keyed(left: Relation, right: Relation, sides: _Sides) -> _KeyedSides:
    width = len(left.node.schema)
    wide_left, left_keys = _with_keys(left, sides.left)
    wide_right, right_keys = _with_keys(right, sides.right)
    widened = len(wide_left.node.schema) - width
    rest = [map_columns(part, lambda i: i if i < width else i + widened) for part in sides.rest]
    return _KeyedSides(wide_left, wide_right, left_keys, right_keys, conjunction(rest))


def _with_keys(relation: Relation, keys: Sequence[Expression]) -> tuple[Relation, tuple[int, ...]]:
    """`relation` with a column for every key that is not one, and the positions of all keys."""
    width = len(relation.node.schema)
    computed = list(dict.fromkeys(key for key in keys if not isinstance(key, ColumnRef)))
    added = [(f"$key{i}", key) for i, key in enumerate(computed)]
    positions = tuple(key.index if isinstance(key, ColumnRef) else width + computed.index(key) for key in keys)
    return relation.on(append(relation.node, added)), positions


def _joined_schema(left: Relation, right: Relation, kind: JoinKind) -> RowSchema:
    """Left ++ right, where a side that may be padded is nullable."""
    pads_left = kind in (JoinKind.RIGHT, JoinKind.FULL)
    pads_right = kind in (JoinKind.LEFT, JoinKind.FULL)
    return RowSchema(_padded(left.node.schema, pads_left) + _padded(right.node.schema, pads_right))


def _padded(schema: RowSchema, pads: bool) -> tuple[Column, ...]:
    return tuple(Column(c.name, c.type.as_nullable()) for c in schema.columns) if pads else schema.columns


def _joined_fields(left: Relation, right: Relation, kind: JoinKind, using: Sequence[str]) -> tuple[Field, ...]:
    """The names of both sides. A USING column without alias is that of the side that is never padded, and first."""
    width = len(left.node.schema)
    moved = tuple(replace(field, position=field.position + width) for field in right.fields)
    if not using:
        return left.fields + moved
    merged, other = (moved, left.fields) if kind is JoinKind.RIGHT else (left.fields, moved)
    first = [field for name in using for field in merged if field.name == name]
    covered = tuple(replace(field, bare=False) if field.name in using else field for field in other)
    own = tuple(field for field in merged if field not in first)
    rest = covered + own if kind is JoinKind.RIGHT else own + covered
    return (*first, *rest)


def _refuse_time_joins(left: Relation, right: Relation, sides: _Sides, join: exp.Join, text: ProgramText) -> None:
    """Joins that Flink plans as interval or window joins: their results differ from a regular join's.

    Source: Flink's IntervalJoinUtil.satisfyIntervalJoin (a bound between a time attribute of each side) and
    WindowJoinUtil.satisfyWindowJoin (equal window bounds of both sides).
    """
    width = len(left.node.schema)
    left_times = {*left.event_times, *left.processing_times}
    right_times = {*right.event_times, *right.processing_times}
    for part in sides.rest:
        columns = {c.index for c in walk(part) if isinstance(c, ColumnRef)}
        if columns & left_times and {c - width for c in columns} & right_times:
            raise text.unsupported("a join with a bound between event times (an interval join)", join)
    pairs = {
        (a.index, b.index)
        for a, b in zip(sides.left, sides.right, strict=True)
        if isinstance(a, ColumnRef) and isinstance(b, ColumnRef)
    }
    if any(a in left_times and b in right_times for a, b in pairs):
        raise text.unsupported("a join on equal event times (an interval join)", join)
    if left.windows is not None and right.windows is not None and (left.windows.end, right.windows.end) in pairs:
        raise text.unsupported("a join on equal window bounds (a window join)", join)
