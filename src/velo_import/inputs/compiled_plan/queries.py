"""The nodes below a sink as one query: a common table expression for each node that makes rows."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from velo_import.inputs.compiled_plan import joins, matches, ranks, windows
from velo_import.inputs.compiled_plan.expressions import Rex, Scope, typed
from velo_import.inputs.compiled_plan.logical_types import (
    LogicalType,
    UnreadPart,
    columns_of,
    plain_type,
    quoted,
    text_literal,
)
from velo_import.inputs.compiled_plan.reading import MALFORMED, told
from velo_import.inputs.compiled_plan.relations import Node, Query, Relation, aggregate, condition, order_by, select
from velo_import.inputs.compiled_plan.tables import computed_columns

_WITHOUT_EFFECT = {
    *("exchange", "watermark-assigner", "drop-update-before", "mini-batch-assigner", "legacy-sink-materializer"),
    "sink-upsert-materializer",
}
"""What only says how rows travel; a watermark belongs to its table."""


class UnreadNode(Exception):  # noqa: N818 - not an error of the program
    """A node that is not made SQL of; `reason` says what of it."""

    def __init__(self, node: Node, reason: str) -> None:
        super().__init__(reason)
        self.node = node
        self.reason = reason


class QueryBuilder:
    """Reads the nodes below one sink; `text` is the query of the last of them."""

    def __init__(
        self, nodes: Mapping[int, Node], inputs: Mapping[int, Sequence[int]], names: Mapping[str, str]
    ) -> None:
        self._nodes = nodes
        self._inputs = inputs
        self._names = names
        """Identifiers of tables to how the script calls them."""
        self._relations: dict[int, Relation] = {}
        self._ctes: list[tuple[str, str]] = []

    def text(self, sink: Node) -> str:
        """The query whose rows the sink takes. UnreadNode when there is none."""
        (last,) = self._inputs[sink.id]
        relation = self._relation(last)
        if relation.order:
            return self._with_ctes(
                f"{select(relation.fields(), relation.columns)} FROM {relation.source} {relation.order}"
            )
        if self._ctes and self._ctes[-1][0] == relation.source:
            _, query = self._ctes.pop()
        else:
            query = f"{select(relation.fields(), relation.columns)} FROM {relation.source}"
        return self._with_ctes(query)

    def _with_ctes(self, query: str) -> str:
        if not self._ctes:
            return query
        ctes = ",\n".join(f"{name} AS (\n  {text}\n)" for name, text in self._ctes)
        return f"WITH {ctes}\n{query}"

    def _relation(self, identity: int) -> Relation:
        if identity not in self._relations:
            node = self._nodes[identity]
            try:
                self._relations[identity] = self._read(node)
            except UnreadPart as part:
                raise UnreadNode(node, str(part)) from None
            except MALFORMED as problem:
                raise UnreadNode(node, f"its JSON is not as Flink writes it: {told(problem)}") from None
        return self._relations[identity]

    def _read(self, node: Node) -> Relation:
        if node.kind == "table-source-scan":
            return self._scan(node)
        if node.kind in ("global-window-aggregate", "global-group-aggregate"):
            return self._two_phases(node)
        sources = [self._relation(identity) for identity in self._inputs[node.id]]
        if node.kind in _WITHOUT_EFFECT:
            return _renamed(sources[0], node)
        if node.kind == "changelog-normalize":
            if not node.data.get("filterCondition"):
                return _renamed(sources[0], node)
            return self._made(node, _filtered(node, sources))
        if node.kind == "lookup-join":
            table = node.data["temporalTable"]["lookupTableSource"]["table"]["identifier"]
            return self._made(node, joins.lookup_join(node, sources, self._names[table]))
        if node.kind == "temporal-sort":
            return replace(_renamed(sources[0], node), order=order_by(node.data["orderBy"], sources[0].fields()))
        if node.kind == "group-window-aggregate":
            return self._made(node, windows.group_window_aggregate(node, sources[0], self._used(node)))
        if node.kind == "values":
            return self._made(node, _values(node))
        if node.kind == "calc":
            times = self._window_times(node)
            made = self._made(node, _calc(node, sources[0], times))
            return replace(
                made, columns=tuple(replace(c, type=times.get(i, c.type)) for i, c in enumerate(made.columns))
            )
        read = _READERS.get(node.kind)
        if read is None:
            raise UnreadPart("nodes of this type are not read")
        return self._made(node, read(node, sources))

    def _made(self, node: Node, query: Query) -> Relation:
        self._ctes.append((node.cte, query.text))
        return Relation(node.cte, node.columns, query.literals)

    def _scan(self, node: Node) -> Relation:
        """A table is read as it is: columns that nobody needs do no harm. What the source itself left out is left out
        here behind it."""
        table = node.data["scanTableSource"]["table"]
        name = self._names[table["identifier"]]
        read = _Reading.of(node)
        if read.text is None:
            return Relation(name, node.columns, {}, computed_columns(table))
        self._ctes.append((node.cte, f"SELECT {read.text} FROM {name}{read.where}"))
        return Relation(node.cte, node.columns, {}, computed_columns(table))

    def _two_phases(self, node: Node) -> Relation:
        """A local and a global aggregate are one again."""
        below = self._below(node)
        if below.kind == "incremental-group-aggregate":
            return self._split_distinct(node, below)
        if below.kind not in ("local-window-aggregate", "local-group-aggregate"):
            raise UnreadPart(f"a global aggregate over {below.kind}")
        source = self._relation(self._inputs[below.id][0])
        if node.kind == "global-window-aggregate":
            return self._made(node, windows.two_phase_window_aggregate(node, below, source))
        return self._made(node, _grouped(node, source, below.data["grouping"], node.data["aggCalls"]))

    def _split_distinct(self, node: Node, incremental: Node) -> Relation:
        """Flink may count distinct values in buckets of their own first: two aggregates, one over the other."""
        local = self._below(incremental)
        if local.kind != "local-group-aggregate":
            raise UnreadPart(f"an incremental aggregate over {local.kind}")
        source = self._relation(self._inputs[local.id][0])
        data = incremental.data
        calls = data["partialOriginalAggCalls"]
        fields = source.fields()
        keys = [fields[index] for index in local.data["grouping"]]
        names = [quoted(f"key_{i}") for i in range(len(keys))] + [quoted(f"part_{i}") for i in range(len(calls))]
        values = [*keys, *(aggregate(call, fields, source.literals) for call in calls)]
        parts = ", ".join(f"{value} AS {name}" for value, name in zip(values, names, strict=True))
        groups = f" GROUP BY {', '.join(keys)}" if keys else ""
        self._ctes.append((incremental.cte, f"SELECT {parts} FROM {source.source}{groups}"))
        finals = [names[index] for index in data["finalAggGrouping"]]
        totals = [aggregate(call, names, {}) for call in node.data["aggCalls"]]
        last = f" GROUP BY {', '.join(finals)}" if finals else ""
        text = f"{select([*finals, *totals], node.columns)} FROM {incremental.cte}{last}"
        return self._made(node, Query(text))

    def _used(self, node: Node) -> Container[int]:
        """The columns of a node that those above it use; all where one of them is no calc."""
        above = self._above(node)
        if any(one.kind != "calc" for one in above):
            return range(len(node.columns))
        return {index for one in above for index in _references([one.data["projection"], one.data.get("condition")])}

    def _window_times(self, node: Node) -> dict[int, LogicalType]:
        """The columns by which windows of GROUP BY directly above group, and their types as times."""
        times = [n.data["window"]["timeField"] for n in self._above(node) if n.kind == "group-window-aggregate"]
        return {time["fieldIndex"]: time["fieldType"] for time in times}

    def _above(self, node: Node) -> list[Node]:
        """The nodes that read a node, behind exchanges."""
        above = [self._nodes[target] for target, sources in self._inputs.items() if node.id in sources]
        return [further for one in above for further in (self._above(one) if one.kind == "exchange" else [one])]

    def _below(self, node: Node) -> Node:
        """The input behind exchanges."""
        below = self._nodes[self._inputs[node.id][0]]
        while below.kind == "exchange":
            below = self._nodes[self._inputs[below.id][0]]
        return below


def _renamed(source: Relation, node: Node) -> Relation:
    """The same relation, whose columns have become time attributes or changed their nullability."""
    if [column.name for column in source.columns] != [column.name for column in node.columns]:
        raise UnreadPart("other columns than its input has")
    return source if node.kind == "exchange" else replace(source, columns=node.columns)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a source reads of its table."""

    text: str | None
    """What SELECT says; None: the table as it is."""
    where: str

    @classmethod
    def of(cls, node: Node) -> _Reading:
        """UnreadPart for what a source does and a query behind it cannot."""
        scan = node.data["scanTableSource"]
        schema = (scan["table"].get("resolvedTable") or {}).get("schema") or {}
        columns = schema.get("columns") or [{"name": column.name} for column in node.columns]
        values = [quoted(column["name"]) for column in columns if column.get("kind") in (None, "PHYSICAL")]
        metadata = {
            c.get("metadataKey") or c["name"]: quoted(c["name"]) for c in columns if c.get("kind") == "METADATA"
        }
        produced = list(values)
        conditions: list[str] = []
        for ability in scan.get("abilities") or ():
            match ability["type"]:
                case "ProjectPushDown":
                    produced = [_path(path, values, schema) for path in ability["projectedFields"]]
                case "ReadingMetadata":
                    produced += [metadata[key] for key in ability["metadataKeys"]]
                case "FilterPushDown":
                    conditions += [Scope(produced, {}).sql(one) for one in ability["predicates"]]
                case "PartitionPushDown":
                    conditions.append(_partitions(ability["partitions"]))
                case "WatermarkPushDown" | "SourceWatermark" | "LimitPushDown":  # a limit stays in the plan, too
                    continue
                case other:
                    raise UnreadPart(f"the ability {other} of a source")
        if len(produced) != len(node.columns):
            raise UnreadPart(f"{len(produced)} columns of a source that has {len(node.columns)}")
        pairs = zip(produced, node.columns, strict=True)
        added = "".join(f", {value} AS {quoted(c.name)}" for value, c in pairs if value != quoted(c.name))
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return cls(f"*{added}" if added or where else None, where)


