"""What `velo import` says on the terminal: what became of the input, what was written, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from velo_import.folder import Written
    from velo_import.report import Reported

SHOWN_MISSING = 10
SHOWN_NOTES = 5
GOOD_SCORE = 0.5
"""A spec that notices fewer of the small changes says little."""
REBUILT = ("compiled plan", "running job")
"""Features of the report's rows that say where SQL was rebuilt from."""


def import_text(reported: Sequence[Reported], written: Written, output: Path, *, shadow: bool = False) -> str:
    """The summary of an import into `output`; with `shadow` also how its results are compared with Flink's."""
    return "\n".join((*_lines(reported, written, output), *(_comparison(reported, output) if shadow else ())))


def _comparison(reported: Sequence[Reported], output: Path) -> Iterator[str]:
    """How the job is compared with Flink's. Several jobs have a folder each."""
    one = len(reported) == 1
    folder = shlex.quote(f"{output}/" if one else f"{output}/{reported[0].job.name}/")
    yield f"shadow: velo shadow {folder}" + ("" if one else "   (each job has such a folder)")
    yield "        runs it beside Flink on the topics that shadow_config.yaml there names, and compares the outputs"


def _lines(reported: Sequence[Reported], written: Written, output: Path) -> Iterator[str]:
    yield from _converted(reported)
    yield from _generated(reported)
    yield from _notes(reported, written)
    yield ""
    yield _changes(written, output)
    folder = shlex.quote(f"{output}/")
    if any(one.generated.queries for one in reported):
        yield f"next: velo test {folder}"
        yield from _more(reported, folder)
    yield f"report: {output / 'conversion_report.md'}"


def _more(reported: Sequence[Reported], folder: str) -> Iterator[str]:
    if len(reported) == 1 and reported[0].generated.panels:
        yield f"      velo run {folder} --dashboard --generate 100"


def _converted(reported: Sequence[Reported]) -> Iterator[str]:
    from velo_import.report import headline

    jobs = [one.job for one in reported]
    whole = all(s.sql is not None for job in jobs for s in job.statements)
    some = any(s.sql is not None for job in jobs for s in job.statements) or whole
    yield f"{'✓' if whole else '!' if some else '✗'} {headline(jobs)}"


def _generated(reported: Sequence[Reported]) -> Iterator[str]:
    from velo_import.report import score_of, score_text

    made = [one.generated for one in reported]
    schemas, queries = sum(one.schemas for one in made), sum(one.queries for one in made)
    assertions, metrics = sum(one.assertions for one in made), sum(one.metrics for one in made)
    panels, alerts = sum(one.panels for one in made), sum(one.alerts for one in made)
    if schemas:
        yield f"✓ {_counted(schemas, 'data schema')}"
    if queries:
        yield f"✓ test_spec.yaml: {_counted(assertions, 'assertion')} on {_counted(queries, 'statement')}; all hold"
    if (score := score_of([one.score for one in made])) is not None:
        good = score.share is None or score.share >= GOOD_SCORE
        yield f"{'✓' if good else '!'} mutation score {score_text(score)}"
        if not good:
            yield "  the spec would let most mistakes pass: the report says what input and assertion notices each"
    if metrics:
        yield f"✓ {_counted(metrics, '@metric annotation')}"
    if panels:
        yield f"✓ Grafana dashboard: {_counted(panels, 'panel')}"
    if alerts:
        yield f"✓ {_counted(alerts, 'alert rule')}"
    if any(one.shadow for one in made):
        yield "✓ shadow mode: shadow_config.yaml"


def _notes(reported: Sequence[Reported], written: Written) -> Iterator[str]:
    from velo_import.model import Outcome
    from velo_import.report import notes_of

    missing = [c for one in reported for c in one.job.constructs if c.outcome is Outcome.NOT_CONVERTED]
    for one in missing[:SHOWN_MISSING]:
        yield f"not converted: {one.location.file}:{one.location.line}: {one.reason}"
    if len(missing) > SHOWN_MISSING:
        yield f"not converted: {len(missing) - SHOWN_MISSING} more, see the report"
    rebuilt = [
        c for one in reported for c in one.job.constructs if c.feature in REBUILT and c.outcome is Outcome.DIFFERS
    ]
    notes = [f"{one.location.file}: {one.reason}; better: {one.alternative}" for one in rebuilt]
    several = len(reported) > 1
    notes += [f"{one.job.name}: {note}" if several else note for one in reported for note in notes_of(one)]
    for note in notes[:SHOWN_NOTES]:
        yield f"note: {' '.join(note.split())}"
    if len(notes) > SHOWN_NOTES:
        yield f"note: {len(notes) - SHOWN_NOTES} more, see the report"
    for name in written.left:
        yield f"note: {name} is of an earlier import and was edited: it stays"


def _changes(written: Written, output: Path) -> str:
    if not written.changed:
        return f"{output} is as it should be: nothing was written"
    parts = [f"{_counted(len(written.written), 'file')} written"] if written.written else []
    parts += [f"{_counted(len(written.removed), 'file')} of an earlier import removed"] if written.removed else []
    return f"{', '.join(parts)} in {output}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
