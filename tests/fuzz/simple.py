"""Queries that keep no state: projection, filter, unnesting; and what every builder needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tests.fuzz.expressions import SCALARS, Named, condition, expression, hard_text
from tests.fuzz.relation import Column, Context, Kind, Relation


def names_of(relation: Relation, alias: str = "") -> Named:
    """The columns as expressions may name them."""
    return [(f"{alias}{column.name}", column.kind) for column in relation.columns]


def items(columns: Iterable[Column], alias: str = "") -> str:
    """A select list of columns."""
    return ", ".join(f"{alias}{column.name}" for column in columns)


def computed(c: Context, names: Named, count: int, depth: int = 2) -> tuple[list[str], list[Column]]:
    """New columns: select items and what they are."""
    texts, columns = [], []
    for _ in range(count):
        name, kind = c.name("e"), c.pick(*SCALARS)
        if c.chance(0.15):
            text, kind = hard_text(c, names)
        else:
            text = expression(c, names, kind, depth)
        texts.append(f"{text} AS {name}")
        columns.append(Column(name, kind))
    return texts, columns


def where(c: Context, names: Named, probability: float = 1.0) -> str:
    """A WHERE clause, or nothing."""
    return f" WHERE {condition(c, names)}" if c.chance(probability) else ""


def kept_key(relation: Relation, columns: Sequence[Column]) -> tuple[str, ...] | None:
    """The key, when all its columns are still there."""
    names = {column.name for column in columns}
    return relation.key if relation.key is not None and names.issuperset(relation.key) else None


def projection(c: Context, inner: Relation) -> Relation:
    """SELECT columns and expressions FROM … WHERE …."""
    kept = c.some(inner.columns, 1, 5)
    for name in (*(inner.key or ()), *([inner.time] if inner.time else []), *(inner.window or ())):
        if c.chance(0.85) and all(column.name != name for column in kept):
            kept.append(Column(name, inner.kind_of(name)))
    alias = c.name("q")
    texts, columns = computed(c, names_of(inner), c.random.randint(0, 3))
    names = {column.name for column in kept}
    select = ", ".join([*(column.name for column in kept), *texts])
    return replace(
        inner,
        query=f"SELECT {select} FROM {inner.source(alias)}{where(c, names_of(inner), 0.5)}",
        columns=(*kept, *columns),
        shape=f"projection({inner.shape})",
        time=inner.time if inner.time in names else None,
        key=kept_key(inner, kept),
        table=None,
        ordered_by_key=inner.ordered_by_key if names.issuperset(inner.ordered_by_key) else (),
        window=inner.window if inner.window and names.issuperset(inner.window) else None,
    )


def filtered(c: Context, inner: Relation) -> Relation:
    """SELECT * FROM … WHERE …."""
    return replace(
        inner,
        query=f"SELECT * FROM {inner.source(c.name('q'))}{where(c, names_of(inner))}",
        shape=f"filter({inner.shape})",
        table=None,
    )


def unnest(c: Context, inner: Relation) -> Relation:
    """One row for each element of an array."""
    (array,) = c.some(inner.of(Kind.ARRAY), 1, 1)
    alias, elements, value = c.name("q"), c.name("n"), c.name("v")
    join = c.pick(
        f"CROSS JOIN UNNEST({alias}.{array.name}) AS {elements} ({value})",
        f", UNNEST({alias}.{array.name}) AS {elements} ({value})",
        f"LEFT JOIN UNNEST({alias}.{array.name}) AS {elements} ({value}) ON TRUE",
    )
    kept = c.some([column for column in inner.columns if column.kind is not Kind.ARRAY], 1, 6)
    return replace(
        inner,
        query=f"SELECT {items(kept, alias + '.')}, {value} FROM {inner.source(alias)} {join}".replace(" ,", ","),
        columns=(*kept, Column(value, Kind.INT)),
        shape=f"unnest({inner.shape})",
        time=inner.time if any(column.name == inner.time for column in kept) else None,
        key=None,
        table=None,
        ordered_by_key=(),
        window=None,
    )
