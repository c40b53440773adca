"""Joins, set operations and subqueries: what reads two relations."""

from __future__ import annotations

from dataclasses import replace

from tests.fuzz.expressions import condition, expression
from tests.fuzz.relation import Column, Context, Kind, Ordering, Relation
from tests.fuzz.simple import names_of, where

_JOINED = (Kind.STRING, Kind.INT, Kind.DATE, Kind.BOOLEAN)
_FEW = ("k", "i", "p", "dt")


def _named(left: Relation, right: Relation) -> tuple[tuple[str, str], ...]:
    return (*left.named, *(entry for entry in right.named if entry not in left.named))


def _pair(c: Context, left: Relation, right: Relation) -> tuple[Column, Column] | None:
    """Two columns of one kind to compare, with few values if possible."""
    pairs = [(a, b) for a in left.of(*_JOINED) for b in right.of(*_JOINED) if a.kind is b.kind]
    few = [(a, b) for a, b in pairs if a.name in _FEW and b.name in _FEW]
    options = few if few and c.chance(0.8) else pairs
    return c.pick(*options) if options else None


def _same_source(left: Relation, right: Relation) -> bool:
    """One event then reaches both sides, in an order that is not defined."""
    return any(_reads(left, source) and _reads(right, source) for source in ("t", "u"))


def _reads(relation: Relation, source: str) -> bool:
    return any(part == source for part in relation.shape.replace("(", " ").replace(")", " ").replace(",", " ").split())


def _joined_ordering(left: Relation, right: Relation) -> Ordering:
    if _same_source(left, right) or left.ordering or right.ordering:
        return Ordering.NET
    return Ordering.BY_EVENT


def _is_correlated(left: Relation, right: Relation) -> bool:
    """Whether Flink makes no semi join of a subquery, but joins that read its rows twice."""
    return any(what in side.shape for what in ("unnest", "temporal") for side in (left, right))


def _two_sides(c: Context, left: Relation, right: Relation, le: str, ri: str) -> tuple[list[str], list[Column]]:
    texts, columns = [], []
    for alias, side in ((le, left), (ri, right)):
        kept = c.some(side.columns, 1, 4)
        for name in side.key or ():
            if all(column.name != name for column in kept):
                kept.append(Column(name, side.kind_of(name)))
        for column in kept:
            name = c.name("j")
            texts.append(f"{alias}.{column.name} AS {name}")
            columns.append(Column(name, column.kind))
    return texts, columns


def join(c: Context, left: Relation, right: Relation) -> Relation:
    """Joins of two changelogs."""
    pair = _pair(c, left, right)
    kind = c.pick("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN") if pair else "CROSS JOIN"
    le, ri = c.name("le"), c.name("ri")
    texts, columns = _two_sides(c, left, right, le, ri)
    on = ""
    if pair:
        on = f" ON {le}.{pair[0].name} = {ri}.{pair[1].name}"
        both = [*names_of(left, f"{le}."), *names_of(right, f"{ri}.")]
        if c.chance(0.3):
            on += f" AND {condition(c, both, 1)}"
    return Relation(
        f"SELECT {', '.join(texts)} FROM {left.source(le)} {kind} {right.source(ri)}{on}",
        tuple(columns),
        f"{kind.lower().replace(' ', '_')}({left.shape}, {right.shape})",
        ordering=_joined_ordering(left, right),
        append_only=kind == "JOIN" and left.append_only and right.append_only,
        named=_named(left, right),
    )


