"""The reproducer over topics: the left and the inputs are read to their ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.shadow.sides.conftest import Topics
from tests.shadow.test_reproducer import SCENARIOS, keys_that_differ, outcome, scenario

from velo_harness.kafka.embedded import EmbeddedBroker
from velo_harness.result import Outcome
from velo_shadow.config import TopicStream, load_shadow_config
from velo_shadow.reproducer.reproduction import reproduce


@pytest.fixture(scope="module")
def topics() -> Iterator[Topics]:
    with EmbeddedBroker() as broker:
        made = Topics(broker.bootstrap_servers)
        yield made
        made.close()


def arrived(path: Path) -> tuple[list[bytes], list[int]]:
    """The records of an input, and when they came."""
    lines = path.read_bytes().splitlines()
    return lines, [1_774_728_000_000 + 10 * json.loads(line)["arrived"] for line in lines]


def events(path: Path) -> list[bytes]:
    """A changelog in a file as change events."""
    found = []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        kind = row.pop("op")
        side, op = ("after", "c") if kind in ("+I", "+U") else ("before", "d")
        found.append(json.dumps({"before": None, "after": None, side: row, "op": op}).encode())
    return found


def test_inputs_and_the_left_may_be_topics(tmp_path: Path, topics: Topics) -> None:
    folder = scenario("left_join", tmp_path, "LEFT JOIN", "JOIN")
    key = keys_that_differ(folder)[0]
    inputs = {}
    for name in ("orders", "shipments"):
        values, times = arrived(folder / "input" / f"{name}.jsonl")
        places = [i % 2 for i in range(len(values))]
        inputs[name] = topics.write(topics.make(2), values, timestamps_ms=times, partitions=places)
    left = topics.write(topics.make(format="debezium-json"), events(folder / "flink" / "order_status.jsonl"))
    lines = [f"job: left_join\nprogram: app.sql\nbrokers: {topics.brokers}\ninputs:"]
    lines += [f"  - {{ source: {name}, topic: {stream.topic} }}" for name, stream in inputs.items()]
    lines += [f"sinks:\n  - name: order_status\n    left: {{ topic: {left.topic}, format: debezium-json }}"]
    lines += ["    right: { topic: ours }\n    key: [order_id]"]
    (folder / "shadow_config.yaml").write_text("\n".join(lines))
    config = load_shadow_config(folder / "shadow_config.yaml")
    assert isinstance(config.sinks[0].left, TopicStream)

    found = reproduce(config, config.sinks[0], key, folder)
    (folder / "case.test.yaml").write_text(found.spec)
    before = outcome(folder)
    shutil.copy(SCENARIOS / "left_join" / "app.sql", folder / "app.sql")

    assert (before, outcome(folder)) == (Outcome.FAILED, Outcome.PASSED), found.spec
    assert {name: few for name, (few, _) in found.records.items()} == {"orders": 1, "shipments": 0}
    assert "partition: " in found.spec
