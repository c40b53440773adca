"""The engine's answer to a case beside Flink's, and what that comes to."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from enum import StrEnum

from tests.fuzz.generate import Generated
from tests.oracle.case import Answer, Definition
from tests.oracle.comparison import difference
from tests.oracle.engine_runner import run
from velo_engine import ErrorCode, VeloError


class Verdict(StrEnum):
    """What came of a case."""

    EQUAL = "equal"
    DIFFERENT = "different"
    CRASHED = "crashed"
    """The engine broke: an error that is no VeloError, or one that blames itself."""
    REFUSED = "refused"
    """By the engine only."""
    FLINK_REFUSES = "Flink refuses"
    """And the engine answers."""
    BOTH_REFUSE = "both refuse"
    NO_ANSWER = "no answer"
    """Flink did not end, or answers differently each time."""
    EXPLAINED = "explained"
    """Different, for a reason listed in explained.yaml."""


DEFECTS = (Verdict.DIFFERENT, Verdict.CRASHED)


@dataclass(frozen=True)
class Outcome:
    """A case, Flink's answer and the verdict, with its reason in words."""

    case: Generated
    definition: Definition
    """What was asked in the end: only the tables that the query reads."""
    answer: Answer
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Refusal:
    """The engine does not plan a query."""

    message: str


@dataclass(frozen=True)
class Crash:
    """The engine broke."""

    trace: str


def engine_answer(definition: Definition, batch_size: int) -> Answer | Refusal | Crash:
    """What the engine makes of a case."""
    try:
        return run(definition, batch_size)
    except VeloError as refused:
        if refused.code is ErrorCode.INTERNAL:
            return Crash(traceback.format_exc())
        return Refusal(f"{refused.code.name}: {refused.message}")
    except Exception:
        return Crash(traceback.format_exc())


def judged(definition: Definition, batch_size: int, answer: Answer, *, planned: bool) -> tuple[Verdict, str]:
    """The verdict on the engine's answer, and the reason. `planned`: Flink accepted the query."""
    ours = engine_answer(definition, batch_size)
    if isinstance(ours, Crash):
        return Verdict.CRASHED, ours.trace
    if not planned:
        if isinstance(ours, Refusal):
            return Verdict.BOTH_REFUSE, ours.message
        return Verdict.FLINK_REFUSES, str(answer.error)
    if isinstance(ours, Refusal):
        return Verdict.REFUSED, ours.message
    found = difference(answer, ours, definition.compare)
    return (Verdict.EQUAL, "") if found is None else (Verdict.DIFFERENT, found)
