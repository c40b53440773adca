"""The running jobs of a Flink cluster, asked over its REST interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.flink.script import FlinkScript
from velo_import.inputs.rest import RestError, ask, base_url, unlike_flink
from velo_import.inputs.running_job.script import job_script

_OVER = {"FINISHED", "CANCELED", "FAILED", "CANCELLING", "FAILING"}


def running_job(url: str, job_id: str | None) -> tuple[str, FlinkScript]:
    """The name and the script of a job: that of `job_id`, or the only one that runs.

    VeloError BAD_VALUE when there is no such job, or several run and none is named; EMPTY_INPUT when none runs;
    INFRASTRUCTURE_MISSING when no cluster answers; SQL_UNSUPPORTED as of `job_script`.
    """
    base = base_url(url, "--flink-api")
    try:
        overview = ask(f"{base}/jobs/overview")
        jobs = overview.get("jobs") if isinstance(overview, Mapping) else None
        if not isinstance(jobs, list):
            hint = "is this the REST address of a JobManager?"
            raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, f"{base} does not list jobs as Flink does", hint=hint)
        job = _chosen(jobs, job_id, base)
        plan = ask(f"{base}/jobs/{job['jid']}/plan")["plan"]
        config = ask(f"{base}/jobs/{job['jid']}/config")
        parallelism = (config.get("execution-config") or {}).get("job-parallelism")
    except RestError as failed:
        message = f"{base} refuses: {failed.message} (status {failed.status})"
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message) from None
    except (KeyError, TypeError, AttributeError) as problem:
        raise unlike_flink(base, "a cluster of Flink", problem) from None
    return job["name"], job_script(plan, name=job["name"], identity=job["jid"], parallelism=parallelism)


def _chosen(jobs: Sequence[Mapping[str, Any]], job_id: str | None, base: str) -> Mapping[str, Any]:
    if job_id is not None:
        found = next((job for job in jobs if job["jid"] == job_id), None)
        if found is None:
            raise VeloError(ErrorCode.BAD_VALUE, f"{base} has no job {job_id}", hint=_listed(jobs))
        return found
    running = [job for job in jobs if job["state"] not in _OVER]
    if not running:
        raise VeloError(ErrorCode.EMPTY_INPUT, f"no job runs at {base}", hint=_listed(jobs))
    if len(running) > 1:
        message = f"{len(running)} jobs run at {base}: say which with --job-id"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=_listed(running))
    return running[0]


def _listed(jobs: Sequence[Mapping[str, Any]]) -> str:
    if not jobs:
        return "it has no jobs at all"
    return "it has " + ", ".join(f"{job['jid']} ({job['name']}, {job['state']})" for job in jobs[:20])
