"""Anthropic's API, by its official client: one question for each job, within a budget, and never twice the same."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from velo_import.enrichment.question import INSTRUCTIONS, Question
from velo_import.enrichment.suggestions import answer_schema

DEFAULT_MODEL = "claude-sonnet-5-5"
MODEL_VARIABLE, KEY_VARIABLE, ADDRESS_VARIABLE = "VELO_AI_MODEL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"
DEFAULT_BUDGET = 100_000
"""Tokens of one import, questions and answers together."""
ANSWER_TOKENS = 8000
"""At most, of one answer."""
DEFAULT_TIMEOUT_S = 60.0
"""How long one import waits for all its answers together, tries that are repeated included."""
CONNECT_TIMEOUT_S = 10.0
RETRIES = 2
BYTES_OF_A_TOKEN = 2
"""A question is taken to have no fewer: so it never costs more than was counted beforehand."""
_TOOL = "propose"
_LONGEST_PROBLEM = 200


@dataclass(frozen=True, slots=True)
class AiSettings:
    """Who is asked, and how much."""

    model: str
    key: str = field(repr=False)
    """Empty: nobody is asked."""
    budget: int = DEFAULT_BUDGET
    timeout_s: float = DEFAULT_TIMEOUT_S
    """Of all questions."""
    retries: int = RETRIES


def ai_settings(
    model: str | None,
    budget: int | None = None,
    timeout_s: float | None = None,
    environment: Mapping[str, str] = os.environ,
) -> AiSettings:
    """What the command line and the environment say."""
    return AiSettings(
        model or environment.get(MODEL_VARIABLE) or DEFAULT_MODEL,
        environment.get(KEY_VARIABLE, "").strip(),
        DEFAULT_BUDGET if budget is None else budget,
        DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What was proposed, before it is checked."""

    content: object
    model: str
    digest: str
    """Of the question."""


class Asking:
    """The questions of one import. After a failure nothing more is asked: everything is made by rules."""

    def __init__(self, settings: AiSettings, kept: Mapping[str, Answer], say: Callable[[str], None]) -> None:
        """`kept` are earlier answers by the digests of their questions; `say` tells a person, each thing once."""
        self._settings, self._kept, self._say = settings, kept, say
        self._left = settings.budget
        self._seconds_left = settings.timeout_s
        self._stopped = False
        self._told_what_is_sent = self._told_of_the_budget = False

    def __call__(self, question: Question) -> Answer | None:
        """The answer; None when there is none."""
        digest = question.digest(self._settings.model)
        if digest in self._kept:
            return self._kept[digest]
        if self._stopped or not self._is_ready():
            return None
        if self._seconds_left <= 0:
            self._stop(f"all answers together took {self._settings.timeout_s:g} s (--ai-timeout)")
            return None
        cost = (len(question.text.encode()) + len(INSTRUCTIONS.encode()) + _SCHEMA_BYTES) // BYTES_OF_A_TOKEN
        if cost + ANSWER_TOKENS > self._left:
            self._tell_of_the_budget()
            return None
        content = self._asked(question)
        return None if content is None else Answer(content, self._settings.model, digest)

    def _is_ready(self) -> bool:
        """Whether somebody can be asked; says why not."""
        if not self._settings.key:
            self._stop(f"{KEY_VARIABLE} is not set")
            return False
        if find_spec("anthropic") is None:
            self._stop("the client is not installed: pip install 'velostream[ai]'")
            return False
        return True

    def _asked(self, question: Question) -> object:
        import anthropic

        settings = self._settings
        began = time.monotonic()
        try:
            # The key alone logs in: profiles and other credentials on this machine are not looked for.
            with anthropic.Anthropic(
                api_key=settings.key,
                timeout=anthropic.Timeout(self._seconds_left, connect=min(CONNECT_TIMEOUT_S, self._seconds_left)),
                max_retries=settings.retries,
            ) as client:
                self._tell_what_is_sent(client.base_url.host)
                self._say(f"--ai: asking {settings.model} …")
                message = _within(self._seconds_left, lambda: _message(client, settings.model, question))
            self._left -= message.usage.input_tokens + message.usage.output_tokens
            proposed = [block.input for block in message.content if block.type == "tool_use" and block.name == _TOOL]
        except (TimeoutError, anthropic.APITimeoutError):
            self._stop(f"no answer within {settings.timeout_s:g} s (--ai-timeout)")
            return None
        except (anthropic.AnthropicError, ValueError, TypeError, AttributeError) as problem:
            self._stop(self._told(problem))
            return None
        finally:
            self._seconds_left -= time.monotonic() - began
        if message.stop_reason == "max_tokens" or not proposed:
            self._say("--ai: an answer was cut off or proposes nothing; it is left out")
            return None
        return proposed[0]

    def _tell_of_the_budget(self) -> None:
        """Once; a smaller question may still be asked."""
        if not self._told_of_the_budget:
            self._told_of_the_budget = True
            budget = f"{self._settings.budget:,} tokens"
            self._say(f"--ai: a question might exceed the budget of {budget} (--ai-budget); it is answered by rules")

    def _tell_what_is_sent(self, host: str) -> None:
        if not self._told_what_is_sent:
            self._told_what_is_sent = True
            self._say(
                "--ai: the SQL of statements, names and types of columns, and names and help texts of metrics go to "
                f"{host} (model {self._settings.model}, at most {self._settings.budget:,} tokens); "
                "rows, options of connectors and comments do not"
            )

    def _told(self, problem: Exception) -> str:
        """What went wrong, in one line without the key."""
        status = getattr(problem, "status_code", None)
        known = {401: f"{KEY_VARIABLE} is not accepted", 403: "the key may not do this", 429: "too many requests"}
        known |= {404: f"there is no model {self._settings.model}", 529: "the service is overloaded"}
        if status in known:
            return known[status]
        text = " ".join(str(problem).split()).replace(self._settings.key, "***")[:_LONGEST_PROBLEM]
        return f"{type(problem).__name__}: {text}"

    def _stop(self, reason: str) -> None:
        self._stopped = True
        self._say(f"--ai: {reason}; the rest is made by rules")


_SCHEMA_BYTES = len(str(answer_schema()).encode())


def _message(client: Any, model: str, question: Question) -> Any:
    tool = {"name": _TOOL, "description": "Propose improvements.", "input_schema": answer_schema()}
    return client.messages.create(
        model=model,
        max_tokens=ANSWER_TOKENS,
        system=INSTRUCTIONS,
        messages=[{"role": "user", "content": question.text}],
        tools=[tool],
        tool_choice={"type": "tool", "name": _TOOL},
    )


def _within(seconds: float, ask: Callable[[], Any]) -> Any:
    """What `ask` gives. TimeoutError after `seconds`, whatever it still waits for.

    The client's own limit is that of each read of each try: tries that are repeated, and an answer that trickles, take
    longer. So it is left alone in a thread, which does not keep the process from ending.
    """
    outcome: Future[Any] = Future()

    def run() -> None:
        try:
            outcome.set_result(ask())
        except Exception as problem:
            outcome.set_exception(problem)

    threading.Thread(target=run, name="velo-import-ai", daemon=True).start()
    return outcome.result(seconds)