def _path(path: Sequence[int], values: Sequence[str], schema: Mapping[str, Any]) -> str:
    """A column, or a field within one."""
    text = values[path[0]]
    physical = [column for column in schema.get("columns", ()) if column.get("kind") in (None, "PHYSICAL")]
    kind = physical[path[0]]["dataType"] if len(path) > 1 else ""
    for index in path[1:]:
        field = columns_of(kind)[index]
        text, kind = f"{text}.{quoted(field.name)}", field.type
    return text


def _partitions(partitions: Sequence[Mapping[str, str]]) -> str:
    each = (" AND ".join(f"{quoted(k)} = {text_literal(v)}" for k, v in one.items()) for one in partitions)
    return "(" + " OR ".join(f"({one})" for one in each) + ")" if partitions else "FALSE"


def _references(value: Any) -> Iterator[int]:
    """The input columns that expressions name."""
    if isinstance(value, Mapping):
        if value.get("kind") == "INPUT_REF":
            yield int(value["inputIndex"])
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _references(one)


def _calc(node: Node, source: Relation, times: Container[int]) -> Query:
    """`times` are the columns by which a window above groups: they stay times, though the plan casts them."""
    scope = source.scope()
    projection = [_uncast(rex) if index in times else rex for index, rex in enumerate(node.data["projection"])]
    values = [typed(rex, scope) for rex in projection]
    literals = dict(_literals(projection, source))
    where = condition(node.data.get("condition"), scope)
    order = f" {source.order}" if source.order else ""
    return Query(f"{select(values, node.columns)} FROM {source.source}{where}{order}", literals)


