"""The same specs give the same report wherever topics are: it differs in nothing but times."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from velo_engine.connectors import record_sink
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_harness.kafka import broker_run
from velo_harness.kafka.external import ExternalProvider
from velo_harness.kafka.providers import EmbeddedProvider, KafkaProvider
from velo_harness.kafka.session import KafkaSession
from velo_harness.reports.json_report import run_json
from velo_harness.settings import RunSettings
from velo_harness.suite import find_spec_files, load_items, run_items

ROOT = Path(__file__).resolve().parents[3]
SINKS = Path(__file__).parent / "sinks"
HOW_IT_RAN = frozenset({"duration_ms", "execution_ms", "rerun"})
PLACE = frozenset({"kafka"})


def report(folder: Path, provider: KafkaProvider | None = None, settings: RunSettings | None = None) -> dict[str, Any]:
    """The JSON report of the specs in a folder, without times and the command that runs it again so."""
    settings = settings or RunSettings()
    items, errors = load_items(find_spec_files([folder]), settings, [])
    if provider is None:
        run = run_items(items, settings)
    else:
        with closing(KafkaSession(provider)) as session:
            run = run_items(items, settings, kafka=session)
    assert not errors
    found: dict[str, Any] = json.loads(run_json(run), object_hook=without_times)
    return found


def without_times(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in HOW_IT_RAN}


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for one, other in zip(found["queries"], wanted["queries"], strict=True):
        assert one == other
    assert without_place(found) == without_place(wanted)


def without_place(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in PLACE}


@pytest.fixture(scope="module")
def in_memory() -> Callable[[Path], dict[str, Any]]:
    """The report of a folder in memory, made once."""
    made: dict[Path, dict[str, Any]] = {}

    def of(folder: Path) -> dict[str, Any]:
        if folder not in made:
            made[folder] = report(folder)
        return made[folder]

    return of


FOLDERS = [pytest.param(ROOT / "specs", marks=pytest.mark.slow, id="specs"), pytest.param(SINKS, id="sinks")]


@pytest.mark.parametrize("folder", FOLDERS)
def test_on_the_embedded_broker(folder: Path, in_memory) -> None:
    found = report(folder, EmbeddedProvider())
    assert found["kafka"] == "embedded"
    assert found["counts"]["passed"] == len(found["queries"]) > 0
    assert_same(found, in_memory(folder))


@pytest.mark.real_kafka
@pytest.mark.parametrize("folder", FOLDERS)
def test_on_a_real_kafka(folder: Path, in_memory, real_kafka: str) -> None:
    found = report(folder, ExternalProvider(KafkaCluster(real_kafka)))
    assert found["kafka"] == "external"
    assert found["counts"]["passed"] == len(found["queries"]) > 0
    assert_same(found, in_memory(folder))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_however_batches_are_cut(batch_size: int, in_memory) -> None:
    found = report(SINKS, EmbeddedProvider(), RunSettings(batch_size=batch_size))
    assert_same(found, in_memory(SINKS))


def test_a_failure_reads_the_same(tmp_path: Path) -> None:
    """Rows of failures come from what was read back, so all that people are shown is compared too."""
    (tmp_path / "pyproject.toml").write_text("")
    for file in SINKS.rglob("*.*"):
        copy = tmp_path / file.relative_to(SINKS)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(
            file.read_text().replace("amount: 30.10", "amount: 31.00").replace("accounts: 2", "accounts: 9")
        )
    wanted = report(tmp_path)
    # What is expected and what is given are both changed where rows are compared: only the totals still fit.
    assert wanted["counts"]["failed"] > 0
    assert_same(report(tmp_path, EmbeddedProvider()), wanted)


def test_headers_that_get_lost_on_the_way_show_in_the_report(monkeypatch: pytest.MonkeyPatch, in_memory) -> None:
    wanted = in_memory(SINKS)
    monkeypatch.setattr(record_sink, "headers_of", lambda column: [()] * len(column))
    found = report(SINKS, EmbeddedProvider())
    failed = [query["query"] for query in found["queries"] if query["outcome"] != "passed"]
    assert failed == ["answers"]
    assert wanted["counts"]["failed"] == 0


def test_a_record_that_gets_lost_on_the_way_shows_in_the_report(monkeypatch: pytest.MonkeyPatch, in_memory) -> None:
    publish = broker_run._publish

    def lossy(topic, name, topics) -> None:
        for log in topic.logs:
            for column in (log.values, log.keys, log.headers, log.timestamps_ms, log.sequences):
                del column[-1:]
        publish(topic, name, topics)

    monkeypatch.setattr(broker_run, "_publish", lossy)
    found = report(SINKS, EmbeddedProvider())
    assert found["counts"]["failed"] > 0
    with pytest.raises(AssertionError):
        assert_same(found, in_memory(SINKS))


def test_inputs_in_another_order_show_in_the_report(monkeypatch: pytest.MonkeyPatch, in_memory) -> None:
    """Without the sequence partitions are read by their timestamps, which are all the same here."""
    monkeypatch.setattr(broker_run, "SEQUENCE_HEADER", "something.else")
    found = report(SINKS, EmbeddedProvider())
    with pytest.raises(AssertionError):
        assert_same(found, in_memory(SINKS))


def test_a_topic_that_does_not_hold_what_was_written_fails_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    from velo_harness.kafka import read_back

    contents = read_back._contents

    def short(topic, cluster):
        whole = contents(topic, cluster)
        return replace(whole, keys=whole.keys[:-1], values=whole.values[:-1])

    monkeypatch.setattr(read_back, "_contents", short)
    found = report(SINKS, EmbeddedProvider())
    errors = {query["query"]: query["error"] for query in found["queries"]}
    assert errors["copied"]["message"].startswith("copied wrote 4 records to sinks-of-tests.orders-copied_")
    assert errors["copied"]["message"].endswith(", and 3 are there")
    assert all(error is not None and error["name"] == "JOB_FAILED" for error in errors.values())
