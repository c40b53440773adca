"""`velo shadow` on topics: the converted job beside Flink's output, runs that end, that are stopped, that are killed."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_harness.kafka.embedded import EmbeddedBroker

DEADLINE_S = 40
APP = """
SET 'emit.semantics' = 'flink';
CREATE TABLE orders (customer STRING, amount DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'kafka', 'topic' = 'shop.orders', 'properties.bootstrap.servers' = 'nowhere:1',
      'properties.group.id' = 'flink', 'scan.startup.mode' = 'group-offsets', 'format' = 'json');
CREATE TABLE totals (customer STRING, window_end TIMESTAMP(3), n BIGINT, total DECIMAL(38, 2))
WITH ('connector' = 'kafka', 'topic' = 'totals', 'properties.bootstrap.servers' = 'nowhere:1', 'format' = 'json');
CREATE TABLE large (customer STRING, amount DECIMAL(10, 2))
WITH ('connector' = 'kafka', 'topic' = 'large', 'properties.bootstrap.servers' = 'nowhere:1', 'format' = 'json');
INSERT INTO totals SELECT customer, window_end, COUNT(*), SUM(amount) FROM orders
GROUP BY customer WINDOW TUMBLING(ts, INTERVAL '10' SECOND) EMIT FINAL;
INSERT INTO large SELECT customer, amount FROM orders WHERE amount > 5;
"""
CONFIG = """
job: shop
program: app.sql
brokers: {brokers}
inputs:
  - {{ source: orders, topic: shop.orders, start: earliest }}
sinks:
  - name: totals
    left: {{ topic: totals }}
    right: {{ topic: totals-velo }}
    key: [customer, window_end]
    time_column: window_end