def _literals(projection: Sequence[Rex], source: Relation) -> list[tuple[int, str]]:
    found = []
    for position, rex in enumerate(projection):
        if rex["kind"] == "INPUT_REF" and rex["inputIndex"] in source.literals:
            found.append((position, source.literals[rex["inputIndex"]]))
        elif _is_constant(rex):
            found.append((position, source.scope().sql(_uncast(rex, "ARRAY<"))))
    return found


def _uncast(rex: Rex, of: str = "") -> Rex:
    """What is cast, if its type begins so."""
    if rex.get("internalName") != "$CAST$1" or not plain_type(rex["operands"][0]["type"]).startswith(of):
        return rex
    inner: Rex = rex["operands"][0]
    return inner


def _is_constant(rex: Rex) -> bool:
    if rex["kind"] == "LITERAL":
        return True
    made_of_parts = rex.get("internalName") in ("$ARRAY$1", "$MAP$1", "$CAST$1", "$ROW$1")
    return rex["kind"] == "CALL" and made_of_parts and all(map(_is_constant, rex.get("operands", ())))


def _filtered(node: Node, inputs: Sequence[Relation]) -> Query:
    (source,) = inputs
    where = condition(node.data["filterCondition"], source.scope())
    return Query(f"{select(source.fields(), node.columns)} FROM {source.source}{where}")


