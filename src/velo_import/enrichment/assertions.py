"""Proposed descriptions and assertions of queries, as lines of a spec: only forms that name columns of the query."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from velo_engine.plan.nodes import PlannedProgram
from velo_engine.schema import RowSchema
from velo_engine.types import NUMERICS, STRINGS
from velo_harness.drafting.check_drafts import CheckDraft
from velo_harness.drafting.yaml_text import scalar_text
from velo_import.enrichment.metrics import plain_words
from velo_import.enrichment.suggestions import Assertion, QueryIdea

PROPOSED = "AI: "
"""What the reasons of proposed assertions begin with."""


def query_words(program: PlannedProgram, ideas: Sequence[QueryIdea], notes: list[str]) -> dict[str, str]:
    """Descriptions by query."""
    found: dict[str, str] = {}
    for idea in ideas:
        if idea.description is None or idea.query not in program.statements:
            continue
        words = plain_words(idea.description)
        if words is None:
            notes.append(f"the description of {idea.query} is not plain text of one line")
        else:
            found[idea.query] = words
    return found


def query_checks(
    program: PlannedProgram, ideas: Sequence[QueryIdea], notes: list[str]
) -> Mapping[str, Sequence[CheckDraft]]:
    """Assertions by query. Whether they hold shows when the spec is run."""
    found: dict[str, list[CheckDraft]] = {}
    for idea in ideas:
        statement = program.statements.get(idea.query)
        if statement is None:
            notes.append(f'there is no query "{idea.query}"')
            continue
        for one in idea.assertions:
            try:
                draft = _draft(one, statement.plan.schema)
            except ValueError as problem:
                notes.append(f"an assertion about {idea.query} ({one.kind}): {problem}")
            else:
                found.setdefault(idea.query, []).append(draft)
    return found


def _draft(one: Assertion, schema: RowSchema) -> CheckDraft:
    """Raises ValueError with what is wrong."""
    reason = plain_words(one.reason)
    if reason is None:
        raise ValueError("its reason is not plain text of one line")
    kinds = {column.name: column.type.name for column in schema.columns}
    for name in one.fields:
        if name not in kinds:
            raise ValueError(f'there is no column "{name}"')
    names = ", ".join(scalar_text(name) for name in one.fields)
    lines: tuple[str, ...]
    match one.kind:
        case "not_null":
            lines = ("type: no_nulls", f"fields: [{names}]")
        case "unique":
            lines = ("type: unique_values", f"fields: [{names}]")
        case "one_of":
            field = _single(one)
            if kinds[field] not in STRINGS or not one.values or not all(v.isprintable() for v in one.values):
                raise ValueError("it needs a column of text and values")
            values = ", ".join(scalar_text(value) for value in one.values)
            lines = ("type: field_in_set", f"field: {scalar_text(field)}", f"values: [{values}]")
        case "between":
            field = _single(one)
            low, high = one.minimum, one.maximum
            if kinds[field] not in NUMERICS or low is None or high is None or not low <= high:
                raise ValueError("it needs a column of numbers, a minimum and a maximum")
            if not (math.isfinite(low) and math.isfinite(high)):
                raise ValueError("its ends are no numbers")
            ends = ", ".join(format(Decimal(repr(value)), "f") for value in (low, high))
            lines = ("type: data_quality", f"numeric_ranges: {{ {scalar_text(field)}: [{ends}] }}")
    return CheckDraft(lines, PROPOSED + reason)


def _single(one: Assertion) -> str:
    if len(one.fields) != 1:
        raise ValueError("it is about one column")
    return one.fields[0]
