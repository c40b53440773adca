"""The parts of the reproducer: keys, delta debugging, the records behind a key, causes of a report."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tests.shadow.test_reproducer import SCENARIOS, keys_that_differ, outcome, reproduction, scenario

from velo_engine.errors import VeloError
from velo_harness.result import Outcome
from velo_shadow import diff as diff_module
from velo_shadow.config import ShadowConfig, load_shadow_config
from velo_shadow.judgement import judged
from velo_shadow.model import Cause, Kind, Side
from velo_shadow.offline import compare_files, read_side
from velo_shadow.planning import plan_for
from velo_shadow.reports.document import SinkResult, report_of
from velo_shadow.reproducer.case_spec import sql_name
from velo_shadow.reproducer.program_runs import ProgramRuns
from velo_shadow.reproducer.questions import sink_of_key
from velo_shadow.reproducer.records_behind import records_behind
from velo_shadow.reproducer.reported_causes import reported_differences, with_reported_causes
from velo_shadow.reproducer.row_keys import parse_key
from velo_shadow.reproducer.shrinking import smallest

PROGRAM = """
CREATE TABLE clicks (who STRING, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json');
CREATE TABLE users (id STRING, country STRING) WITH ('connector' = 'kafka', 'topic' = 'users', 'format' = 'json');
CREATE TABLE per_minute AS
SELECT who, window_start, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(at), INTERVAL '1' MINUTE)) GROUP BY who, window_start, window_end;
CREATE TABLE named AS SELECT c.who, c.at, u.country FROM clicks AS c LEFT JOIN users AS u ON u.id = c.who;
"""
CLICKS = [
    ("ann", "00:00:05"),
    ("bob", "00:00:30"),
    ("ann", "00:00:20"),  # behind bob's, which moved event time on
    ("cyd", "00:05:00"),
    ("ann", "00:00:40"),  # late, for cyd's has closed its window
    ("ann", "00:06:10"),
]


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    (tmp_path / "app.sql").write_text(PROGRAM)
    lines = [f'{{"who": "{who}", "at": "2026-01-01 {at}"}}' for who, at in CLICKS]
    (tmp_path / "clicks.jsonl").write_text("\n".join([*lines[:3], "no JSON", *lines[3:]]))
    users = [f'{{"id": "{name}", "country": "{name[0]}"}}' for name in ("ann", "bob", "cyd")]
    (tmp_path / "users.jsonl").write_text("\n".join(users))
    (tmp_path / "left.csv").write_text("who,window_start,window_end,n\nann,2026-01-01 00:00:00,2026-01-01 00:01:00,3\n")
    (tmp_path / "named.csv").write_text("who,at,country\nann,2026-01-01 00:00:05,x\nann,2026-01-01 00:00:20,x\n")
    (tmp_path / "shadow_config.yaml").write_text(
        "job: clicks\nprogram: app.sql\n"
        "inputs: [{ source: clicks, file: clicks.jsonl }, { source: users, file: users.jsonl }]\n"
        "sinks:\n"
        "  - { name: per_minute, left: { file: left.csv }, right: { file: r.csv }, key: [who, window_start],\n"
        "      time_column: window_end }\n"
        "  - { name: named, left: { file: named.csv }, right: { file: s.csv } }\n"
    )
    return tmp_path


def config_of(folder: Path) -> ShadowConfig:
    return load_shadow_config(folder / "shadow_config.yaml")


def test_a_window_has_its_rows_and_what_moved_event_time_on_before_those_that_came_behind(clicks: Path) -> None:
    config = config_of(clicks)
    runs = ProgramRuns(config, config.sinks[0], clicks)
    start = datetime(2026, 1, 1)

    left = {"who": "ann", "window_start": start, "window_end": datetime(2026, 1, 1, 0, 1)}
    behind = records_behind(runs, {"who": "ann", "window_start": start}, left, zones_agree=True)

    assert behind.core is not None
    assert behind.core.records["clicks"] == (0, 2, 3, 4)  # bob's closed no window
    assert behind.near.records["clicks"] == (0, 1, 2, 3, 4)
    assert behind.of_key.records["clicks"] == (0, 1, 2, 3, 4, 5)
    assert behind.open == ()


def test_the_other_side_of_a_join_has_the_rows_with_the_same_key(clicks: Path) -> None:
    config = config_of(clicks)
    runs = ProgramRuns(config, config.sinks[1], clicks)

    behind = records_behind(runs, {"who": "ann"}, None, zones_agree=True)

    assert behind.of_key.records["users"] == (0,)


@pytest.mark.parametrize(("agree", "expected"), [(True, (0, 3)), (False, (0, 1, 3))])
def test_windows_of_instants_are_those_of_the_programs_zone(
    tmp_path: Path, agree: bool, expected: tuple[int, ...]
) -> None:
    (tmp_path / "app.sql").write_text(
        "SET 'table.local-time-zone' = 'Asia/Tokyo';\n"
        "CREATE TABLE clicks (who STRING, ms BIGINT, at AS TO_TIMESTAMP_LTZ(ms, 3), WATERMARK FOR at AS at)\n"
        "WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json');\n"
        "CREATE TABLE per_hour AS SELECT who, window_start, window_end, COUNT(*) AS n\n"
        "FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(at), INTERVAL '1' HOUR)) GROUP BY who, window_start, window_end;\n"
    )
    noon = 1_767_236_400_000  # 2026-01-01 03:00 UTC, noon in Tokyo
    minutes = [5, 5 * 60, 40 * 60, 30]
    lines = [f'{{"who": "ann", "ms": {noon + minute * 60_000}}}' for minute in minutes]
    (tmp_path / "clicks.jsonl").write_text("\n".join(lines))
    (tmp_path / "shadow_config.yaml").write_text(
        "job: clicks\nprogram: app.sql\ninputs: [{ source: clicks, file: clicks.jsonl }]\n"
        "sinks: [{ name: per_hour, left: { file: left.csv }, key: [who, window_start] }]\n"
    )
    config = config_of(tmp_path)
    runs = ProgramRuns(config, config.sinks[0], tmp_path)
    key = {"who": "ann", "window_start": datetime(2026, 1, 1, 12)}

    behind = records_behind(runs, key, {**key, "window_end": datetime(2026, 1, 1, 13)}, zones_agree=agree)

    assert behind.core is not None
    assert tuple(n for n in behind.core.records["clicks"] if n != 2) == expected


def test_rows_without_a_key_are_known_by_any_columns(clicks: Path) -> None:
    found = reproduction(clicks, "who=ann,country=x", "named")

    assert [row["country"] for row in found.left] == ["x", "x"]
    assert found.ours == ()
    assert {one.kind for one in found.differences} == {Kind.MISSING}
    assert found.spec.count("country: x") == 2


def test_the_spec_of_a_late_row_keeps_what_made_it_late(clicks: Path) -> None:
    found = reproduction(clicks, "ann,2026-01-01 00:00:00", "per_minute")
    (clicks / "case.test.yaml").write_text(found.spec)

    before = outcome(clicks)
    (clicks / "app.sql").write_text(PROGRAM.replace("'1' SECOND", "'10' MINUTE"))

    assert [row["n"] for row in (*found.left, *found.ours)] == [3, 2]
    assert (before, outcome(clicks)) == (Outcome.FAILED, Outcome.PASSED)
    assert "who: cyd" in found.spec


def test_a_row_that_the_left_has_not_come_to_may_still_come(clicks: Path) -> None:
    late = reproduction(clicks, "ann,2026-01-01 00:06:00", "per_minute")
    other = reproduction(clicks, "ann,2026-01-01 00:00:00", "per_minute")

    assert [one.kind for one in late.differences] == [Kind.EXTRA]
    assert (late.left_until, other.left_until) == (datetime(2026, 1, 1, 0, 1), None)


def test_a_row_behind_the_differences_that_are_kept_still_differs(
    clicks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = dict(diff_module.diff.__kwdefaults__)
    monkeypatch.setattr(diff_module.diff, "__kwdefaults__", {**defaults, "limit": 1})

    found = [
        reproduction(clicks, f"{who},2026-01-01 00:0{minute}:00", "per_minute")
        for who, minute in (("ann", 0), ("cyd", 5))
    ]

    assert [[(one.kind, one.column) for one in row.differences] for row in found] == [
        [(Kind.VALUE, "n")],
        [(Kind.EXTRA, None)],
    ]


def test_a_right_that_another_program_wrote_is_said(clicks: Path) -> None:
    rows = "who,window_start,window_end,n\nann,2026-01-01 00:00:00,2026-01-01 00:01:00,{}\n"
    (clicks / "left.csv").write_text(rows.format(2))
    found = {}
    for n in (2, 7):
        (clicks / "r.csv").write_text(rows.format(n))
        found[n] = reproduction(clicks, "ann,2026-01-01 00:00:00", "per_minute")

    assert [one.differences for one in found.values()] == [(), ()]
    assert {n: one.right_is_other for n, one in found.items()} == {2: False, 7: True}


@pytest.mark.parametrize("seed", range(20))
def test_no_item_of_the_smallest_can_be_left_out(seed: int) -> None:
    chance = random.Random(seed)
    items = list(range(chance.randint(1, 200)))
    needed = set(chance.sample(items, min(len(items), chance.randint(0, 5))))
    trials = 0

    def holds(some: object) -> bool:
        nonlocal trials
        trials += 1
        return needed <= set(some)  # type: ignore[call-overload]

    found = smallest(items, holds)

    assert (set(found.items), found.complete) == (needed, True)
    assert list(found.items) == sorted(found.items)
    assert trials <= 2 * 8 * (len(needed) + 1)


def test_trials_may_run_out() -> None:
    found = smallest(range(100), lambda some: len(some) == 100 or 40 in some, trials=3)

    assert not found.complete
    assert 40 in found.items


@pytest.mark.parametrize(
    ("text", "names", "found"),
    [
        ("1,2", ["a", "b"], {"a": "1", "b": "2"}),
        ("b=2, a=1", ["a", "b"], {"a": "1", "b": "2"}),
        ('"x,y",2', ["a", "b"], {"a": "x,y", "b": "2"}),
        ("2026-01-01 00:00:00", ["at"], {"at": "2026-01-01 00:00:00"}),
        ("a=b=c", ["a"], {"a": "b=c"}),
        ("any=1,other=x", [], {"any": "1", "other": "x"}),
    ],
)
def test_a_key_is_written_by_name_or_by_place(text: str, names: list[str], found: dict[str, str]) -> None:
    assert parse_key(text, names) == found


@pytest.mark.parametrize(
    ("text", "names"), [("1", ["a", "b"]), ("a=1", ["a", "b"]), ("c=1", ["a"]), ("1", []), ("", ["a"])]
)
def test_what_is_no_key_is_refused(text: str, names: list[str]) -> None:
    with pytest.raises(VeloError):
        parse_key(text, names)


def test_the_sink_is_the_one_that_has_such_a_key(clicks: Path) -> None:
    config = config_of(clicks)
    twice = replace(config, sinks=(*config.sinks, replace(config.sinks[0], name="again")))

    assert sink_of_key(config, "ann,2026-01-01 00:00:00").name == "per_minute"
    assert sink_of_key(config, "who=ann", "named").name == "named"
    with pytest.raises(VeloError, match="several sinks have such a key: per_minute, again"):
        sink_of_key(twice, "ann,2026-01-01 00:00:00")
    with pytest.raises(VeloError, match="no sink has such a key"):
        sink_of_key(config, "ann")
    with pytest.raises(VeloError, match='no sink "other"'):
        sink_of_key(config, "ann", "other")


def test_a_report_tells_the_causes(tmp_path: Path) -> None:
    for side, value in (("left", 1), ("right", 2)):
        (tmp_path / f"{side}.csv").write_text(f"at,v\n2026-01-01 00:00:00.500,{value}\n2026-01-01 00:00:01,{value}\n")
    sides = read_side(tmp_path / "left.csv", Side.LEFT), read_side(tmp_path / "right.csv", Side.RIGHT)
    plan = plan_for(*sides, key=["at"])
    result = judged(compare_files(*sides, plan), today=date(2026, 1, 1))
    late = tuple(replace(one, cause=Cause.TTL_EXPIRY, evidence="it was old") for one in result.differences)
    report = report_of([SinkResult("totals", "l", "r", replace(result, differences=late))])
    key = {"at": datetime(2026, 1, 1, 0, 0, 0, 500_000)}

    reported = reported_differences(report, "totals", key)
    (found,) = with_reported_causes(result.differences[:1], reported)

    assert (found.cause, found.evidence) == (Cause.TTL_EXPIRY, "it was old")
    assert reported_differences(report, "totals", {"at": datetime(2027, 1, 1, tzinfo=UTC)}) == ()


def test_names_that_may_be_words_of_sql_are_quoted() -> None:
    assert [sql_name(name) for name in ("window_start", "order", "Total", "current_date", 'a"b')] == [
        "window_start",
        '"order"',
        '"Total"',
        '"current_date"',
        '"a""b"',
    ]


def test_the_row_that_has_gone_wrong_need_not_be_the_only_one(tmp_path: Path) -> None:
    """Every row of a Top-N is of one partition: all are behind each."""
    folder = scenario("top_n", tmp_path, "place <= 3", "place <= 2")
    key = keys_that_differ(folder)[0]

    found = reproduction(folder, key)
    (folder / "case.test.yaml").write_text(found.spec)
    before = outcome(folder)
    shutil.copy(SCENARIOS / "top_n" / "app.sql", folder / "app.sql")

    assert [one.kind for one in found.differences] == [Kind.MISSING]
    assert (before, outcome(folder)) == (Outcome.FAILED, Outcome.PASSED)