def interval_join(c: Context, left: Relation, right: Relation) -> Relation:
    """A join with bounds between row times."""
    le, ri = c.name("le"), c.name("ri")
    kind = c.pick("JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
    texts, columns = _two_sides(c, left, right, le, ri)
    a, b = f"{le}.{left.time}", f"{ri}.{right.time}"
    bounds = c.pick(
        f"{b} BETWEEN {a} - INTERVAL '5' SECOND AND {a} + INTERVAL '3' SECOND",
        f"{a} BETWEEN {b} AND {b} + INTERVAL '5' SECOND",
        f"{b} >= {a} AND {b} < {a} + INTERVAL '3' SECOND",
        f"{a} > {b} - INTERVAL '0.001' SECOND AND {a} <= {b} + INTERVAL '5' SECOND",
    )
    pair = _pair(c, left, right)
    equal = f"{le}.{pair[0].name} = {ri}.{pair[1].name} AND " if pair and c.chance(0.8) else ""
    extra = f" AND {condition(c, [*names_of(left, le + '.'), *names_of(right, ri + '.')], 1)}" if c.chance(0.2) else ""
    return Relation(
        f"SELECT {', '.join(texts)} FROM {left.source(le)} {kind} {right.source(ri)} ON {equal}{bounds}{extra}",
        tuple(columns),
        f"interval_{kind.lower().replace(' ', '_')}({left.shape}, {right.shape})",
        ordering=max(Ordering.BY_EVENT, left.ordering, right.ordering),
        named=_named(left, right),
    )


def temporal_join(c: Context, left: Relation, right: Relation) -> Relation:
    """A join with the version that held at the row's time: versions are the last rows of each key."""
    key = c.pick("k", "i")
    versions = c.name("v")
    rank, le, ri = c.name("rn"), c.name("le"), c.name("ri")
    newest = (
        f"SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {right.time} DESC) AS {rank} "
        f"FROM {right.source(c.name('q'))}) AS {c.name('q')} WHERE {rank} = 1"
    )
    texts, columns = _two_sides(c, left, right, le, ri)
    kind = c.pick("JOIN", "LEFT JOIN")
    return Relation(
        f"SELECT {', '.join(texts)} FROM {left.source(le)} {kind} {versions} FOR SYSTEM_TIME AS OF {le}.{left.time} AS {ri} "
        f"ON {le}.{key} = {ri}.{key}",
        tuple(columns),
        f"temporal_{kind.lower().replace(' ', '_')}({left.shape}, {right.shape})",
        ordering=max(Ordering.BY_EVENT, left.ordering, right.ordering),
        named=(*_named(left, right), (versions, newest)),
    )


def semi_join(c: Context, left: Relation, right: Relation) -> Relation:
    """IN, NOT IN, EXISTS, NOT EXISTS."""
    pair = _pair(c, left, right)
    if pair is None:
        return replace(left, shape=f"plain({left.shape})")
    le, ri = c.name("le"), c.name("ri")
    a, b = pair
    inner = f"{right.source(ri)}"
    extra = where(c, names_of(right, f"{ri}."), 0.4)
    correlated = f"{inner}{extra}{' AND' if extra else ' WHERE'} {ri}.{b.name} = {le}.{a.name}"
    what, predicate = c.pick(
        ("in", f"{le}.{a.name} IN (SELECT {ri}.{b.name} FROM {inner}{extra})"),
        ("exists", f"EXISTS (SELECT 1 FROM {correlated})"),
        ("not_exists", f"NOT EXISTS (SELECT 1 FROM {correlated})"),
        ("not_in", f"{le}.{a.name} NOT IN (SELECT {ri}.{b.name} FROM {inner}{extra})"),
    )
    more = f" AND {condition(c, names_of(left, le + '.'), 1)}" if c.chance(0.2) else ""
    return replace(
        left,
        query=f"SELECT * FROM {left.source(le)} WHERE {predicate}{more}",
        shape=f"{what}({left.shape}, {right.shape})",
        ordering=Ordering.NET if _is_correlated(left, right) else _joined_ordering(left, right),
        append_only=what == "in" and left.append_only and right.append_only,
        time=None,
        table=None,
        named=_named(left, right),
        ordered_by_key=(),
        window=None,
    )


def scalar_subquery(c: Context, left: Relation, right: Relation) -> Relation:
    """A value of another relation beside every row, or compared with it."""
    le, ri, name = c.name("le"), c.name("ri"), c.name("e")
    numbers = right.of(Kind.INT, Kind.BIGINT, Kind.DECIMAL)
    call = f"{c.pick('MAX', 'MIN', 'COUNT', 'SUM')}({ri}.{c.pick(*numbers).name})" if numbers else "COUNT(*)"
    pair = _pair(c, left, right) if c.chance(0.4) else None
    correlation = f" WHERE {ri}.{pair[1].name} = {le}.{pair[0].name}" if pair else ""
    value = f"(SELECT {call} FROM {right.source(ri)}{correlation})"
    kept = c.some(left.columns, 1, 5)
    mine = left.of(Kind.INT)
    if mine and c.chance(0.4):
        select = ", ".join(f"{le}.{column.name}" for column in kept)
        query = (
            f"SELECT {select} FROM {left.source(le)} WHERE {le}.{c.pick(*mine).name} {c.pick('<', '=', '>=')} {value}"
        )
        columns = tuple(kept)
    else:
        select = ", ".join([*(f"{le}.{column.name}" for column in kept), f"{value} AS {name}"])
        query, columns = f"SELECT {select} FROM {left.source(le)}", (*kept, Column(name, Kind.DECIMAL))
    return Relation(
        query,
        columns,
        f"scalar_subquery({left.shape}, {right.shape})",
        ordering=_joined_ordering(left, right),
        append_only=False,
        named=_named(left, right),
    )


def set_operation(c: Context, left: Relation, right: Relation) -> Relation:
    """UNION, INTERSECT, EXCEPT, with and without ALL."""
    operator = c.weighted(
        {"UNION ALL": 4, "UNION": 1.5, "INTERSECT": 1, "EXCEPT": 1, "INTERSECT ALL": 0.7, "EXCEPT ALL": 0.7}
    )
    kinds = c.some([Kind.INT, Kind.STRING, Kind.DECIMAL, Kind.BIGINT, Kind.DATE, Kind.BOOLEAN], 1, 3)
    selects, columns = [], tuple(Column(c.name("z"), kind) for kind in kinds)
    times = operator == "UNION ALL" and left.time and right.time and c.chance(0.7)
    for side in (left, right):
        alias = c.name("q")
        items = []
        for column in columns:
            atoms = [a for a in side.of(column.kind) if a.name != "id" or c.chance(0.3)]
            own = atoms and c.chance(0.8)
            text = c.pick(*atoms).name if own else expression(c, names_of(side), column.kind, 1)
            items.append(f"{text} AS {column.name}")
        if times:
            items.append(f"{side.time} AS zt")
        selects.append(f"SELECT {', '.join(items)} FROM {side.source(alias)}{where(c, names_of(side), 0.3)}")
    all_columns = (*columns, Column("zt", Kind.TIMESTAMP)) if times else columns
    keeps = operator == "UNION ALL"
    return Relation(
        f" {operator} ".join(selects),
        all_columns,
        f"{operator.lower().replace(' ', '_')}({left.shape}, {right.shape})",
        ordering=_union_ordering(left, right) if keeps else _set_ordering(left, right),
        append_only=keeps and left.append_only and right.append_only,
        time="zt" if times else None,
        named=_named(left, right),
    )


def _union_ordering(left: Relation, right: Relation) -> Ordering:
    own = max(left.ordering, right.ordering)
    return max(own, Ordering.BY_EVENT) if _same_source(left, right) else own


def _set_ordering(left: Relation, right: Relation) -> Ordering:
    if _same_source(left, right) or left.ordering or right.ordering:
        return Ordering.NET
    return Ordering.BY_EVENT
