"""A mutation run: the programs of the specs, their mutants, and the judgement, in one process or in several."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.sql.node_spans import spanned_statements
from velo_harness.mutation.edits import Mutant, shown
from velo_harness.mutation.equivalents import EquivalentEntry, equivalent_entries
from velo_harness.mutation.judging import Bench
from velo_harness.mutation.operators import OPERATORS, mutants_of
from velo_harness.mutation.results import (
    Fate,
    MutantResult,
    MutationRun,
    ProgramMutants,
    StaleEntry,
    Verdict,
)
from velo_harness.programs import ProgramText, program_text, shown_path
from velo_harness.result import FileError
from velo_harness.settings import RunSettings
from velo_harness.suite import SuiteItem, find_spec_files, load_items

DEFAULT_SEED = 42


@dataclass(frozen=True, slots=True)
class MutationSettings:
    """What the person who starts a mutation run may set."""

    operators: tuple[str, ...] = tuple(OPERATORS)
    maximum: int | None = None
    """Most mutants of a program; a sample drawn by `seed`. None: all."""
    seed: int = DEFAULT_SEED
    processes: int = 1


@dataclass(frozen=True, slots=True)
class _Program:
    """A program under test and the specs that check it."""

    text: ProgramText
    items: tuple[SuiteItem, ...]

    @property
    def spec_files(self) -> tuple[Path, ...]:
        """The specs, each once."""
        return tuple(dict.fromkeys(item.spec.file for item in self.items))


MutantHook = Callable[[str, int, int], None]
"""Called with the file, how many of its mutants are judged, and how many there are."""


def chosen_operators(names: Sequence[str]) -> tuple[str, ...]:
    """The operators of these names, in the order of the table; all when there are none. VeloError BAD_VALUE."""
    for name in names:
        if name not in OPERATORS:
            raise VeloError(
                ErrorCode.BAD_VALUE,
                f'there is no mutation operator "{name}"',
                hint=did_you_mean(name, OPERATORS, noun="operator") or "one of " + ", ".join(OPERATORS),
            )
    return tuple(name for name in OPERATORS if name in names or not names)


def mutate(
    paths: Sequence[Path],
    run: RunSettings,
    settings: MutationSettings,
    on_mutant: MutantHook = lambda _file, _done, _all: None,
) -> MutationRun:
    """Judges the mutants of every program that the specs of `paths` test. Errors: FILE_NOT_FOUND, NO_TESTS."""
    began = time.perf_counter()
    programs, errors = _programs(paths, run)
    found: list[ProgramMutants] = []
    for number, program in enumerate(programs):
        try:
            found.append(_Judgement(program, paths, number, run, settings, on_mutant).result())
        except VeloError as error:
            errors.append(FileError(program.text.file, error))
    return MutationRun(tuple(found), tuple(errors), (time.perf_counter() - began) * 1000)


def _programs(paths: Sequence[Path], run: RunSettings) -> tuple[list[_Program], list[FileError]]:
    """The programs of the specs, in the order in which specs are found."""
    items, errors = load_items(find_spec_files(paths), run, ())
    found: dict[ProgramText, list[SuiteItem]] = {}
    broken: dict[Path, FileError] = {}
    for item in items:
        try:
            found.setdefault(program_text(item.spec), []).append(item)
        except VeloError as error:
            broken.setdefault(item.spec.file, FileError(shown_path(item.spec.file), error))
    errors = [*errors, *broken.values()]
    return [_Program(text, tuple(own)) for text, own in found.items()], errors


class _Judgement:
    """The mutants of one program, judged."""

    def __init__(
        self,
        program: _Program,
        paths: Sequence[Path],
        number: int,
        run: RunSettings,
        settings: MutationSettings,
        on_mutant: MutantHook,
    ) -> None:
        self._program = program
        self._paths = paths
        self._number = number
        self._run = run
        self._settings = settings
        self._on_mutant = on_mutant

    def result(self) -> ProgramMutants:
        """Every mutant with its fate."""
        text = self._program.text
        bench = Bench(text, self._program.items, self._run)
        mutants, unchecked = mutants_for(bench, self._settings)
        folders = dict.fromkeys(file.parent for file in self._program.spec_files)
        entries = [entry for folder in folders for entry in equivalent_entries(folder)]
        known = {*bench.program().statements, *bench.program().sources} - set(unchecked)
        own = [entry for entry in entries if entry.statement in known]
        results: list[MutantResult] = []
        for mutant, verdict in zip(mutants, self._verdicts(bench, mutants), strict=True):
            what = shown(text.text, text.file, mutant)
            results.append(MutantResult(mutant.operator, mutant.statement, what, mutant.kill, verdict))
            self._on_mutant(text.file, len(results), len(mutants))
        accepted, stale = _with_equivalents(results, own)
        complete = self._settings.maximum is None and self._settings.operators == tuple(OPERATORS)
        specs = tuple(map(shown_path, self._program.spec_files))
        return ProgramMutants(text.file, specs, accepted, unchecked, tuple(bench.unusable), stale if complete else ())

    def _verdicts(self, bench: Bench, mutants: Sequence[Mutant]) -> Iterator[Verdict]:
        count = min(self._settings.processes, max(1, len(mutants) // 8))
        if count <= 1:
            return (bench.verdict(mutant) for mutant in mutants)
        return self._in_processes(count, len(mutants))

    def _in_processes(self, count: int, mutants: int) -> Iterator[Verdict]:
        """The verdicts of `count` processes, in the order of the mutants: process i judges every count-th from i."""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        settings = replace(self._settings, processes=1)
        with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
            shares = [
                pool.submit(_share, tuple(self._paths), self._number, self._run, settings, first, count)
                for first in range(count)
            ]
            verdicts = [share.result() for share in shares]
        return (verdicts[i % count][i // count] for i in range(mutants))


def _share(
    paths: tuple[Path, ...], number: int, run: RunSettings, settings: MutationSettings, first: int, step: int
) -> list[Verdict]:
    """The verdicts of one process."""
    program = _programs(paths, run)[0][number]
    bench = Bench(program.text, program.items, run)
    mutants, _ = mutants_for(bench, settings)
    return [bench.verdict(mutant) for mutant in mutants[first::step]]


def mutants_for(bench: Bench, settings: MutationSettings) -> tuple[list[Mutant], tuple[str, ...]]:
    """The mutants of the statements that some query checks, and the other statements."""
    text = bench.text
    mutants: list[Mutant] = []
    unchecked: list[str] = []
    for statement in spanned_statements(text.text, file=text.file, variables={**os.environ, **bench.variables}):
        if bench.checked(statement.statement.name):
            mutants += mutants_of(statement, text.text, settings.operators)
        else:
            unchecked.append(statement.statement.name)
    if settings.maximum is not None and settings.maximum < len(mutants):
        drawn = random.Random(settings.seed).sample(range(len(mutants)), settings.maximum)  # noqa: S311 - a sample
        mutants = [mutants[i] for i in sorted(drawn)]
    return mutants, tuple(dict.fromkeys(unchecked))


def _with_equivalents(
    results: Sequence[MutantResult], entries: Sequence[EquivalentEntry]
) -> tuple[tuple[MutantResult, ...], tuple[StaleEntry, ...]]:
    """The results, with survivors that an entry calls equivalent not counted; and the entries that are wrong."""
    accepted = list(results)
    stale: list[StaleEntry] = []
    for entry in entries:
        meant = [i for i, r in enumerate(results) if entry.means(r.operator, r.statement, r.shown)]
        if not meant:
            stale.append(StaleEntry("no mutant is like this", entry.location))
        for i in meant:
            verdict = results[i].verdict
            if verdict.fate in (Fate.KILLED, Fate.TIMEOUT):
                stale.append(StaleEntry(f"this mutant is not equivalent: {verdict.reason}", entry.location))
            elif verdict.fate is Fate.SURVIVED:
                accepted[i] = replace(results[i], verdict=Verdict(Fate.EQUIVALENT, entry.equivalent))
    return tuple(accepted), tuple(stale)
