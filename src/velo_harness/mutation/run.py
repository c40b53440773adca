"""A mutation run: the programs of the specs, their mutants, and the judgement, in one process or in several."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
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
"""Called with the file, how many of its mutants (in the end: how many programs) are judged, and how many there are."""


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
    judged = _in_processes(paths, len(programs), run, settings) if settings.processes > 1 else None
    for number, program in enumerate(programs):
        try:
            part = next(judged) if judged is not None else _part(program, run, settings, 0, 1, on_mutant)
            if isinstance(part, _Failure):
                raise part.error()
            found.append(_result(program, part, settings))
        except VeloError as error:
            errors.append(FileError(program.text.file, error))
        on_mutant(program.text.file, number + 1, len(programs))
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


@dataclass(frozen=True, slots=True)
class _Part:
    """The mutants of a program, and the verdicts of every `step`-th of them."""

    mutants: tuple[Mutant, ...]
    verdicts: tuple[Verdict, ...]
    checked: tuple[str, ...]
    """Statements that some query checks."""
    unchecked: tuple[str, ...]
    unusable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Failure:
    """A VeloError on its way out of a process: exceptions lose what stands beside their message."""

    code: ErrorCode
    message: str
    location: Location | None
    hint: str | None

    def error(self) -> VeloError:
        """The error as it was."""
        return VeloError(self.code, self.message, location=self.location, hint=self.hint)


def _part(
    program: _Program, run: RunSettings, settings: MutationSettings, first: int, step: int, on_mutant: MutantHook
) -> _Part:
    """Judges every `step`-th mutant from `first` on. Errors: of the program and of `mutants.yaml`."""
    bench = Bench(program.text, program.items, run)
    mutants, checked, unchecked = mutants_for(bench, settings)
    verdicts = []
    for mutant in mutants[first::step]:
        verdicts.append(bench.verdict(mutant))
        on_mutant(program.text.file, len(verdicts), len(mutants))
    return _Part(tuple(mutants), tuple(verdicts), checked, unchecked, tuple(bench.unusable))


def _result(program: _Program, part: _Part, settings: MutationSettings) -> ProgramMutants:
    """Every mutant with its fate, with what `mutants.yaml` says."""
    text = program.text
    results = [
        MutantResult(mutant.operator, mutant.statement, shown(text.text, text.file, mutant), mutant.kill, verdict)
        for mutant, verdict in zip(part.mutants, part.verdicts, strict=True)
    ]
    folders = dict.fromkeys(file.parent for file in program.spec_files)
    entries = [entry for folder in folders for entry in equivalent_entries(folder) if entry.statement in part.checked]
    accepted, stale = _with_equivalents(results, entries)
    complete = settings.maximum is None and settings.operators == tuple(OPERATORS)
    specs = tuple(map(shown_path, program.spec_files))
    return ProgramMutants(text.file, specs, accepted, part.unchecked, part.unusable, stale if complete else ())


_SPLIT_BELOW = 2
"""With fewer programs for each process than this, the mutants of a program are split."""


def _in_processes(
    paths: Sequence[Path], programs: int, run: RunSettings, settings: MutationSettings
) -> Iterator[_Part | _Failure]:
    """The programs in their order, judged by processes of which each has loaded the specs once."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    count = settings.processes
    step = count if programs < count * _SPLIT_BELOW else 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _load_worker, (tuple(paths), run, settings)) as pool:
        shares = [[pool.submit(_worker_part, number, i, step) for i in range(step)] for number in range(programs)]
        for share in shares:
            yield _joined([future.result() for future in share])


def _joined(parts: list[_Part | _Failure]) -> _Part | _Failure:
    """The parts of one program together: part i has the verdicts of every n-th mutant from i on."""
    wrong = next((part for part in parts if isinstance(part, _Failure)), None)
    if wrong is not None:
        return wrong
    good = [part for part in parts if isinstance(part, _Part)]
    verdicts = tuple(good[i % len(good)].verdicts[i // len(good)] for i in range(len(good[0].mutants)))
    return replace(good[0], verdicts=verdicts)


_loaded: list[tuple[list[_Program], RunSettings, MutationSettings]] = []
"""In a process that judges: what it has loaded."""


def _load_worker(paths: tuple[Path, ...], run: RunSettings, settings: MutationSettings) -> None:
    _loaded.append((_programs(paths, run)[0], run, settings))


def _worker_part(number: int, first: int, step: int) -> _Part | _Failure:
    """A part of one program."""
    programs, run, settings = _loaded[0]
    try:
        return _part(programs[number], run, settings, first, step, lambda _file, _done, _all: None)
    except VeloError as error:
        return _Failure(error.code, error.message, error.location, error.hint)


def mutants_for(
    bench: Bench, settings: MutationSettings, is_checked: Callable[[str], bool] | None = None
) -> tuple[list[Mutant], tuple[str, ...], tuple[str, ...]]:
    """The mutants of the statements that some query checks, those statements, and the others.

    `is_checked` says which are; `bench.checked` when it is not given.
    """
    is_checked = bench.checked if is_checked is None else is_checked
    text = bench.text
    mutants: list[Mutant] = []
    checked: list[str] = []
    unchecked: list[str] = []
    for statement in spanned_statements(text.text, file=text.file, variables={**os.environ, **bench.variables}):
        if is_checked(statement.statement.name):
            checked.append(statement.statement.name)
            mutants += mutants_of(statement, text.text, settings.operators)
        else:
            unchecked.append(statement.statement.name)
    if settings.maximum is not None and settings.maximum < len(mutants):
        drawn = random.Random(settings.seed).sample(range(len(mutants)), settings.maximum)  # noqa: S311 - a sample
        mutants = [mutants[i] for i in sorted(drawn)]
    return mutants, tuple(dict.fromkeys(checked)), tuple(dict.fromkeys(unchecked))


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
