"""The broker over the network: starting and stopping, its size, what clients that misbehave get."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from tests.kafka.embedded.made_batches import batch_bytes
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.kafka.embedded import BrokerSize, EmbeddedBroker
from velo_harness.kafka.embedded.protocol import SUPPORTED
from velo_harness.kafka.embedded.wire import Reader, Writer

PATIENCE = 20


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


class RawClient:
    """A socket that speaks Kafka frames."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        host, _, port = broker.bootstrap_servers.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def frame(self, api: int, version: int, correlation: int, body: Writer) -> bytes:
        content = struct.pack(">hhih", api, version, correlation, -1) + b"".join(body.chunks())
        return struct.pack(">i", len(content)) + content

    def answer(self) -> tuple[int, Reader]:
        """Correlation id and body of the next answer."""
        (length,) = struct.unpack(">i", self._exactly(4))
        reader = Reader(memoryview(self._exactly(length)))
        return reader.int32(), reader

    def closed(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            assert more, "the broker closed the connection"
            data += more
        return data


def produce_body(topic: str, records: bytes, acks: int = -1) -> Writer:
    body = Writer().string(None).int16(acks).int32(1000).array_length(1).string(topic)
    return body.array_length(1).int32(0).data(records)


def fetch_body(topic: str, *, wait_ms: int, min_bytes: int = 1) -> Writer:
    body = Writer().int32(-1).int32(wait_ms).int32(min_bytes).int32(1 << 20).int8(0)
    return body.array_length(1).string(topic).array_length(1).int32(0).int64(0).int32(1 << 20)


def metadata_body(topic: str) -> Writer:
    return Writer().array_length(1).string(topic)


def write(broker: EmbeddedBroker, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(PATIENCE) == 0


def read(broker: EmbeddedBroker, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "g", "check.crcs": True})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    messages = consumer.consume(count, PATIENCE)
    consumer.close()
    assert [message.error() for message in messages] == [None] * count
    return [message.value() for message in messages]


def test_the_size_counts_topics_records_and_bytes(broker: EmbeddedBroker) -> None:
    assert broker.size() == BrokerSize(0, 0, 0)
    sent = batch_bytes([1, 2, 3])
    with RawClient(broker) as client:
        client.socket.sendall(client.frame(3, 1, 1, metadata_body("t")))
        client.answer()
        client.socket.sendall(client.frame(0, 3, 2, produce_body("t", sent)))
        client.answer()
    assert broker.size() == BrokerSize(topics=1, records=3, bytes=len(sent))


def test_a_port_that_is_taken_is_said_with_what_to_do(broker: EmbeddedBroker) -> None:
    port = int(broker.bootstrap_servers.rpartition(":")[2])
    with pytest.raises(VeloError) as error:
        EmbeddedBroker(port=port).start()
    assert error.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert f"127.0.0.1:{port}" in error.value.message
    assert error.value.hint


def test_a_host_that_is_not_here_is_said() -> None:
    with pytest.raises(VeloError) as error:
        EmbeddedBroker(host="192.0.2.1").start()  # an address for documentation, nobody's
    assert error.value.code is ErrorCode.INFRASTRUCTURE_MISSING


def test_the_address_is_known_from_the_start_on() -> None:
    broker = EmbeddedBroker()
    with pytest.raises(RuntimeError):
        _ = broker.bootstrap_servers
    broker.stop()
    with broker:
        assert broker.bootstrap_servers.startswith("127.0.0.1:")
        with pytest.raises(RuntimeError):
            broker.start()


def test_a_broker_that_comes_back_has_its_address_and_its_records(broker: EmbeddedBroker) -> None:
    write(broker, "t", [b"before"])
    address = broker.bootstrap_servers
    broker.stop()
    broker.start()
    assert broker.bootstrap_servers == address
    write(broker, "t", [b"after"])
    assert read(broker, "t", 2) == [b"before", b"after"]


def test_clients_outlive_a_broker_that_is_away(broker: EmbeddedBroker) -> None:
    options = {"bootstrap.servers": broker.bootstrap_servers, "log_level": 0, "reconnect.backoff.max.ms": 100}
    producer = Producer({**options, "enable.idempotence": True})
    producer.produce("t", b"before", partition=0)
    assert producer.flush(PATIENCE) == 0
    broker.stop()
    producer.produce("t", b"during", partition=0)
    broker.start()
    assert producer.flush(PATIENCE) == 0
    assert read(broker, "t", 2) == [b"before", b"during"]


def test_stopping_closes_connections_that_wait() -> None:
    broker = EmbeddedBroker()
    broker.start()
    with RawClient(broker) as client:
        client.socket.sendall(client.frame(3, 1, 1, metadata_body("t")))
        client.answer()
        client.socket.sendall(client.frame(1, 4, 2, fetch_body("t", wait_ms=60_000)))
        broker.stop()
        assert client.closed()


def test_every_client_is_told_the_address_by_which_it_came() -> None:
    with EmbeddedBroker(host="0.0.0.0") as broker:
        port = int(broker.bootstrap_servers.rpartition(":")[2])
        client = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"})
        (node,) = client.list_topics(timeout=PATIENCE).brokers.values()
        assert (node.host, node.port) == ("127.0.0.1", port)


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    try:
        broker = EmbeddedBroker(host="::1")
        broker.start()
    except VeloError as error:
        pytest.skip(str(error))
    try:
        assert broker.bootstrap_servers.startswith("[::1]:")
        write(broker, "t", [b"x"])
        assert read(broker, "t", 1) == [b"x"]
    finally:
        broker.stop()


def test_answers_come_in_the_order_of_the_requests(broker: EmbeddedBroker) -> None:
    with RawClient(broker) as client, RawClient(broker) as other:
        client.socket.sendall(client.frame(3, 1, 1, metadata_body("t")))
        client.answer()
        waiting = client.frame(1, 4, 2, fetch_body("t", wait_ms=60_000))
        client.socket.sendall(waiting + client.frame(3, 1, 3, metadata_body("t")))
        other.socket.sendall(other.frame(0, 3, 1, produce_body("t", batch_bytes([1]))))
        assert [client.answer()[0], client.answer()[0]] == [2, 3]


def test_a_fetch_waits_for_as_many_bytes_as_it_wants(broker: EmbeddedBroker) -> None:
    sent = batch_bytes([1])
    with RawClient(broker) as client, RawClient(broker) as other:
        client.socket.sendall(client.frame(3, 1, 1, metadata_body("t")))
        client.answer()
        client.socket.sendall(client.frame(1, 4, 2, fetch_body("t", wait_ms=60_000, min_bytes=2 * len(sent))))
        for correlation in (1, 2):
            other.socket.sendall(other.frame(0, 3, correlation, produce_body("t", sent)))
            other.answer()
        _, answer = client.answer()
        assert (answer.int32(), answer.int32(), answer.string(), answer.int32()) == (0, 1, "t", 1)
        assert (answer.int32(), answer.int16(), answer.int64(), answer.int64()) == (0, 0, 2, 2)
        assert answer.int32() == -1
        assert len(answer.records()) == 2 * len(sent)


def test_a_fetch_comes_back_empty_when_its_time_is_over(broker: EmbeddedBroker) -> None:
    with RawClient(broker) as client:
        client.socket.sendall(client.frame(3, 1, 1, metadata_body("t")))
        client.answer()
        begin = time.monotonic()
        client.socket.sendall(client.frame(1, 4, 2, fetch_body("t", wait_ms=50)))
        assert client.answer()[0] == 2
        assert time.monotonic() - begin >= 0.045


def test_a_request_in_pieces_is_put_together(broker: EmbeddedBroker) -> None:
    with RawClient(broker) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        frames = client.frame(3, 1, 1, metadata_body("t")) + client.frame(3, 1, 2, metadata_body("u"))
        for at in range(0, len(frames), 7):
            client.socket.sendall(frames[at : at + 7])
        assert [client.answer()[0], client.answer()[0]] == [1, 2]


def test_a_version_of_api_versions_that_is_too_new_is_answered_in_version_0(broker: EmbeddedBroker) -> None:
    with RawClient(broker) as client:
        client.socket.sendall(client.frame(18, 99, 5, Writer()))
        correlation, answer = client.answer()
        assert (correlation, answer.int16()) == (5, 35)
        offered = answer.array(lambda: (answer.int16(), answer.int16(), answer.int16()))
        assert {number: highest for number, _, highest in offered} == {
            int(api): versions.highest for api, versions in SUPPORTED.items()
        }


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        bytes.fromhex("16030100c8010000c40303") + b"\0" * 200,  # TLS
        struct.pack(">ihhih", 10, 999, 0, 1, -1),  # a kind of request that does not exist
        struct.pack(">ihhih", 10, 0, 99, 1, -1),  # a version that does not exist
        struct.pack(">ihhih", 10, 3, 1, 1, -1),  # a body that ends too early
        struct.pack(">i", 0),
        struct.pack(">i", -1),
    ],
)
def test_what_is_no_request_closes_only_its_connection(broker: EmbeddedBroker, sent: bytes) -> None:
    with RawClient(broker) as stranger:
        stranger.socket.sendall(sent)
        assert stranger.closed()
    with RawClient(broker) as client:
        client.socket.sendall(client.frame(3, 1, 1, metadata_body("t")))
        assert client.answer()[0] == 1


