"""Anthropic's API, by its official client: one question for each job, within a budget, and never twice the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
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
TIMEOUT_S = 60.0
"""Of one try."""
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
    timeout_s: float = TIMEOUT_S
    retries: int = RETRIES


def ai_settings(model: str | None, budget: int, environment: Mapping[str, str] = os.environ) -> AiSettings:
    """What the command line and the environment say."""
    chosen = model or environment.get(MODEL_VARIABLE) or DEFAULT_MODEL
    return AiSettings(chosen, environment.get(KEY_VARIABLE, "").strip(), budget)


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
        self._stopped = False
        self._told_what_is_sent = self._told_of_the_budget = False

    def __call__(self, question: Question) -> Answer | None:
        """The answer; None when there is none."""
        digest = question.digest(self._settings.model)
        if digest in self._kept:
            return self._kept[digest]
        if self._stopped or not self._is_ready():
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
        tool = {"name": _TOOL, "description": "Propose improvements.", "input_schema": answer_schema()}
        try:
            # The key alone logs in: profiles and other credentials on this machine are not looked for.
            with anthropic.Anthropic(
                api_key=settings.key, timeout=settings.timeout_s, max_retries=settings.retries
            ) as client:
                self._tell_what_is_sent(client.base_url.host)
                create: Any = client.messages.create
                message = create(
                    model=settings.model,
                    max_tokens=ANSWER_TOKENS,
                    system=INSTRUCTIONS,
                    messages=[{"role": "user", "content": question.text}],
                    tools=[tool],
                    tool_choice={"type": "tool", "name": _TOOL},
                )
            self._left -= message.usage.input_tokens + message.usage.output_tokens
            proposed = [block.input for block in message.content if block.type == "tool_use" and block.name == _TOOL]
        except (anthropic.AnthropicError, ValueError, TypeError, AttributeError) as problem:
            self._stop(self._told(problem))
            return None
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