def _group_aggregate(node: Node, inputs: Sequence[Relation]) -> Query:
    return _grouped(node, inputs[0], node.data["grouping"], node.data["aggCalls"])


def _grouped(node: Node, source: Relation, grouping: Sequence[int], calls: Sequence[Mapping[str, object]]) -> Query:
    fields = source.fields()
    keys = [fields[index] for index in grouping]
    if not keys and len(calls) == 1 and calls[0].get("internalName") == "$SINGLE_VALUE$1":
        value = f"(SELECT {fields[calls[0]['argList'][0]]} FROM {source.source})"  # type: ignore[index]
        return Query(f"{select([value], node.columns)} FROM (VALUES (0)) AS one_row (`zero`)")
    values = [*keys, *(aggregate(call, fields, source.literals) for call in calls)]
    groups = f" GROUP BY {', '.join(keys)}" if keys else ""
    return Query(f"{select(values, node.columns)} FROM {source.source}{groups}")


def _union(node: Node, inputs: Sequence[Relation]) -> Query:
    return Query("\n  UNION ALL ".join(f"{select(one.fields(), node.columns)} FROM {one.source}" for one in inputs))


def _expand(node: Node, inputs: Sequence[Relation]) -> Query:
    (source,) = inputs
    rows = [[typed(rex, source.scope()) for rex in projection] for projection in node.data["projects"]]
    return Query("\n  UNION ALL ".join(f"{select(row, node.columns)} FROM {source.source}" for row in rows))


def _values(node: Node) -> Query:
    nothing = Scope([], {})
    if not node.columns:
        return Query("SELECT `zero` AS `nothing` FROM (VALUES (0)) AS one_row (`zero`)")
    rows = [f"({', '.join(typed(rex, nothing) for rex in row)})" for row in node.data["tuples"]]
    if not rows:
        empty = [f"CAST(NULL AS {plain_type(column.type)})" for column in node.columns]
        return Query(f"{select(empty, node.columns)} FROM (VALUES (0)) AS one_row (`zero`) WHERE FALSE")
    names = ", ".join(quoted(column.name) for column in node.columns)
    head = select([quoted(column.name) for column in node.columns], node.columns)
    return Query(f"{head} FROM (VALUES {', '.join(rows)}) AS v ({names})")


_UNNEST = {"$UNNEST_ROWS$1": "", "$UNNEST_ROWS_WITH_ORDINALITY$1": " WITH ORDINALITY"}


def _correlate(node: Node, inputs: Sequence[Relation]) -> Query:
    (source,) = inputs
    data = node.data
    call, own = data["functionCall"], source.fields("l")
    added = [quoted(f"{column.name}_of_row") for column in node.columns[len(own) :]]
    scope = Scope(own, {})
    name = call.get("internalName")
    if name == "$REPLICATE_ROWS$1":
        raise UnreadPart("INTERSECT ALL or EXCEPT ALL")
    if name in _UNNEST:
        rows = f"UNNEST({scope.sql(call['operands'][0])}){_UNNEST[name]}"
    else:
        rows = f"LATERAL TABLE({scope.sql(call)})"
    word, on = ("LEFT JOIN", " ON TRUE") if data["joinType"] == "LEFT" else ("CROSS JOIN", "")
    values = [*own, *(f"`r`.{name}" for name in added)]
    text = f"{select(values, node.columns)} FROM {source.source} AS l {word} {rows} AS r ({', '.join(added)}){on}"
    if not data.get("condition"):
        return Query(text)
    wanted = Scope([f"`r`.{name}" for name in added], {})
    if data["joinType"] == "LEFT":
        return Query(text.removesuffix("TRUE") + wanted.sql(data["condition"]))
    return Query(text + condition(data["condition"], wanted))


_READERS: dict[str, Callable[[Node, Sequence[Relation]], Query]] = {
    "group-aggregate": _group_aggregate,
    "window-table-function": windows.table_function,
    "window-aggregate": windows.window_aggregate,
    "join": joins.join,
    "window-join": joins.window_join,
    "interval-join": joins.interval_join,
    "temporal-join": joins.temporal_join,
    "rank": ranks.rank,
    "window-rank": ranks.rank,
    "deduplicate": ranks.deduplicate,
    "window-deduplicate": ranks.window_deduplicate,
    "limit": ranks.sort,
    "sort-limit": ranks.sort,
    "sort": ranks.sort,
    "over-aggregate": ranks.over_aggregate,
    "union": _union,
    "expand": _expand,
    "correlate": _correlate,
    "match": matches.match,
}
