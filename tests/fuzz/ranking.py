"""Top-N, deduplication, OVER aggregates, ORDER BY … LIMIT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.fuzz.aggregation import aggregate, keys
from tests.fuzz.relation import Column, Context, Kind, Ordering, Relation
from tests.fuzz.simple import items, names_of


def _order(c: Context, inner: Relation) -> str:
    """An order without ties between rows that differ."""
    names = [column.name for column in inner.columns if column.kind not in (Kind.ARRAY, Kind.BOOLEAN)]
    names = [name for name in names if name != inner.time] or names
    first = c.some(names, 1, 2)
    every = [column.name for column in inner.columns if column.kind is not Kind.ARRAY]
    rest = [name for name in inner.key or every if name not in first]
    return ", ".join([*(f"{name} {c.pick('ASC', 'DESC')}{_nulls(c)}" for name in first), *rest])


def _nulls(c: Context) -> str:
    return c.pick(" NULLS FIRST", " NULLS LAST") if c.chance(0.15) else ""


def top_n(c: Context, inner: Relation) -> Relation:
    """ROW_NUMBER() … <= n."""
    by = keys(c, inner, 0, 2)
    partition = f"PARTITION BY {', '.join(column.name for column in by)} " if by else ""
    rank, alias = c.name("rn"), c.name("q")
    shown = (*inner.columns, Column(rank, Kind.BIGINT)) if c.chance(0.5) else inner.columns
    with_rank = len(shown) > len(inner.columns)
    bound = c.pick("= 1", "<= 1", "<= 2", "<= 3", "< 3", "BETWEEN 1 AND 2", "BETWEEN 2 AND 3" if with_rank else "<= 4")
    order = _order(c, inner)
    if bound.endswith("= 1") and inner.append_only and c.chance(0.95):
        bound, order = _retracting_top_one(c, inner)
    inside = f"SELECT *, ROW_NUMBER() OVER ({partition}ORDER BY {order}) AS {rank} FROM {inner.source(c.name('q'))}"
    return Relation(
        f"SELECT {items(shown)} FROM ({inside}) AS {alias} WHERE {rank} {bound}",
        shown,
        f"top_n({inner.shape})",
        ordering=Ordering.EXACT if inner.ordering is Ordering.EXACT else Ordering.NET,
        append_only=False,
        key=inner.key,
        named=inner.named,
    )


def _retracting_top_one(c: Context, inner: Relation) -> tuple[str, str]:
    """A Top-1 of a stream by one descending column: the only one whose old rows Flink takes back (see explained.yaml).

    Ties then go by arrival; where that is not defined, a Top-2 instead.
    """
    columns = [
        column
        for column in inner.columns
        if column.kind not in (Kind.ARRAY, Kind.BOOLEAN) and column.name != inner.time
    ]
    if inner.ordering is not Ordering.EXACT or not columns:
        return "<= 2", _order(c, inner)
    return c.pick("= 1", "<= 1"), f"{c.pick(*columns).name} DESC"


def deduplicate(c: Context, inner: Relation) -> Relation:
    """The first or last row of each key by row time."""
    return _deduplicated(c, inner, c.pick("ASC", "DESC"))


def last_of_each(c: Context, inner: Relation) -> Relation:
    """The last row of each key by row time."""
    return _deduplicated(c, inner, "DESC")


def _deduplicated(c: Context, inner: Relation, direction: str) -> Relation:
    by = keys(c, inner, 1, 2)
    rank = c.name("rn")
    inside = (
        f"SELECT *, ROW_NUMBER() OVER ({_partition_by(by)}"
        f"ORDER BY {inner.time} {direction}) AS {rank} FROM {inner.source(c.name('q'))}"
    )
    return Relation(
        f"SELECT {items(inner.columns)} FROM ({inside}) AS {c.name('q')} WHERE {rank} = 1",
        inner.columns,
        f"deduplicate_{'first' if direction == 'ASC' else 'last'}({inner.shape})",
        ordering=Ordering.BY_EVENT if direction == "ASC" else Ordering.EXACT,
        append_only=direction == "ASC",
        key=tuple(column.name for column in by),
        named=inner.named,
        time=inner.time if direction == "ASC" else None,
        ordered_by_key=tuple(column.name for column in by) if direction == "ASC" else (),
    )


def over(c: Context, inner: Relation) -> Relation:
    """Aggregates over what came before, in the order of row time."""
    by = keys(c, inner, 0, 1)
    frame = c.pick(
        "",
        "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
        "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
        "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
        "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
        "RANGE BETWEEN INTERVAL '3' SECOND PRECEDING AND CURRENT ROW",
        "RANGE BETWEEN INTERVAL '8' SECOND PRECEDING AND CURRENT ROW",
    )
    window = f"({_partition_by(by)}ORDER BY {inner.time}{' ' + frame if frame else ''})"
    texts, columns = [], []
    for _ in range(c.random.randint(1, 3)):
        call, kind = aggregate(c, names_of(inner), in_order=True)
        call = call.split(" FILTER")[0]
        name = c.name("w")
        if call.startswith("LISTAGG") or "DISTINCT" in call:
            call, kind = "COUNT(*)", Kind.BIGINT
        texts.append(f"{call} OVER {window} AS {name}")
        columns.append(Column(name, kind))
    kept = [column for column in inner.columns if column.kind is not Kind.ARRAY]
    return Relation(
        f"SELECT {items(kept)}, {', '.join(texts)} FROM {inner.source(c.name('q'))}",
        (*kept, *columns),
        f"over({inner.shape})",
        ordering=Ordering.BY_EVENT,
        time=inner.time,
        key=inner.key,
        named=inner.named,
        ordered_by_key=tuple(column.name for column in by),
    )


def lag(c: Context, inner: Relation) -> Relation:
    """LAG, and the ranking functions that OVER allows."""
    by = keys(c, inner, 1, 1)
    window = f"({_partition_by(by)}ORDER BY {inner.time})"
    source = c.pick(*[column for column in inner.columns if column.kind is not Kind.ARRAY])
    name = c.name("w")
    call, kind = c.pick(
        (f"LAG({source.name})", source.kind),
        (f"LAG({source.name}, 2)", source.kind),
        ("ROW_NUMBER()", Kind.BIGINT),
        ("RANK()", Kind.BIGINT),
        ("DENSE_RANK()", Kind.BIGINT),
    )
    kept = [column for column in inner.columns if column.kind is not Kind.ARRAY]
    return Relation(
        f"SELECT {items(kept)}, {call} OVER {window} AS {name} FROM {inner.source(c.name('q'))}",
        (*kept, Column(name, kind)),
        f"{call.split('(')[0].lower()}_over({inner.shape})",
        ordering=Ordering.BY_EVENT,
        time=inner.time,
        key=inner.key,
        named=inner.named,
        ordered_by_key=tuple(column.name for column in by),
    )


def _partition_by(by: Sequence[Column]) -> str:
    """The clause for `by`, which is empty where a relation has no column to group by."""
    return f"PARTITION BY {', '.join(column.name for column in by)} " if by else ""


def limited(c: Context, inner: Relation) -> Relation:
    """ORDER BY … LIMIT …."""
    offset = f" OFFSET {c.pick(1, 2)}" if c.chance(0.2) else ""
    return replace(
        inner,
        query=f"SELECT * FROM {inner.source(c.name('q'))} ORDER BY {_order(c, inner)} LIMIT {c.pick(1, 2, 3, 5)}{offset}",
        shape=f"limit({inner.shape})",
        ordering=Ordering.EXACT if inner.ordering is Ordering.EXACT else Ordering.NET,
        append_only=False,
        time=None,
        table=None,
        ordered_by_key=(),
        window=None,
    )
