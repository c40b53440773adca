"""Asking Flink: a round of cases as one job, doubtful ones again alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.fuzz.found import explained
from tests.fuzz.generate import Generated, without_unread_tables
from tests.fuzz.judge import DEFECTS, Outcome, Verdict, judged
from tests.oracle.case import Answer, Definition
from tests.oracle.comparison import EQUAL_IN_THE_END

sys.path.insert(0, str(Path(__file__).parents[2] / "tools" / "flink"))
from oracle import Flink, FlinkAnswer, InputTable

QUIET_MS = (5, 40)
"""For the cases of a round, then for those of them that seem to differ."""
TIMEOUT_MS = 40_000
"""For one job of a dozen rows."""
CONFIRMING_QUIET_MS = (20, 60, 180, 600)
"""A difference counts when two answers in a row agree, and one of the changes on the way when the two most patient do:
in haste a change may have been put down to a later event."""

RUN_TIME_ERRORS = (
    "ArithmeticException",
    "NumberFormatException",
    "DateTimeException",
    "RuntimeException: ",
    "NullPointer",
)


@dataclass(frozen=True)
class FlinkSays:
    """An answer, and whether the query was accepted at all."""

    answer: Answer
    planned: bool


def ask_together(flink: Flink, cases: Sequence[Generated], quiet_ms: int) -> list[FlinkSays]:
    """Flink's answers to the cases of one round."""
    definition = cases[0].definition
    every_table = [f"SELECT * FROM {name}" for name in definition.tables]
    queries = [*(case.definition.query for case in cases), *every_table]
    replies = flink.ask_together(_inputs(definition), definition.arrivals(), queries, quiet_ms=quiet_ms)
    if replies[-1].error is None:
        return [_of_its_tables(case, reply) for case, reply in zip(cases, replies, strict=False)]
    return [ask(flink, case.definition, quiet_ms) for case in cases]  # one of them made the job fail


def _of_its_tables(case: Generated, reply: FlinkAnswer) -> FlinkSays:
    """An answer with its events counted among the rows of the tables that the query reads.

    A change put down to a row of another table was caused by the last row before it.
    """
    read = without_unread_tables(case.definition).tables
    place, places = 0, []
    for name, _ in case.definition.arrivals():
        place += name in read
        places.append(max(place - 1, 0))
    said = _said(reply, planned=reply.error is None)
    events = tuple([*places, place][event] for event in said.answer.events)
    return FlinkSays(replace(said.answer, events=events), said.planned)


def ask(flink: Flink, definition: Definition, quiet_ms: int) -> FlinkSays:
    """Flink's answer to one case."""
    definition = without_unread_tables(definition)
    queries = [definition.query, *(f"SELECT * FROM {name}" for name in definition.tables)]  # the plan may not read all
    reply, *_ = flink.ask_together(
        _inputs(definition), definition.arrivals(), queries, config=definition.config, quiet_ms=quiet_ms
    )
    failed_running = reply.error is not None and reply.error.startswith(RUN_TIME_ERRORS)
    return _said(reply, planned=reply.error is None or failed_running)


def outcomes(flink: Flink, cases: Sequence[Generated]) -> list[Outcome]:
    """What comes of the cases of one round."""
    found = {case.seed: outcome for case, outcome in zip(cases, _round(flink, cases, QUIET_MS[0]), strict=True)}
    for quiet_ms in QUIET_MS[1:]:
        doubtful = [case for case in cases if found[case.seed].verdict in DEFECTS]
        again = _round(flink, doubtful, quiet_ms) if doubtful else []
        found |= {case.seed: outcome for case, outcome in zip(doubtful, again, strict=True)}
    return [confirmed(flink, case) if found[case.seed].verdict in DEFECTS else found[case.seed] for case in cases]


def _round(flink: Flink, cases: Sequence[Generated], quiet_ms: int) -> list[Outcome]:
    """The outcomes when the cases are asked together, once."""
    try:
        said = ask_together(flink, cases, quiet_ms)
    except RuntimeError:
        said = []  # once more, one by one
    try:
        said = said or [ask(flink, case.definition, quiet_ms) for case in cases]
    except RuntimeError as silent:
        return [Outcome(case, case.definition, Answer(), Verdict.NO_ANSWER, str(silent)) for case in cases]
    return [_outcome(case, answer) for case, answer in zip(cases, said, strict=True)]


def _outcome(case: Generated, said: FlinkSays) -> Outcome:
    definition = without_unread_tables(case.definition)
    verdict, reason = judged(definition, case.batch_size, said.answer, planned=said.planned)
    if verdict is Verdict.DIFFERENT and (explanation := explained(definition, reason)):
        verdict, reason = Verdict.EXPLAINED, explanation.what
    return Outcome(case, definition, said.answer, verdict, reason)


def confirmed(flink: Flink, case: Generated) -> Outcome:
    """The outcome for a case that seems to differ, asked alone and without haste until two answers in a row agree."""
    definition = without_unread_tables(case.definition)
    previous: FlinkSays | None = None
    for quiet_ms in CONFIRMING_QUIET_MS:
        try:
            said = ask(flink, definition, quiet_ms)
        except RuntimeError as silent:
            return Outcome(case, definition, Answer(), Verdict.NO_ANSWER, str(silent))
        outcome = _outcome(case, said)
        late = outcome.reason.endswith(EQUAL_IN_THE_END) and quiet_ms != CONFIRMING_QUIET_MS[-1]
        if outcome.verdict not in DEFECTS or (said == previous and not late):
            return outcome
        previous = said
    return Outcome(case, definition, said.answer, Verdict.NO_ANSWER, "Flink answers differently each time")


def _inputs(definition: Definition) -> list[InputTable]:
    return [
        InputTable(name, table.columns, [json.dumps(row) for row in table.rows], table.lookup)
        for name, table in definition.tables.items()
    ]


def _said(reply: FlinkAnswer, *, planned: bool) -> FlinkSays:
    return FlinkSays(Answer(reply.schema, reply.changelog, reply.events, reply.error), planned)
