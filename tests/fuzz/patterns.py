"""MATCH_RECOGNIZE over row time."""

from __future__ import annotations

from tests.fuzz.aggregation import keys
from tests.fuzz.relation import Column, Context, Kind, Ordering, Relation

_NUMBERS = (Kind.INT, Kind.BIGINT, Kind.DECIMAL)


def match_recognize(c: Context, inner: Relation) -> Relation:
    """A pattern of rows of each key."""
    by = keys(c, inner, 0, 1)
    (value,) = c.some(inner.of(*_NUMBERS), 1, 1)
    pattern = c.pick("A B", "A B+ C", "A B* C", "A B+? C", "A{2} B", "A B? C", "A+ B", "A B{1,2} C", "A B{2,} C")
    variables = [name for name in "ABC" if name in pattern]
    last = variables[-1]
    skip = c.pick("PAST LAST ROW", "PAST LAST ROW", "TO NEXT ROW", f"TO LAST {last}", f"TO FIRST {last}")
    if skip.startswith("TO FIRST") and last == "A":
        skip = "PAST LAST ROW"
    within = f" WITHIN INTERVAL '{c.pick(2, 5, 10)}' SECOND" if c.chance(0.3) else ""
    defined = [name for name in variables if name != "A" or c.chance(0.4)]
    define = ", ".join(f"{name} AS {_condition(c, name, variables, value.name)}" for name in defined) or "A AS TRUE"
    measures, columns = _measures(c, variables, value)
    partition = f"PARTITION BY {by[0].name} " if by else ""
    alias = c.name("m")
    return Relation(
        f"SELECT * FROM {inner.source('')[: -len(' AS ')]} MATCH_RECOGNIZE ({partition}ORDER BY {inner.time} "
        f"MEASURES {', '.join(measures)} ONE ROW PER MATCH AFTER MATCH SKIP {skip} PATTERN ({pattern}){within} "
        f"DEFINE {define}) AS {alias}",
        (*by, *columns),
        f"match_recognize({inner.shape})",
        ordering=Ordering.BY_EVENT,
        named=inner.named,
        ordered_by_key=tuple(column.name for column in by),
    )


def _condition(c: Context, name: str, variables: list[str], value: str) -> str:
    previous = variables[max(0, variables.index(name) - 1)]
    options = [
        f"{name}.{value} > {c.pick(0, 1, 2)}",
        f"{name}.{value} IS NOT NULL",
        f"{name}.{value} <= LAST({name}.{value}, 1) OR LAST({name}.{value}, 1) IS NULL",
        f"COUNT({name}.{value}) < {c.pick(2, 3)}",
        f"SUM({name}.{value}) < {c.pick(3, 8)}",
    ]
    if previous != name:
        options += [
            f"{name}.{value} {c.pick('>', '<', '>=')} {previous}.{value}",
            f"{name}.{value} <> LAST({previous}.{value})",
            f"{name}.{value} > FIRST({previous}.{value})",
            f"{name}.{value} >= AVG({previous}.{value})",
        ]
    return c.pick(*options)


def _measures(c: Context, variables: list[str], value: Column) -> tuple[list[str], list[Column]]:
    texts, columns = [], []
    for variable in c.some(variables, 1, 3):
        call, kind = c.pick(
            (f"FIRST({variable}.id)", Kind.INT),
            (f"LAST({variable}.id)", Kind.INT),
            (f"LAST({variable}.{value.name}, 1)", value.kind),
            (f"{variable}.{value.name}", value.kind),
            (f"COUNT({variable}.id)", Kind.BIGINT),
            (f"SUM({variable}.{value.name})", value.kind),
            (f"MAX({variable}.{value.name})", value.kind),
            (f"AVG({variable}.{value.name})", value.kind),
        )
        name = c.name("e")
        texts.append(f"{call} AS {name}")
        columns.append(Column(name, kind))
    return texts, columns
