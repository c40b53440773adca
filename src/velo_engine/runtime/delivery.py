"""How the output of a job reaches its topics, checkpoint by checkpoint.

Exactly once: the sinks write into an outbox. A checkpoint saves it together with the state it belongs to; only then is
it published, in one Kafka transaction with the input positions and the number of the epoch. After a crash the epoch
that the broker has tells whether the saved outbox is out already. Nothing is computed twice, so nothing needs to be
deterministic. Source: the outbox pattern with Kafka transactions (KIP-98, KIP-447).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from velo_engine.connectors.records import Records, RecordWriter
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.runtime.checkpoint_file import Checkpoint, Positions


class Delivery(Protocol):
    """What a job promises of its output."""

    @property
    def writer(self) -> RecordWriter:
        """Where the sinks write."""

    @property
    def defers(self) -> bool:
        """Whether output is seen only when its epoch is complete."""

    def resume(self, checkpoint: Checkpoint | None, *, fresh: bool) -> int:
        """Settle what the run before left; gives the epoch that has been reached.

        `fresh`: the run begins anew although there may have been one. Raises VeloError STATE_MISMATCH when the broker
        and the checkpoint cannot be of the same run.
        """

    def prepare(self) -> tuple[Records, ...]:
        """Before the state is saved: everything is with the broker, or else returned, to be saved with the state."""

    def complete(self, epoch: int, outbox: tuple[Records, ...], positions: Mapping[str, Positions]) -> None:
        """After the state is saved: publish `outbox`, and tell the broker how far the input is handled."""

    def listen(self) -> None:
        """Hear of the connection, also while there is nothing to write."""

    def close(self) -> None:
        """Give back the connection. What was not completed is not published."""


class AtLeastOnce:
    """Records are published as they come. What lies between the last checkpoint and a crash is published again."""

    defers = False

    def __init__(self, writer: RecordWriter, acknowledge: Callable[[Mapping[str, Positions]], None]) -> None:
        """`acknowledge` tells the sources' consumer groups the positions."""
        self.writer = writer
        self._acknowledge = acknowledge

    def resume(self, checkpoint: Checkpoint | None, *, fresh: bool) -> int:  # noqa: ARG002 - nothing to settle
        """The epoch of the checkpoint."""
        return 0 if checkpoint is None else checkpoint.epoch

    def prepare(self) -> tuple[Records, ...]:
        """Waits until all is acknowledged."""
        self.writer.flush()
        return ()

    def complete(self, epoch: int, outbox: tuple[Records, ...], positions: Mapping[str, Positions]) -> None:
        """Tells the consumer groups, for those who watch their lag."""
        assert not outbox, f"epoch {epoch} has output that is not published"
        self._acknowledge(positions)

    def listen(self) -> None:
        """Hears of the writer's connection."""
        self.writer.listen()

    def close(self) -> None:
        """Closes the writer."""
        self.writer.close()


class Transactions(Protocol):
    """A transactional producer (`connectors.kafka.producer.TransactionalWriter`)."""

    def committed(self) -> int | None:
        """The last epoch that is seen to be committed, perhaps not the newest; predecessors are left alone."""

    def open(self) -> int | None:
        """Fence the predecessors; the last epoch that was committed, None when there is none."""

    def publish(self, epoch: int, records: Iterable[Records], offsets: Positions) -> None:
        """Publish in one transaction, with the epoch as the offsets' metadata."""

    def listen(self) -> None:
        """Hear of the connection."""

    def close(self) -> None:
        """Close the producer."""


class ExactlyOnce:
    """Records are published epoch by epoch, once each, however often the job is killed."""

    defers = True

    def __init__(self, transactions: Transactions) -> None:
        self.writer = Outbox()
        self._transactions = transactions

    def resume(self, checkpoint: Checkpoint | None, *, fresh: bool) -> int:
        """Publishes the saved outbox unless the broker has it."""
        if fresh:
            return self._transactions.open() or 0
        saved = 0 if checkpoint is None else checkpoint.epoch
        # A job that may not begin must not end the one that runs under its name. What is missing may be under way.
        seen = self._transactions.committed() or 0
        if seen > saved:
            raise _another_run(checkpoint, seen)
        published = self._transactions.open() or 0
        if published not in (saved, saved - 1):
            raise _another_run(checkpoint, published)
        if checkpoint is not None and published < saved:
            self.complete(saved, checkpoint.outbox, checkpoint.positions)
        return saved

    def prepare(self) -> tuple[Records, ...]:
        """The outbox."""
        return self.writer.take()

    def complete(self, epoch: int, outbox: tuple[Records, ...], positions: Mapping[str, Positions]) -> None:
        """Publishes the outbox and the positions in one transaction."""
        merged: dict[tuple[str, int], int] = {}
        for held in positions.values():  # sources of one topic: the group stands where the slower one is
            for place, offset in held.items():
                merged[place] = min(offset, merged.get(place, offset))
        self._transactions.publish(epoch, outbox, merged)

    def listen(self) -> None:
        """Hears of the producer's connection."""
        self._transactions.listen()

    def close(self) -> None:
        """Closes the producer; what is in the outbox was not saved either."""
        self._transactions.close()


def _another_run(checkpoint: Checkpoint | None, published: int) -> VeloError:
    """What to say when the epoch that is `published` is not that of the checkpoint, nor the one before."""
    if checkpoint is None:
        return VeloError(
            ErrorCode.STATE_MISMATCH,
            f"an earlier run of this job has published {published} epochs, and its checkpoint is not there",
            hint="use the checkpoint folder of that run; or give this job a name of its own (--name); or begin anew "
            "with --fresh, which publishes all again",
        )
    return VeloError(
        ErrorCode.STATE_MISMATCH,
        f"the broker has published epoch {published} of this job, the checkpoint is of epoch {checkpoint.epoch}",
        hint="use the checkpoint folder of the latest run, or begin anew with --fresh, which may publish "
        "records a second time",
    )


class Outbox:
    """Keeps the records of an epoch."""

    def __init__(self) -> None:
        self._held: list[Records] = []

    def write(self, records: Records) -> None:
        """Keeps them."""
        self._held.append(records)

    def flush(self) -> None:
        """They are kept until they are taken."""

    def listen(self) -> None:
        """There is no connection."""

    def take(self) -> tuple[Records, ...]:
        """All of them, in the order in which they were written."""
        held, self._held = tuple(self._held), []
        return held

    def close(self) -> None:
        """Nothing is open."""
