"""Window table functions: aggregated, bare, ranked, deduplicated, joined; and the older group windows."""

from __future__ import annotations

from dataclasses import replace

from tests.fuzz.aggregation import aggregates, keys
from tests.fuzz.relation import Column, Context, Kind, Ordering, Relation
from tests.fuzz.simple import items, names_of, where

_BOUNDS = (Column("window_start", Kind.TIMESTAMP), Column("window_end", Kind.TIMESTAMP))
_TIME = Column("window_time", Kind.TIMESTAMP)


def window_function(c: Context, inner: Relation, *, sessions: bool = True) -> Relation:
    """SELECT * FROM TABLE(TUMBLE(…)): the rows with their windows."""
    name, named = c.named(inner)
    kinds = ("TUMBLE", "HOP", "CUMULATE", "SESSION") if sessions else ("TUMBLE", "HOP", "CUMULATE")
    function = c.pick(*kinds)
    partition = ""
    if function == "SESSION":
        by = keys(c, inner, 0, 1)
        partition = f" PARTITION BY {by[0].name}" if by else ""
    sizes = {
        "TUMBLE": ("INTERVAL '10' SECOND", "INTERVAL '5' SECOND", "INTERVAL '2' SECOND"),
        "HOP": ("INTERVAL '5' SECOND, INTERVAL '10' SECOND", "INTERVAL '5' SECOND, INTERVAL '15' SECOND"),
        "CUMULATE": ("INTERVAL '5' SECOND, INTERVAL '15' SECOND", "INTERVAL '2' SECOND, INTERVAL '10' SECOND"),
        "SESSION": ("INTERVAL '3' SECOND", "INTERVAL '1' SECOND"),
    }[function]
    offset = ", INTERVAL '1' SECOND" if function != "SESSION" and c.chance(0.1) else ""
    call = f"TABLE({function}(TABLE {name}{partition}, DESCRIPTOR({inner.time}), {c.pick(*sizes)}{offset}))"
    taken = {column.name for column in _BOUNDS} | {_TIME.name}
    return Relation(
        f"SELECT * FROM {call}",
        (*(column for column in inner.columns if column.name not in taken), *_BOUNDS, _TIME),
        f"{function.lower()}({inner.shape})",
        ordering=max(inner.ordering, Ordering.BY_EVENT) if function == "SESSION" else inner.ordering,
        time=_TIME.name,
        key=None if inner.key is None else (*inner.key, "window_start", "window_end"),
        table=call,
        named=named,
        window=("window_start", "window_end"),
    )


def window_aggregate(c: Context, inner: Relation) -> Relation:
    """An aggregation of windows; by their bounds, when the input still has them."""
    rows = inner if inner.window else window_function(c, inner)
    assert rows.window is not None
    by = keys(c, replace(rows, columns=tuple(x for x in rows.columns if x.name != "window_time")), 0, 2)
    if rows.shape.startswith("session") and "PARTITION BY " in (rows.table or ""):
        partition = (rows.table or "").split("PARTITION BY ")[1].split(",")[0]
        by = [column for column in by if column.name != partition]
        by.insert(0, Column(partition, rows.kind_of(partition)))
    texts, columns = aggregates(c, names_of(rows), in_order=False, least=0)
    start, end = rows.window
    bounds = [Column(start, Kind.TIMESTAMP), Column(end, Kind.TIMESTAMP)]
    shown = list(bounds) if c.chance(0.8) else c.some(bounds, 0, 2)
    group = [*(column.name for column in by), start, end]
    time = None
    if inner.window is None and c.chance(0.4):
        group.append("window_time")
        shown.append(_TIME)
        time = "window_time"
    if not (by or shown or texts):
        shown = bounds
    select = ", ".join([*(column.name for column in (*by, *shown)), *texts])
    shown_names = {column.name for column in shown}
    return Relation(
        f"SELECT {select} FROM {rows.source(c.name('q')) if not rows.table else rows.table}"
        f"{where(c, names_of(rows), 0.2)} GROUP BY {', '.join(group)}",
        (*by, *shown, *columns),
        f"window_aggregate({rows.shape})",
        ordering=max(inner.ordering, Ordering.BY_EVENT),
        time=time,
        key=tuple(group) if shown_names.issuperset({start, end}) and time in (None, *shown_names) else None,
        named=rows.named,
        ordered_by_key=tuple(column.name for column in by) if inner.ordering is Ordering.EXACT else (),
        window=rows.window if shown_names.issuperset(rows.window) else None,
    )


def window_top_n(c: Context, inner: Relation) -> Relation:
    """The first rows of every window."""
    rows = _windowed(c, inner)
    return _ranked(c, rows, c.pick("<= 1", "<= 2", "<= 3", "= 1"), _total_order(c, rows), "window_top_n")


def window_deduplicate(c: Context, inner: Relation) -> Relation:
    """The first or last row of every key in every window."""
    rows = window_function(c, inner, sessions=False)
    assert inner.time is not None
    return _ranked(c, rows, "= 1", f"{inner.time} {c.pick('ASC', 'DESC')}", "window_deduplicate")


