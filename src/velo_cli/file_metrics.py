"""The metrics of a job that runs over files to their end, for those who watch it."""

from __future__ import annotations

from velo_engine.runtime.job import Job
from velo_engine.runtime.measurements import BATCH_BOUNDS_S, LATENCY_BOUNDS_S, Histogram
from velo_engine.runtime.statistics import CheckpointStatistics, JobStatistics, SourceStatistics


def job_statistics(job: Job) -> JobStatistics:
    """Where the job stands; may be called from another thread. A run over files has no lag, checkpoints or latency."""
    return JobStatistics(
        records=job.records,
        sources={name: SourceStatistics(records, None) for name, records in job.source_records.items()},
        statements=job.statement_statistics(),
        dead_letters=job.dead_letter_count,
        checkpoints=CheckpointStatistics(),
        connections={},
        batches=Histogram(BATCH_BOUNDS_S).read(),
        latency=Histogram(LATENCY_BOUNDS_S).read(),
        seconds={},
        silent_s=0.0,
    )
