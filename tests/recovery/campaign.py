"""Runs a job, kills it again and again, lets it finish, and holds its output against what must be there."""

from __future__ import annotations

import json
import multiprocessing
import random
import tempfile
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.recovery.victim import EXACTLY_ONCE_ONLY, Kill, Point, run

PARTITIONS = 3
KEYS = 17
LONGEST_RUN_S = 120


@dataclass(frozen=True)
class Outcome:
    """What came of one campaign."""

    kills: Counter[str]
    """By point, or "random"."""
    wrong: tuple[str, ...]
    """What is lost, or there twice, or not what it must be."""
    duplicates: int
    """Records that are there more than once, which at-least-once delivery may leave."""


@dataclass(frozen=True)
class Inputs:
    """What is in the source topics."""

    orders: Sequence[tuple[int, str, int]]
    prices: Sequence[tuple[str, int]]

    def sums(self) -> dict[str, list[tuple[int, int]]]:
        """Per key the results in their order: number and sum so far. A key is in one partition."""
        found: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for _, key, value in self.orders:
            number, total = found[key][-1] if found[key] else (0, 0)
            found[key].append((number + 1, total + value))
        return found

    def joined(self) -> Counter[tuple[int, int]]:
        """The pairs of a join of all with all of the same key."""
        prices = defaultdict(list)
        for key, price in self.prices:
            prices[key].append(price)
        return Counter((number, price) for number, key, _ in self.orders for price in prices[key])


def made_inputs(seed: int, orders: int) -> Inputs:
    """Orders of a few keys, and prices of most of them."""
    chance = random.Random(seed)
    keys = [f"k{i}" for i in range(KEYS)]
    return Inputs(
        [(number, chance.choice(keys), chance.randrange(1000)) for number in range(orders)],
        [(key, chance.randrange(100) + 1000 * i) for i, key in enumerate(keys[1:] + keys[1:])],
    )


def kills(seed: int, exactly_once: bool) -> Iterator[Kill]:
    """Every point in turn at its first to fourth passing, and a random moment after each."""
    chance = random.Random(seed)
    points = [point for point in Point if exactly_once or point not in EXACTLY_ONCE_ONLY]
    while True:
        for point in points:
            yield Kill(point, 1 if point is Point.STARTED else chance.randint(1, 4))
            yield Kill(after_s=chance.uniform(0.02, 0.6))


def campaign(bootstrap_servers: str, *, exactly_once: bool, wanted: Iterator[Kill], most: int, seed: int) -> Outcome:
    """Run a job over fresh topics until it has finished, killing it up to `most` times on the way."""
    prefix = f"recovery-{uuid.uuid4().hex[:8]}-"
    inputs = made_inputs(seed, orders=most * 1000)
    _fill(bootstrap_servers, prefix, inputs)
    done: Counter[str] = Counter()
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.recovery.victim", "confluent_kafka", "velo_engine.runtime.live_job"])
    with tempfile.TemporaryDirectory() as folder:
        while True:
            kill = next(wanted) if done.total() < most else None
            process = processes.Process(target=run, args=(bootstrap_servers, prefix, folder, exactly_once, kill))
            process.start()
            process.join(LONGEST_RUN_S)
            if process.exitcode is None:
                process.kill()
                raise AssertionError(f"a run did not end; it was to be killed by {kill}")
            if process.exitcode == 0:
                break
            assert process.exitcode == -9, f"a run failed by itself; it was to be killed by {kill}"
            assert kill is not None
            done["random" if kill.point is None else kill.point.name] += 1
    return _judged(bootstrap_servers, prefix, inputs, done, exactly_once=exactly_once)


def _fill(bootstrap_servers: str, prefix: str, inputs: Inputs) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    topics = [NewTopic(prefix + name, PARTITIONS, 1) for name in ("orders", "prices", "sums", "joined")]
    for created in admin.create_topics(topics).values():
        created.result()
    # Idempotent, so that records which are tried again do not change places: sums depend on their order.
    settings = {"queue.buffering.max.messages": 1_000_000, "enable.idempotence": True}
    producer = Producer({"bootstrap.servers": bootstrap_servers, **settings})
    for number, key, value in inputs.orders:
        producer.produce(f"{prefix}orders", json.dumps({"id": number, "k": key, "v": value}), key)
    for key, price in inputs.prices:
        producer.produce(f"{prefix}prices", json.dumps({"k": key, "w": price}), key)
    producer.flush()


def _judged(bootstrap_servers: str, prefix: str, inputs: Inputs, done: Counter[str], *, exactly_once: bool) -> Outcome:
    wrong: list[str] = []
    duplicates = 0
    sums: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in read_committed(bootstrap_servers, f"{prefix}sums", PARTITIONS):
        sums[row["k"]].append((row["n"], row["s"]))
    for key, expected in inputs.sums().items():
        found = sums.pop(key, [])
        duplicates += len(found) - len(set(found))
        if exactly_once and found != expected:
            wrong.append(
                f"sums of {key}: {len(found)} records, {len(expected)} expected; lost {set(expected) - set(found)}"
            )
        elif set(found) != set(expected):
            wrong.append(f"sums of {key}: lost {set(expected) - set(found)}, invented {set(found) - set(expected)}")
    wrong += [f"sums of {key}, which no order has" for key in sums]
    pairs = Counter((row["id"], row["w"]) for row in read_committed(bootstrap_servers, f"{prefix}joined", PARTITIONS))
    duplicates += pairs.total() - len(pairs)
    wanted = inputs.joined()
    if exactly_once and pairs != wanted:
        wrong.append(f"joined: lost {wanted - pairs}, too many {pairs - wanted}")
    elif set(pairs) != set(wanted):
        wrong.append(f"joined: lost {set(wanted) - set(pairs)}, invented {set(pairs) - set(wanted)}")
    return Outcome(done, tuple(wrong), duplicates)


def read_committed(bootstrap_servers: str, topic: str, partitions: int) -> list[Any]:
    """All committed records, each partition in its order."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "recovery",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
    rows, ended = [], 0
    while ended < partitions:
        for message in consumer.consume(10_000, 1):
            error = message.error()
            if error is None:
                rows.append(json.loads(message.value()))
            elif error.code() == KafkaError._PARTITION_EOF:
                ended += 1
            else:
                raise AssertionError(error)
    consumer.close()
    return rows
