"""Assertions about joins."""

from __future__ import annotations

from velo_harness.assertions.context import CheckContext, missing_field
from velo_harness.assertions.shape import chosen_input
from velo_harness.result import SHOWN_ROWS, Finding
from velo_harness.row_codes import columns_of, row_codes
from velo_harness.spec import AssertionSpec


def join_coverage(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The share of the left input's rows whose key the right input has is large enough. A NULL key matches nothing."""
    import numpy as np

    wanted = assertion.parameters
    left = chosen_input(assertion, context, "left_source")
    right = chosen_input(assertion, context, "right_source")
    keys = wanted["join_key"]
    left_names = tuple(keys)
    right_names = tuple(keys.values()) if isinstance(keys, dict) else tuple(keys)
    for relation, names in ((left, left_names), (right, right_names)):
        for name in names:
            if relation.position(name) is None:
                return missing_field(relation, name)
    if not len(left):
        return Finding(f"rows of {left.name} to match", f"{left.name} has no row")
    columns = columns_of(left, left_names)
    left_codes, right_codes = row_codes(columns, columns_of(right, right_names))
    matched = np.isin(left_codes, right_codes)
    for _, column in columns:
        matched &= column.is_valid().to_numpy()
    share = float(matched.mean())
    if share >= float(wanted["min_match_rate"]):
        return None
    lost = np.flatnonzero(~matched)
    return Finding(
        f"at least {wanted['min_match_rate']:.2%} of the rows of {left.name} with a partner in {right.name}",
        f"{int(matched.sum())} of {len(left)} ({share:.2%})",
        len(lost),
        len(left),
        tuple(left.row(int(i)) for i in lost[:SHOWN_ROWS]),
    )
