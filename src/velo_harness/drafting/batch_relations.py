"""A statement's plan as one batch query over its inputs, in the words of an `sql` assertion.

A stream that has ended, no row of which was late, gives what a batch over all rows gives: filters, projections, groups,
windows, joins, the first rows by an order. A batch query says so without watermarks, state or changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from velo_engine.plan.expressions import AggregateCall, Expression
from velo_engine.plan.nodes import (
    AssignWatermark,
    Deduplicate,
    DropUpdateBefore,
    Filter,
    GroupAggregate,
    IntervalJoin,
    JoinKind,
    OverAggregate,
    PlanNode,
    Project,
    RegularJoin,
    Scan,
    SinkUpsertMaterialize,
    SortKey,
    TableJoin,
    TemporalSort,
    TopN,
    Union,
    Upstream,
    Values,
    WindowAggregate,
    WindowDeduplicate,
    WindowKind,
    WindowSpec,
    WindowTable,
    WindowTopN,
)
from velo_engine.plan.over_node import OverOrder
from velo_engine.types import FLOATS, INTEGERS, TIMESTAMPS, TypeName
from velo_harness.drafting.batch_expressions import BatchColumn, Form, quoted, translated
from velo_harness.drafting.lineage import Statements

MOST_WINDOWS = 100
"""That one row may be in."""
_JOINS = {JoinKind.INNER: "JOIN", JoinKind.LEFT: "LEFT JOIN", JoinKind.RIGHT: "RIGHT JOIN", JoinKind.FULL: "FULL JOIN",
          JoinKind.SEMI: "SEMI JOIN", JoinKind.ANTI: "ANTI JOIN"}  # fmt: skip


_NESTED = frozenset({TypeName.ARRAY, TypeName.MAP, TypeName.ROW, TypeName.MULTISET})
"""Values of these types are not compared."""


@dataclass(frozen=True, slots=True)
class BatchRelation:
    """A FROM clause with conditions, and the columns that it gives."""

    source: str
    columns: tuple[BatchColumn | None, ...]
    """None: the column cannot be said."""
    where: tuple[str, ...] = ()
    one: bool = True
    """Whether the source is one relation, to which a join or a window can be added as it stands."""

    def select(self, items: Sequence[str]) -> str:
        """The query that gives `items`."""
        where = f" WHERE {' AND '.join(self.where)}" if self.where else ""
        return f"SELECT {', '.join(items) or '1'} FROM {self.source}{where}"


class NotSaid(Exception):  # noqa: N818 - no error: the plan has something that a batch query does not say
    """The plan has something that is not said in a batch."""


@dataclass(slots=True)
class BatchTranslator:
    """Translates one plan; numbers what it names."""

    statements: Statements
    _names: int = 0

    def relation(self, node: PlanNode) -> BatchRelation:
        """The relation of a node. Raises NotSaid."""
        match node:
            case Scan():
                return self._scan(node)
            case Upstream():
                return self.relation(self.statements[node.statement].plan)
            case AssignWatermark() | DropUpdateBefore() | TemporalSort() | SinkUpsertMaterialize():
                return self.relation(node.input)
            case Filter():
                below = self.relation(node.input)
                return replace(below, where=(*below.where, _condition(node.predicate, below.columns)))
            case Project():
                below = self.relation(node.input)
                return replace(below, columns=tuple(translated(e, below.columns) for e in node.expressions))
            case GroupAggregate():
                below = self.relation(node.input)
                keys = [_needed(below.columns[key]) for key in node.keys]
                return self._grouped(below, keys, node.calls, node.input)
            case WindowAggregate():
                return self._windowed_groups(node)
            case WindowTable():
                return self._window_table(node)
            case RegularJoin() | TableJoin() | IntervalJoin():
                return self._join(node)
            case TopN():
                return self._top(node)
            case Deduplicate() if not node.by_arrival:
                order = SortKey(node.time_column, descending=node.keep.value == "last")
                return self._ranked(self.relation(node.input), node.partition, (order,), 1, 1, ties=False, rank=False)
            case WindowTopN():
                below = self.relation(node.input)
                place = (node.first, node.limit)
                return self._ranked(below, node.partition, node.order, *place, ties=True, rank=node.with_rank)
            case WindowDeduplicate():
                order = SortKey(node.time_column, descending=node.keeps_last)
                return self._ranked(self.relation(node.input), node.partition, (order,), 1, 1, ties=False, rank=False)
            case OverAggregate():
                return self._over(node)
            case Union():
                return self._union(node)
            case Values():
                return self._values(node)
        raise NotSaid

    def _name(self) -> str:
        self._names += 1
        return f"r{self._names}"

    def _scan(self, node: Scan) -> BatchRelation:
        """The input; its alias keeps two readings of it apart."""
        name = self._name()
        count = len(node.source.schema)
        columns = [BatchColumn(f"{name}.{quoted(column.name)}") for column in node.source.schema.columns]
        missing: list[BatchColumn | None] = [None] * (len(node.schema) - count)
        return BatchRelation(f"{quoted(node.source.name)} AS {name}", (*columns, *missing))

    def _nested(self, below: BatchRelation, more: Sequence[str] = ()) -> BatchRelation:
        """The relation as a subquery, with `more` items behind its columns."""
        name = self._name()
        items = [f"{column.sql} AS c{i}" for i, column in enumerate(below.columns) if column is not None]
        columns = [
            None if column is None else replace(column, sql=f"{name}.c{i}") for i, column in enumerate(below.columns)
        ]
        return BatchRelation(f"({below.select([*items, *more])}) AS {name}", tuple(columns))

    def _flat(self, below: BatchRelation) -> BatchRelation:
        """The relation as one that a join takes: a subquery when it has conditions."""
        return self._nested(below) if below.where or not below.one else below

    # --- groups and windows ---

    def _grouped(
        self, below: BatchRelation, keys: Sequence[BatchColumn], calls: Sequence[AggregateCall], node: PlanNode
    ) -> BatchRelation:
        name = self._name()
        results = [_aggregate(call, below.columns, node) for call in calls]
        items = [f"{key.sql} AS c{i}" for i, key in enumerate(keys)]
        items += [f"{r.sql} AS c{i}" for i, r in enumerate(results, len(keys)) if r is not None]
        if not keys:
            items.append("COUNT(*) AS n")
        query = below.select(items) + (f" GROUP BY {', '.join(key.sql for key in keys)}" if keys else "")
        columns = [
            None if column is None else replace(column, sql=f"{name}.c{i}")
            for i, column in enumerate([*keys, *results])
        ]
        where = () if keys else (f"{name}.n > 0",)
        return BatchRelation(f"({query}) AS {name}", tuple(columns), where)

    def _windowed_groups(self, node: WindowAggregate) -> BatchRelation:
        if not node.by_event_time:
            raise NotSaid
        below = self.relation(node.input)
        keys = [_needed(below.columns[key]) for key in node.keys]
        if node.window.kind is WindowKind.ATTACHED:
            end = _needed(below.columns[node.time_column])
            found = self._grouped(below, [*keys, end], node.calls, node.input)
            return replace(found, columns=_with_bounds(found.columns, len(keys), [None, 0]))
        if node.window.kind is WindowKind.SESSION:
            below, session = self._sessions(below, keys, node.time_column, node.window.size_ms)
            keys = [_needed(below.columns[key]) for key in node.keys]
            found = self._grouped(below, [*keys, *session], node.calls, node.input)
            return replace(found, columns=_with_bounds(found.columns, len(keys), [0, 1]))
        below, start, end = self._cut(below, node.window, node.time_column)
        keys = [_needed(below.columns[key]) for key in node.keys]
        if node.window.kind is WindowKind.CUMULATE:
            found = self._grouped(below, [*keys, start, end], node.calls, node.input)
            return replace(found, columns=_with_bounds(found.columns, len(keys), [0, 1]))
        found = self._grouped(below, [*keys, start], node.calls, node.input)
        begins = _needed(found.columns[len(keys)]).sql
        bounds = [BatchColumn(text, Form.MILLIS) for text in _of_window(begins, node.window.size_ms)]
        return replace(found, columns=(*found.columns[: len(keys)], *found.columns[len(keys) + 1 :], *bounds))

    def _window_table(self, node: WindowTable) -> BatchRelation:
        if not node.by_event_time or node.window.kind in (WindowKind.SESSION, WindowKind.ATTACHED):
            raise NotSaid
        below, start, end = self._cut(self.relation(node.input), node.window, node.time_column)
        time = BatchColumn(f"({end.sql} - 1)", Form.MILLIS)
        return replace(below, columns=(*below.columns, start, end, time))

    def _cut(
        self, below: BatchRelation, window: WindowSpec, time_column: int
    ) -> tuple[BatchRelation, BatchColumn, BatchColumn]:
        """The rows with each of their windows, and the bounds of these."""
        count = window.size_ms // window.slide_ms
        if count * window.slide_ms != window.size_ms or count > MOST_WINDOWS:
            raise NotSaid
        time = _millis(_needed(below.columns[time_column]))
        if window.kind is WindowKind.TUMBLE:
            start = _floored(time, window.size_ms, window.offset_ms)
            return below, BatchColumn(start, Form.MILLIS), BatchColumn(f"({start} + {window.size_ms})", Form.MILLIS)
        below = self._flat(below)
        name = self._name()
        numbers = ", ".join(f"({i})" for i in range(count))
        source = f"{below.source} CROSS JOIN (VALUES {numbers}) AS {name}(i)"
        time = _millis(_needed(below.columns[time_column]))
        if window.kind is WindowKind.HOP:
            start = f"({_floored(time, window.slide_ms, window.offset_ms)} - {name}.i * {window.slide_ms})"
            end = f"({start} + {window.size_ms})"
            where: tuple[str, ...] = ()
        elif window.kind is WindowKind.CUMULATE:
            start = _floored(time, window.size_ms, window.offset_ms)
            end = f"({start} + ({name}.i + 1) * {window.slide_ms})"
            where = (f"{time} < {end}",)
        else:
            raise NotSaid
        relation = BatchRelation(source, below.columns, where, one=False)
        return relation, BatchColumn(start, Form.MILLIS), BatchColumn(end, Form.MILLIS)

    def _sessions(
        self, below: BatchRelation, keys: Sequence[BatchColumn], time_column: int, gap_ms: int
    ) -> tuple[BatchRelation, list[BatchColumn]]:
        """The rows with start and end of their session."""
        time = _millis(_needed(below.columns[time_column]))
        by = f"PARTITION BY {', '.join(key.sql for key in keys)} " if keys else ""
        begins = f"CASE WHEN {time} - LAG({time}) OVER ({by}ORDER BY {time}) <= {gap_ms} THEN 0 ELSE 1 END AS begins"
        positions = [below.columns.index(key) for key in keys]
        marked = self._nested(below, [begins, f"{time} AS at"])
        name = marked.source.rpartition(" ")[2]
        keyed = ", ".join(_needed(marked.columns[at]).sql for at in positions)
        by = f"PARTITION BY {keyed} " if keyed else ""
        number = f"SUM({name}.begins) OVER ({by}ORDER BY {name}.at ROWS UNBOUNDED PRECEDING) AS session"
        numbered = self._nested(marked, [number, f"{name}.at AS at"])
        name = numbered.source.rpartition(" ")[2]
        by = ", ".join([*(_needed(numbered.columns[at]).sql for at in positions), f"{name}.session"])
        bounds = [
            f"MIN({name}.at) OVER (PARTITION BY {by}) AS starts",
            f"MAX({name}.at) OVER (PARTITION BY {by}) + {gap_ms} AS ends",
        ]
        bounded = self._nested(numbered, bounds)
        name = bounded.source.rpartition(" ")[2]
        return bounded, [BatchColumn(f"{name}.starts", Form.MILLIS), BatchColumn(f"{name}.ends", Form.MILLIS)]

    # --- joins, ranks, unions ---

    def _join(self, node: RegularJoin | TableJoin | IntervalJoin) -> BatchRelation:
        below = (node.input, node.table) if isinstance(node, TableJoin) else (node.left, node.right)
        left, right = (self._flat(self.relation(one)) for one in below)
        columns = (*left.columns, *right.columns)
        safe: frozenset[int] = getattr(node, "null_safe_keys", frozenset())
        on = [
            f"{_plain(left.columns[a])} {'IS NOT DISTINCT FROM' if i in safe else '='} {_plain(right.columns[b])}"
            for i, (a, b) in enumerate(zip(node.left_keys, node.right_keys, strict=True))
        ]
        if node.condition is not None:
            on.append(_condition(node.condition, columns))
        if isinstance(node, IntervalJoin):
            if node.left_time is None or node.right_time is None:
                raise NotSaid
            a, b = (_millis(_needed(c)) for c in (left.columns[node.left_time], right.columns[node.right_time]))
            on.append(f"{a} - {b} BETWEEN {node.lower_ms} AND {node.upper_ms}")
        source = f"{left.source} {_JOINS[node.kind]} {right.source} ON {' AND '.join(on) or 'TRUE'}"
        return BatchRelation(source, left.columns if node.kind.one_sided else columns, one=False)

    def _top(self, node: TopN) -> BatchRelation:
        if node.limit_column is not None:
            raise NotSaid
        below = self.relation(node.input)
        return self._ranked(below, node.partition, node.order, node.first, node.limit, ties=True, rank=node.with_rank)

    def _ranked(
        self,
        below: BatchRelation,
        partition: Sequence[int],
        order: Sequence[SortKey],
        first: int,
        limit: int,
        *,
        ties: bool,
        rank: bool,
    ) -> BatchRelation:
        """The rows number `first` to `limit` of each partition; with `ties` other columns depend on arrival."""
        keys = ", ".join(_needed(below.columns[at]).sql for at in partition)
        items = ", ".join(
            f"{_needed(below.columns[k.column]).sql} {'DESC' if k.descending else 'ASC'} "
            f"NULLS {'FIRST' if k.nulls_first else 'LAST'}"
            for k in order
        )
        by = f"PARTITION BY {keys} " if keys else ""
        nested = self._nested(below, [f"ROW_NUMBER() OVER ({by}ORDER BY {items}) AS place"])
        name = nested.source.rpartition(" ")[2]
        known = {*partition, *(key.column for key in order)}
        columns = tuple(
            replace(column, ordered=True) if column is not None and ties and i not in known else column
            for i, column in enumerate(nested.columns)
        )
        place = (BatchColumn(f"{name}.place"),) if rank else ()
        return BatchRelation(nested.source, (*columns, *place), (f"{name}.place BETWEEN {first} AND {limit}",))

    def _over(self, node: OverAggregate) -> BatchRelation:
        """Every row with aggregates over the rows before it, by event time."""
        if node.order is not OverOrder.EVENT_TIME or node.order_column is None:
            raise NotSaid
        below = self.relation(node.input)
        time = _millis(_needed(below.columns[node.order_column]))
        keys = ", ".join(_needed(below.columns[at]).sql for at in node.partition)
        by = f"PARTITION BY {keys} " if keys else ""
        reach = "UNBOUNDED" if node.frame.preceding is None else str(node.frame.preceding)
        unit = "ROWS" if node.frame.rows else "RANGE"
        window = f" OVER ({by}ORDER BY {time} {unit} BETWEEN {reach} PRECEDING AND CURRENT ROW)"
        results = [
            _aggregate(call, below.columns, node.input, window) if isinstance(call, AggregateCall) else None
            for call in node.calls
        ]
        items = [f"{result.sql} AS a{i}" for i, result in enumerate(results) if result is not None]
        nested = self._nested(below, items)
        name = nested.source.rpartition(" ")[2]
        made = [None if one is None else replace(one, sql=f"{name}.a{i}") for i, one in enumerate(results)]
        return replace(nested, columns=(*nested.columns, *made))

    def _values(self, node: Values) -> BatchRelation:
        name = self._name()
        rows = [[translated(value, ()) for value in row] for row in node.rows]
        said = [i for i in range(len(node.schema)) if all(row[i] is not None for row in rows)]
        if any(_needed(row[i]).form is not Form.VALUE for row in rows for i in said):
            raise NotSaid
        values = [f"({', '.join([*(_plain(row[i]) for i in said), '1'])})" for row in rows]
        names = [*(f"c{i}" for i in said), "row_is_there"]
        columns = [BatchColumn(f"{name}.c{i}") if i in said else None for i in range(len(node.schema))]
        return BatchRelation(f"(VALUES {', '.join(values)}) AS {name}({', '.join(names)})", tuple(columns))

    def _union(self, node: Union) -> BatchRelation:
        parts = [self.relation(one) for one in node.sources]
        width = len(node.schema)
        said = [i for i in range(width) if all(part.columns[i] is not None for part in parts)]
        if any(len({_needed(part.columns[i]).form for part in parts}) > 1 for i in said):
            raise NotSaid
        name = self._name()
        queries = [part.select([f"{_needed(part.columns[i]).sql} AS c{i}" for i in said]) for part in parts]
        columns = [
            replace(_needed(parts[0].columns[i]), sql=f"{name}.c{i}") if i in said else None for i in range(width)
        ]
        return BatchRelation(f"({' UNION ALL '.join(queries)}) AS {name}", tuple(columns))


def _needed(column: BatchColumn | None) -> BatchColumn:
    if column is None or column.form is Form.ROUNDED or column.ordered:
        raise NotSaid
    return column


def _plain(column: BatchColumn | None) -> str:
    if column is None or column.form is not Form.VALUE or column.ordered:
        raise NotSaid
    return column.sql


def _condition(predicate: Expression, columns: Sequence[BatchColumn | None]) -> str:
    return _plain(translated(predicate, columns))


def _millis(column: BatchColumn) -> str:
    return column.sql if column.form is Form.MILLIS else f"epoch_ms({column.sql})"


def _floored(time: str, size_ms: int, offset_ms: int) -> str:
    if offset_ms:
        return f"(({time} - {offset_ms}) // {size_ms} * {size_ms} + {offset_ms})"
    return f"({time} // {size_ms} * {size_ms})"


def _of_window(start: str, size_ms: int) -> tuple[str, str, str]:
    """Start, end and time of a window."""
    return start, f"({start} + {size_ms})", f"({start} + {size_ms - 1})"


def _with_bounds(
    columns: Sequence[BatchColumn | None], keys: int, places: Sequence[int | None]
) -> tuple[BatchColumn | None, ...]:
    """Keys, aggregates, start, end and time of a window whose bounds were grouped behind the keys, at `places`."""
    width = len([place for place in places if place is not None])
    start, end = (None if place is None else columns[keys + place] for place in places)
    time = None if end is None else BatchColumn(f"({end.sql} - 1)", Form.MILLIS)
    return (*columns[:keys], *columns[keys + width :], start, end, time)


def _aggregate(
    call: AggregateCall, columns: Sequence[BatchColumn | None], node: PlanNode, window: str = ""
) -> BatchColumn | None:
    """An aggregate function in a group, or over a window; None for those that depend on the order of rows."""
    if call.constants or len(call.args) > 1:
        return None
    args = [columns[at] for at in call.args]
    if any(arg is None or arg.form is not Form.VALUE or arg.ordered for arg in args):
        return None
    text = next((arg.sql for arg in args if arg is not None), "*")
    kind = node.schema.columns[call.args[0]].type.name if call.args else None
    filtered = ""
    if call.filter is not None:
        chosen = columns[call.filter]
        if chosen is None or chosen.form is not Form.VALUE:
            return None
        filtered = f" FILTER (WHERE {chosen.sql})"
    filtered += window
    distinct = "DISTINCT " if call.distinct and call.function not in ("min", "max") else ""
    match call.function:
        case "count":
            return BatchColumn(f"COUNT({distinct}{text}){filtered}")
        case "min" | "max" if kind not in TIMESTAMPS:
            return BatchColumn(f"{call.function.upper()}({text}){filtered}")
        case "sum":
            return BatchColumn(f"SUM({distinct}{text}){filtered}", Form.ROUNDED if kind in FLOATS else Form.VALUE)
        case "avg":
            average = f"AVG({distinct}{text}){filtered}"
            return BatchColumn(f"TRUNC({average})" if kind in INTEGERS else average, Form.ROUNDED)
    return None


def rows_of(relation: BatchRelation, names: Sequence[str], types: Sequence[TypeName]) -> Iterator[tuple[str, str, str]]:
    """Of each column that can be said: its name, its value in the batch, its value in the output."""
    for name, column, kind in zip(names, relation.columns, types, strict=True):
        if column is None or column.ordered or kind in _NESTED:
            continue
        shown = quoted(name)
        form = Form.ROUNDED if kind is TypeName.FLOAT and column.form is Form.VALUE else column.form
        match form:
            case Form.VALUE:
                yield shown, column.sql, shown
            case Form.MILLIS:
                yield shown, column.sql, f"epoch_ms({shown})"
            case Form.ROUNDED:
                yield shown, f"ROUND(CAST({column.sql} AS DOUBLE), 3)", f"ROUND(CAST({shown} AS DOUBLE), 3)"
