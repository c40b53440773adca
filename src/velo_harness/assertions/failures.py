"""Assertions about records that failed or came too late."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from velo_engine.connectors.dead_letters import DeadLetter
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_harness.assertions.comparison import described, value_holds
from velo_harness.assertions.context import CheckContext
from velo_harness.counted import counted
from velo_harness.result import SHOWN_ROWS, Finding
from velo_harness.spec import AssertionSpec

SHOWN_RECORD = 80
"""Characters of a dead letter's record that a failure shows."""


def dlq_count(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The number of dead letters that are meant compares as stated."""
    letters, lost = _letters_meant(assertion, context)
    if lost and _chooses(assertion):
        raise _not_kept(assertion, lost)
    count = len(letters) + lost
    for comparison in assertion.comparisons:
        if not value_holds(count, comparison, context.scope):
            expected = f"a number of dead letters{_meant(assertion)} {described(comparison, context.scope)}"
            return Finding(expected, counted(count, "dead letter"), count, None, _shown(letters))
    return None


def error_rate(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The share of the records that are dead letters is small enough."""
    wanted = assertion.parameters
    records = context.run.records
    if records < wanted["min_records"]:
        return Finding(f"at least {counted(wanted['min_records'], 'record')} to judge by", counted(records, "record"))
    letters, lost = _letters_meant(assertion, context)
    if lost and _chooses(assertion):
        raise _not_kept(assertion, lost)
    failed = len({(d.source, d.partition, d.offset) for d in letters}) + lost
    rate = Decimal(failed) / records
    text = f"{failed} of {counted(records, 'record')} ({rate:.2%})"
    bounds = [b for b in (wanted["max_rate"], _share(wanted["max_percent"])) if b is not None]
    if bounds and rate > min(bounds):
        return Finding(f"at most {min(bounds):.2%} of the records failed", text, failed, records, _shown(letters))
    for comparison in assertion.comparisons:
        if not value_holds(rate, comparison, context.scope):
            expected = f"an error rate {described(comparison, context.scope)}"
            return Finding(expected, text, failed, records, _shown(letters))
    return None


def late_count(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The number of records that came too late compares as stated."""
    count, late = context.run.late, context.run.late_rows
    for comparison in assertion.comparisons:
        if not value_holds(count, comparison, context.scope):
            rows = () if late is None else tuple(late.row(i) for i in range(min(len(late), SHOWN_ROWS)))
            expected = f"a number of late records {described(comparison, context.scope)}"
            return Finding(expected, counted(count, "late record"), count, None, rows)
    return None


def expect_error(assertion: AssertionSpec, context: CheckContext) -> Finding | None:  # noqa: ARG001 - as every check
    """The query ended, so there was no error: an error is met before anything is checked."""
    wanted = assertion.parameters
    return Finding(expected_error_text(wanted["code"], wanted["matches"]), "the query ended without an error")


def expected_error_text(code: str | None, matches: str | None) -> str:
    """An expected error in words."""
    parts = (code, f"matching /{matches}/" if matches is not None else None)
    return "an error " + " ".join(part for part in parts if part is not None)


def _letters_meant(assertion: AssertionSpec, context: CheckContext) -> tuple[list[DeadLetter], int]:
    """The letters kept that the assertion means, and how many were not kept."""
    wanted, run = assertion.parameters, context.run
    sources = _sources(assertion, context)
    kinds, reason = wanted["error_types"], wanted["reason_matches"]
    letters = [
        letter
        for letter in run.letters
        if (sources is None or letter.source in sources)
        and (kinds is None or kind_of(letter) in kinds)
        and (reason is None or re.search(reason, letter.reason))
    ]
    return letters, run.lost_letters


def kind_of(letter: DeadLetter) -> str:
    """deserialization, computation or late."""
    if letter.reason.startswith("late: "):
        return "late"
    return "deserialization" if letter.row is None else "computation"


def _sources(assertion: AssertionSpec, context: CheckContext) -> set[str] | None:
    """The sources whose records `topic` means; None: all."""
    topic, run = assertion.parameters.get("topic"), context.run
    if topic is None or topic == run.letter_topic:
        return None
    sources = {source for source, name in run.topics.items() if topic in (source, name)}
    if not sources:
        known = [*run.topics.values(), *([run.letter_topic] if run.letter_topic is not None else [])]
        place = assertion.parameter_locations.get("topic", assertion.location)
        message = f'no dead letter can be in, or come from, the topic "{topic}"'
        hint = did_you_mean(topic, dict.fromkeys(known), noun="topic")
        raise VeloError(ErrorCode.BAD_VALUE, message, location=place, hint=hint)
    return sources


def _chooses(assertion: AssertionSpec) -> bool:
    return any(assertion.parameters.get(name) is not None for name in ("topic", "error_types", "reason_matches"))


def _not_kept(assertion: AssertionSpec, lost: int) -> VeloError:
    message = f"{counted(lost, 'dead letter')} were counted and not kept, so nobody knows what they were"
    hint = "raise job.dlq_max_size, or count all of them"
    return VeloError(ErrorCode.BAD_VALUE, message, location=assertion.location, hint=hint)


def _meant(assertion: AssertionSpec) -> str:
    wanted = assertion.parameters
    parts = []
    if wanted["error_types"] is not None:
        parts.append(f" of {', '.join(wanted['error_types'])}")
    if wanted["topic"] is not None:
        parts.append(f" from {wanted['topic']}")
    if wanted["reason_matches"] is not None:
        parts.append(f" because of /{wanted['reason_matches']}/")
    return "".join(parts)


def _share(percent: Decimal | None) -> Decimal | None:
    return None if percent is None else percent / 100


def _shown(letters: list[DeadLetter]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "source": letter.source,
            "partition": letter.partition,
            "offset": letter.offset,
            "kind": kind_of(letter),
            "reason": letter.reason,
            "record": None if letter.raw is None else letter.raw.decode(errors="replace")[:SHOWN_RECORD],
        }
        for letter in letters[:SHOWN_ROWS]
    )
