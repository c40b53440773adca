"""A converted job as a project: its program with metrics, data schemas, a spec that passes, monitoring, the original.

Whatever part cannot be made is left out and noted; the others are written all the same.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from velo_engine.engine import Engine
from velo_engine.errors import VeloError
from velo_engine.sql.program import StatementKind
from velo_harness.drafting.new_files import editor_files
from velo_import.model import ConvertedJob, Generated, MutationScore
from velo_import.observability import ALERTS, DASHBOARD, Observed, observe
from velo_import.report import JSON, MARKDOWN, Reported, report_json, report_markdown, score_from
from velo_import.samples.reading import Sampled
from velo_import.schemas.files import schema_files, schema_notes
from velo_import.shadow_config import FILE as SHADOW
from velo_import.shadow_config import shadow_config_text, with_left_topic
from velo_import.specs.drafted import SPEC, JobSpec, drafted_spec
from velo_import.specs.mutation_score import Budget, mutation_score

if TYPE_CHECKING:
    from velo_import.enrichment.asking import Answer
    from velo_import.enrichment.enrich import Enrichment
    from velo_import.enrichment.question import Question

PROGRAM = "app.sql"
ORIGINAL = "original"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProjectOptions:
    """What a person may choose of a project."""

    dashboard: bool = True
    budget: Budget = field(default_factory=Budget)
    compare_topic: str | None = None
    """The topic into which Flink writes, for the shadow config of a job with one sink; None: that of the sink."""
    samples: Mapping[str, Sampled] = field(default_factory=dict)
    """Rows of real inputs, by the names of jobs."""
    keep_samples: bool = False
    """Whether those rows are written to the project."""
    ask: Callable[[Question], Answer | None] | None = None
    """Who may propose improvements; None: everything is made by rules."""
    scores: Mapping[str, MutationScore] = field(default_factory=dict)
    """What earlier imports found, by `score_key` of the files they judged."""
    on_part: Callable[[str], None] = lambda _name: None
    """Is told what of a project is made now."""


def project(job: ConvertedJob, options: ProjectOptions) -> tuple[Reported, dict[str, str]]:
    """What is said of the job in reports, and its files by their paths in its folder.

    Errors: BAD_VALUE for a topic to compare with where no single sink has one.
    """
    making = _Making(job, options)
    making.make()
    return Reported(job, making.generated()), making.files


def portfolio(reported: Sequence[tuple[Reported, Mapping[str, str]]]) -> dict[str, str]:
    """All files of an import: one job in the folder itself, several in one folder each, with reports above them."""
    files: dict[str, str] = {}
    several = len(reported) > 1
    taken: set[str] = set()
    for one, own in reported:
        folder = PurePosixPath(_folder_name(one.job.name, taken)) if several else PurePosixPath()
        files |= {str(folder / path): text for path, text in own.items()}
        if several:
            files[str(folder / MARKDOWN)] = report_markdown([one])
            files[str(folder / JSON)] = report_json([one])
    jobs = [one for one, _ in reported]
    files[MARKDOWN] = report_markdown(jobs)
    files[JSON] = report_json(jobs)
    return files


def _folder_name(job: str, taken: set[str]) -> str:
    """A folder for a job, which no other job has; file systems may not tell upper from lower case."""
    name, number = job, 1
    while name.casefold() in taken:
        name = f"{job}_{(number := number + 1)}"
    taken.add(name.casefold())
    return name


class _Making:
    """The parts of one project, made one after the other."""

    def __init__(self, job: ConvertedJob, options: ProjectOptions) -> None:
        self.job = job
        self.files: dict[str, str] = {PROGRAM: job.app_sql}
        self._options = options
        self._notes: list[str] = []
        self._observed: Observed | None = None
        self._schemas: dict[str, str] = {}
        self._spec: JobSpec | None = None
        self._score: MutationScore | None = None
        self._proposed: Enrichment | None = None

    def make(self) -> None:
        """Fills `files`."""
        for script in self.job.scripts:
            self.files[str(PurePosixPath(ORIGINAL) / _relative(script.file))] = script.source.file_text
        sampled = self._options.samples.get(self.job.name, Sampled())
        self._observed = self._part("metrics and monitoring", lambda: observe(self.job, sampled.tables))
        if self._observed is not None:
            self._take(self._observed)
        self._schemas = self._part("data schemas", lambda: schema_files(_readable(self.job), sampled.tables)) or {}
        self._notes += [*sampled.notes, *(self._part("notes on generated rows", lambda: schema_notes(self.job)) or ())]
        if self._options.keep_samples:
            self.files |= sampled.kept_files()
        self.files |= self._schemas
        if self._options.ask is not None and self._observed is not None:
            self._propose(self._observed, self._options.ask)
        self.files[PROGRAM] = _laid_out(self.files[PROGRAM])
        shadow = self._part("the shadow config", lambda: shadow_config_text(self.job, PROGRAM))
        if shadow is not None:
            topic = self._options.compare_topic
            self.files[SHADOW] = shadow if topic is None else with_left_topic(shadow, topic)
        with tempfile.TemporaryDirectory(prefix="velo-import-") as staging:
            folder = Path(staging).resolve()
            for name in (PROGRAM, *self._schemas):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self.files[name], encoding="utf-8", newline="")
            self._spec = self._part("the test spec", lambda: self._drafted(folder))
            if self._spec is None:
                return
            self.files[SPEC] = self._spec.text
            formats = ("spec", "data", *(("shadow-config",) if SHADOW in self.files else ()))
            self.files |= {path.as_posix(): text for path, text in editor_files(Path(), formats).items()}
            if self._spec.queries:
                (folder / SPEC).write_text(self._spec.text, encoding="utf-8", newline="")
                self._score = self._options.scores.get(score_key(self.files)) or self._part(
                    "the mutation score", lambda: mutation_score(folder / SPEC, self._options.budget)
                )

    def _take(self, observed: Observed) -> None:
        self._observed = observed
        self.files[PROGRAM] = observed.app_sql
        wanted = self._options.dashboard
        self.files |= {path: text for path, text in observed.files.items() if path != DASHBOARD or wanted}

    def _propose(self, observed: Observed, ask: Callable[[Question], Answer | None]) -> None:
        """What is proposed and right goes into the parts that are there; assertions wait for the spec."""
        from velo_import.enrichment.enrich import enrich

        rows = self._options.samples.get(self.job.name, Sampled()).tables
        found = self._part("what was proposed", lambda: enrich(self.job, observed, self._schemas, ask, rows))
        if found is None:
            return
        self._proposed = found
        self._take(found.observed)
        self._schemas = dict(found.schemas)
        self.files |= {**self._schemas, **found.files}
        self._notes += found.notes

    def _drafted(self, folder: Path) -> JobSpec | None:
        proposed = self._proposed
        if proposed is None:
            return drafted_spec(self.job, folder, PROGRAM)
        return drafted_spec(self.job, folder, PROGRAM, proposed.descriptions, proposed.checks)

    def generated(self) -> Generated:
        """The numbers of what was made."""
        spec, observed = self._spec, self._observed
        dashboard = json.loads(self.files[DASHBOARD]) if DASHBOARD in self.files else {}
        return Generated(
            schemas=len(self._schemas),
            queries=spec.queries if spec is not None else 0,
            assertions=spec.assertions if spec is not None else 0,
            skipped=len(spec.skipped) if spec is not None else 0,
            metrics=len(observed.metrics) if observed is not None else 0,
            panels=sum(panel["type"] != "row" for panel in dashboard.get("panels", ())),
            alerts=self.files.get(ALERTS, "").count("- alert: "),
            score=self._score,
            shadow=SHADOW in self.files,
            judged=score_key(self.files) if self._score is not None else None,
            notes=(*self._notes, *(spec.notes if spec is not None else ())),
        )

    def _part(self, name: str, make: Callable[[], T]) -> T | None:
        """The part; None, with a note, when it cannot be made."""
        self._options.on_part(name)
        try:
            return make()
        except VeloError as error:
            self._notes.append(f"{name} could not be made: {error.message}")
        except Exception as defect:
            self._notes.append(f"{name} could not be made: a defect of velostream: {type(defect).__name__}: {defect}")
        return None


def score_key(files: Mapping[str, str]) -> str:
    """What the mutation score of a project depends on, as one digest: program, data schemas and spec."""
    judged = sorted(
        (name, text) for name, text in files.items() if name in (PROGRAM, SPEC) or name.startswith("schemas/")
    )
    return hashlib.sha256(json.dumps([version("velostream"), judged]).encode()).hexdigest()


def known_scores(folder: Path) -> dict[str, MutationScore]:
    """The scores in the report of an earlier import into a folder, by `score_key`."""
    try:
        jobs = json.loads((folder / JSON).read_text(encoding="utf-8"))["jobs"]
        return {key: score for job in jobs if (key := job["judged"]) and (score := score_from(job["mutation"]))}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _laid_out(sql: str) -> str:
    """A program as `velo fmt` lays it out; as it is where that cannot be shown to mean the same."""
    from velo_harness.formatting.sql_format import formatted_sql

    try:
        return formatted_sql(sql, PROGRAM)
    except VeloError:
        return sql


def _relative(file: str) -> PurePosixPath:
    """The path of an input below a folder."""
    parts = [part for part in PurePosixPath(Path(file).as_posix()).parts if part not in ("/", "..", ".")]
    return PurePosixPath(*parts)


def _readable(job: ConvertedJob) -> ConvertedJob:
    """The job; one without statements reads each of its tables, as its spec does."""
    if job.statements:
        return job
    program = Engine().parse(job.app_sql, variables={})
    tables = [s.name for s in program.statements if s.kind is StatementKind.SOURCE]
    return replace(job, app_sql=job.app_sql + "".join(f"\n;\nSELECT * FROM `{name}`;" for name in tables))
