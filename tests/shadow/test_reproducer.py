"""The reproducer: a spec of few records that fails while the program is wrong, and passes once it is right.

The left is what a real Flink gave (shadow/). Each program is made wrong by one edit of its SQL.
"""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from velo_engine.errors import VeloError
from velo_harness.result import Outcome
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec
from velo_shadow.config import load_shadow_config
from velo_shadow.reproducer.program_runs import ProgramRuns
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


def reproduction(folder: Path, key: str, sink: str | None = None) -> Reproduction:
    config = load_shadow_config(folder / "shadow_config.yaml")
    return reproduce(config, sink_of_key(config, key, sink), key, folder)


def outcome(folder: Path) -> Outcome:
    spec = load_spec(folder / "case.test.yaml")
    (query,) = spec.queries
    return run_query(spec, query, RunSettings(), item=query.name, rerun="").outcome


def left_rows(folder: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    """What Flink's changelog leaves, by the values of the key; computed here."""
    config = load_shadow_config(folder / "shadow_config.yaml")
    (sink,) = config.sinks
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for line in sink.left.path.read_text().splitlines():
        row = json.loads(line, parse_float=Decimal)
        kind = row.pop("op", "+I")
        key = tuple(str(row[name]) for name in sink.key)
        if kind in ("+I", "+U"):
            found[key] = row
        elif found.get(key) == row or kind == "-D":
            found.pop(key, None)
    return found


def keys_that_differ(folder: Path) -> list[str]:
    """The keys whose rows our program gives otherwise than Flink did, as a person writes them."""
    config = load_shadow_config(folder / "shadow_config.yaml")
    (sink,) = config.sinks
    output = ProgramRuns(config, sink, folder)
    ours = {}
    for row in output.output(output.all()).to_pylist():
        ours[tuple(normal(row[name]) for name in sink.key)] = {name: normal(value) for name, value in row.items()}
    left = {
        tuple(normal(row[name]) for name in sink.key): {name: normal(value) for name, value in row.items()}
        for row in left_rows(folder).values()
    }
    return [
        ",".join(str(part) for part in key)
        for key in sorted({*ours, *left}, key=repr)
        if ours.get(key) != left.get(key)
    ]


def normal(value: Any) -> Any:
    """Numbers to nine digits, times without zeros at their end."""
    if isinstance(value, int | float | Decimal):
        return f"{Decimal(str(value)):.9g}"
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


@pytest.mark.parametrize(
    ("name", "right", "wrong", "most"),
    [
        ("tumbling", "SUM(amount)", "SUM(amount + 0.01)", 60),
        ("tumbling", "- INTERVAL '5' MINUTE", "- INTERVAL '50' MINUTE", 60),  # orders that Flink found late
        ("tumbling", "INTERVAL '10' MINUTE", "INTERVAL '5' MINUTE", 60),
        ("sessions", "INTERVAL '5' MINUTE", "INTERVAL '4' MINUTE", 60),
        ("interval_join", "'15' MINUTE", "'14' MINUTE", 4),
        ("left_join", "LEFT JOIN", "JOIN", 2),
        ("top_n", "price DESC", "price ASC", 60),
        ("dedup", "happened_at ASC", "happened_at DESC", 6),
        ("running_totals", "SUM(amount)", "SUM(fee)", 60),
    ],
)
def test_the_spec_fails_while_the_program_is_wrong_and_passes_once_it_is_right(
    tmp_path: Path, name: str, right: str, wrong: str, most: int
) -> None:
    folder = scenario(name, tmp_path, right, wrong)
    keys = keys_that_differ(folder)
    key = keys[len(keys) // 2]

    found = reproduction(folder, key)
    (folder / "case.test.yaml").write_text(found.spec)
    before = outcome(folder)
    shutil.copy(SCENARIOS / name / "app.sql", folder / "app.sql")
    after = outcome(folder)

    assert (before, after) == (Outcome.FAILED, Outcome.PASSED), f"{key}\n{found.spec}"
    assert found.shows
    assert found.differences
    assert sum(few for few, _ in found.records.values()) <= most


def test_what_the_control_does_not_have_alike_is_not_in_the_spec(tmp_path: Path) -> None:
    folder = scenario("control", tmp_path, "FROM purchases", "FROM purchases WHERE purchase_id <> 7")

    found = reproduction(folder, "7")
    (folder / "case.test.yaml").write_text(found.spec)
    before = outcome(folder)
    shutil.copy(SCENARIOS / "control" / "app.sql", folder / "app.sql")

    assert (before, outcome(folder)) == (Outcome.FAILED, Outcome.PASSED), found.spec
    assert "processed_at" not in found.spec
    assert reproduction(folder, "8").differences == ()


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
