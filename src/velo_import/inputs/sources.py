"""Where the jobs of an import come from: files, a running job of a cluster, a session of a SQL gateway."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_import.inputs.compiled_plan.script import note_of as plan_note
from velo_import.inputs.files import JobInput, jobs_of, read_scripts
from velo_import.model import Construct, ConvertedJob, Outcome

if TYPE_CHECKING:
    from velo_import.inputs.gateway_session import SessionDefinitions


@dataclass(frozen=True, slots=True)
class Source:
    """What a person names."""

    path: Path | None = None
    flink_api: str | None = None
    job_id: str | None = None
    gateway: str | None = None
    session: str | None = None


def read_source(source: Source) -> tuple[JobInput, ...]:
    """The jobs of an import. VeloError when there are none, as the functions say that read each kind of source."""
    _check(source)
    if source.flink_api is not None:
        from velo_import.inputs.running_job.cluster import running_job
        from velo_import.inputs.running_job.script import note_of

        name, script = running_job(source.flink_api, source.job_id)
        note = note_of(script, name)
        return tuple(replace(job, notes=(note,)) for job in jobs_of((script,)))
    if source.gateway is not None:
        from velo_import.inputs.gateway_session import session_definitions

        return _with_session(source.path, session_definitions(source.gateway, source.session))
    assert source.path is not None, "one of the three is there"
    return tuple(_with_plan_notes(job) for job in jobs_of(read_scripts(source.path)))


def _with_plan_notes(job: JobInput) -> JobInput:
    notes = tuple(note for script in job.scripts if (note := plan_note(script)) is not None)
    return replace(job, notes=(*job.notes, *notes)) if notes else job


def with_notes(job: ConvertedJob, notes: tuple[Construct, ...]) -> ConvertedJob:
    """The job with rows of its report that say where it comes from."""
    return replace(job, constructs=(*notes, *job.constructs)) if notes else job


def _check(source: Source) -> None:
    if source.path is None and source.flink_api is None and source.gateway is None:
        hint = "a Flink SQL script, a compiled plan or a folder; or --flink-api URL; or --flink-gateway URL"
        raise VeloError(ErrorCode.MISSING_KEY, "what shall be imported?", hint=hint)
    if source.flink_api is not None and (source.path is not None or source.gateway is not None):
        raise VeloError(ErrorCode.BAD_VALUE, "--flink-api imports a running job: give no PATH and no --flink-gateway")
    if source.job_id is not None and source.flink_api is None:
        raise VeloError(ErrorCode.BAD_VALUE, "--job-id needs --flink-api: the cluster that runs the job")
    if source.session is not None and source.gateway is None:
        raise VeloError(ErrorCode.BAD_VALUE, "--session needs --flink-gateway: the gateway that has the session")


def _with_session(path: Path | None, known: SessionDefinitions) -> tuple[JobInput, ...]:
    """The scripts of `path`, which find in the session what they do not declare; without a path its definitions."""
    settings = (known.settings,) if known.settings.statements else ()
    if path is None:
        if not known.objects:
            hint = "a session knows what was created in it: name it with --session"
            raise VeloError(ErrorCode.EMPTY_INPUT, "the session has no table and no view", hint=hint)
        notes = tuple(_note(known))
        return (JobInput("session", (*settings, *known.objects), notes),)
    own = read_scripts(path)
    files = {script.file for script in own}
    jobs = [job for job in jobs_of((*own, *known.objects)) if job.scripts[-1].file in files]
    return tuple(replace(job, scripts=(*settings, *job.scripts), notes=(*job.notes, *_note(known))) for job in jobs)


def _note(known: SessionDefinitions) -> list[Construct]:
    """What the report says of the session."""
    place = Location("session", 1)
    found = [f"{len(known.objects)} tables and views"]
    found += [f"jobs that it shows, whose SQL it does not: {', '.join(known.jobs)}"] if known.jobs else []
    rows = [Construct(place, "SQL gateway", "session", "definitions", Outcome.SAME, "; ".join(found))]
    for missing in known.missing:
        name, _, why = missing.partition(": ")
        rows.append(
            Construct(place, name, "session", "left out", Outcome.NOT_CONVERTED, f"no definition of {name}: {why}")
        )
    return rows
