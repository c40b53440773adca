"""The process's Flink: started when it is first asked, kept warm, ended with the process."""

from __future__ import annotations

import atexit
from collections.abc import Mapping

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.flink.installation import FlinkMissingError
from velo_harness.flink.questions import Question
from velo_harness.flink.server import Flink, FlinkAnswer

TIMEOUT_MS = 120_000
QUIET_STEPS_MS = (10, 40, 160, 640, 2560)
"""Pauses after each record. An answer counts when two give the same, so that none was too short for the machine."""


class _Running:
    """At most one Flink."""

    flink: Flink | None = None

    @classmethod
    def get(cls) -> Flink:
        if cls.flink is None or not cls.flink.alive:
            cls.flink = Flink(TIMEOUT_MS)
            atexit.register(cls.flink.close)
        return cls.flink


def flink_answers(asked: Question) -> tuple[str, Mapping[str, FlinkAnswer]]:
    """The version of Flink, and its answer for each statement.

    Raises VeloError: INFRASTRUCTURE_MISSING without an installation; JOB_FAILED when it gives no answer, or another
    each time.
    """
    try:
        flink = _Running.get()
        return flink.version, {name: _settled(flink, asked.of(name), name) for name in asked.queries}
    except FlinkMissingError as missing:
        message, hint = f"there is no Flink here: {missing}", "or take flink out of the runners; recorded needs none"
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint=hint) from None
    except RuntimeError as problem:
        raise VeloError(ErrorCode.JOB_FAILED, str(problem)) from None


def _settled(flink: Flink, asked: Question, name: str) -> FlinkAnswer:
    before: FlinkAnswer | None = None
    for quiet_ms in QUIET_STEPS_MS:
        answer = flink.ask(asked.tables, asked.order, asked.queries[name], config=asked.config, quiet_ms=quiet_ms)
        if answer == before or answer.error is not None:
            return answer
        before = answer
    raise VeloError(ErrorCode.JOB_FAILED, "Flink answers differently each time")