"""


def moment(second: int) -> str:
    return f"2026-01-01 00:{second // 60:02}:{second % 60:02}"


def orders_of(seconds: range) -> list[dict[str, Any]]:
    """One order a second: customers a and b in turn, amounts 0.25 to 1.75."""
    return [{"customer": "ab"[s % 2], "amount": f"{0.25 * (s % 8):.2f}", "ts": moment(s)} for s in seconds]


def flinks(windows: range) -> list[dict[str, Any]]:
    """What Flink writes of the windows that end with these tens of seconds: computed from the orders by hand."""
    rows = []
    for window in windows:
        for customer in "ab":
            held = [s for s in range(window * 10 - 10, window * 10) if "ab"[s % 2] == customer]
            total = sum(25 * (s % 8) for s in held)
            end = moment(window * 10)
            rows.append({"customer": customer, "window_end": end, "n": len(held), "total": total / 100})
    return rows


class Topics:
    """A broker with the topics of the job."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._producer = Producer({"bootstrap.servers": address, "linger.ms": 0, "log_level": 0})
        for topic, partitions in (("shop.orders", 1), ("totals", 3), ("large", 1)):
            make_topic(KafkaCluster(address), topic, partitions)

    def write(self, topic: str, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._producer.produce(topic, json.dumps(row).encode(), key=str(row["customer"]).encode())
        self._producer.flush()

    def count(self, topic: str) -> int:
        """Records of all partitions."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "test"})
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        ends = [consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in partitions]
        consumer.close()
        return sum(ends)

    def partitions(self, topic: str) -> int:
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "test"})
        found = len(consumer.list_topics(topic, 10).topics[topic].partitions)
        consumer.close()
        return found


@pytest.fixture
def topics() -> Iterator[Topics]:
    with EmbeddedBroker() as broker:
        yield Topics(broker.bootstrap_servers)


@pytest.fixture
def job(tmp_path: Path, topics: Topics) -> Path:
    """The folder of a converted job, whose topics are on the broker."""
    (tmp_path / "app.sql").write_text(APP)
    (tmp_path / "shadow_config.yaml").write_text(CONFIG.format(brokers=topics.address))
    return tmp_path


def test_our_job_runs_beside_flink_and_touches_nothing_of_flinks(
    command: Callable[..., Any], topics: Topics, job: Path
) -> None:
    topics.write("shop.orders", orders_of(range(65)))
    topics.write("shop.orders", [{"customer": "a", "amount": "much", "ts": moment(65)}])
    topics.write("totals", flinks(range(1, 7)))

    ran = command("velo", "shadow", ".", "--once", "--report", "r.json")

    assert ran.code == 0, ran.out + ran.err
    assert "our job could not use 1 record; the first: " in ran.err
    assert "12 equal, 0 with other values, 0 only left, 0 only right" in ran.out
    assert (topics.count("totals"), topics.count("large")) == (12, 0)
    assert (topics.count("totals-velo"), topics.partitions("totals-velo")) == (12, 3)
    (sink,) = json.loads((job / "r.json").read_text())["sinks"]
    assert sink["sides"] == {"left": "kafka://totals", "right": "kafka://totals-velo"}


def test_a_wrong_job_is_not_safe_and_the_next_run_begins_anew(
    command: Callable[..., Any], topics: Topics, job: Path
) -> None:
    """What the wrong job left in our topic is nothing to the corrected one."""
    topics.write("shop.orders", orders_of(range(65)))
    topics.write("totals", flinks(range(1, 7)))
    exactly_once = "SET 'delivery.guarantee' = 'exactly-once';" + APP
    (job / "app.sql").write_text(exactly_once.replace("SUM(amount)", "SUM(amount + 0.01)"))
    wrong = command("velo", "shadow", ".", "--once")
    (job / "app.sql").write_text(exactly_once)

    right = command("velo", "shadow", ".", "--once")

    assert (wrong.code, right.code) == (1, 0), right.out + right.err
    # Of the newest window others may still come: it is pending.
    assert "0 equal, 10 with other values" in wrong.out
    assert "12 equal, 0 with other values" in right.out


def test_two_topics_are_compared_as_they_are(command: Callable[..., Any], topics: Topics, tmp_path: Path) -> None:
    rows = flinks(range(1, 7))
    topics.write("totals", rows)
    topics.write("large", rows[::-1])
    words = ("--key", "customer,window_end", "--time-column", "window_end", "--brokers", topics.address, "--once")

    equal = command("velo", "shadow", "--left", "kafka://totals", "--right", "kafka://large", *words)
    topics.write("large", [{**rows[0], "n": 99}])
    differs = command("velo", "shadow", "--left", "kafka://totals", "--right", "kafka://large", *words)
    (tmp_path / "flink.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = command("velo", "shadow", "--left", "flink.jsonl", "--right", "kafka://totals", *words)

    assert (equal.code, differs.code, file.code) == (0, 1, 0), equal.err + differs.err + file.err


def test_the_topic_that_flink_writes_can_be_another(command: Callable[..., Any], topics: Topics, job: Path) -> None:
    topics.write("shop.orders", orders_of(range(65)))
    topics.write("large", flinks(range(1, 7)))

    ran = command("velo", "shadow", ".", "--once", "--compare-topic", "kafka://large")
    ours = command("velo", "shadow", ".", "--once", "--compare-topic", "kafka://totals-velo")
    input_ = command("velo", "shadow", ".", "--once", "--compare-topic", "kafka://shop.orders", "--fresh")

    assert ran.code == 0, ran.out + ran.err
    assert ours.code == 2
    assert "is what our job writes" in ours.err
    assert input_.code == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("totals-velo }", "shop.orders }", 'our job would write "totals" into an input, "orders"'),
        ("right: { topic: totals-velo }", "right: { file: x.jsonl }", 'the right side of "totals" is none'),
        ("topic: shop.orders", "topic: no.such", "there is no such topic"),
        ("left: { topic: totals }", "left: { topic: no.such }", "there is no such topic"),
        ("start: earliest }", "start: committed, properties: { group.id: other } }", None),
    ],
)
def test_what_a_job_beside_needs(
    command: Callable[..., Any], topics: Topics, job: Path, old: str, new: str, message: str | None
) -> None:
    config = (job / "shadow_config.yaml").read_text()
    assert old in config
    (job / "shadow_config.yaml").write_text(config.replace(old, new))
    topics.write("shop.orders", orders_of(range(65)))
    topics.write("totals", flinks(range(1, 7)))

    ran = command("velo", "shadow", ".", "--once")

    if message is None:
        assert ran.code == 0, ran.err
    else:
        assert ran.code in (2, 3)
        assert message in ran.err
    assert topics.count("totals") == 12


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("totals-velo }", "totals, brokers: ELSEWHERE }", 'of "totals" and the right are the same topic, totals'),
        ("totals-velo }", "shop.orders, brokers: ELSEWHERE }", 'our job would write "totals" into an input, "orders"'),
        ("totals-velo }", "large, brokers: ELSEWHERE }", 'our job would write "totals" into what Flink writes'),
        (
            "totals-velo }",
            "totals-velo }\n    control: { topic: totals-velo, brokers: ELSEWHERE }",
            'the control of "totals" and the right are the same topic',
        ),
    ],
)
def test_our_job_knows_the_cluster_by_its_other_addresses_and_touches_nothing_of_flinks(
    command: Callable[..., Any], topics: Topics, job: Path, old: str, new: str, message: str
) -> None:
    """Flink's other output is Flink's, too, when another sink alone is chosen."""
    config = (job / "shadow_config.yaml").read_text()
    config = config.replace(old, new.replace("ELSEWHERE", f'"{topics.address.replace("127.0.0.1", "localhost")}"'))
    large = "  - { name: large, left: { topic: large }, right: { topic: large-velo } }\n"
    (job / "shadow_config.yaml").write_text(config + large)
    topics.write("shop.orders", orders_of(range(65)))
    topics.write("totals", flinks(range(1, 7)))

    ran = command("velo", "shadow", ".", "--once", "--sink", "totals")

    assert (ran.code, topics.count("shop.orders"), topics.count("totals"), topics.count("large")) == (2, 65, 12, 0)
    assert message in ran.err


def test_the_topic_that_the_program_names_is_flinks(command: Callable[..., Any], topics: Topics, job: Path) -> None:
    """Also when the left is a file, so that the config calls no topic Flink's."""
    config = (job / "shadow_config.yaml").read_text()
    config = config.replace("left: { topic: totals }", "left: { file: flink.jsonl }").replace("totals-velo", "totals")
    (job / "shadow_config.yaml").write_text(config)
    (job / "flink.jsonl").write_text('{"customer": "a"}\n')
    topics.write("shop.orders", orders_of(range(65)))
    topics.write("totals", flinks(range(1, 7)))

    ran = command("velo", "shadow", ".", "--once")

    assert (ran.code, topics.count("totals")) == (2, 12), ran.err
    assert 'our job would write "totals" into totals, which the program writes for Flink' in ran.err


def test_two_sinks_have_two_topics(command: Callable[..., Any], topics: Topics, job: Path) -> None:
    sink = "  - { name: large, left: { topic: large }, right: { topic: totals-velo } }\n"
    (job / "shadow_config.yaml").write_text((job / "shadow_config.yaml").read_text() + sink)

    ran = command("velo", "shadow", ".", "--once")

    assert ran.code == 2
    assert 'our job would write "large" into what it writes for "totals": the topic totals-velo' in ran.err


@pytest.mark.parametrize("right", ["kafka://ELSEWHERE/totals", "kafka://totals?changelog=upsert"])
def test_a_topic_is_not_compared_with_itself(command: Callable[..., Any], topics: Topics, right: str) -> None:
    topics.write("totals", flinks(range(1, 7)))
    right = right.replace("ELSEWHERE", topics.address.replace("127.0.0.1", "localhost"))
    words = ("--key", "customer,window_end", "--brokers", topics.address, "--once")

    ran = command("velo", "shadow", "--left", "kafka://totals", "--right", right, *words)

    assert ran.code == 2
    assert "nothing could differ" in ran.err


def test_topics_of_one_name_on_two_clusters_are_two(command: Callable[..., Any], topics: Topics) -> None:
    with EmbeddedBroker() as broker:
        other = Topics(broker.bootstrap_servers)
        topics.write("totals", flinks(range(1, 7)))
        other.write("totals", flinks(range(1, 7)))
        words = ("--key", "customer,window_end", "--time-column", "window_end", "--brokers", topics.address, "--once")

        ran = command(
            "velo", "shadow", "--left", "kafka://totals", "--right", f"kafka://{other.address}/totals", *words
        )

    assert ran.code == 0, ran.out + ran.err


def test_a_side_that_has_stopped_is_not_safe(command: Callable[..., Any], topics: Topics) -> None:
    topics.write("totals", flinks(range(1, 7)))
    topics.write("large", flinks(range(1, 2)))
    words = ("--key", "customer,window_end", "--time-column", "window_end", "--brokers", topics.address)

    ran = command("velo", "shadow", "--left", "kafka://totals", "--right", "kafka://large", *words, "--duration", "1s")

    assert ran.code == 4, ran.out + ran.err


def test_nothing_to_read_is_no_defect(command: Callable[..., Any], topics: Topics, job: Path) -> None:
    """Our job begins at the end of its input, and ends there."""
    config = (job / "shadow_config.yaml").read_text().replace("start: earliest", "start: latest")
    (job / "shadow_config.yaml").write_text(config)
    topics.write("shop.orders", orders_of(range(65)))
    topics.write("totals", flinks(range(1, 7)))

    ran = command("velo", "shadow", ".", "--once")

    assert ran.code == 4, ran.out + ran.err
    assert "12 are pending" in ran.out


def test_warm_up_leaves_out_what_began_before(command: Callable[..., Any], topics: Topics, job: Path) -> None:
    """Flink's first windows hold orders that were gone when our job began."""
    topics.write("shop.orders", orders_of(range(25, 95)))
    topics.write("totals", flinks(range(1, 10)))

    without = command("velo", "shadow", ".", "--once")
    with_it = command("velo", "shadow", ".", "--once", "--warm-up", "10s", "--report", "r.json")

    assert (without.code, with_it.code) == (1, 0), with_it.out + with_it.err
    (sink,) = json.loads((job / "r.json").read_text())["sinks"]
    assert (sink["counts"]["matched"], sink["warm_up"]) == (12, 6)


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_one_that_is_stopped_reports(
    command: Callable[..., Any], topics: Topics, job: Path
) -> None:
    """Killed before anything came, and again later. `latest` is the latest of when it began."""
    config = (job / "shadow_config.yaml").read_text().replace("start: earliest", "start: latest")
    (job / "shadow_config.yaml").write_text(config.replace("{ topic: totals }", "{ topic: totals, start: latest }"))
    topics.write("shop.orders", orders_of(range(30)))
    topics.write("totals", flinks(range(1, 4)))
    kill_when(job, lambda: (job / ".velo/shadow/going-on/sinks/totals/start.json").exists())
    topics.write("shop.orders", orders_of(range(30, 305)))
    topics.write("totals", flinks(range(4, 31)))
    kill_when(job, lambda: taken(job) == 108)
    topics.write("shop.orders", orders_of(range(305, 605)))
    topics.write("totals", flinks(range(31, 61)))

    running = started(job)
    wait_for(lambda: taken(job) == 228, running)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=DEADLINE_S)

    assert running.returncode == 0, out + err
    assert "our job goes on from its checkpoint" in err
    assert "114 equal, 0 with other values, 0 only left, 0 only right" in out
    assert topics.count("totals-velo") == 114
    again = command("velo", "shadow", ".", "--no-run", "--duration", "1ms")
    assert again.code == 0, again.out + again.err
    assert "114 equal" in again.out


