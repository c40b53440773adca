"""The command that explains a missing row, for the notes of a failed expectation."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace

from velo_harness.expectations import DIFFERENCE
from velo_harness.programs import shown_path
from velo_harness.reports.shown_values import json_value
from velo_harness.result import CheckFailure
from velo_harness.spec import Query, Spec

_ROWS = ("expect.rows", "expect.rows_file")


def with_explain_command(
    failure: CheckFailure, spec: Spec, query: Query, key: Sequence[str], seed: int | None
) -> CheckFailure:
    """The failure with a note that says how to find out why its first missing row is missing.

    `key` are the columns by which the output's rows are known; without, the row is named by all it has.
    """
    missing = next((row for row in failure.finding.examples if row.get(DIFFERENCE) == "missing"), None)
    if failure.check not in _ROWS or missing is None:
        return failure
    values = {name: value for name, value in missing.items() if name != DIFFERENCE}
    if key and set(key) <= set(values):
        values = {name: values[name] for name in key}
    row = json.dumps(json_value(values), ensure_ascii=False)
    command = f"velo-test explain {shlex.quote(shown_path(spec.file))} --query {shlex.quote(query.name)}"
    command += f" --row {shlex.quote(row)}" + (f" --seed {seed}" if seed is not None else "")
    note = f"why it is missing: {command}"
    return replace(failure, finding=replace(failure.finding, notes=(*failure.finding.notes, note)))
