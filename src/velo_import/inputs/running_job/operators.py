"""Operators of a running job as a query: a common table expression for each that makes rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from velo_import.inputs.compiled_plan.literals import milliseconds
from velo_import.inputs.compiled_plan.logical_types import quoted
from velo_import.inputs.running_job.descriptions import Operator, UnreadOperator, parts_of
from velo_import.inputs.running_job.expressions import UnreadText, sql_of

_WITHOUT_EFFECT = {
    *("WatermarkAssigner", "MiniBatchAssigner", "StreamRecordTimestampInserter", "ConstraintEnforcer", "Exchange"),
    *("SinkMaterializer", "DropUpdateBefore", "ChangelogNormalize", "StreamingSinkMaterializer"),
}
_AS = re.compile(r"(?P<value>.*) AS (?P<name>\S+|\(.*\))\Z", re.DOTALL)
_JOINS = {
    "InnerJoin": "JOIN",
    "LeftOuterJoin": "LEFT JOIN",
    "RightOuterJoin": "RIGHT JOIN",
    "FullOuterJoin": "FULL JOIN",
}
_PROPERTIES = {"start": "window_start", "end": "window_end", "rowtime": "window_time", "proctime": "window_time"}
_LENGTHS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_FILTER = re.compile(r" FILTER (\S+)\Z")


@dataclass(frozen=True, slots=True)
class Rows:
    """What FROM can read: its name and its columns."""

    source: str
    columns: tuple[str, ...]
    rowtime: str | None = None


class JobQuery:
    """The query of one sink."""

    def __init__(self) -> None:
        self._rows: dict[int, Rows] = {}
        self._ctes: list[tuple[str, str]] = []

    def text(self, sink: Operator) -> str:
        """The rows that the sink takes. UnreadOperator when an operator below it is not read."""
        rows = self._union([self._read(one) for one in sink.inputs], sink)
        if self._ctes and self._ctes[-1][0] == rows.source:
            query = self._ctes.pop()[1]
        else:
            query = f"SELECT {_listed(rows.columns)} FROM {rows.source}"
        if not self._ctes:
            return query
        return "WITH " + ",\n".join(f"{name} AS (\n  {text}\n)" for name, text in self._ctes) + f"\n{query}"

    def _read(self, operator: Operator) -> Rows:
        if id(operator) not in self._rows:
            try:
                self._rows[id(operator)] = self._made(operator)
            except UnreadText as unread:
                raise UnreadOperator(operator.text, str(unread)) from None
            except (KeyError, IndexError, ValueError) as problem:
                raise UnreadOperator(operator.text, f"it does not say all that is needed ({problem!r})") from None
        return self._rows[id(operator)]

    def _made(self, operator: Operator) -> Rows:
        kind = operator.kind
        if kind in ("TableSourceScan", "DataStreamScan"):
            table = [part for part in parts_of(operator.list("table")[0].strip("[]")) if "=" not in part]
            return Rows(quoted(table[-1]), tuple(operator.list("fields")))
        if kind in ("GlobalWindowAggregate", "GlobalGroupAggregate"):
            local = _first(operator, {"Exchange"})
            if local.kind not in ("LocalWindowAggregate", "LocalGroupAggregate"):
                raise UnreadOperator(operator.text, f"it stands over {local.kind}")
            below = self._union([self._read(one) for one in local.inputs], local)
            return self._add(operator, *_two_phases(operator, local, below), below)
        inputs = [self._read(one) for one in operator.inputs]
        if kind in ("Join", "IntervalJoin"):
            return self._add(operator, *_join(operator, inputs), inputs[0])
        source = self._union(inputs, operator)
        if kind in _WITHOUT_EFFECT:
            found = operator.values.get("rowtime") if kind == "WatermarkAssigner" else None
            return replace(source, rowtime=found or source.rowtime)
        if kind == "Union":
            return source
        reader = _READERS.get(kind)
        if reader is None:
            raise UnreadOperator(operator.text, f"operators of this kind ({kind}) are not read")
        return self._add(operator, *reader(operator, source), source)

    def _add(self, operator: Operator, text: str, columns: Sequence[str], below: Rows) -> Rows:
        name = f"{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', operator.kind).lower()}_{len(self._ctes) + 1}"
        self._ctes.append((name, text))
        rowtime = below.rowtime if below.rowtime in columns else "window_time" if "window_time" in columns else None
        return Rows(name, tuple(columns), rowtime)

    def _union(self, inputs: Sequence[Rows], operator: Operator) -> Rows:
        """The one input, or all in one: a union is no operator of its own."""
        if len(inputs) == 1:
            return inputs[0]
        if not inputs or len({len(one.columns) for one in inputs}) != 1:
            raise UnreadOperator(operator.text, f"it has {len(inputs)} inputs whose columns differ")
        name = f"union_{len(self._ctes) + 1}"
        columns = inputs[0].columns
        self._ctes.append(
            (
                name,
                "\n  UNION ALL ".join(f"SELECT {_renamed(one.columns, columns)} FROM {one.source}" for one in inputs),
            )
        )
        return Rows(name, columns)


def _first(operator: Operator, skipped: set[str]) -> Operator:
    (below,) = operator.inputs
    while below.kind in skipped:
        (below,) = below.inputs
    return below


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(quoted, columns))


def _renamed(columns: Sequence[str], names: Sequence[str]) -> str:
    pairs = zip(columns, names, strict=True)
    return ", ".join(quoted(a) if a == b else f"{quoted(a)} AS {quoted(b)}" for a, b in pairs)


def _item(item: str) -> tuple[str, str]:
    """The value and the name of `value AS name`."""
    found = _AS.match(item)
    return (found["value"], found["name"]) if found else (item, item)


def _selected(items: Sequence[str], columns: Sequence[str]) -> tuple[str, list[str]]:
    """What SELECT says, and what its columns are called."""
    pairs = [_item(item) for item in items]
    texts = []
    for value, name in pairs:
        sql = sql_of(value, columns)
        texts.append(sql if sql == quoted(name) else f"{sql} AS {quoted(name)}")
    return ", ".join(texts), [name for _, name in pairs]


def _calc(operator: Operator, source: Rows) -> tuple[str, list[str]]:
    text, names = _selected(operator.list("select"), source.columns)
    where = f" WHERE {sql_of(operator.values['where'], source.columns)}" if operator.values.get("where") else ""
    return f"SELECT {text} FROM {source.source}{where}", names


def _aggregate(value: str, columns: Sequence[str]) -> str:
    """An aggregate call as SQL writes it."""
    text = re.sub(r"\A([A-Z_0-9$]+?)_RETRACT\(", r"\1(", value)
    behind = ""
    if found := _FILTER.search(text):
        text, behind = text[: found.start()], f" FILTER (WHERE {quoted(found[1])})"
    if zero := re.match(r"\$?SUM0\((.*)\)\Z", text, re.DOTALL):
        return f"COALESCE(SUM({sql_of(zero[1], columns)}){behind}, 0)"
    return sql_of(text, columns) + behind


def _grouped(operator: Operator, source: Rows) -> tuple[str, list[str]]:
    return _groups(operator.list("select"), operator.list("groupBy"), source)


def _groups(items: Sequence[str], keys: Sequence[str], source: Rows) -> tuple[str, list[str]]:
    texts, names = [], []
    for value, name in map(_item, items):
        texts.append(quoted(name) if value in keys else f"{_aggregate(value, source.columns)} AS {quoted(name)}")
        names.append(name)
    groups = f" GROUP BY {_listed(keys)}" if keys else ""
    return f"SELECT {', '.join(texts)} FROM {source.source}{groups}", names


def _two_phases(operator: Operator, local: Operator, source: Rows) -> tuple[str, list[str]]:
    """The calls of the local aggregate, called as the global one calls its results."""
    keys = local.list("groupBy")
    calls = [_item(item)[0] for item in local.list("select") if item not in keys]
    results = [item for item in operator.list("select") if item not in keys]
    merged = []
    for number, item in enumerate(results):
        value, name = _item(item)
        merged.append(item if "('w$)" in value else f"{calls[number]} AS {name}")
    items = [*keys, *merged]
    if operator.kind == "GlobalGroupAggregate":
        return _groups(items, keys, source)
    return _windows(operator, items, keys, local.values["window"], source)


def _window_aggregate(operator: Operator, source: Rows) -> tuple[str, list[str]]:
    keys, items = operator.list("groupBy"), operator.list("select")
    return _windows(operator, items, keys, operator.values["window"], source)


def _windows(
    operator: Operator, items: Sequence[str], keys: Sequence[str], window: str, source: Rows
) -> tuple[str, list[str]]:
    table, bounds = _windowed(operator, window, source)
    texts, names, grouped = [], [], dict.fromkeys([*map(quoted, keys), *bounds[:2]])
    for value, name in map(_item, items):
        names.append(name)
        if "('w$)" in value:
            bound = _PROPERTIES[value.partition("(")[0]]
            text = bounds[("window_start", "window_end", "window_time").index(bound)]
            grouped[text] = None
            texts.append(text if text == quoted(name) else f"{text} AS {quoted(name)}")
        else:
            texts.append(quoted(name) if value in keys else f"{_aggregate(value, source.columns)} AS {quoted(name)}")
    return f"SELECT {', '.join(texts)} FROM {table} GROUP BY {', '.join(grouped)}", names


def _windowed(operator: Operator, window: str, source: Rows) -> tuple[str, tuple[str, str, str]]:
    """A window as FROM reads it, and its bounds."""
    kind, _, inner = window.partition("(")
    words = dict(part.split("=", 1) for part in parts_of(inner.removesuffix(")")))
    values = {word: value.strip("[]") for word, value in words.items()}
    if "win_start" in values:
        time = quoted(source.rowtime) if source.rowtime else "`window_time`"
        return source.source, (quoted(values["win_start"]), quoted(values["win_end"]), time)
    sizes = {"TUMBLE": ["size"], "HOP": ["slide", "size"], "CUMULATE": ["step", "max_size"], "SESSION": ["gap"]}
    if kind not in sizes or "time_col" not in values:
        raise UnreadOperator(operator.text, f"the window {window} is not read")
    names = [*sizes[kind], *(["offset"] if "offset" in values else [])]
    lengths = ", ".join(milliseconds(_length(values[name])) for name in names)
    partition = f" PARTITION BY {values['partition keys']}" if values.get("partition keys") else ""
    time = quoted(values["time_col"])
    bounds = ("window_start", "window_end", "window_time")
    return f"TABLE({kind}(TABLE {source.source}{partition}, DESCRIPTOR({time}), {lengths}))", bounds


def _length(text: str) -> int:
    """The milliseconds of `1 min` or `1 min 30 s`."""
    words = text.split()
    return sum(int(count) * _LENGTHS[unit] for count, unit in zip(words[::2], words[1::2], strict=True))


def _window_table(operator: Operator, source: Rows) -> tuple[str, list[str]]:
    table, bounds = _windowed(operator, operator.values["window"], source)
    return f"SELECT {_listed(source.columns)}, {', '.join(bounds)} FROM {table}", [*source.columns, *bounds]


def _join(operator: Operator, inputs: Sequence[Rows]) -> tuple[str, list[str]]:
    if len(inputs) != 2 or operator.values.get("joinType") not in _JOINS:
        raise UnreadOperator(operator.text, f"a join of type {operator.values.get('joinType')} is not read")
    left, right = inputs
    names = operator.list("select")
    own, other = names[: len(left.columns)], names[len(left.columns) :]
    tables = [f"(SELECT {_renamed(r.columns, n)} FROM {r.source})" for r, n in ((left, own), (right, other))]
    where = operator.values.get("where", "true")
    on = "TRUE" if where == "true" else sql_of(where, names)
    word = _JOINS[operator.values["joinType"]]
    return f"SELECT {_listed(names)} FROM {tables[0]} AS l {word} {tables[1]} AS r ON {on}", names


def _lookup(operator: Operator, source: Rows) -> tuple[str, list[str]]:
    if operator.values.get("where") or operator.values.get("joinCondition"):
        raise UnreadOperator(operator.text, "a lookup join with a further condition is not read")
    table = operator.values["table"].rpartition(".")[2]
    found = operator.list("select")[len(source.columns) :]
    names = [*source.columns]
    for name in found:
        names.append(next(n for n in (name, *(f"{name}{i}" for i in range(99))) if n not in names))
    pairs = [part.split("=") for part in operator.list("lookup")]
    on = " AND ".join(f"r.{quoted(key)} = l.{quoted(value)}" for key, value in pairs)
    own = ", ".join(f"l.{quoted(name)}" for name in source.columns)
    other = ", ".join(f"r.{quoted(a)} AS {quoted(b)}" for a, b in zip(found, names[len(source.columns) :], strict=True))
    rows = f"(SELECT *, PROCTIME() AS lookup_time FROM {source.source}) AS l"
    word = _JOINS[operator.values["joinType"]]
    text = f"SELECT {own}, {other} FROM {rows} {word} {quoted(table)} FOR SYSTEM_TIME AS OF l.lookup_time AS r ON {on}"
    return text, names


def _rank(operator: Operator, source: Rows) -> tuple[str, list[str]]:
    names = operator.list("select")
    bounds = dict(part.split("=") for part in operator.list("rankRange"))
    number = names[-1] if len(names) > len(source.columns) else "row_num"
    order = sql_of(operator.values["orderBy"], source.columns)
    call = f"{operator.values['rankType']}() OVER ({_partition(operator, 'partitionBy')}ORDER BY {order})"
    tests = [f"{quoted(number)} <= {bounds['rankEnd']}"]
    tests += [f"{quoted(number)} >= {bounds['rankStart']}"] if bounds["rankStart"] != "1" else []
    rows = f"(SELECT {_listed(source.columns)}, {call} AS {quoted(number)} FROM {source.source})"
    return f"SELECT {_listed(names)} FROM {rows} WHERE {' AND '.join(tests)}", names


def _deduplicate(operator: Operator, source: Rows) -> tuple[str, list[str]]:
    time = quoted(source.rowtime) if operator.values["order"] == "ROWTIME" and source.rowtime else "PROCTIME()"
    if operator.values["order"] == "ROWTIME" and not source.rowtime:
        raise UnreadOperator(operator.text, "the time by which rows are deduplicated is not said")
    direction = "DESC" if operator.values["keep"] == "LastRow" else "ASC"
    call = f"ROW_NUMBER() OVER ({_partition(operator, 'key')}ORDER BY {time} {direction})"
    rows = f"(SELECT {_listed(source.columns)}, {call} AS row_num FROM {source.source})"
    return f"SELECT {_listed(source.columns)} FROM {rows} WHERE row_num <= 1", [*source.columns]


def _partition(operator: Operator, word: str) -> str:
    keys = operator.list(word)
    return f"PARTITION BY {_listed(keys)} " if keys else ""


def _limit(operator: Operator, source: Rows) -> tuple[str, list[str]]:
    order = f" ORDER BY {sql_of(operator.values['orderBy'], source.columns)}" if operator.values.get("orderBy") else ""
    offset = f" OFFSET {operator.values['offset']}" if operator.values.get("offset", "0") != "0" else ""
    text = f"SELECT {_listed(source.columns)} FROM {source.source}{order} LIMIT {operator.values['fetch']}{offset}"
    return text, [*source.columns]


_READERS: dict[str, Callable[[Operator, Rows], tuple[str, list[str]]]] = {
    "Calc": _calc,
    "GroupAggregate": _grouped,
    "WindowAggregate": _window_aggregate,
    "WindowTableFunction": _window_table,
    "LookupJoin": _lookup,
    "Rank": _rank,
    "Deduplicate": _deduplicate,
    "Limit": _limit,
    "SortLimit": _limit,
}
