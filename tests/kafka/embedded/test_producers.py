"""Idempotent producers: batches sent again, gaps, old epochs."""

from __future__ import annotations

import pytest

from tests.kafka.embedded.clock import START_MS
from tests.kafka.embedded.made_batches import made
from velo_harness.kafka.embedded.log import Appended, PartitionLog
from velo_harness.kafka.embedded.protocol import ErrorNumber, KafkaError
from velo_harness.kafka.embedded.topic_configs import RecordRules

RULES = RecordRules.of({})


def send(log: PartitionLog, sequence: int, records: int = 2, epoch: int = 0, producer_id: int = 9) -> Appended:
    batch = made([1] * records, producer_id=producer_id, epoch=epoch, sequence=sequence)
    return log.append(batch, RULES, START_MS)


def refused(log: PartitionLog, sequence: int, epoch: int = 0) -> ErrorNumber:
    with pytest.raises(KafkaError) as error:
        send(log, sequence, epoch=epoch)
    return error.value.number


def test_a_batch_sent_again_is_answered_with_its_offset_and_not_appended() -> None:
    log = PartitionLog()
    first = [send(log, sequence).base_offset for sequence in (0, 2, 4, 6, 8)]
    again = [send(log, sequence).base_offset for sequence in (0, 2, 4, 6, 8)]
    assert first == again == [0, 2, 4, 6, 8]
    assert log.end_offset == 10


def test_a_gap_and_a_batch_too_old_to_be_known_are_refused() -> None:
    log = PartitionLog()
    for sequence in range(0, 12, 2):
        send(log, sequence)
    assert refused(log, 14) is ErrorNumber.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refused(log, 0) is ErrorNumber.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, 12).base_offset == 12


def test_a_new_epoch_starts_at_zero_and_shuts_the_old_one_out() -> None:
    log = PartitionLog()
    send(log, 0)
    assert refused(log, 2, epoch=1) is ErrorNumber.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(log, 0, epoch=1).base_offset == 2
    assert refused(log, 2, epoch=0) is ErrorNumber.INVALID_PRODUCER_EPOCH


def test_sequences_go_on_from_zero_after_the_highest() -> None:
    log = PartitionLog()
    send(log, 2**31 - 2)
    assert send(log, 0).base_offset == 2
    log = PartitionLog()
    send(log, 2**31 - 1)  # of its two records the second has number 0
    assert send(log, 1).base_offset == 2


def test_producers_do_not_disturb_each_other() -> None:
    log = PartitionLog()
    send(log, 0, producer_id=1)
    send(log, 0, producer_id=2)
    assert send(log, 2, producer_id=1).base_offset == 4


def test_a_producer_that_is_not_known_may_start_anywhere() -> None:
    assert send(PartitionLog(), 100).base_offset == 0
