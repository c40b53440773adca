"""Whether real jobs are tested right after import: `python -m tests.importing.projects [COLLECTION…]` prints counts.

Every collection of scripts is imported into a folder of its own; then the tests of each job run, as `velo test` does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.flink_dialect import corpora
from velo_engine.errors import VeloError
from velo_harness.result import Outcome
from velo_harness.settings import RunSettings
from velo_harness.suite import find_spec_files, load_items, run_items
from velo_import.convert.job import convert_job
from velo_import.folder import write_folder
from velo_import.inputs.files import read_jobs
from velo_import.model import Generated
from velo_import.project import ProjectOptions, portfolio, project


@dataclass(frozen=True, slots=True)
class Imported:
    """One job, imported and tested."""

    name: str
    converts: bool
    """Whether some statement of it converts, or it has none to convert."""
    generated: Generated
    outcomes: Counter[Outcome]
    wrong: tuple[str, ...]
    """What failed."""
    import_seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether its tests pass; those of a job of which nothing converts must not."""
        passed = not self.outcomes[Outcome.FAILED] and not self.outcomes[Outcome.ERROR]
        return passed and bool(self.outcomes[Outcome.PASSED]) if self.converts else not passed


@dataclass(slots=True)
class Total:
    """The sums over some jobs."""

    jobs: int = 0
    untestable: int = 0
    """Of which nothing converts, or which have nothing: their tests fail, or there are none."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    scores: list[float] = field(default_factory=list)
    killed: int = 0
    counted: int = 0
    seconds: float = 0
    slowest: float = 0

    def add(self, one: Imported) -> None:
        """Counts a job."""
        self.jobs += 1
        self.untestable += not one.converts
        self.outcomes += one.outcomes
        self.seconds += one.import_seconds
        self.slowest = max(self.slowest, one.import_seconds)
        score = one.generated.score
        if score is not None and score.share is not None:
            self.scores.append(score.share)
            self.killed += score.killed
            self.counted += score.counted

    def text(self, name: str) -> str:
        """One line."""
        o = self.outcomes
        mean = sum(self.scores) / len(self.scores) if self.scores else 0
        of_all = self.killed / self.counted if self.counted else 0
        return (
            f"{name:22} {self.jobs:5} jobs ({self.untestable} untestable): {o[Outcome.PASSED]:5} passed "
            f"{o[Outcome.FAILED]:3} failed {o[Outcome.ERROR]:3} errors {o[Outcome.SKIPPED]:4} skipped; mutation score "
            f"{100 * mean:.0f} % a job, {100 * of_all:.0f} % of {self.counted}; "
            f"{self.seconds:.1f} s, slowest {self.slowest:.1f} s"
        )


def imported(collection: Path, folder: Path, options: ProjectOptions, most: int | None = None) -> Iterator[Imported]:
    """Every job of a collection (at most so many), imported below `folder` and tested there."""
    for number, one in enumerate(read_jobs(collection)[:most]):
        began = time.perf_counter()
        job = convert_job(one.name, one.scripts)
        reported, files = project(job, options)
        target = folder / str(number)
        write_folder(portfolio([(reported, files)]), target, force=False)
        took = time.perf_counter() - began
        statements = [s.sql is not None for s in job.statements]
        converts = any(statements) or (not statements and bool(reported.generated.queries))
        outcomes, wrong = _tested(target)
        yield Imported(f"{collection.name}/{one.name}", converts, reported.generated, outcomes, wrong, took)


def _tested(folder: Path) -> tuple[Counter[Outcome], tuple[str, ...]]:
    try:
        items, errors = load_items(find_spec_files([folder]), RunSettings(), ())
    except VeloError as error:
        return Counter({Outcome.ERROR: 1}), (error.message,)
    result = run_items(items, RunSettings())
    outcomes = Counter(query.outcome for query in result.queries)
    bad = [query for query in result.queries if query.outcome in (Outcome.FAILED, Outcome.ERROR)]
    wrong = [f"{q.query}: {q.error.message if q.error else q.failures[0].check}" for q in bad]
    return outcomes, (*wrong, *(failed.error.message for failed in errors))


def main(arguments: Sequence[str]) -> int:
    """Prints a line for each collection, and what is not as it should be; 1 when there is such."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collections", nargs="*")
    parser.add_argument("--verbose", "-v", action="store_true", help="print notes and surviving changes, too")
    chosen = parser.parse_args(arguments)
    total, wrong = Total(), 0
    for collection in sorted(path for path in corpora.FOLDER.iterdir() if path.is_dir()):
        if chosen.collections and collection.name not in chosen.collections:
            continue
        own = Total()
        with tempfile.TemporaryDirectory() as folder:
            for one in imported(collection, Path(folder), ProjectOptions()):
                own.add(one)
                total.add(one)
                wrong += not one.as_expected
                if not one.as_expected:
                    print(f"  {one.name}: {'; '.join(one.wrong) or 'nothing is executed'}")
                if chosen.verbose:
                    _print_details(one)
        print(own.text(collection.name), flush=True)
    print(total.text("all"))
    return 1 if wrong else 0


def _print_details(one: Imported) -> None:
    print(f"  {one.import_seconds:.1f} s: {one.name}", flush=True)
    for note in one.generated.notes:
        print(f"  note: {one.name}: {note}")
    for survivor in one.generated.score.survivors if one.generated.score is not None else ():
        print(f"  survived: {one.name}: {survivor.operator}: {survivor.original} -> {survivor.mutated}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