def _windowed(c: Context, inner: Relation) -> Relation:
    if inner.window:
        return inner
    return window_aggregate(c, inner) if c.chance(0.5) else window_function(c, inner, sessions=False)


def _ranked(c: Context, rows: Relation, condition: str, order: str, what: str) -> Relation:
    if rows.window is None:
        rows = window_function(c, c.sources["t"], sessions=False)
        order = _total_order(c, rows)
    assert rows.window is not None
    by = keys(c, rows, 0, 1)
    partition = ", ".join([*rows.window, *(column.name for column in by)])
    rank, alias = c.name("rn"), c.name("q")
    source = rows.table or rows.source(c.name("q"))
    inside = f"SELECT *, ROW_NUMBER() OVER (PARTITION BY {partition} ORDER BY {order}) AS {rank} FROM {source}"
    columns = tuple(column for column in rows.columns if column.name != "window_time")
    shown = (*columns, Column(rank, Kind.BIGINT)) if c.chance(0.5) else columns
    return Relation(
        f"SELECT {items(shown)} FROM ({inside}) AS {alias} WHERE {rank} {condition}",
        shown,
        f"{what}({rows.shape})",
        ordering=max(rows.ordering, Ordering.BY_EVENT),
        key=rows.key if rows.key and {column.name for column in shown}.issuperset(rows.key) else None,
        named=rows.named,
        window=rows.window,
    )


def _total_order(c: Context, rows: Relation) -> str:
    """An order without ties between rows that differ."""
    names = [column.name for column in rows.columns if column.kind not in (Kind.ARRAY, Kind.BOOLEAN)]
    first = c.some([name for name in names if name != "id"], 1, 2)
    every = [column.name for column in rows.columns if column.kind is not Kind.ARRAY]
    rest = [name for name in rows.key or every if name not in first]
    return ", ".join([*(f"{name} {c.pick('ASC', 'DESC')}" for name in first), *rest])


def window_join(c: Context, left: Relation, right: Relation) -> Relation:
    """A join of windows with windows."""
    function = c.random.getstate()
    a = window_function(c, left, sessions=False)
    after = c.random.getstate()
    c.random.setstate(function)  # the same windows on both sides
    b = window_function(c, right, sessions=False)
    c.random.setstate(after)
    kind = c.pick("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
    shared = [
        column for column in a.of(Kind.STRING, Kind.INT) if column in b.columns and column.name in ("k", "i", "s")
    ]
    on = c.pick(*shared) if shared else _BOUNDS[0]
    le, ri, lid, rid = c.name("le"), c.name("ri"), c.name("e"), c.name("e")
    x, y = c.pick(*left.of(Kind.INT)).name, c.pick(*right.of(Kind.INT)).name
    query = (
        f"SELECT {le}.{x} AS {lid}, {ri}.{y} AS {rid}, {le}.window_start AS ws, {ri}.window_end AS we FROM (SELECT * FROM {a.table}) AS {le} "
        f"{kind} (SELECT * FROM {b.table}) AS {ri} "
        f"ON {le}.{on.name} = {ri}.{on.name} AND {le}.window_start = {ri}.window_start AND {le}.window_end = {ri}.window_end"
    )
    return Relation(
        query,
        (Column(lid, Kind.INT), Column(rid, Kind.INT), Column("ws", Kind.TIMESTAMP), Column("we", Kind.TIMESTAMP)),
        f"window_{kind.lower().replace(' ', '_')}({a.shape}, {b.shape})",
        ordering=max(left.ordering, right.ordering, Ordering.BY_EVENT),
        named=(*a.named, *(n for n in b.named if n not in a.named)),
    )


def group_window(c: Context, inner: Relation) -> Relation:
    """GROUP BY TUMBLE(ts, …): the older windows."""
    function = c.pick("TUMBLE", "HOP", "SESSION")
    arguments = {
        "TUMBLE": "INTERVAL '10' SECOND",
        "HOP": "INTERVAL '5' SECOND, INTERVAL '10' SECOND",
        "SESSION": "INTERVAL '3' SECOND",
    }[function]
    by = keys(c, inner, 0, 2)
    texts, columns = aggregates(c, names_of(inner), in_order=inner.ordering is Ordering.EXACT)
    start, end = c.name("e"), c.name("e")
    of = f"({inner.time}, {arguments})"
    names = [column.name for column in by]
    select = [*names, *texts, f"{function}_START{of} AS {start}", f"{function}_END{of} AS {end}"]
    return Relation(
        f"SELECT {', '.join(select)} FROM {inner.source(c.name('q'))}{where(c, names_of(inner), 0.2)} "
        f"GROUP BY {', '.join([*names, function + of])}",
        (*by, *columns, Column(start, Kind.TIMESTAMP), Column(end, Kind.TIMESTAMP)),
        f"group_{function.lower()}({inner.shape})",
        ordering=max(inner.ordering, Ordering.BY_EVENT),
        named=inner.named,
        key=(*names, start, end),
        ordered_by_key=tuple(names) if inner.ordering is Ordering.EXACT else (),
    )
