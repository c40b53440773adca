"""The `data_quality` assertion: several rules at once, and the share of rows that break none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from velo_engine.batch import Bools
from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.types import FLOATS, NUMERICS, STRINGS
from velo_harness.assertions.comparison import column_matches, column_related
from velo_harness.assertions.context import CheckContext, column_called, missing_field, offending
from velo_harness.quality_rules import PatternRule, RangeRule, ReferenceRule
from velo_harness.relation import Relation
from velo_harness.result import Finding
from velo_harness.row_codes import columns_of, row_codes
from velo_harness.spec import AssertionSpec, Operator


@dataclass(frozen=True, slots=True)
class _Broken:
    """One rule, and the rows that break it."""

    rule: str
    rows: Bools


def data_quality(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The share of the rows that break no rule is large enough. A NULL breaks only `no_nulls_in`."""
    output = context.output
    for name, relation in _columns(assertion, context):
        if relation.position(name) is None:
            return missing_field(relation, name)
    broken = list(_rules(assertion, context))
    wrong = np.logical_or.reduce([one.rows for one in broken])
    score = Decimal(int((~wrong).sum())) / len(output)
    wanted = assertion.parameters["min_quality_score"]
    if score >= wanted:
        return None
    count, examples = offending(output, wrong)
    expected = "every row without a flaw" if wanted == 1 else f"{wanted:.2%} of the rows without a flaw"
    flaws = "; ".join(f"{one.rule}: {int(one.rows.sum())}" for one in broken if one.rows.any())
    return Finding(expected, f"{score:.2%} (rows by flaw: {flaws})", count, len(output), examples)


def _columns(assertion: AssertionSpec, context: CheckContext) -> Iterator[tuple[str, Relation]]:
    """The columns that the rules name, and where they must be."""
    wanted = assertion.parameters
    for name in (*wanted["no_nulls_in"], *wanted["no_empty_strings_in"]):
        yield name, context.output
    for rule in (*wanted["numeric_ranges"], *wanted["string_patterns"], *wanted["referential_integrity"]):
        yield rule.field, context.output
    for rule in wanted["referential_integrity"]:
        yield rule.source_field, _input(rule, context)


def _rules(assertion: AssertionSpec, context: CheckContext) -> Iterator[_Broken]:
    wanted, output = assertion.parameters, context.output
    for name in wanted["no_nulls_in"]:
        yield _Broken(f"NULL in {name}", column_called(output, name).is_null().to_numpy())
    for name in wanted["no_empty_strings_in"]:
        _must_be(output, name, STRINGS, "text", assertion.parameter_locations["no_empty_strings_in"])
        yield _Broken(f"empty {name}", column_matches(column_called(output, name), r"^\s*$"))
    for rule in wanted["numeric_ranges"]:
        yield _out_of_range(rule, output)
    for rule in wanted["string_patterns"]:
        yield _unlike(rule, output)
    for rule in wanted["referential_integrity"]:
        yield _without_partner(rule, output, _input(rule, context))


def _out_of_range(rule: RangeRule, output: Relation) -> _Broken:
    _must_be(output, rule.field, NUMERICS, "a number", rule.location)
    position = output.position(rule.field)
    assert position is not None
    kind, column = output.type(position), output.column(position)
    held = column.is_valid().to_numpy()
    for bound, op in ((rule.low, Operator.GREATER_THAN_OR_EQUAL), (rule.high, Operator.LESS_THAN_OR_EQUAL)):
        if bound is not None:
            held &= column_related(kind, column, op, float(bound) if kind.name in FLOATS else bound)
    low, high = ("" if bound is None else str(bound) for bound in (rule.low, rule.high))
    return _Broken(f"{rule.field} outside [{low}, {high}]", ~held & column.is_valid().to_numpy())


def _unlike(rule: PatternRule, output: Relation) -> _Broken:
    _must_be(output, rule.field, STRINGS, "text", rule.location)
    column = column_called(output, rule.field)
    wrong = ~column_matches(column, rule.pattern) & column.is_valid().to_numpy()
    return _Broken(f"{rule.field} unlike /{rule.pattern}/", wrong)


def _without_partner(rule: ReferenceRule, output: Relation, source: Relation) -> _Broken:
    own = columns_of(output, [rule.field])
    codes, known = row_codes(own, columns_of(source, [rule.source_field]))
    wrong = ~np.isin(codes, known) & own[0][1].is_valid().to_numpy()
    return _Broken(f"{rule.field} not in {rule.source}.{rule.source_field}", wrong)


def _input(rule: ReferenceRule, context: CheckContext) -> Relation:
    if rule.source not in context.inputs:
        message, hint = (
            f'this query has no input "{rule.source}"',
            did_you_mean(rule.source, context.inputs, noun="input"),
        )
        raise VeloError(ErrorCode.BAD_VALUE, message, location=rule.location, hint=hint)
    return context.inputs[rule.source]


def _must_be(relation: Relation, name: str, kinds: frozenset[Any], what: str, location: Location) -> None:
    position = relation.position(name)
    assert position is not None
    kind = relation.type(position)
    if kind.name not in kinds:
        raise VeloError(ErrorCode.TYPE_MISMATCH, f"{name} is {kind}, not {what}", location=location)