def kill_when(job: Path, holds: Callable[[], bool]) -> None:
    """Runs a comparison until it holds."""
    running = started(job)
    wait_for(holds, running)
    running.kill()
    running.communicate()


def taken(job: Path) -> int:
    """Records of both sides that the comparison has saved."""
    manifest = job / ".velo/shadow/going-on/sinks/totals/manifest.json"
    if not (manifest.exists() and (job / ".velo/shadow/going-on/job/checkpoint").exists()):
        return 0
    return sum(side["changes"] for side in json.loads(manifest.read_text())["sides"].values())


def started(job: Path) -> subprocess.Popen[str]:
    program = "from velo_cli.velo import main; main()"
    words = [sys.executable, "-c", program, "shadow", str(job)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(holds: Callable[[], bool], running: subprocess.Popen[str]) -> None:
    until = time.monotonic() + DEADLINE_S
    while not holds():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize("more", [[], ["--fresh"]])
def test_what_another_process_goes_on_from_is_left_alone(
    command: Callable[..., Any], topics: Topics, tmp_path: Path, more: list[str]
) -> None:
    kept = tmp_path / "state" / "going-on" / "began.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    with (tmp_path / "state" / "going-on.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sides = ("--left", "kafka://totals", "--right", "kafka://large", "--key", "customer", "--state", "state")

        ran = command("velo", "shadow", *sides, "--brokers", topics.address, "--duration", "1s", *more)

    assert ran.code == 2
    assert "another process compares with what it keeps in state/going-on" in ran.err
    assert kept.read_text() == "{}"


def test_a_run_that_is_killed_while_it_notes_its_beginning_leaves_nothing_half(
    command: Callable[..., Any], topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics.write("totals", flinks(range(1, 7)))
    topics.write("large", flinks(range(1, 7)))
    sides = ("--left", "kafka://totals", "--right", "kafka://large", "--key", "customer,window_end")
    words = ("velo", "shadow", *sides, "--brokers", topics.address, "--state", "state", "--once")

    def killed(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:5])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", killed)
        first = command(*words)
    again = command(*words)

    assert (first.code, again.code) == (130, 0), again.err


def test_a_comparison_that_has_changed_does_not_go_on(command: Callable[..., Any], topics: Topics, job: Path) -> None:
    topics.write("shop.orders", orders_of(range(65)))
    topics.write("totals", flinks(range(1, 7)))
    words = ("velo", "shadow", ".", "--duration")

    first = command(*words, "1s")
    again = command(*words, "1s")
    (job / "app.sql").write_text(APP.replace("SUM(amount)", "SUM(amount + 0.01)"))
    changed = command(*words, "1s")
    fresh = command(*words, "1s", "--fresh")

    assert (first.code, again.code, changed.code, fresh.code) == (0, 0, 2, 1), first.out + again.out + fresh.out
    assert "going on from what" in again.err
    assert "has changed since the comparison" in changed.err


def test_records_of_another_form_are_never_safe(command: Callable[..., Any], topics: Topics, job: Path) -> None:
    """A column that our job lacks, a column that Flink lacks, no JSON, nothing at all; then all is well."""
    topics.write("shop.orders", orders_of(range(65)))
    rows = flinks(range(1, 7))
    found = []
    for name, values in {
        "more": [{**row, "more": 1} for row in rows],
        "less": [{k: v for k, v in row.items() if k != "n"} for row in rows],
        "none": [],
        "good": rows,
    }.items():
        make_topic(KafkaCluster(topics.address), name, 1)
        topics.write(name, values)
        found.append(command("velo", "shadow", ".", "--once", "--compare-topic", f"kafka://{name}"))

    assert [ran.code for ran in found] == [2, 1, 4, 0]
    assert 'it has a field "more"' in found[0].err
    assert not (job / ".velo/shadow/once").exists()


def test_what_a_control_does_not_have_alike_counts_not(command: Callable[..., Any], topics: Topics) -> None:
    """A column that is another in every run, and a total that is another in ours alone."""
    rows = flinks(range(1, 7))
    for number, name in enumerate(("left", "right", "again", "wrong")):
        make_topic(KafkaCluster(topics.address), name, 1)
        topics.write(name, [{**row, "made": f"{number}-{i}"} for i, row in enumerate(rows)])
    topics.write("wrong", [{**flinks(range(7, 8))[0], "made": "x"}])
    words = ("--key", "customer,window_end", "--time-column", "window_end", "--brokers", topics.address, "--once")
    words = ("velo", "shadow", *words, "--left", "kafka://left", "--right")

    without = command(*words, "kafka://right")
    with_it = command(*words, "kafka://right", "--control", "kafka://again", "--report", "r.json")
    wrong = command(*words, "kafka://wrong", "--control", "kafka://again")

    assert (without.code, with_it.code, wrong.code) == (1, 0, 1), with_it.out + with_it.err
    (sink,) = json.loads(Path("r.json").read_text())["sinks"]
    assert sink["counts"]["matched"] == 12
    assert "1 only left" not in wrong.out
    assert "1 only right" in wrong.out


def test_sinks_are_compared_side_by_side(command: Callable[..., Any], topics: Topics, job: Path) -> None:
    topics.write("shop.orders", orders_of(range(65)))
    topics.write("totals", flinks(range(1, 7)))
    large = "  - { name: large, left: { topic: large }, right: { topic: large-velo }, key: [customer, amount] }\n"
    with (job / "shadow_config.yaml").open("a") as file:
        file.write(large)

    ran = command("velo", "shadow", ".", "--once", "--report", "r.json")

    # No order is above 5: there is nothing to compare of the second sink.
    assert ran.code == 4, ran.err
    sinks = json.loads((job / "r.json").read_text())["sinks"]
    assert [(s["name"], s["verdict"]["decision"]) for s in sinks] == [("totals", "SAFE"), ("large", "INCONCLUSIVE")]
