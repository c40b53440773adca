"""Assertions about the values in every row."""

from __future__ import annotations

import numpy as np

from velo_engine.batch import Bools, Int64s
from velo_harness.assertions.comparison import column_holds, column_in, described
from velo_harness.assertions.context import CheckContext, missing_field, offending
from velo_harness.assertions.operands import operand_value
from velo_harness.counted import counted
from velo_harness.relation import Relation
from velo_harness.result import Finding
from velo_harness.row_codes import codes_of, columns_of
from velo_harness.spec import AssertionSpec


def field_values(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """Every value of the column compares as stated; a NULL does not."""
    output, name = context.output, assertion.parameters["field"]
    position = output.position(name)
    if position is None:
        return missing_field(output, name)
    for comparison in assertion.comparisons:
        held = column_holds(output, position, comparison, context.scope, context.time_zone)
        if not held.all():
            return _wrong_values(output, position, ~held, f"every {name} {described(comparison, context.scope)}")
    return None


def field_in_set(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """Every value of the column is in the set; NULL is when the set says null."""
    output, name = context.output, assertion.parameters["field"]
    position = output.position(name)
    if position is None:
        return missing_field(output, name)
    kind = output.type(position)
    values = [operand_value(node, kind, context.scope, context.time_zone) for node in assertion.parameters["values"]]
    held = column_in(kind, output.column(position), values, None)
    if held.all():
        return None
    return _wrong_values(output, position, ~held, f"every {name} in {', '.join(str(v) for v in values)}")


def _wrong_values(output: Relation, position: int, wrong: Bools, expected: str) -> Finding:
    count, examples = offending(output, wrong)
    name = output.schema.names[position]
    shown = list(dict.fromkeys("NULL" if row[name] is None else str(row[name]) for row in examples))
    return Finding(
        expected, f"{count} of {len(output)} rows differ, such as {', '.join(shown)}", count, len(output), examples
    )


def unique_values(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """No combination of values stands twice."""
    output, names = context.output, assertion.parameters["fields"]
    for name in names:
        if output.position(name) is None:
            return missing_field(output, name)
    repeated = repeats(codes_of(columns_of(output, names)))
    if not repeated.any():
        return None
    count, examples = offending(output, repeated)
    return Finding(
        f"unique {', '.join(names)}",
        counted(count, "row repeats an earlier one", "rows repeat an earlier one"),
        count,
        len(output),
        examples,
    )


def no_duplicates(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """No key stands twice among the records given out; with `allow_updates`, in the final contents."""
    wanted = assertion.parameters
    output = context.final if wanted["allow_updates"] else context.output
    names = wanted["key_fields"] or output.schema.names
    for name in names:
        if output.position(name) is None:
            return missing_field(output, name)
    repeated = repeats(codes_of(columns_of(output, names)))
    percent = 100 * float(repeated.mean()) if len(output) else 0.0
    if percent <= float(wanted["max_duplicate_percent"]):
        return None
    count, examples = offending(output, repeated)
    notes = (
        ()
        if wanted["allow_updates"] or not context.updates
        else ("the output updates its rows: with allow_updates: true only the last row of a key counts",)
    )
    allowed = wanted["max_duplicate_percent"]
    expected = f"no duplicates of ({', '.join(names)})" + (f" beyond {allowed} %" if allowed else "")
    return Finding(expected, f"{counted(count, 'duplicate')} ({percent:.2f} %)", count, len(output), examples, notes)


def repeats(codes: Int64s) -> Bools:
    """For each row whether an earlier one has its code."""
    repeated = np.ones(len(codes), bool)
    repeated[np.unique(codes, return_index=True)[1]] = False
    return repeated
