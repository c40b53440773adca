"""The reproducer: a spec of few records that fails while the program is wrong, and passes once it is right.

The left is what a real Flink gave (shadow/). Each program is made wrong by one edit of its SQL.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from velo_engine.errors import VeloError
from velo_harness.result import Outcome
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec
from velo_shadow.config import load_shadow_config
from velo_shadow.reproducer.questions import sink_of_key
from velo_shadow.reproducer.reproduction import Reproduction, reproduce

SCENARIOS = Path(__file__).resolve().parents[2] / "shadow"


def scenario(name: str, folder: Path, old: str = "", new: str = "") -> Path:
    """A copy of a scenario whose program has `new` in the place of `old`."""
    copy = folder / name
    shutil.copytree(SCENARIOS / name, copy)
    text = (copy / "app.sql").read_text()
    assert old in text
    (copy / "app.sql").write_text(text.replace(old, new))
    return copy


def reproduction(folder: Path, key: str) -> Reproduction:
    config = load_shadow_config(folder / "shadow_config.yaml")
    return reproduce(config, sink_of_key(config, key), key, folder)


def outcome(folder: Path) -> Outcome:
    spec = load_spec(folder / "case.test.yaml")
    (query,) = spec.queries
    return run_query(spec, query, RunSettings(), item=query.name, rerun="").outcome


@pytest.mark.parametrize(
    ("name", "right", "wrong", "key", "most"),
    [
        ("tumbling", "SUM(amount)", "SUM(amount + 0.01)", "region=west,window_start=2026-03-28 20:00:00", 8),
        ("tumbling", "'30' SECOND", "'300' SECOND", "north,2026-03-28 22:00:00", 30),  # an order that Flink found late
        ("tumbling", "'10' MINUTE", "'5' MINUTE", "centre,2026-03-28 20:00:00", 30),
        ("interval_join", "'15' MINUTE", "'14' MINUTE", "2,1002", 4),
        ("left_join", "LEFT JOIN", "JOIN", "17", 2),
        ("top_n", "price DESC", "price ASC", "auction=0,place=2", 12),
    ],
)
def test_the_spec_fails_while_the_program_is_wrong_and_passes_once_it_is_right(
    tmp_path: Path, name: str, right: str, wrong: str, key: str, most: int
) -> None:
    folder = scenario(name, tmp_path, right, wrong)

    found = reproduction(folder, key)
    (folder / "case.test.yaml").write_text(found.spec)
    before = outcome(folder)
    shutil.copy(SCENARIOS / name / "app.sql", folder / "app.sql")
    after = outcome(folder)

    assert (before, after) == (Outcome.FAILED, Outcome.PASSED)
    assert found.differences
    assert sum(few for few, _ in found.records.values()) <= most


def test_a_row_that_the_program_gives_as_the_left_has_it_needs_no_spec(tmp_path: Path) -> None:
    found = reproduction(scenario("left_join", tmp_path), "17")

    assert (found.differences, found.spec) == ((), "")
    assert found.left == found.ours


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("999", 'neither side of "order_status" has a row of order_id=999'),
        ("order=17", '"order" is no column of the key'),
        ("1,2", "the key has order_id, and 2 values are given"),
        ("seventeen", '"seventeen" is not a value of BIGINT'),
        (" ", "the key is empty"),
    ],
)
def test_a_key_that_nobody_has_is_said(tmp_path: Path, key: str, message: str) -> None:
    with pytest.raises(VeloError, match=message):
        reproduction(scenario("left_join", tmp_path), key)
