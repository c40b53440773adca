"""Jobs that go on: what they publish, wherever they are stopped, killed or started again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.runtime.live import Cluster, Crash, Crashes, CrashingFolder, live_job

from velo_engine import Engine, ErrorCode, VeloError
from velo_engine.runtime.checkpoint_file import Checkpoint, fingerprint, write_checkpoint
from velo_engine.runtime.checkpoints import CheckpointFolder, Schedule
from velo_engine.runtime.live_job import LiveJob, LiveOptions

TABLES = """
CREATE TABLE o (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json');
CREATE TABLE p (k STRING, w INT) WITH ('connector' = 'kafka', 'topic' = 'prices', 'format' = 'json');
CREATE TABLE sums (k STRING, n BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'sums', 'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE windows (k STRING, s BIGINT, w TIMESTAMP(3)) WITH ('connector' = 'kafka', 'topic' = 'windows', 'format' = 'json');
CREATE TABLE joined (k STRING, v INT, w INT) WITH ('connector' = 'kafka', 'topic' = 'joined', 'format' = 'json');
"""
GROUPS = TABLES + "INSERT INTO sums SELECT k, COUNT(*), SUM(v) FROM o GROUP BY k;"
WINDOWS = (
    TABLES
    + "INSERT INTO windows SELECT k, SUM(v), window_start FROM TABLE(TUMBLE(TABLE o, DESCRIPTOR(ts), INTERVAL '5' SECOND)) "
    "GROUP BY k, window_start, window_end;"
)
JOINED = TABLES + "INSERT INTO joined SELECT o.k, v, w FROM o JOIN p ON o.k = p.k;"

ORDERS = [
    {"k": key, "v": value, "ts": f"2024-01-01 00:00:{second:02}"}
    for key, value, second in [
        ("a", 1, 0), ("b", 2, 1), ("a", 3, 4), ("c", 4, 6), ("b", 5, 3), ("a", 6, 9), ("a", 7, 12), ("c", 8, 13), ("b", 9, 21),
    ]
]  # fmt: skip
PRICES = [{"k": "a", "w": 10}, {"k": "b", "w": 20}, {"k": "a", "w": 11}]


def cluster() -> Cluster:
    made = Cluster()
    made.fill("orders", 0, [json.dumps(row).encode() for row in ORDERS[::2]])
    made.fill("orders", 1, [json.dumps(row).encode() for row in ORDERS[1::2]])
    made.fill("prices", 0, [json.dumps(row).encode() for row in PRICES])
    return made


def run(job: LiveJob) -> None:
    job.start()
    job.run(threading.Event())


def rows(made: Cluster, topic: str) -> list[Any]:
    return [None if value is None else json.loads(value) for value in made.values(topic)]


def newest(made: Cluster, topic: str) -> dict[bytes | None, Any]:
    return {key: None if value is None else json.loads(value) for key, value in made.logs[topic, 0]}


def until_it_lives(
    sql: str, made: Cluster, folder: Path, crashes: Iterator[int], *, exactly_once: bool, batch: int = 3
) -> int:
    """Run the job, crash it at each of the points in turn, and at last let it finish; how many crashes there were."""
    crashed = 0
    while True:
        points = Crashes(next(crashes, 1_000_000))
        with CrashingFolder(folder, points) as held:
            job = live_job(sql, made, held, exactly_once=exactly_once, crashes=points, batch=batch)
            try:
                run(job)
            except Crash:
                crashed += 1
            else:
                return crashed


def test_a_group_aggregate_is_published_as_it_changes() -> None:
    made = cluster()

    run(live_job(GROUPS, made, None, exactly_once=False))

    # By hand: a = 1 + 3 + 6 + 7, b = 2 + 5 + 9, c = 4 + 8.
    assert newest(made, "sums") == {
        b"a": {"k": "a", "n": 4, "s": 17},
        b"b": {"k": "b", "n": 3, "s": 16},
        b"c": {"k": "c", "n": 2, "s": 12},
    }
    assert len(made.logs["sums", 0]) == len(ORDERS), "a change a record"


def test_windows_close_when_the_input_has_ended() -> None:
    made = cluster()

    run(live_job(WINDOWS, made, None, exactly_once=False, batch=1))

    assert {(row["w"], row["k"], row["s"]) for row in rows(made, "windows")} == {
        ("2024-01-01 00:00:00", "a", 4),
        ("2024-01-01 00:00:00", "b", 7),
        ("2024-01-01 00:00:05", "a", 6),
        ("2024-01-01 00:00:05", "c", 4),
        ("2024-01-01 00:00:10", "a", 7),
        ("2024-01-01 00:00:10", "c", 8),
        ("2024-01-01 00:00:20", "b", 9),
    }


@pytest.mark.parametrize("sql", [GROUPS, WINDOWS, JOINED], ids=["groups", "windows", "joined"])
def test_exactly_once_wherever_it_crashes(sql: str, tmp_path: Path) -> None:
    whole = cluster()
    points = Crashes()
    with CrashingFolder(tmp_path / "whole", points) as folder:
        run(live_job(sql, whole, folder, exactly_once=True, crashes=points))
    assert points.passed > 15

    for point in range(points.passed):
        made = cluster()

        crashed = until_it_lives(sql, made, tmp_path / str(point), iter([point]), exactly_once=True)

        assert crashed == 1
        assert made.logs == whole.logs, f"killed at point {point}"
        assert made.offsets == whole.offsets


@settings(max_examples=15, deadline=None)
@given(points=st.lists(st.integers(0, 12), max_size=12), batch=st.integers(1, 5))
def test_exactly_once_however_often_it_crashes(
    points: list[int], batch: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole, made = cluster(), cluster()
    run(live_job(GROUPS, whole, None, exactly_once=True, batch=batch))
    folder = tmp_path_factory.mktemp("job")

    until_it_lives(GROUPS, made, folder, iter(points), exactly_once=True, batch=batch)

    assert made.logs == whole.logs


@settings(max_examples=15, deadline=None)
@given(points=st.lists(st.integers(0, 12), max_size=12), batch=st.integers(1, 5))
def test_at_least_once_loses_nothing(points: list[int], batch: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole, made = cluster(), cluster()
    run(live_job(GROUPS, whole, None, exactly_once=False, batch=batch))
    folder = tmp_path_factory.mktemp("job")

    until_it_lives(GROUPS, made, folder, iter(points), exactly_once=False, batch=batch)

    assert newest(made, "sums") == newest(whole, "sums")
    assert set(made.values("sums")) == set(whole.values("sums"))


def test_a_stopped_job_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, made = cluster(), cluster()
    run(live_job(WINDOWS, whole, None, exactly_once=True, batch=2))
    stop = threading.Event()
    with CheckpointFolder(tmp_path) as folder:
        job = live_job(WINDOWS, made, folder, exactly_once=True, batch=2)
        job.start()
        stop.set()
        job.run(stop)
    assert rows(made, "windows") == []

    runs = 0
    while not job.finished:
        runs += 1
        with CheckpointFolder(tmp_path) as folder:
            job = live_job(WINDOWS, made, folder, exactly_once=True, batch=2)
            job.start()
            job.run(_AfterOneRound())

    assert runs > 3
    assert made.logs == whole.logs


class _AfterOneRound(threading.Event):
    """Is set when it has been asked twice."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0

    def is_set(self) -> bool:
        self._asked += 1
        return self._asked >= 2


@pytest.mark.parametrize("exactly_once", [True, False])
@pytest.mark.parametrize("sql", [GROUPS, WINDOWS], ids=["groups", "windows"])
def test_a_finished_job_stays_finished(sql: str, exactly_once: bool, tmp_path: Path) -> None:
    made = cluster()
    for _ in range(2):
        with CheckpointFolder(tmp_path) as folder:
            run(live_job(sql, made, folder, exactly_once=exactly_once))
    topic = "sums" if sql == GROUPS else "windows"
    once = len(made.values(topic))
    assert once == (len(ORDERS) if sql == GROUPS else 7)

    with CheckpointFolder(tmp_path) as folder:
        job = live_job(sql, made, folder, exactly_once=exactly_once, options=LiveOptions(fresh=True))
        run(job)

    assert job.finished
    assert len(made.values(topic)) == 2 * once, "begun anew"


def saved(tmp_path: Path, made: Cluster) -> Path:
    """A savepoint of GROUPS after some rounds."""
    path = tmp_path / "savepoint"
    with CheckpointFolder(tmp_path / "first") as folder:
        job = live_job(GROUPS, made, folder, exactly_once=True)
        job.start()
        asked = job.request_savepoint(path, stop=True)
        job.run(threading.Event())
        asked.wait(0)
    return path


def test_a_savepoint_asked_for_too_late_is_refused(tmp_path: Path) -> None:
    job = live_job(GROUPS, cluster(), None, exactly_once=False)
    run(job)
    asked = job.request_savepoint(tmp_path / "savepoint")
    job.close()
    with pytest.raises(VeloError, match="ended before"):
        asked.wait(0)


def test_a_savepoint_begins_another_run(tmp_path: Path) -> None:
    whole, made = cluster(), cluster()
    run(live_job(GROUPS, whole, None, exactly_once=True))
    path = saved(tmp_path, made)

    with CheckpointFolder(tmp_path / "second") as folder:
        run(live_job(GROUPS, made, folder, exactly_once=True, options=LiveOptions(savepoint=path)))

    assert made.logs == whole.logs


def test_a_savepoint_does_not_replace_a_checkpoint(tmp_path: Path) -> None:
    made = cluster()
    path = saved(tmp_path, made)

    with CheckpointFolder(tmp_path / "first") as folder:
        job = live_job(GROUPS, made, folder, exactly_once=True, options=LiveOptions(savepoint=path))
        with pytest.raises(VeloError, match="would replace it"):
            job.start()
        run(live_job(GROUPS, made, folder, exactly_once=True, options=LiveOptions(savepoint=path, fresh=True)))
    assert newest(made, "sums")[b"a"] == {"k": "a", "n": 4, "s": 17}


def test_a_savepoint_survives_a_compatible_change(tmp_path: Path) -> None:
    made = cluster()
    path = saved(tmp_path, made)
    before = len(made.values("sums"))
    changed = GROUPS.replace("SELECT k, COUNT(*), SUM(v) FROM o", "SELECT k, COUNT(*), SUM(v) FROM o WHERE v <> 9")

    with CheckpointFolder(tmp_path / "second") as folder:
        run(live_job(changed, made, folder, exactly_once=True, options=LiveOptions(savepoint=path)))

    assert 0 < before < len(ORDERS)
    assert newest(made, "sums")[b"b"] == {"k": "b", "n": 2, "s": 7}, "2 and 5, without the 9"
    assert newest(made, "sums")[b"a"] == {"k": "a", "n": 4, "s": 17}, "also what was counted before"


def test_a_savepoint_says_what_an_incompatible_change_would_lose(tmp_path: Path) -> None:
    made = cluster()
    path = saved(tmp_path, made)
    changed = GROUPS.replace("SUM(v)", "MAX(v)")

    with CheckpointFolder(tmp_path / "second") as folder:
        job = live_job(changed, made, folder, exactly_once=True, options=LiveOptions(savepoint=path))
        with pytest.raises(VeloError) as refused:
            job.start()

    assert refused.value.code is ErrorCode.STATE_MISMATCH
    assert "sums: GroupAggregate keys=(k) calls=(count(*) BIGINT NOT NULL, sum(v) INT)" in refused.value.message
    assert "--allow-lost-state" in (refused.value.hint or "")


def test_a_source_under_another_name_is_not_read_once_more_into_its_state(tmp_path: Path) -> None:
    made = cluster()
    path = saved(tmp_path, made)
    changed = GROUPS.replace("CREATE TABLE o ", "CREATE TABLE renamed ").replace("FROM o ", "FROM renamed ")
    assert changed.count("renamed") == 2

    with CheckpointFolder(tmp_path / "second") as folder:
        job = live_job(changed, made, folder, exactly_once=True, options=LiveOptions(savepoint=path))
        with pytest.raises(VeloError) as refused:
            job.start()
        options = LiveOptions(savepoint=path, allow_lost_state=True)
        restored = live_job(changed, made, folder, exactly_once=True, options=options).start()

    assert refused.value.code is ErrorCode.STATE_MISMATCH
    assert "positions of\n  the source o\n" in refused.value.message
    assert refused.value.message.endswith("\n  the source renamed")
    assert restored is not None
    assert (restored.lost, restored.empty) == (("the source o",), ("the source renamed",))


def test_lost_state_may_be_left_behind(tmp_path: Path) -> None:
    made = cluster()
    path = saved(tmp_path, made)
    changed = GROUPS.replace("SUM(v)", "CAST(MAX(v) AS BIGINT)")
    options = LiveOptions(savepoint=path, allow_lost_state=True)

    with CheckpointFolder(tmp_path / "second") as folder:
        job = live_job(changed, made, folder, exactly_once=True, options=options)
        restored = job.start()
        job.run(threading.Event())

    assert restored is not None
    assert [name for name in restored.lost if "GroupAggregate" in name]
    assert [name for name in restored.empty if "GroupAggregate" in name]
    assert newest(made, "sums")[b"b"]["n"] < 3, "counted anew"


def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    made = cluster()
    path = tmp_path / "checkpoint"
    write_checkpoint(path, Checkpoint(fingerprint(Engine().plan(GROUPS)), 3, {}, {}))
    made.epoch = 7  # another run has published since
    with CheckpointFolder(tmp_path) as folder:
        with pytest.raises(VeloError, match=r"epoch 7 .* epoch 3") as refused:
            live_job(GROUPS, made, folder, exactly_once=True).start()
        assert refused.value.code is ErrorCode.STATE_MISMATCH
        path.unlink()
        with pytest.raises(VeloError, match="7 epochs, and its checkpoint is not there"):
            live_job(GROUPS, made, folder, exactly_once=True).start()
        assert made.fenced == 0, "a job that is refused leaves the one alone that runs under its name"

        run(live_job(GROUPS, made, folder, exactly_once=True, options=LiveOptions(fresh=True)))
    assert len(made.values("sums")) == len(ORDERS)


def test_a_folder_is_for_one_run_at_a_time(tmp_path: Path) -> None:
    with CheckpointFolder(tmp_path), pytest.raises(VeloError, match="another process"):
        CheckpointFolder(tmp_path)
    CheckpointFolder(tmp_path).close()


def test_statistics_tell_where_the_job_stands(tmp_path: Path) -> None:
    made = cluster()
    with CheckpointFolder(tmp_path) as folder:
        job = live_job(GROUPS, made, folder, exactly_once=True)
        run(job)

    told = job.statistics()
    assert told.records == len(ORDERS)
    assert (told.sources["o"].records, told.sources["o"].lag) == (len(ORDERS), 0)
    assert told.statements["sums"].emitted >= len(ORDERS)
    assert told.checkpoints.count > 2
    assert told.checkpoints.size > 100


def test_saving_takes_a_tenth_of_the_time_at_most_and_waiting_for_the_output_half() -> None:
    now = 0.0
    schedule = Schedule(1.0, lambda: now)
    assert not schedule.due
    now = 1.0
    assert schedule.due
    schedule.done(0.5)
    assert schedule.left_s == 4.5
    now = 5.5
    assert schedule.due
    schedule.skipped()
    assert schedule.left_s == 1.0
    schedule.done(0.01)
    assert schedule.left_s == 1.0

    waits = Schedule(1.0, lambda: now)
    waits.done(0.0, 3.0)
    assert waits.left_s == 3.0


def test_one_slow_checkpoint_among_fast_ones_delays_nothing() -> None:
    schedule = Schedule(0.1, lambda: 0.0)
    schedule.done(0.01, 0.01)
    schedule.done(2.0, 2.0)
    assert schedule.left_s == 0.1
    schedule.done(2.0, 2.0)
    schedule.done(2.0, 2.0)
    assert schedule.left_s == pytest.approx(18)
