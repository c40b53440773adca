"""Asking a running job."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.engine.runtime.live import Cluster, live_job
from tests.engine.runtime.test_live_job import GROUPS, cluster

from velo_engine import ErrorCode, VeloError
from velo_engine.runtime.checkpoint_file import read_checkpoint
from velo_engine.runtime.checkpoints import CheckpointFolder
from velo_engine.runtime.control import JobControl, ask
from velo_engine.runtime.timeline import SystemClock


@pytest.fixture
def endless() -> Cluster:
    made = cluster()
    made.fill("orders", 0, [b'{"k":"z","v":1,"ts":"2024-01-01 00:00:30"}'] * 200_000)
    return made


def test_a_running_job_answers(endless: Cluster, tmp_path: Path) -> None:
    stop = threading.Event()
    with CheckpointFolder(tmp_path / "job") as folder:
        job = live_job(GROUPS, endless, folder, exactly_once=True, clock=SystemClock())
        job.start()
        with JobControl(job, folder.folder, stop):
            running = threading.Thread(target=job.run, args=(stop,))
            running.start()
            try:
                path = ask(folder.folder, ask="savepoint", path=str(tmp_path / "savepoint"), stop=False)
                status = ask(folder.folder, ask="status")
                with pytest.raises(VeloError, match="nothing is called") as unknown:
                    ask(folder.folder, ask="weather")
                with pytest.raises(VeloError, match="not a request"):
                    ask(folder.folder, ask="savepoint")
                with pytest.raises(VeloError, match="cannot be written"):
                    ask(folder.folder, ask="savepoint", path=str(tmp_path / "no" / "folder"), stop=False)
            finally:
                ask(folder.folder, ask="stop")
                running.join()

    assert read_checkpoint(Path(path)).epoch >= 1
    assert status["sources"]["o"]["lag"] > 0
    assert status["records"] > 0
    assert unknown.value.code is ErrorCode.BAD_VALUE


def test_a_job_that_does_not_run_is_said_not_to(tmp_path: Path) -> None:
    with pytest.raises(VeloError, match="no job runs") as refused:
        ask(tmp_path, ask="status")
    assert refused.value.code is ErrorCode.INFRASTRUCTURE_MISSING


def test_a_job_that_has_crashed_is_said_not_to_run(tmp_path: Path) -> None:
    (tmp_path / "control").write_text(str(tmp_path / "gone"))
    with pytest.raises(VeloError, match="no job runs"):
        ask(tmp_path, ask="status")
