"""The causes that a report gives to the differences of a row.

A comparison that went on knows more of them than a look at the ended streams: how far each side was, what was delivered
twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_harness.reports.shown_values import json_value
from velo_shadow.model import Cause, Difference
from velo_shadow.reports.document import ShadowReport, ShownDifference

_CAUSES = {cause.value: cause for cause in Cause}


def reported_differences(report: ShadowReport, sink: str, key: Mapping[str, Any]) -> tuple[ShownDifference, ...]:
    """What a report lists of a key. Errors: BAD_VALUE for a sink that it does not have."""
    sinks = {one.name: one for one in report.sinks}
    if sink not in sinks and len(sinks) == 1:
        sinks = {sink: report.sinks[0]}  # a comparison by flags has no name for it
    if sink not in sinks:
        hint = did_you_mean(sink, sinks, noun="sink")
        raise VeloError(ErrorCode.BAD_VALUE, f'the report has no sink "{sink}"', hint=hint)
    wanted = {name: _text(json_value(value)) for name, value in key.items()}
    return tuple(
        one
        for one in sinks[sink].differences
        if all(name in one.key and _text(one.key[name]) == text for name, text in wanted.items())
    )


def with_reported_causes(
    differences: Sequence[Difference], reported: Sequence[ShownDifference]
) -> tuple[Difference, ...]:
    """The differences, with cause and evidence of those that the report lists."""
    known = {(one.kind, one.column): one for one in reported}
    found = []
    for one in differences:
        told = known.get((one.kind, one.column))
        if told is not None and told.cause in _CAUSES:
            one = replace(one, cause=_CAUSES[told.cause], evidence=told.evidence)
        found.append(one)
    return tuple(found)


def _text(value: Any) -> str:
    """A value of JSON as text; a time without zeros at the end of its fraction."""
    text = str(value)
    return text.rstrip("0").rstrip(".") if ":" in text and "." in text else text
