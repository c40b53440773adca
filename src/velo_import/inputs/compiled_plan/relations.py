"""Nodes of a plan and what they give: relations with named columns that a FROM can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from velo_import.inputs.compiled_plan.expressions import Rex, Scope, name_of
from velo_import.inputs.compiled_plan.logical_types import Column, UnreadPart, quoted


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the plan."""

    id: int
    kind: str
    """Its type without prefix and version: `calc`, `group-aggregate`."""
    data: Mapping[str, Any]
    columns: tuple[Column, ...]
    """Its output."""

    @property
    def cte(self) -> str:
        """How the query calls its result."""
        return f"{self.kind.replace('-', '_')}_{self.id}"


@dataclass(frozen=True, slots=True)
class Relation:
    """What FROM can read."""

    source: str
    columns: tuple[Column, ...]
    literals: Mapping[int, str] = field(default_factory=dict)
    """Columns that are a literal: separators and percentages of aggregates come as such."""
    computed: Mapping[str, str] = field(default_factory=dict)
    """The SQL of computed columns that the table has, to their names."""
    order: str = ""
    """`ORDER BY …` of the rows, which the query that reads them has to say."""

    def fields(self, alias: str | None = None) -> list[str]:
        """The SQL of each column."""
        before = f"{quoted(alias)}." if alias else ""
        return [before + quoted(column.name) for column in self.columns]

    def scope(self, alias: str | None = None) -> Scope:
        """What references mean in an expression over this relation."""
        before = f"{quoted(alias)}." if alias else ""
        return Scope(self.fields(alias), {text: before + name for text, name in self.computed.items()})


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT whose columns are called as those of its node."""

    text: str
    literals: Mapping[int, str] = field(default_factory=dict)


def select(values: Sequence[str], columns: Sequence[Column]) -> str:
    """`SELECT value AS name, …`. UnreadPart when there are not as many values as columns."""
    if len(values) != len(columns):
        raise UnreadPart(f"{len(values)} values for {len(columns)} columns")
    if not columns:
        return "SELECT 0 AS `nothing`"
    return "SELECT " + ", ".join(
        text if text.rpartition(".")[2] == quoted(column.name) or text == quoted(column.name)
        else f"{text} AS {quoted(column.name)}"
        for text, column in zip(values, columns, strict=True)
    )  # fmt: skip


def aggregate(call: Mapping[str, Any], fields: Sequence[str], literals: Mapping[int, str], over: str = "") -> str:
    """The SQL of an aggregate call; `over` is what stands behind one of an OVER window."""
    name = name_of(call)
    arguments = [
        literals.get(index, fields[index]) if position else fields[index]
        for position, index in enumerate(call.get("argList", ()))
    ]
    behind = " IGNORE NULLS" if call.get("ignoreNulls") else ""
    if call.get("filterArg", -1) >= 0:
        behind += f" FILTER (WHERE {fields[call['filterArg']]})"
    behind += over
    distinct = "DISTINCT " if call.get("distinct") else ""
    inner = distinct + ("*" if name == "COUNT" and not arguments else ", ".join(arguments))
    if name in ("SINGLE_VALUE", "AUXILIARY_GROUP"):
        raise UnreadPart(_INTERNAL[name])
    if name == "SUM0":
        return f"COALESCE(SUM({inner}){behind}, 0)"
    if name.startswith("WELFORD_M2"):
        value = f"CAST({arguments[0]} AS DOUBLE)"
        return f"(VAR_POP({distinct}{value}){behind} * COUNT({distinct}{arguments[0]}){behind})"
    if name.startswith(("JSON_OBJECTAGG_", "JSON_ARRAYAGG_")):
        raise UnreadPart("an aggregate that makes JSON of values that are JSON text already")
    return f"{name}({inner}){behind}"


_INTERNAL = {
    "SINGLE_VALUE": "the one value of a scalar subquery beside others",
    "AUXILIARY_GROUP": "a key that depends on others",
}


def order_by(sort: Mapping[str, Any], fields: Sequence[str]) -> str:
    """`ORDER BY …`, empty without keys; NULLs are named where they do not stand as Flink puts them by itself."""
    keys = []
    for key in sort.get("fields", ()):
        ascending = key["isAscending"]
        text = fields[key["index"]] + ("" if ascending else " DESC")
        if key["nullIsLast"] == ascending:
            text += " NULLS LAST" if key["nullIsLast"] else " NULLS FIRST"
        keys.append(text)
    return f"ORDER BY {', '.join(keys)}" if keys else ""


def partition_by(indexes: Sequence[int], fields: Sequence[str]) -> str:
    """`PARTITION BY …`, empty without columns."""
    return f"PARTITION BY {', '.join(fields[index] for index in indexes)}" if indexes else ""


def condition(rex: Rex | None, scope: Scope) -> str:
    """` WHERE …`, empty without a condition."""
    return f" WHERE {scope.sql(rex)}" if rex else ""
