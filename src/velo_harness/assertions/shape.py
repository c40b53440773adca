"""Assertions about the shape of the output: how many rows, which columns, which of them filled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from velo_engine.batch import Bools, Int64s
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.types import STRINGS, SqlType
from velo_harness.assertions.comparison import described, value_holds
from velo_harness.assertions.context import CheckContext, missing_field, offending
from velo_harness.counted import counted
from velo_harness.relation import Relation
from velo_harness.result import SHOWN_ROWS, Finding
from velo_harness.row_codes import columns_of, row_codes
from velo_harness.spec import AssertionSpec


def record_count(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The number of records compares as stated."""
    count = len(context.output)
    for comparison in assertion.comparisons:
        if not value_holds(count, comparison, context.scope):
            return Finding(
                expected=f"a record count {described(comparison, context.scope)}", actual=counted(count, "record")
            )
    return None


def schema_contains(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The columns are there, with the types and the key stated; with `exact`, no others and in this order."""
    output, wanted = context.output, assertion.parameters
    listed = (*wanted["fields"], *(name for name in wanted["types"] if name not in wanted["fields"]))
    for name in listed:
        if output.position(name) is None:
            return missing_field(output, name)
    if (
        wanted["exact"]
        and tuple(output.schema.columns[p].name for p in _positions(output, listed)) != output.schema.names
    ):
        return Finding(f"exactly the fields {', '.join(listed)}", f"fields {', '.join(output.schema.names)}")
    problems = [*_type_problems(assertion, output), *_key_problems(assertion, context)]
    return problems[0] if problems else None


def _positions(relation: Relation, names: tuple[str, ...]) -> list[int]:
    return [p for name in names if (p := relation.position(name)) is not None]


def _type_problems(assertion: AssertionSpec, output: Relation) -> Iterator[Finding]:
    for name, text in assertion.parameters["types"].items():
        position = output.position(name)
        assert position is not None
        actual = output.type(position)
        if not type_matches(text, actual, assertion):
            yield Finding(f"{name} {text}", f"{name} {actual}")


def type_matches(text: str, actual: SqlType, assertion: AssertionSpec) -> bool:
    """Whether `text`, a SQL type as people write it, is `actual`.

    Without length or precision only the kind of type counts (`decimal`, `string`), nullability only when NOT NULL is
    written. Raises VeloError BAD_VALUE for text that is no type.
    """
    from velo_engine.type_rules.spelling import parse_type

    location = assertion.parameter_locations.get("types", assertion.location)
    try:
        stated = parse_type(text)
    except VeloError as error:
        raise VeloError(ErrorCode.BAD_VALUE, error.message, location=location, hint=error.hint) from None
    if not stated.nullable and actual.nullable:
        return False
    if "(" not in text and "<" not in text:
        family = STRINGS if stated.name in STRINGS else {stated.name}
        return actual.name in family
    return stated.as_nullable() == actual.as_nullable()


def _key_problems(assertion: AssertionSpec, context: CheckContext) -> Iterator[Finding]:
    names = assertion.parameters["key_field"]
    if not names:
        return
    output = context.output
    for name in names:
        if output.position(name) is None:
            yield missing_field(output, name)
            return
    wanted = {output.schema.columns[p].name for p in _positions(output, names)}
    if context.key and wanted != set(context.key):
        yield Finding(f"the key {', '.join(names)}", f"the key {', '.join(context.key)}")
    elif not context.key:
        yield Finding(f"the key {', '.join(names)}", "an output without a key")


def no_nulls(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """No NULL in any of the columns."""
    output = context.output
    wrong = np.zeros(len(output), bool)
    per_field = []
    for name in assertion.parameters["fields"]:
        position = output.position(name)
        if position is None:
            return missing_field(output, name)
        column = output.column(position)
        if column.null_count:
            per_field.append(f"{name}: {column.null_count}")
            wrong |= column.is_null().to_numpy()
    if not per_field:
        return None
    count, examples = offending(output, wrong)
    fields = ", ".join(assertion.parameters["fields"])
    return Finding(f"no NULL in {fields}", f"NULLs in {', '.join(per_field)}", count, len(output), examples)


def completeness(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The share of the input's keys that the output holds is large enough, and required fields are filled."""
    wanted = assertion.parameters
    for name in wanted["required_fields"]:
        position = context.output.position(name)
        if position is None:
            return missing_field(context.output, name)
        nulls = context.output.column(position).is_null().to_numpy()
        if nulls.any():
            count, examples = offending(context.output, nulls)
            return Finding(f"{name} in every row", "NULLs", count, len(context.output), examples)
    return _key_completeness(assertion, context) if wanted["key_field"] else None


def _key_completeness(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    wanted = assertion.parameters
    source = chosen_input(assertion, context)
    names = wanted["key_field"]
    for relation in (source, context.output):
        for name in names:
            if relation.position(name) is None:
                return missing_field(relation, name)
    present, first = keys_found(source, names, context.output, names)
    if not len(present):
        return Finding(
            "keys to look for", f"{source.name} has no row", notes=("an empty input makes nothing complete",)
        )
    share = float(present.mean())
    if share >= float(wanted["min_completeness"]):
        return None
    lost = first[~present]
    keys = source.taken(lost[:SHOWN_ROWS].tolist())
    return Finding(
        f"at least {wanted['min_completeness']:%} of the keys ({', '.join(names)}) of {source.name}",
        f"{int(present.sum())} of {len(present)} ({share:.2%})",
        len(lost),
        len(present),
        tuple(keys.selected_row(i, names) for i in range(len(keys))),
    )


def chosen_input(assertion: AssertionSpec, context: CheckContext, parameter: str = "input_source") -> Relation:
    """The input that an assertion names, or the only one. Raises VeloError when there is no such input."""
    name = assertion.parameters[parameter]
    if name is None and len(context.inputs) == 1:
        return next(iter(context.inputs.values()))
    if name in context.inputs:
        return context.inputs[name]
    location = assertion.parameter_locations.get(parameter, assertion.location)
    if name is None:
        known = ", ".join(context.inputs)
        raise VeloError(
            ErrorCode.MISSING_KEY, f'say which input is meant with "{parameter}": {known}', location=location
        )
    raise VeloError(
        ErrorCode.BAD_VALUE,
        f'this query has no input "{name}"',
        location=location,
        hint=did_you_mean(name, context.inputs, noun="input"),
    )


def keys_found(
    source: Relation, source_names: Sequence[str], target: Relation, target_names: Sequence[str]
) -> tuple[Bools, Int64s]:
    """For each different key of `source` without NULLs: whether `target` has it, and its first row in `source`."""
    left = columns_of(source, source_names)
    source_codes, target_codes = row_codes(left, columns_of(target, target_names))
    rows = np.flatnonzero(np.logical_and.reduce([column.is_valid().to_numpy() for _, column in left]))
    codes, first = np.unique(source_codes[rows], return_index=True)
    order = np.argsort(first)
    return np.isin(codes, target_codes)[order], rows[first][order]
