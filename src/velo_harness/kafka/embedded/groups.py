"""Consumer groups: the protocol by which members agree on who reads which partition.

The states and their transitions are those of Kafka's classic group protocol (GroupCoordinator of Kafka 3.x; static
members: KIP-345). A rebalance starts with a change of members: everyone joins again (PREPARING), the leader gets all
subscriptions and assigns, everyone fetches its part (COMPLETING), and heartbeats keep the group together (STABLE).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from enum import Enum

from velo_harness.kafka.embedded.deadlines import Deadline, Deadlines
from velo_harness.kafka.embedded.group_members import (
    NO_GENERATION,
    UNKNOWN_MEMBER,
    Joined,
    Joining,
    Member,
    Members,
    Synced,
)
from velo_harness.kafka.embedded.offsets import GroupOffsets
from velo_harness.kafka.embedded.protocol import ErrorNumber, KafkaError

MIN_SESSION_TIMEOUT_MS = 1
"""Kafka's `group.min.session.timeout.ms` is 6 s by default; a test should not have to wait for that."""
MAX_SESSION_TIMEOUT_MS = 1_800_000
"""Kafka's default for `group.max.session.timeout.ms`."""


class GroupState(Enum):
    """States, by the names that clients see."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


class Group:
    """One group."""

    def __init__(self, group_id: str, deadlines: Deadlines) -> None:
        self.group_id = group_id
        self.state = GroupState.EMPTY
        self.generation = 0
        self.protocol_type = ""
        self.protocol: str | None = None
        self.members = Members()
        self.offsets = GroupOffsets()
        self._announced: dict[str, Deadline] = {}
        """Ids that were given to clients who have not joined with them yet."""
        self._deadlines = deadlines
        self._rebalance: Deadline | None = None

    # --- joining

    def join(self, joining: Joining, answer: Callable[[Joined], None]) -> None:
        """Takes a member in, or in again; answers when the others have joined too."""
        try:
            self._check_joining(joining)
            if joining.member_id == UNKNOWN_MEMBER:
                self._join_without_id(joining, answer)
            elif joining.member_id in self._announced:
                self._announced.pop(joining.member_id).cancel()
                self._add(joining.member_id, joining, answer)
            else:
                self._join_again(self.members.find(joining.member_id, joining.instance_id), joining, answer)
        except KafkaError as refused:
            answer(Joined(joining.member_id, refused.number))

    def _check_joining(self, joining: Joining) -> None:
        if not MIN_SESSION_TIMEOUT_MS <= joining.session_timeout_ms <= MAX_SESSION_TIMEOUT_MS:
            raise KafkaError(ErrorNumber.INVALID_SESSION_TIMEOUT)
        if not joining.protocols or not joining.protocol_type:
            raise KafkaError(ErrorNumber.INCONSISTENT_GROUP_PROTOCOL)
        if self.members:
            known = {name for name, _ in joining.protocols}
            if joining.protocol_type != self.protocol_type or known.isdisjoint(self.members.common_protocols()):
                raise KafkaError(ErrorNumber.INCONSISTENT_GROUP_PROTOCOL)

    def _join_without_id(self, joining: Joining, answer: Callable[[Joined], None]) -> None:
        member_id = f"{joining.instance_id or joining.client_id}-{uuid.uuid4()}"
        if joining.instance_id is not None:
            known = self.members.id_of_instance.get(joining.instance_id)
            if known is None:
                self._add(member_id, joining, answer)
            else:
                self._take_over(self.members.by_id[known], member_id, joining, answer)
        elif joining.id_required:
            forget = self._deadlines.after(joining.session_timeout_ms, lambda: self._forget_announced(member_id))
            self._announced[member_id] = forget
            answer(Joined(member_id, ErrorNumber.MEMBER_ID_REQUIRED))
        else:
            self._add(member_id, joining, answer)

    def _forget_announced(self, member_id: str) -> None:
        del self._announced[member_id]
        self._complete_join_when_ready()

    def _add(self, member_id: str, joining: Joining, answer: Callable[[Joined], None]) -> None:
        member = Member(
            member_id=member_id,
            instance_id=joining.instance_id,
            client_id=joining.client_id,
            client_host=joining.client_host,
            session_timeout_ms=joining.session_timeout_ms,
            rebalance_timeout_ms=joining.rebalance_timeout_ms,
            protocols=joining.protocols,
            session=self._deadlines.after(joining.session_timeout_ms, lambda: self._expire(member)),
            answer_join=answer,
        )
        self.protocol_type = joining.protocol_type
        self.members.add(member)
        self._rebalance_now()

    def _take_over(self, member: Member, member_id: str, joining: Joining, answer: Callable[[Joined], None]) -> None:
        """A static member is back under a new id: whoever holds its old one is shut out."""
        leader_before = self.members.leader_id or ""
        _refuse_waiting(member, ErrorNumber.FENCED_INSTANCE_ID)
        self.members.rename(member, member_id)
        same = member.protocols == joining.protocols
        member.protocols = joining.protocols
        self._touch(member)
        if self.state is GroupState.STABLE and same:
            # It goes on with its assignment. Under the old leader's id it does not take itself for the leader.
            answer(Joined(member_id, generation=self.generation, protocol=self.protocol or "", leader_id=leader_before))
            return
        member.answer_join = answer
        self._rebalance_now()

    def _join_again(self, member: Member, joining: Joining, answer: Callable[[Joined], None]) -> None:
        changed = member.protocols != joining.protocols
        leads = member.member_id == self.members.leader_id
        settled = self.state is GroupState.COMPLETING or (self.state is GroupState.STABLE and not leads)
        member.rebalance_timeout_ms = joining.rebalance_timeout_ms
        if settled and not changed:  # it did not get the answer that it had before
            answer(self._joined(member))
            return
        member.protocols = joining.protocols
        member.answer_join = answer
        self._rebalance_now()

    # --- rebalancing

    def _rebalance_now(self) -> None:
        """Calls everyone to join again, unless that is under way."""
        if self.state is not GroupState.PREPARING:
            for member in self.members.all():
                member.assignment = b""
                if member.answer_sync is not None:
                    self._touch(member)
                _answer_sync(member, Synced(ErrorNumber.REBALANCE_IN_PROGRESS))
            self.state = GroupState.PREPARING
            self._wait_for_members(self._complete_join)
        self._complete_join_when_ready()

    def _wait_for_members(self, give_up: Callable[[], None]) -> None:
        """Calls `give_up` after the longest time that a member may take."""
        self._stop_waiting()
        longest = max((member.rebalance_timeout_ms for member in self.members.all()), default=0)
        self._rebalance = self._deadlines.after(longest, give_up)

    def _stop_waiting(self) -> None:
        if self._rebalance is not None:
            self._rebalance.cancel()
            self._rebalance = None

    def _complete_join_when_ready(self) -> None:
        joined = all(member.answer_join is not None for member in self.members.all())
        if self.state is GroupState.PREPARING and joined and not self._announced:
            self._complete_join()

    def _complete_join(self) -> None:
        """Ends the waiting. Who has not joined is out; static members stay, until their sessions expire."""
        for member in self.members.all():
            if member.answer_join is None and member.instance_id is None:
                member.session.cancel()
                self.members.remove(member)
        joined = [member for member in self.members.all() if member.answer_join is not None]
        if self.members and not joined:
            self._wait_for_members(self._complete_join)
            return
        self._stop_waiting()
        self.generation += 1
        if not joined:
            self.state, self.protocol = GroupState.EMPTY, None
            return
        if self.members.leader_id not in {member.member_id for member in joined}:
            self.members.leader_id = joined[0].member_id
        self.state, self.protocol = GroupState.COMPLETING, self.members.chosen_protocol()
        self._wait_for_members(self._expire_unsynced)
        for member in joined:
            answer, member.answer_join = member.answer_join, None
            assert answer is not None
            self._touch(member)
            answer(self._joined(member))

    def _joined(self, member: Member) -> Joined:
        """The answer for a member in the current generation."""
        leader_id = self.members.leader_id or ""
        everyone = [(m.member_id, m.instance_id, m.subscription(self.protocol)) for m in self.members.all()]
        return Joined(
            member.member_id,
            generation=self.generation,
            protocol=self.protocol or "",
            leader_id=leader_id,
            members=everyone if member.member_id == leader_id else (),
        )

    def sync(
        self,
        member_id: str,
        instance_id: str | None,
        generation: int,
        assignments: Mapping[str, bytes],
        answer: Callable[[Synced], None],
    ) -> None:
        """Gives a member its assignment, as soon as the leader has sent it."""
        try:
            member = self._current_member(member_id, instance_id, generation)
        except KafkaError as refused:
            answer(Synced(refused.number))
            return
        self._touch(member)
        if self.state is GroupState.PREPARING:
            answer(Synced(ErrorNumber.REBALANCE_IN_PROGRESS))
        elif self.state is GroupState.STABLE:
            answer(Synced(ErrorNumber.NONE, member.assignment))
        else:
            member.answer_sync = answer
            if member_id == self.members.leader_id:
                self._assign(assignments)

    def _assign(self, assignments: Mapping[str, bytes]) -> None:
        self.state = GroupState.STABLE
        self._stop_waiting()
        for member in self.members.all():
            member.assignment = assignments.get(member.member_id, b"")
            self._touch(member)
            _answer_sync(member, Synced(ErrorNumber.NONE, member.assignment))

    # --- staying and leaving

    def heartbeat(self, member_id: str, instance_id: str | None, generation: int) -> None:
        """Keeps a member's session. Raises KafkaError: the member has to join again (REBALANCE_IN_PROGRESS), ..."""
        member = self._current_member(member_id, instance_id, generation)
        self._touch(member)
        if self.state is GroupState.PREPARING:
            raise KafkaError(ErrorNumber.REBALANCE_IN_PROGRESS)

    def leave(self, member_id: str, instance_id: str | None) -> None:
        """Takes a member out; of a static one, the instance id is enough. Raises KafkaError."""
        if member_id in self._announced:
            self._announced.pop(member_id).cancel()
            self._complete_join_when_ready()
            return
        if instance_id is not None and member_id == UNKNOWN_MEMBER:
            member_id = self.members.id_of_instance.get(instance_id, UNKNOWN_MEMBER)
        self._remove(self.members.find(member_id, instance_id))

    def check_commit(self, member_id: str, instance_id: str | None, generation: int) -> None:
        """Checks who commits offsets: a member of this generation, or anyone while there are no members.

        Raises:
            KafkaError: UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, FENCED_INSTANCE_ID, REBALANCE_IN_PROGRESS.
        """
        if generation < 0 and self.state is GroupState.EMPTY:
            return
        self._touch(self._current_member(member_id, instance_id, generation))
        if self.state is GroupState.COMPLETING:
            raise KafkaError(ErrorNumber.REBALANCE_IN_PROGRESS)

    def check_transactional_commit(self, member_id: str, instance_id: str | None, generation: int) -> None:
        """The same for offsets of a transaction, which may come from a producer that knows no member (KIP-447)."""
        if generation != NO_GENERATION or member_id != UNKNOWN_MEMBER or instance_id is not None:
            self._current_member(member_id, instance_id, generation)

    def _current_member(self, member_id: str, instance_id: str | None, generation: int) -> Member:
        member = self.members.find(member_id, instance_id)
        if generation != self.generation:
            raise KafkaError(ErrorNumber.ILLEGAL_GENERATION)
        return member

    def _touch(self, member: Member) -> None:
        member.session.move(self._deadlines.now_ms() + member.session_timeout_ms)

    def _expire(self, member: Member) -> None:
        """A session is over. Who waits for others is not to blame."""
        if self.members.by_id.get(member.member_id) is not member:
            return
        if member.answer_join is not None or member.answer_sync is not None:
            member.session = self._deadlines.after(member.session_timeout_ms, lambda: self._expire(member))
        else:
            self._remove(member)

    def _expire_unsynced(self) -> None:
        """The leader did not assign in time: who has not asked for its part, the leader among them, is out."""
        for member in self.members.all():
            if member.answer_sync is None:
                member.session.cancel()
                self.members.remove(member)
        self._rebalance_now()

    def _remove(self, member: Member) -> None:
        member.session.cancel()
        _refuse_waiting(member, ErrorNumber.UNKNOWN_MEMBER_ID)
        self.members.remove(member)
        self._rebalance_now()


def _refuse_waiting(member: Member, error: ErrorNumber) -> None:
    if member.answer_join is not None:
        answer, member.answer_join = member.answer_join, None
        answer(Joined(member.member_id, error))
    _answer_sync(member, Synced(error))


def _answer_sync(member: Member, synced: Synced) -> None:
    answer, member.answer_sync = member.answer_sync, None
    if answer is not None:
        answer(synced)
