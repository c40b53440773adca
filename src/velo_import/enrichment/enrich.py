"""One job, enriched: what is proposed for it and right, in its metrics, data schemas and spec."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from velo_engine.engine import Engine
from velo_engine.errors import VeloError
from velo_harness.drafting.check_drafts import CheckDraft
from velo_harness.drafting.drafted_metric import MetricDraft
from velo_import.enrichment.asking import Answer
from velo_import.enrichment.assertions import query_checks, query_words
from velo_import.enrichment.fields import revised_schemas
from velo_import.enrichment.metrics import revised_metrics
from velo_import.enrichment.question import Question, question
from velo_import.enrichment.suggestions import MetricIdea, read_suggestions
from velo_import.model import ConvertedJob
from velo_import.observability import Observed, with_metrics

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "ai_suggestions.json"
"""Keeps what was answered, so that the next import need not ask."""
MOST_NOTES = 20


@dataclass(frozen=True, slots=True)
class Enrichment:
    """What became of a job."""

    observed: Observed
    schemas: Mapping[str, str]
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """By query."""
    checks: Mapping[str, Sequence[CheckDraft]] = field(default_factory=dict)
    """Further assertions by query; they have not been tried."""
    notes: tuple[str, ...] = ()
    """What was used, and what of the answer was left out, and why."""
    files: Mapping[str, str] = field(default_factory=dict)
    """`FILE`; nothing without an answer."""


def enrich(
    job: ConvertedJob,
    observed: Observed,
    schemas: Mapping[str, str],
    ask: Callable[[Question], Answer | None],
    samples: Mapping[str, pa.Table] | None = None,
) -> Enrichment:
    """The job with what `ask` gives and is right; as it was when it gives nothing.

    `schemas` are the texts of data schemas by path; `samples`, rows of its sources by table, are only compared with.
    """
    asked = question(job, observed, schemas)
    answer = None if asked is None else ask(asked)
    if answer is None:
        return Enrichment(observed, schemas)
    dropped: list[str] = []
    ideas = read_suggestions(answer.content, dropped)
    program = Engine().plan(job.app_sql, variables={})
    revised = _observed(job, observed, ideas.metrics, dropped)
    made = revised_schemas(schemas, ideas.fields, samples or {}, dropped)
    words = query_words(program, ideas.queries, dropped)
    checks = query_checks(program, ideas.queries, dropped)
    used = [
        (_changed(observed.metrics, revised.metrics), "metrics"),
        (sum(text != schemas[path] for path, text in made.items()), "data schemas"),
        (len(words), "descriptions"),
        (sum(map(len, checks.values())), "assertions"),
    ]
    notes = [f"{answer.model} proposed: " + ", ".join(f"{count} {what}" for count, what in used)]
    notes += [f"proposed and left out: {text}" for text in dropped[:MOST_NOTES]]
    if len(dropped) > MOST_NOTES:
        notes.append(f"proposed and left out: {len(dropped) - MOST_NOTES} more")
    return Enrichment(revised, made, words, checks, tuple(notes), {FILE: _kept(answer)})


def _observed(job: ConvertedJob, observed: Observed, ideas: Sequence[MetricIdea], dropped: list[str]) -> Observed:
    """With all ideas, or when the program does not take them together, with each that it takes."""
    metrics = revised_metrics(observed.metrics, ideas, dropped)
    if metrics == list(observed.metrics):
        return observed
    try:
        return with_metrics(job, metrics)
    except VeloError:
        pass
    for idea in ideas:
        try:
            observed = with_metrics(job, revised_metrics(observed.metrics, [idea], []))
        except VeloError as problem:
            dropped.append(f"{idea.metric}: {problem.message}")
    return observed


def _changed(before: Sequence[MetricDraft], after: Sequence[MetricDraft]) -> int:
    return sum(old != new for old, new in zip(before, after, strict=True))


def _kept(answer: Answer) -> str:
    document = {"schema_version": 1, "model": answer.model, "digest": answer.digest, "answer": answer.content}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def kept_answers(texts: Sequence[str]) -> dict[str, Answer]:
    """Answers of earlier imports by the digest of their question; what is no such file is passed over."""
    found: dict[str, Answer] = {}
    for text in texts:
        try:
            document = json.loads(text)
            answer = Answer(document["answer"], str(document["model"]), str(document["digest"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        found[answer.digest] = answer
    return found
