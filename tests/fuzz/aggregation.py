"""GROUP BY, DISTINCT and grouping sets; aggregate calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.fuzz.expressions import SCALARS, Named, condition, expression
from tests.fuzz.relation import NUMBERS, Column, Context, Kind, Ordering, Relation
from tests.fuzz.simple import names_of, where

_SUMMED = {Kind.INT: 3.0, Kind.BIGINT: 2.0, Kind.DECIMAL: 4.0, Kind.DOUBLE: 1.0}
_COMPARED = (*NUMBERS, Kind.STRING, Kind.DATE, Kind.TIMESTAMP, Kind.BOOLEAN)
_KEYS = (Kind.STRING, Kind.INT, Kind.BIGINT, Kind.BOOLEAN, Kind.DATE, Kind.DECIMAL, Kind.TIMESTAMP)


def aggregate(c: Context, names: Named, *, in_order: bool, retracting: bool = False) -> tuple[str, Kind]:
    """An aggregate call and its kind. `in_order`: it may depend on the order of rows; `retracting`: rows are taken back,
    which is hard for MIN and MAX."""
    call, kind = _call(c, names, in_order, 3.0 if retracting else 1.0)
    if c.chance(0.2):
        call += f" FILTER (WHERE {condition(c, names, 1)})"
    return call, kind


def _call(c: Context, names: Named, in_order: bool, extremes: float) -> tuple[str, Kind]:
    functions = {"COUNT(*)": 2.0, "COUNT": 2, "DISTINCT": 2, "SUM": 4, "AVG": 3}
    functions |= {"MIN": 2.5 * extremes, "MAX": 2.5 * extremes}
    if in_order:
        functions |= {"FIRST_VALUE": 0.7, "LAST_VALUE": 0.7, "LISTAGG": 0.5}
    function = c.weighted(functions)
    match function:
        case "COUNT(*)":
            return function, Kind.BIGINT
        case "COUNT":
            return f"COUNT({_argument(c, names, c.pick(*SCALARS))})", Kind.BIGINT
        case "DISTINCT":
            return _distinct(c, names, in_order)
        case "SUM" | "AVG":
            kind = _number(c, names, in_order)
            return f"{function}({_argument(c, names, kind)})", kind
        case "LISTAGG":
            return f"LISTAGG({_argument(c, names, Kind.STRING)}{c.pick('', ', ' + repr('|'))})", Kind.STRING
        case _:
            kind = c.pick(*_present(c, names, _COMPARED))
            return f"{function}({_argument(c, names, kind)})", kind


def _distinct(c: Context, names: Named, in_order: bool) -> tuple[str, Kind]:
    if c.chance(0.6):
        return f"COUNT(DISTINCT {_argument(c, names, c.pick(*_KEYS))})", Kind.BIGINT
    kind = _number(c, names, in_order)
    return f"{c.pick('SUM', 'AVG')}(DISTINCT {_argument(c, names, kind)})", kind


def _number(c: Context, names: Named, in_order: bool) -> Kind:
    """Sums of doubles depend on the order of rows, in their last digit."""
    summed = [kind for kind in _SUMMED if in_order or kind is not Kind.DOUBLE]
    return c.weighted({kind: _SUMMED[kind] for kind in _present(c, names, summed)})


def _present(c: Context, names: Named, kinds: Sequence[Kind]) -> Sequence[Kind]:
    """Those of which there are columns, mostly: aggregates of constants tell little."""
    found = [kind for kind in kinds if any(kind is k for _, k in names)]
    return found if found and c.chance(0.85) else kinds


def _argument(c: Context, names: Named, kind: Kind) -> str:
    atoms = [text for text, k in names if k is kind]
    return c.pick(*atoms) if atoms and c.chance(0.75) else expression(c, names, kind, 1)


def aggregates(
    c: Context, names: Named, *, in_order: bool, least: int = 1, retracting: bool = False
) -> tuple[list[str], list[Column]]:
    """Select items that aggregate, and what they are."""
    texts, columns = [], []
    for _ in range(c.random.randint(least, 4)):
        call, kind = aggregate(c, names, in_order=in_order, retracting=retracting)
        name = c.name("g")
        texts.append(f"{call} AS {name}")
        columns.append(Column(name, kind))
    return texts, columns


def keys(c: Context, inner: Relation, least: int, most: int) -> list[Column]:
    """Columns to group by: those with few values, mostly."""
    good = [column for column in inner.of(*_KEYS) if column.name not in {inner.time, *(inner.window or ())}]
    few = [column for column in good if column.name in ("k", "i", "p", "dt", "s")]
    return c.some(few if few and c.chance(0.7) else good, least, most)


def group_by(c: Context, inner: Relation) -> Relation:
    """SELECT keys, aggregates FROM … GROUP BY keys."""
    names = names_of(inner)
    by = keys(c, inner, 0, 2)
    texts, columns = aggregates(c, names, in_order=_in_order(inner), retracting=not inner.append_only)
    grouped: dict[str, str] = {column.name: column.name for column in by}
    if c.chance(0.15):
        key = c.name("x")
        kind = c.pick(Kind.STRING, Kind.INT, Kind.BOOLEAN)
        grouped[expression(c, names, kind, 1)] = key
        by = [*by, Column(key, kind)]
    select = ", ".join([*(t if t == n else f"{t} AS {n}" for t, n in grouped.items()), *texts])
    clause = f" GROUP BY {', '.join(grouped)}" if grouped else ""
    return _aggregated(
        inner,
        f"SELECT {select} FROM {inner.source(c.name('q'))}{where(c, names, 0.3)}{clause}{_having(c, names)}",
        (*by, *columns),
        tuple(column.name for column in by),
        "group_by" if grouped else "global_aggregate",
    )


def distinct(c: Context, inner: Relation) -> Relation:
    """SELECT DISTINCT."""
    by = keys(c, inner, 1, 3)
    select = ", ".join(column.name for column in by) or "1 AS one"
    query = f"SELECT DISTINCT {select} FROM {inner.source(c.name('q'))}{where(c, names_of(inner), 0.3)}"
    columns = tuple(by) or (Column("one", Kind.INT),)
    made = _aggregated(inner, query, columns, tuple(column.name for column in columns), "distinct")
    return replace(made, append_only=inner.append_only)


def grouping_sets(c: Context, inner: Relation) -> Relation:
    """GROUP BY ROLLUP, CUBE, GROUPING SETS."""
    names = names_of(inner)
    by = keys(c, inner, 2, 2)
    texts, columns = aggregates(c, names, in_order=False)
    both = ", ".join(column.name for column in by)
    clause = c.pick(f"ROLLUP ({both})", f"CUBE ({both})", f"GROUPING SETS (({both}), ({by[0].name}), ())")
    mark = c.name("g")
    texts.append(f"{c.pick('GROUPING', 'GROUPING_ID')}({by[0].name}) AS {mark}")
    columns.append(Column(mark, Kind.BIGINT))
    query = f"SELECT {both}, {', '.join(texts)} FROM {inner.source(c.name('q'))} GROUP BY {clause}{_having(c, names)}"
    made = _aggregated(inner, query, (*by, *columns), None, "grouping_sets")
    return replace(made, ordering=max(made.ordering, Ordering.BY_EVENT))


def _having(c: Context, names: Named) -> str:
    if c.chance(0.8):
        return ""
    call, kind = aggregate(c, names, in_order=False)
    thresholds: Mapping[Kind, str] = {Kind.BIGINT: "1", Kind.INT: "1", Kind.DECIMAL: "0.5", Kind.DOUBLE: "0"}
    return (
        f" HAVING {call} {c.pick('>', '<=')} {thresholds[kind]}"
        if kind in thresholds
        else f" HAVING {call} IS NOT NULL"
    )


def _in_order(inner: Relation) -> bool:
    return inner.ordering is Ordering.EXACT and inner.append_only


def _aggregated(
    inner: Relation, query: str, columns: tuple[Column, ...], key: tuple[str, ...] | None, what: str
) -> Relation:
    return Relation(
        query,
        columns,
        f"{what}({inner.shape})",
        ordering=Ordering.EXACT if inner.ordering is Ordering.EXACT else Ordering.NET,
        append_only=False,
        key=key,
        named=inner.named,
    )
