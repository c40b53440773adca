"""Files and folders to scripts, and scripts to jobs: what a script reads and does not declare, another one may."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.sql.flink import statements as flink
from velo_engine.sql.flink.names import last_part
from velo_engine.sql.flink.script import FlinkScript, parse_script
from velo_engine.sql.source_text import MAX_CHARACTERS
from velo_import.convert.queries import readings
from velo_import.inputs.compiled_plan.script import is_plan, plan_script
from velo_import.inputs.dialects import dialect_hint
from velo_import.inputs.programs.embedded import LANGUAGES, embedded_script
from velo_import.inputs.texts import text_of
from velo_import.model import Construct, Outcome

_DEFINING = (flink.CreateTable, flink.CreateView, flink.CreateFunction, flink.CreateNamed)
_IN_FORCE = (flink.SetOption, flink.ResetOption)
_TOO_LONG = "split it into several files of one folder, and import the folder: what one declares the others find"
_BEGINNING = 1_000
"""Characters of a JSON file within which a plan says Flink's version."""


@dataclass(frozen=True, slots=True)
class JobInput:
    """The scripts of one job, in the order in which they are read; the last is the one that makes its rows."""

    name: str
    scripts: tuple[FlinkScript, ...]
    notes: tuple[Construct, ...] = ()
    """Rows of the report that say where the job comes from."""


def read_jobs(path: Path) -> tuple[JobInput, ...]:
    """The jobs of a file, or of all files in a folder.

    VeloError FILE_NOT_FOUND; FILE_UNREADABLE; EMPTY_INPUT for a folder without scripts, or a file without a statement;
    SQL_SYNTAX for a file that is no SQL at all.
    """
    return jobs_of(read_scripts(path))


def read_scripts(path: Path) -> tuple[FlinkScript, ...]:
    """As `read_jobs`: the scripts, before they are put together to jobs."""
    if path.is_dir():
        return _read_folder(path)
    script = read_script(path, path.name)
    if not script.statements:
        hint = "give a Flink SQL script"
        if path.suffix.lower() in LANGUAGES:
            hint = (
                "SQL of a program is found where it stands in string literals that begin with CREATE, INSERT, SELECT, …"
            )
        raise VeloError(ErrorCode.EMPTY_INPUT, f"{path} has no statement", hint=hint)
    if len(script.unread) == len(script.statements) and not is_plan(script.text):
        raise _no_sql(script)
    return (script,)


def read_script(path: Path, name: str | None = None) -> FlinkScript:
    """The script in a file, the SQL within a program, or of a compiled plan. VeloError as of `read_jobs`."""
    text = text_of(path)
    file = name or str(path)
    if path.suffix.lower() == ".json" or is_plan(text):
        return plan_script(text, file=file)
    language = LANGUAGES.get(path.suffix.lower())
    try:
        script = parse_script(text, file=file) if language is None else embedded_script(text, language, file=file)
    except VeloError as error:
        if error.code is not ErrorCode.SQL_SYNTAX:
            raise
        raise _with_hint(error, _TOO_LONG if len(text) > MAX_CHARACTERS else dialect_hint(text)) from None
    return replace(script, statements=tuple(_hinted(statement, script.text) for statement in script.statements))


def _hinted(statement: flink.Statement | flink.Unread, text: str) -> flink.Statement | flink.Unread:
    """A statement that does not parse says whose SQL it looks like."""
    if not isinstance(statement, flink.Unread):
        return statement
    hint = dialect_hint(text[statement.place.start : statement.place.end])
    return replace(statement, error=_with_hint(statement.error, hint))


def _with_hint(error: VeloError, hint: str | None) -> VeloError:
    if hint is None:
        return error
    whole = f"{error.hint}; {hint}" if error.hint else hint
    return VeloError(error.code, error.message, location=error.location, hint=whole)


def _read_folder(folder: Path) -> tuple[FlinkScript, ...]:
    names: list[Path] = []

    def refuse(problem: OSError) -> None:
        raise VeloError(
            ErrorCode.FILE_UNREADABLE,
            f"cannot read {problem.filename}: {problem.strerror}",
            hint="look at its permissions",
        )

    for top, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names += [Path(top) / name for name in files if _is_script(Path(top) / name)]
    scripts = []
    for path in sorted(names):
        name = str(path.relative_to(folder))
        try:
            script = read_script(path, name)
        except VeloError as error:
            if error.code not in (ErrorCode.SQL_SYNTAX, ErrorCode.FILE_UNREADABLE, ErrorCode.FILE_NOT_FOUND):
                raise
            script = _unread(path, name, error)
        if script.statements:
            scripts.append(script)
    if scripts and not any(script.text for script in scripts):
        raise scripts[0].unread[0].error
    if not scripts:
        raise VeloError(
            ErrorCode.EMPTY_INPUT,
            f"no Flink SQL in {folder}",
            hint="scripts end in .sql; SQL in .java, .scala and .py files and compiled plans (.json) are found, too",
        )
    return tuple(scripts)


def _is_script(path: Path) -> bool:
    """Whether a file of a folder is read: by its name; JSON when it begins as a plan does."""
    suffix = path.suffix.lower()
    if suffix != ".json":
        return suffix in {".sql", *LANGUAGES}
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return '"flinkVersion"' in file.read(_BEGINNING)
    except OSError:
        return False


