"""Checking files: which of them are specs, data schemas and programs, and every problem in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_harness.data_schema import data_schema_of
from velo_harness.discovery import SCHEMA_SUFFIXES, PathPolicy, find_schema, find_specs, is_spec_name
from velo_harness.plugin_files import may_have_plugins
from velo_harness.programs import ParsedProgram, ProgramText, Stand, parsed, shown_path
from velo_harness.refusals import walked
from velo_harness.settings import RunSettings
from velo_harness.source_schemas import load_cached
from velo_harness.spec_detection import Verdict, judge
from velo_harness.validating.programs import checked_program
from velo_harness.validating.specs import check_spec
from velo_harness.validating.yaml_pruning import PrunedTree
from velo_harness.validation import Finding, Level
from velo_harness.yaml_source import read_text, read_yaml

_PASSED_OVER = frozenset({"node_modules", "__pycache__", "build", "dist"})
"""Folders that hold nothing to check; hidden ones are passed over too."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What checking some files found."""

    files: tuple[str, ...]
    """Those that were checked, as people write them."""
    findings: tuple[Finding, ...]
    """By file and place."""

    def count(self, level: Level) -> int:
        """How many findings are of a level."""
        return sum(finding.level is level for finding in self.findings)


def validate(
    paths: Sequence[Path], settings: RunSettings, *, on_file: Callable[[str], None] = lambda _name: None
) -> Validation:
    """Checks the files at `paths`, and those below folders, without running anything or importing code of users.

    `on_file` hears of each. Errors: FILE_NOT_FOUND for a path, NO_TESTS when there is nothing to check.
    """
    wanted = list(dict.fromkeys(path for given in paths for path in _meant_by(given)))
    if not wanted:
        where = ", ".join(str(path) for path in paths)
        hint = "checked are *.sql, *.schema.yaml and specs (*.test.yaml, *.spec.yaml)"
        raise VeloError(ErrorCode.NO_TESTS, f"there is nothing to check in {where}", hint=hint)
    findings: list[Finding] = []
    covered: set[Path] = set()
    for path in sorted(wanted, key=lambda path: path.suffix == ".sql"):  # programs that specs cover come with them
        if path.resolve() in covered:
            continue
        on_file(shown_path(path))
        if path.suffix == ".sql":
            for spec in find_specs(path):
                if spec not in wanted and judge(spec) is Verdict.SPEC:
                    wanted.append(spec)
                    found, program = _spec_findings(spec, settings, path)
                    findings += found
                    covered |= program
            if path.resolve() not in covered:
                findings += _program_findings(path, settings)
        elif _is_schema(path):
            findings += _schema_findings(path)
        else:
            found, program = _spec_findings(path, settings, None)
            findings += found
            covered |= program
    placed = [_with_shown_file(finding) for finding in findings]
    names = sorted({shown_path(path) for path in wanted})
    return Validation(tuple(names), tuple(sorted(dict.fromkeys(placed), key=_order)))


def _meant_by(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from _below(path)
    elif path.exists():
        yield path
    else:
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, beside, noun=f"file in {path.parent}")
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no file or folder "{path}"', hint=hint)


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in walked(folder):
        folders[:] = sorted(f for f in folders if f not in _PASSED_OVER and not f.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            is_spec = is_spec_name(path) and judge(path) is not Verdict.FOREIGN
            if is_spec or path.suffix == ".sql" or name.endswith(SCHEMA_SUFFIXES):
                yield path


def _is_schema(path: Path) -> bool:
    if path.name.endswith(SCHEMA_SUFFIXES):
        return True
    return not is_spec_name(path) and judge(path) is Verdict.FOREIGN and "fields" in _top_keys(path)


def _top_keys(path: Path) -> set[str]:
    from velo_harness.spec_detection import top_level_keys

    try:
        return top_level_keys(read_text(path))
    except VeloError:
        return set()


def _spec_findings(path: Path, settings: RunSettings, sql: Path | None) -> tuple[list[Finding], set[Path]]:
    check = check_spec(Path(shown_path(path)), settings, sql)
    findings = [_perhaps_of_a_plugin(finding, path) for finding in check.findings]
    return findings, set() if check.program is None else {check.program}


def _perhaps_of_a_plugin(finding: Finding, path: Path) -> Finding:
    """An assertion type that nobody knows may be that of a plugin, of which none is loaded to validate."""
    if finding.code is not ErrorCode.UNKNOWN_ASSERTION or not may_have_plugins(path):
        return finding
    hint = f"{finding.hint}; a plugin may add it: plugins are loaded for a run only"
    return replace(finding, level=Level.WARNING, hint=hint)


def _schema_findings(path: Path) -> list[Finding]:
    findings: list[Finding] = []
    try:
        tree = PrunedTree(read_yaml(Path(shown_path(path))))
    except VeloError as error:
        return [Finding.of(error)]
    while True:
        try:
            data_schema_of(tree.root)
        except VeloError as error:
            pruning = tree.prune(error)
            if pruning.tell:
                findings.append(Finding.of(error))
            if not pruning.goes_on:
                return findings
        else:
            return findings


def _program_findings(path: Path, settings: RunSettings) -> list[Finding]:
    """Of a program that no spec covers; its sources have the schemas that lie beside it."""
    shown = shown_path(path)
    policy = PathPolicy.for_file(path, settings.allowed)

    def stand(program: ParsedProgram) -> Stand:
        files = {name: find_schema(name, path.absolute().parent, policy) for name in program.sources}
        return Stand(tuple((name, load_cached(file).row_schema()) for name, file in files.items() if file is not None))

    try:
        text = ProgramText(read_text(Path(shown)), shown, path.absolute().parent)
        findings = checked_program(text, settings.variables, stand).findings
        return findings or _without_statements(parsed(text, settings.variables), shown)
    except VeloError as error:
        return [Finding.of(error)]


def _without_statements(program: ParsedProgram, file: str) -> list[Finding]:
    """That a program says nothing: an error, as it is of an empty spec. SET alone says something."""
    if program.program.statements or program.program.settings:
        return []
    hint = "write one, such as CREATE STREAM … AS SELECT …, or remove the file"
    error = VeloError(ErrorCode.EMPTY_INPUT, "the program has no statement", location=Location(file, 1), hint=hint)
    return [Finding.of(error)]


def _with_shown_file(finding: Finding) -> Finding:
    """The finding with its file as people write it."""
    if finding.location is None:
        return finding
    return replace(finding, location=replace(finding.location, file=shown_path(Path(finding.location.file))))


def _order(finding: Finding) -> tuple[str, int, int, str]:
    place = finding.location
    return ("", 0, 0, finding.message) if place is None else (place.file, place.line, place.column, finding.message)
