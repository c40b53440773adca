"""Members of a consumer group, and what goes to and fro while they agree on an assignment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from velo_harness.kafka.embedded.deadlines import Deadline
from velo_harness.kafka.embedded.protocol import ErrorNumber, KafkaError

UNKNOWN_MEMBER = ""
"""Member id of a client that has none yet."""
NO_GENERATION = -1

Protocols = list[tuple[str, bytes]]
"""Ways of assigning partitions that a member knows, the preferred one first, with its subscription in each."""


@dataclass(frozen=True, slots=True)
class Joining:
    """A member's wish to take part."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: Protocols
    id_required: bool
    """Whether a new member is told its id first and has to ask again with it (KIP-394)."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The answer to it."""

    member_id: str
    error: ErrorNumber = ErrorNumber.NONE
    generation: int = NO_GENERATION
    protocol: str = ""
    leader_id: str = ""
    members: Sequence[tuple[str, str | None, bytes]] = ()
    """For the leader, who assigns: id, instance id and subscription of every member."""


@dataclass(frozen=True, slots=True)
class Synced:
    """The answer to a member that asks for its partitions."""

    error: ErrorNumber
    assignment: bytes = b""


@dataclass(slots=True, eq=False)
class Member:
    """One member."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocols: Protocols
    session: Deadline
    assignment: bytes = b""
    answer_join: Callable[[Joined], None] | None = None
    """Set while it waits for the others to join."""
    answer_sync: Callable[[Synced], None] | None = None
    """Set while it waits for the leader's assignment."""

    def subscription(self, protocol: str | None) -> bytes:
        """What it sent along with a protocol."""
        return dict(self.protocols).get(protocol or "", b"")


@dataclass(slots=True)
class Members:
    """The members of one group, in the order in which they came."""

    by_id: dict[str, Member] = field(default_factory=dict)
    id_of_instance: dict[str, str] = field(default_factory=dict)
    leader_id: str | None = None

    def __len__(self) -> int:
        return len(self.by_id)

    def all(self) -> list[Member]:
        """Every member."""
        return list(self.by_id.values())

    def add(self, member: Member) -> None:
        """A new member; the first one leads."""
        self.by_id[member.member_id] = member
        if member.instance_id is not None:
            self.id_of_instance[member.instance_id] = member.member_id
        self.leader_id = self.leader_id or member.member_id

    def remove(self, member: Member) -> None:
        """Takes a member out; the oldest of the others leads when it did."""
        del self.by_id[member.member_id]
        if member.instance_id is not None:
            del self.id_of_instance[member.instance_id]
        if self.leader_id == member.member_id:
            self.leader_id = next(iter(self.by_id), None)

    def rename(self, member: Member, member_id: str) -> None:
        """Gives a static member that came back its new id."""
        assert member.instance_id is not None
        del self.by_id[member.member_id]
        if self.leader_id == member.member_id:
            self.leader_id = member_id
        member.member_id = member_id
        self.by_id[member_id] = member
        self.id_of_instance[member.instance_id] = member_id

    def find(self, member_id: str, instance_id: str | None) -> Member:
        """The member that a request comes from.

        Raises:
            KafkaError: it is not a member (UNKNOWN_MEMBER_ID), or another client took its place (FENCED_INSTANCE_ID).
        """
        if instance_id is not None:
            current = self.id_of_instance.get(instance_id)
            if current is not None and current != member_id:
                raise KafkaError(ErrorNumber.FENCED_INSTANCE_ID)
        member = self.by_id.get(member_id)
        if member is None:
            raise KafkaError(ErrorNumber.UNKNOWN_MEMBER_ID)
        return member

    def common_protocols(self) -> set[str]:
        """Protocols that every member knows."""
        known = [{name for name, _ in member.protocols} for member in self.by_id.values()]
        return set.intersection(*known) if known else set()

    def chosen_protocol(self) -> str:
        """Of the common ones that which most members prefer; of equals, the one that comes first."""
        common = self.common_protocols()
        votes = [next(name for name, _ in member.protocols if name in common) for member in self.by_id.values()]
        return max(dict.fromkeys(votes), key=votes.count)
