"""Which requests the broker answers, in which versions, and the error codes of its answers.

Numbers and names are those of https://kafka.apache.org/protocol. Versions are the highest of the classic encoding,
which every client since Kafka 0.11 and before Kafka 5 speaks; a compact ("flexible") version is offered only where
clients need what it added: the epoch of a producer (KIP-360), stable offsets (KIP-447), the offset of the highest
timestamp (KIP-734), requests that have no other encoding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import ParamSpec

Params = ParamSpec("Params")

NO_OFFSET = -1
NO_TIMESTAMP = -1
NO_LEADER_EPOCH = -1
LEADER_EPOCH = 0
"""Of every partition: with one node, leadership never moves."""
NODE_ID = 1


class Api(IntEnum):
    """Kinds of requests."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    DESCRIBE_GROUPS = 15
    LIST_GROUPS = 16
    API_VERSIONS = 18
    CREATE_TOPICS = 19
    DELETE_TOPICS = 20
    DELETE_RECORDS = 21
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28
    DESCRIBE_CONFIGS = 32
    ALTER_CONFIGS = 33
    CREATE_PARTITIONS = 37
    DELETE_GROUPS = 42
    INCREMENTAL_ALTER_CONFIGS = 44
    OFFSET_DELETE = 47
    DESCRIBE_CLUSTER = 60
    DESCRIBE_PRODUCERS = 61
    DESCRIBE_TRANSACTIONS = 65
    LIST_TRANSACTIONS = 66
    CONSUMER_GROUP_HEARTBEAT = 68


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of one kind of request."""

    lowest: int
    highest: int
    first_compact: int
    """From this version on the encoding is compact."""
    advertised_lowest: int | None = None
    """Told to clients instead of `lowest`."""


SUPPORTED: dict[Api, Versions] = {
    # Some librdkafka releases compress only where Produce 0 is offered, though they do not use it; Kafka 4 offers it
    # for them as well (KAFKA-18659).
    Api.PRODUCE: Versions(3, 8, 9, advertised_lowest=0),
    Api.FETCH: Versions(4, 11, 12),
    Api.LIST_OFFSETS: Versions(1, 7, 6),
    Api.METADATA: Versions(1, 8, 9),
    Api.OFFSET_COMMIT: Versions(2, 7, 8),
    Api.OFFSET_FETCH: Versions(1, 7, 6),
    Api.FIND_COORDINATOR: Versions(0, 2, 3),
    Api.JOIN_GROUP: Versions(0, 5, 6),
    Api.HEARTBEAT: Versions(0, 3, 4),
    Api.LEAVE_GROUP: Versions(0, 3, 4),
    Api.SYNC_GROUP: Versions(0, 3, 4),
    Api.DESCRIBE_GROUPS: Versions(0, 4, 5),
    Api.LIST_GROUPS: Versions(0, 4, 3),
    Api.API_VERSIONS: Versions(0, 3, 3),
    Api.CREATE_TOPICS: Versions(2, 4, 5),
    Api.DELETE_TOPICS: Versions(1, 3, 4),
    Api.DELETE_RECORDS: Versions(0, 1, 2),
    Api.INIT_PRODUCER_ID: Versions(0, 4, 2),
    Api.ADD_PARTITIONS_TO_TXN: Versions(0, 2, 3),
    Api.ADD_OFFSETS_TO_TXN: Versions(0, 2, 3),
    Api.END_TXN: Versions(0, 2, 3),
    Api.TXN_OFFSET_COMMIT: Versions(0, 3, 3),
    Api.DESCRIBE_CONFIGS: Versions(1, 3, 4),
    Api.ALTER_CONFIGS: Versions(0, 1, 2),
    Api.CREATE_PARTITIONS: Versions(0, 1, 2),
    Api.DELETE_GROUPS: Versions(0, 1, 2),
    Api.INCREMENTAL_ALTER_CONFIGS: Versions(0, 0, 1),
    Api.OFFSET_DELETE: Versions(0, 0, 1),
    Api.DESCRIBE_CLUSTER: Versions(0, 0, 0),
    Api.DESCRIBE_PRODUCERS: Versions(0, 0, 0),
    Api.DESCRIBE_TRANSACTIONS: Versions(0, 0, 0),
    Api.LIST_TRANSACTIONS: Versions(0, 0, 0),
    Api.CONSUMER_GROUP_HEARTBEAT: Versions(0, 1, 0),
}


class ErrorNumber(IntEnum):
    """Kafka's error codes, as far as this broker gives them."""

    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    CORRUPT_MESSAGE = 2
    UNKNOWN_TOPIC_OR_PARTITION = 3
    MESSAGE_TOO_LARGE = 10
    INVALID_TOPIC_EXCEPTION = 17
    INVALID_REQUIRED_ACKS = 21
    ILLEGAL_GENERATION = 22
    INCONSISTENT_GROUP_PROTOCOL = 23
    INVALID_GROUP_ID = 24
    UNKNOWN_MEMBER_ID = 25
    INVALID_SESSION_TIMEOUT = 26
    REBALANCE_IN_PROGRESS = 27
    INVALID_TIMESTAMP = 32
    UNSUPPORTED_VERSION = 35
    TOPIC_ALREADY_EXISTS = 36
    INVALID_PARTITIONS = 37
    INVALID_REPLICATION_FACTOR = 38
    INVALID_REPLICA_ASSIGNMENT = 39
    INVALID_CONFIG = 40
    INVALID_REQUEST = 42
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48
    INVALID_PRODUCER_ID_MAPPING = 49
    INVALID_TRANSACTION_TIMEOUT = 50
    OPERATION_NOT_ATTEMPTED = 55
    NON_EMPTY_GROUP = 68
    GROUP_ID_NOT_FOUND = 69
    MEMBER_ID_REQUIRED = 79
    FENCED_INSTANCE_ID = 82
    GROUP_SUBSCRIBED_TO_TOPIC = 86
    INVALID_RECORD = 87
    UNSTABLE_OFFSET_COMMIT = 88
    PRODUCER_FENCED = 90
    TRANSACTIONAL_ID_NOT_FOUND = 105


class KafkaError(Exception):
    """A refusal that the client is told: an error code and, where the answer has room for it, a message."""

    def __init__(self, number: ErrorNumber, message: str | None = None) -> None:
        super().__init__(message or number.name)
        self.number = number
        self.message = message


NO_REFUSAL = KafkaError(ErrorNumber.NONE)


def refusal_of(action: Callable[Params, object], *args: Params.args, **kwargs: Params.kwargs) -> KafkaError:
    """The refusal that `action` meets, or NO_REFUSAL: an answer names the outcome for each of its parts."""
    try:
        action(*args, **kwargs)
    except KafkaError as error:
        return error
    return NO_REFUSAL
