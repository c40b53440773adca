"""A case as a spec: the records that are behind a row, and the row that the left has."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from velo_engine.types import FLOATS, INTEGERS, STRINGS, SqlType, TypeName
from velo_harness.drafting.yaml_text import scalar_text
from velo_harness.relation import Relation
from velo_harness.updating.yaml_values import WrittenCell, flow_row, text_text, value_text
from velo_shadow.alignment import quoted
from velo_shadow.model import ColumnEquality, PlanColumn, Rule

_WIDTH = 110
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
_NESTED = (TypeName.ARRAY, TypeName.MAP, TypeName.MULTISET, TypeName.ROW)
_WITHIN_BOUNDS = (Rule.ABS, Rule.REL, Rule.ULP)


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A record of an input, by its number among the rows of the source."""

    source: str
    number: int
    place: int
    """Among the records of all inputs."""
    partition: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """What a spec is written of."""

    statement: str
    sql_file: str
    """As the spec names it."""
    title: str
    reason: str
    """What differs, for the description."""
    key: Mapping[str, Any]
    key_columns: tuple[PlanColumn, ...]
    columns: tuple[PlanColumn, ...]
    """Those compared beside the key."""
    expected: tuple[Mapping[str, Any], ...]
    """The rows of the key on the left."""
    rows: tuple[CaseRow, ...]
    """In the order of arrival."""
    relations: Mapping[str, Relation]
    """By source all its rows."""
    partitions: Mapping[str, int]
    """By source how many its topic has."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """For `${NAME}` in the program."""


def spec_text(case: Case, *, in_order: bool) -> str:
    """The spec. `in_order`: the records of several inputs keep their common order, as entries of timelines."""
    lines = [f"application: {text_text(case.title)}", f"sql_file: {scalar_text(case.sql_file)}"]
    if case.variables:
        lines.append("variables:")
    lines += [f"  {text_text(name)}: {json.dumps(text, ensure_ascii=False)}" for name, text in case.variables.items()]
    lines.append("queries:")
    lines += [f"  - name: {scalar_text(case.statement)}", "    description: >-"]
    lines += [f"      {line}" for line in textwrap.wrap(case.reason, _WIDTH)]
    if case.relations:
        lines.append("    inputs:")
    for source, relation in case.relations.items():
        lines += _input(case, source, relation, in_order=in_order)
    return "\n".join([*lines, "    assertions:", "      - type: sql", *_assertion(case)]) + "\n"


def _input(case: Case, source: str, relation: Relation, *, in_order: bool) -> Iterator[str]:
    own = [row for row in case.rows if row.source == source]
    several = case.partitions.get(source, 1) > 1
    yield f"      - source: {scalar_text(source)}"
    if several:
        yield f"        partitions: {case.partitions[source]}"
    if not own:
        yield "        rows: []"
        return
    with_places = source in case.partitions and (in_order or several)
    yield f"        {'timeline' if with_places else 'rows'}:"
    for row in own:
        text = _row(relation, row)
        if with_places:
            where = f", partition: {row.partition}" if several else ""
            text = f"{{ row: {text}{where}, at: {row.place}ms }}"
        yield f"          - {text}"


def _row(relation: Relation, row: CaseRow) -> str:
    cells = [
        WrittenCell(column.name, column.type, relation.table.column(i)[row.number].as_py())
        for i, column in enumerate(relation.schema.columns)
        if relation.table.column(i)[row.number].is_valid
    ]
    return flow_row(cells, padded=True)


def _assertion(case: Case) -> Iterator[str]:
    columns = [column for column in (*case.key_columns, *case.columns) if column.type.name not in _NESTED]
    within = len(case.expected) == 1
    if not within:  # which of several rows a value that is about right belongs to, nothing says
        columns = [column for column in columns if column.equality.rule not in _WITHIN_BOUNDS]
    shown = [_shown(column, case.expected[0][column.name], within=within) for column in columns] if within else []
    selected = [text for text, _ in shown] or [sql_name(column.name) for column in columns]
    conditions = [_is(column, case.key[column.name]) for column in columns if column.name in case.key]
    query = [
        *(
            f"{'SELECT' if i == 0 else '      '} {text}{'' if i == len(selected) - 1 else ','}"
            for i, text in enumerate(selected)
        ),
        "FROM output",
        *(f"{'WHERE' if i == 0 else '  AND'} {text}" for i, text in enumerate(conditions)),
    ]
    yield "        query: |"
    yield from (f"          {line}" for line in query)
    if not case.expected:
        yield "        expect: []"
    else:
        yield "        expect:"
    for row in case.expected:
        if within:
            cells = [f"{text_text(c.name)}: {text}" for c, (_, text) in zip(columns, shown, strict=True)]
        else:
            cells = [f"{text_text(c.name)}: {value_text(row[c.name], c.type)}" for c in columns]
        yield f"          - {{ {', '.join(cells)} }}"
    yield f"        reason: {text_text('what the left has')}"


def _shown(column: PlanColumn, value: Any, *, within: bool) -> tuple[str, str]:
    """What is selected of a column, and the value expected of it as YAML."""
    name = sql_name(column.name)
    bounds = _bounds(column.equality, column.type, value) if within else None
    if bounds is None:
        return name, value_text(value, column.type)
    return f"{name} BETWEEN {bounds[0]} AND {bounds[1]} AS {name}", "true"


def _bounds(equality: ColumnEquality, kind: SqlType, value: Any) -> tuple[str, str] | None:
    """The values that count as equal to one, as SQL has them; None where only the value itself does."""
    if value is None or equality.rule not in _WITHIN_BOUNDS or not equality.tolerance:
        return None
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite():
        return None
    match equality.rule:
        case Rule.ABS:
            room = equality.tolerance
        case Rule.REL:
            room = equality.tolerance * abs(exact)
        case _:
            room = equality.tolerance * abs(exact) * Decimal(2) ** -52
    low, high = exact - room, exact + room
    if kind.name in FLOATS:
        return repr(float(low)), repr(float(high))
    return format(low, "f"), format(high, "f")


def _is(column: PlanColumn, value: Any) -> str:
    name = sql_name(column.name)
    return f"{name} IS NULL" if value is None else f"{name} = {_literal(value, column.type)}"


def _literal(value: Any, kind: SqlType) -> str:
    """A value in DuckDB's SQL."""
    if kind.name in STRINGS:
        return "'" + str(value).replace("'", "''") + "'"
    if kind.name is TypeName.BOOLEAN:
        return "TRUE" if value else "FALSE"
    if kind.name in INTEGERS or kind.name is TypeName.DECIMAL:
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    if kind.name in FLOATS:
        return repr(value)
    return f"'{value}'"


def sql_name(name: str) -> str:
    """A column's name in SQL, quoted where it may be a word of the language: those have no underscore, but these."""
    plain = _PLAIN_NAME.fullmatch(name) is not None and not name.startswith(("current_", "session_"))
    return name if plain else quoted(name)


def slug(words: Sequence[str]) -> str:
    """The words as part of a file's name."""
    text = "-".join("".join(c if c.isalnum() else "-" for c in word) for word in words)
    return "-".join(part for part in text.split("-") if part)[:80]


def shown_value(value: Any) -> str:
    """A value of a key for people."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) and "," in value else str(value)
