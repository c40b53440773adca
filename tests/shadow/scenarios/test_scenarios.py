"""Every scenario of `shadow/` through `velo shadow`, as a user runs it; and that its input is as hard as it says."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.shadow.command import velo
from tests.shadow.scenarios.inputs import INPUTS, files
from tests.shadow.scenarios.scenario import SCENARIOS, scenarios

from velo_engine.sql.flink.script import parse_script
from velo_harness.formatting.sql_format import formatted_sql
from velo_import.convert.job import convert_job

FAULTY = sorted(path.parent.name for path in (SCENARIOS / "faulty").glob("*/app.sql"))


def run(folder: Path, report: Path) -> tuple[int, Any]:
    """Exit code, and of the report the only sink."""
    code, output = velo(["shadow", str(folder), "--report", str(report)])
    assert report.exists(), output
    (sink,) = json.loads(report.read_text())["sinks"]
    return code, sink


@pytest.mark.parametrize("name", scenarios())
def test_our_job_writes_what_flink_wrote(name: str, tmp_path: Path) -> None:
    code, sink = run(SCENARIOS / name, tmp_path / "report.json")

    expected = scenarios()[name].expected
    counts = sink["counts"]
    assert (code, sink["verdict"]["decision"], expected["verdict"]) == (0, "SAFE", "SAFE")
    assert (counts["matched"], counts["differing"], counts["missing"], counts["extra"]) == (
        expected["compared"],
        0,
        0,
        0,
    )


@pytest.mark.parametrize("name", scenarios())
def test_the_rows_compared_are_all_that_flink_left(name: str) -> None:
    scenario = scenarios()[name]
    standing: dict[tuple[Any, ...], int] = defaultdict(int)
    for line in (scenario.folder / "flink" / f"{scenario.sink.name}.jsonl").read_text().splitlines():
        row = json.loads(line)
        key = tuple(row[column] for column in scenario.key)
        if scenario.sink.changelog.value == "upsert":
            standing[key] = row["op"] != "-D"
        else:
            standing[key] += 1 if row.get("op", "+I").startswith("+") else -1
    assert set(standing.values()) <= {0, 1}
    assert sum(standing.values()) == scenario.expected["compared"]


@pytest.mark.parametrize("name", FAULTY)
def test_of_a_job_made_wrong_the_cause_is_named_and_it_is_not_safe_unless_waived(name: str, tmp_path: Path) -> None:
    code, sink = run(SCENARIOS / "faulty" / name, tmp_path / "report.json")

    expected = yaml.safe_load((SCENARIOS / "faulty" / name / "expected.yaml").read_text())
    causes = Counter(sink["causes"])
    assert sink["verdict"]["decision"] == expected["verdict"] == ("SAFE" if name == "waived" else "NOT SAFE")
    assert code == (0 if name == "waived" else 1)
    assert causes.most_common(1)[0][0] in expected["causes"]


@pytest.mark.parametrize("name", sorted(scenarios().keys() - {"control"}))
def test_our_job_is_the_import_of_flinks(name: str) -> None:
    text = (SCENARIOS / name / "flink.sql").read_text()

    imported = convert_job(name, [parse_script(text, file="flink.sql")]).app_sql

    assert _statements(scenarios()[name].program) == _statements(formatted_sql(imported, "app.sql"))


def _statements(program: str) -> list[str]:
    return [line for line in program.splitlines() if line and not line.startswith("--")]


@pytest.mark.parametrize("name", INPUTS)
def test_the_input_is_that_of_the_seed(name: str) -> None:
    for table, text in files(name).items():
        assert (SCENARIOS / name / "input" / f"{table}.jsonl").read_text() == text, table


def test_the_inputs_are_as_hard_as_the_scenarios_say() -> None:
    read = {name: scenario.inputs for name, scenario in scenarios().items()}
    assert _too_late(read["tumbling"]["orders"], timedelta(minutes=5), timedelta(minutes=10)) > 10
    assert Counter(_kinds("running_totals"))["+U"] > 100
    assert Counter(_kinds("left_join"))["-D"] > 50
    assert Counter(_kinds("top_n"))["+U"] > 100
    prices = Counter((row["auction"], row["price"]) for row in read["top_n"]["bids"])
    assert sum(n > 1 for n in prices.values()) > 20
    ordered = {row["order_id"]: _time(row["ordered_at"]) for row in read["interval_join"]["orders"]}
    gaps = [_time(row["paid_at"]) - ordered[row["order_id"]] for row in read["interval_join"]["payments"]]
    assert sum(gap == timedelta(minutes=15) for gap in gaps) > 20
    assert sum(gap > timedelta(minutes=15) for gap in gaps) > 20
    versions = Counter(row["event_id"] for row in read["dedup"]["events"])
    assert sum(n > 1 for n in versions.values()) > 50
    remarks = Counter(row["remark"] for row in read["readings"]["readings"])
    assert remarks[None] > 20
    assert remarks[""] > 20


def _too_late(rows: Any, wait: timedelta, size: timedelta) -> int:
    """Rows whose window had ended, by the watermark, when they came."""
    late, latest = 0, datetime.min
    for row in rows:
        time = _time(row["ordered_at"])
        start = time - timedelta(seconds=time.timestamp() % size.total_seconds())
        late += latest != datetime.min and latest - wait >= start + size - timedelta(milliseconds=1)
        latest = max(latest, time)
    return late


def _kinds(name: str) -> list[str]:
    scenario = scenarios()[name]
    lines = (scenario.folder / "flink" / f"{scenario.sink.name}.jsonl").read_text().splitlines()
    return [json.loads(line)["op"] for line in lines]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