def test_a_producer_that_wants_no_answers_gets_none(broker: EmbeddedBroker) -> None:
    with RawClient(broker) as client:
        client.socket.sendall(client.frame(3, 1, 1, metadata_body("t")))
        client.answer()
        client.socket.sendall(client.frame(0, 3, 2, produce_body("t", batch_bytes([1]), acks=0)))
        client.socket.sendall(client.frame(3, 1, 3, metadata_body("t")))
        assert client.answer()[0] == 3
        client.socket.sendall(client.frame(0, 3, 4, produce_body("nowhere", batch_bytes([1]), acks=0)))
        assert client.closed()
    assert broker.size().records == 1


def test_the_checksum_stays_right_where_records_get_the_brokers_time() -> None:
    with EmbeddedBroker(clock_ms=lambda: 1_700_000_000_123) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        topic = NewTopic("t", 1, config={"message.timestamp.type": "LogAppendTime"})
        admin.create_topics([topic])["t"].result(PATIENCE)
        write(broker, "t", [b"x" * 1000] * 50)
        assert read(broker, "t", 50) == [b"x" * 1000] * 50
        spec = {TopicPartition("t", 0): OffsetSpec.max_timestamp()}
        (found,) = admin.list_offsets(spec).values()
        assert found.result(PATIENCE).timestamp == 1_700_000_000_123


def test_a_session_ends_by_the_brokers_clock() -> None:
    now = [1_700_000_000_000]
    with EmbeddedBroker(clock_ms=lambda: now[0]) as broker, RawClient(broker) as client:
        body = (
            Writer().string("g").int32(10_000).string("").string("consumer").array_length(1).string("range").data(b"")
        )
        client.socket.sendall(client.frame(11, 0, 1, body))
        _, joined = client.answer()
        assert (joined.int16(), joined.int32()) == (0, 1)
        now[0] += 10_000
        describe = client.frame(15, 0, 2, Writer().array_length(1).string("g"))
        state = ""
        while state != "Empty":  # until the broker has looked at its clock
            client.socket.sendall(describe)
            _, described = client.answer()
            assert (described.int32(), described.int16(), described.string()) == (1, 0, "g")
            state = described.string()