def _unread(path: Path, name: str, error: VeloError) -> FlinkScript:
    """A script that has no statements because it is no text, or cannot be split: all of it is one that is not read."""
    text = text_of(path) if error.code is ErrorCode.SQL_SYNTAX else ""
    where = error.location and replace(error.location, file=name)
    cause = VeloError(error.code, error.message.replace(str(path), name), location=where, hint=error.hint)
    place = flink.Place(Location(name, 1), 0, len(text))
    return FlinkScript(name, text, (flink.Unread(place, cause),))


def _no_sql(script: FlinkScript) -> VeloError:
    """Nothing of the file parses: the error of its first statement, and what that may mean."""
    first = script.unread[0].error
    if "this looks like" in (first.hint or ""):
        return first
    return _with_hint(first, "this is no Flink SQL that can be read; other dialects are not imported")


# --- jobs ---


def jobs_of(scripts: Sequence[FlinkScript]) -> tuple[JobInput, ...]:
    """The jobs of scripts: each that makes rows, behind those that declare what it reads and writes.

    Of several that declare a name the one counts whose path is most alike. Scripts that only declare, and that no other
    one needs, are jobs by themselves. Files that are no text are rows of the first job's report.
    """
    lost = tuple(_row(script.file, one.error) for script in scripts if not script.text for one in script.unread)
    summaries = [_Summary.of(script) for script in scripts if script.text]
    definers: dict[str, list[_Summary]] = {}
    for summary in summaries:
        for name in summary.defines:
            definers.setdefault(name, []).append(summary)
    jobs: list[JobInput] = []
    used: set[str] = set()
    for summary in summaries:
        if summary.makes_rows:
            libraries = list(_libraries(summary, definers))
            used.update(library.script.file for library in libraries)
            jobs.append(JobInput(_job_name(summary.script), (*(d.definitions() for d in libraries), summary.script)))
    jobs += [
        JobInput(_job_name(s.script), (s.script,)) for s in summaries if not s.makes_rows and s.script.file not in used
    ]
    jobs.sort(key=lambda job: job.scripts[-1].file)
    return (replace(jobs[0], notes=lost), *jobs[1:]) if jobs else ()


def _row(file: str, error: VeloError) -> Construct:
    """The row of a file that is not read."""
    place = error.location if error.location is not None and error.location.file == file else Location(file, 1)
    return Construct(place, file, "file", "left out", Outcome.NOT_CONVERTED, error.message, error.hint)


@dataclass(frozen=True, slots=True)
class _Summary:
    """What a script gives to others and needs of them."""

    script: FlinkScript
    defines: frozenset[str]
    needs: tuple[str, ...]
    """Names without catalog and database, in order."""
    makes_rows: bool

    @classmethod
    def of(cls, script: FlinkScript) -> _Summary:
        defines: set[str] = set()
        needs: dict[str, None] = {}
        makes_rows = False
        for statement in _flat(script.statements):
            query = getattr(statement, "query", None)
            named = [r.written for r in readings(query)] if isinstance(query, exp.Expr) else []
            if isinstance(statement, flink.Insert):
                named.append(statement.target)
            if isinstance(statement, flink.CreateTable) and statement.like is not None:
                named.append(statement.like.source)
            needs.update(dict.fromkeys(last for name in named if (last := last_part(name)) not in defines))
            if isinstance(statement, flink.CreateTable | flink.CreateView):
                defines.add(last_part(statement.name))
            makes_rows |= isinstance(statement, flink.Insert | flink.Query)
        return cls(script, frozenset(defines), tuple(needs), makes_rows)

    def definitions(self) -> FlinkScript:
        """The script without the statements that make rows of their own."""
        if not self.makes_rows:
            return replace(self.script, is_found=True)
        kept = tuple(
            s
            for s in self.script.statements
            if isinstance(s, (*_DEFINING, *_IN_FORCE)) or (isinstance(s, flink.Command) and s.name.startswith("USE"))
        )
        return replace(self.script, statements=kept, is_found=True, is_excerpt=True)


def _flat(statements: Sequence[flink.Statement | flink.Unread]) -> Iterator[flink.Statement | flink.Unread]:
    for statement in statements:
        if isinstance(statement, flink.StatementSet):
            yield from statement.inserts
        else:
            yield statement


def _libraries(job: _Summary, definers: dict[str, list[_Summary]]) -> Iterator[_Summary]:
    """The scripts that a job needs, those first that others need."""
    seen = {job.script.file}
    provided: set[str] = set(job.defines)

    def visit(summary: _Summary) -> Iterator[_Summary]:
        for name in summary.needs:
            if name in provided:
                continue
            nearest = _nearest(summary, definers.get(name, ()))
            if nearest is None or nearest.script.file in seen:
                continue
            seen.add(nearest.script.file)
            provided.update(nearest.defines)
            yield from visit(nearest)
            yield nearest

    yield from visit(job)


def _nearest(summary: _Summary, found: Sequence[_Summary]) -> _Summary | None:
    others = [one for one in found if one.script.file != summary.script.file]
    if not others:
        return None
    own = summary.script.file
    likeness = {id(one): _likeness(own, one.script.file) for one in others}
    return min(others, key=lambda one: (one.makes_rows, -likeness[id(one)], one.script.file))


def _likeness(one: str, other: str) -> int:
    """How many characters two paths have in common at their beginning: files of one topic are often called alike."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _job_name(script: FlinkScript) -> str:
    return str(Path(script.file).with_suffix("")).replace(os.sep, "_")
