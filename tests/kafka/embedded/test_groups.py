"""Consumer groups without network and without waiting: joining, assigning, dying, coming back."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.kafka.embedded.clock import ManualClock
from velo_harness.kafka.embedded.group_coordinator import Groups
from velo_harness.kafka.embedded.group_members import Joined, Joining, Protocols, Synced
from velo_harness.kafka.embedded.groups import Group, GroupState
from velo_harness.kafka.embedded.offsets import CommittedOffset
from velo_harness.kafka.embedded.protocol import ErrorNumber, KafkaError, refusal_of

SESSION_MS = 10_000
REBALANCE_MS = 60_000
RANGE: Protocols = [("range", b"topics")]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def group(clock: ManualClock) -> Group:
    return Groups(clock.deadlines).found_or_made("g")


@dataclass
class Client:
    """A consumer that remembers its answers."""

    group: Group
    name: str = "c"
    instance: str | None = None
    member_id: str = ""
    joined: list[Joined] = field(default_factory=list)
    synced: list[Synced] = field(default_factory=list)

    def join(self, protocols: Protocols = RANGE, *, id_required: bool = False, kind: str = "consumer") -> Client:
        joining = Joining(
            self.member_id, self.instance, self.name, "/host", SESSION_MS, REBALANCE_MS, kind, protocols, id_required
        )

        def answer(joined: Joined) -> None:
            self.joined.append(joined)
            self.member_id = joined.member_id

        self.group.join(joining, answer)
        return self

    def sync(self, **assignments: bytes) -> Client:
        self.group.sync(self.member_id, self.instance, self.generation, assignments, self.synced.append)
        return self

    def lead(self, *others: Client) -> Client:
        """Assigns each member its own name."""
        assignments = {client.member_id: client.name.encode() for client in (self, *others)}
        self.group.sync(self.member_id, self.instance, self.generation, assignments, self.synced.append)
        return self

    def heartbeat(self) -> ErrorNumber:
        return refusal_of(self.group.heartbeat, self.member_id, self.instance, self.generation).number

    def commit_check(self) -> ErrorNumber:
        return refusal_of(self.group.check_commit, self.member_id, self.instance, self.generation).number

    @property
    def generation(self) -> int:
        return self.joined[-1].generation


def stable_pair(group: Group) -> tuple[Client, Client]:
    """A leader and a follower with their assignments."""
    leader = Client(group, "a").join()
    leader.lead()
    follower = Client(group, "b").join()
    leader.join()
    follower.sync()
    leader.lead(follower)
    assert [client.synced[-1].assignment for client in (leader, follower)] == [b"a", b"b"]
    assert group.state is GroupState.STABLE
    return leader, follower


def test_the_first_member_leads_a_group_of_its_own(group: Group) -> None:
    client = Client(group).join()
    joined = client.joined[0]
    assert (joined.error, joined.generation, joined.protocol) == (ErrorNumber.NONE, 1, "range")
    assert joined.leader_id == joined.member_id
    assert joined.members == [(joined.member_id, None, b"topics")]
    client.lead()
    assert client.synced == [Synced(ErrorNumber.NONE, b"c")]
    assert client.heartbeat() is ErrorNumber.NONE


def test_a_second_member_makes_the_first_join_again(group: Group) -> None:
    first = Client(group, "a").join()
    first.lead()
    second = Client(group, "b").join()
    assert second.joined == []
    assert first.heartbeat() is ErrorNumber.REBALANCE_IN_PROGRESS
    first.join()
    assert (first.generation, second.generation) == (2, 2)
    assert [member for member, _, _ in first.joined[-1].members] == [first.member_id, second.member_id]
    assert second.joined[-1].members == ()
    second.sync()
    assert second.synced == []
    first.lead(second)
    assert (first.synced[-1].assignment, second.synced[-1].assignment) == (b"a", b"b")


def test_a_new_member_may_have_to_ask_again_with_its_id(group: Group, clock: ManualClock) -> None:
    client = Client(group).join(id_required=True)
    assert client.joined[0].error is ErrorNumber.MEMBER_ID_REQUIRED
    assert group.state is GroupState.EMPTY
    client.join(id_required=True)
    assert client.joined[1].error is ErrorNumber.NONE
    assert client.joined[1].member_id == client.joined[0].member_id


def test_an_id_that_was_given_and_not_used_is_forgotten(group: Group, clock: ManualClock) -> None:
    first = Client(group, "a").join()
    first.lead()
    Client(group, "announced").join(id_required=True)
    third = Client(group, "b").join()
    first.join()
    assert third.joined == []  # the announced one may still come
    clock.advance(SESSION_MS)
    assert third.joined[-1].error is ErrorNumber.NONE


def test_a_member_without_heartbeats_is_out_and_another_leads(group: Group, clock: ManualClock) -> None:
    leader, follower = stable_pair(group)
    for _ in range(3):
        clock.advance(SESSION_MS // 2 - 100)
        last = follower.heartbeat()
    assert last is ErrorNumber.REBALANCE_IN_PROGRESS
    follower.join()
    assert follower.joined[-1].leader_id == follower.member_id
    assert leader.heartbeat() is ErrorNumber.UNKNOWN_MEMBER_ID


def test_a_session_lasts_as_long_as_there_are_heartbeats(group: Group, clock: ManualClock) -> None:
    leader, follower = stable_pair(group)
    for _ in range(20):
        clock.advance(SESSION_MS - 100)
        assert leader.heartbeat() is follower.heartbeat() is ErrorNumber.NONE
    clock.advance(SESSION_MS)
    assert (group.state, len(group.members)) == (GroupState.EMPTY, 0)


def test_who_does_not_join_again_in_time_is_out(group: Group, clock: ManualClock) -> None:
    leader, follower = stable_pair(group)
    third = Client(group, "c").join()
    leader.join()
    for _ in range(REBALANCE_MS // 5_000):
        assert third.joined == []
        follower.heartbeat()  # alive, but it does not join
        clock.advance(5_000)
    assert [member for member, _, _ in leader.joined[-1].members] == [leader.member_id, third.member_id]
    assert follower.heartbeat() is ErrorNumber.UNKNOWN_MEMBER_ID


def test_a_leader_that_never_assigns_is_out(group: Group, clock: ManualClock) -> None:
    leader, follower = stable_pair(group)
    follower.join([("range", b"other topics")])
    leader.join()
    follower.sync()
    for _ in range(REBALANCE_MS // 5_000):
        leader.heartbeat()
        clock.advance(5_000)
    assert follower.synced[-1].error is ErrorNumber.REBALANCE_IN_PROGRESS
    assert leader.heartbeat() is ErrorNumber.UNKNOWN_MEMBER_ID
    follower.join()
    assert follower.joined[-1].leader_id == follower.member_id


def test_leaving_hands_over_at_once(group: Group) -> None:
    leader, follower = stable_pair(group)
    group.leave(leader.member_id, None)
    assert follower.heartbeat() is ErrorNumber.REBALANCE_IN_PROGRESS
    follower.join()
    assert follower.joined[-1].leader_id == follower.member_id
    group.leave(follower.member_id, None)
    assert group.state is GroupState.EMPTY
    with pytest.raises(KafkaError) as refused:
        group.leave(follower.member_id, None)
    assert refused.value.number is ErrorNumber.UNKNOWN_MEMBER_ID


def test_a_follower_that_joins_again_unchanged_disturbs_nobody(group: Group) -> None:
    leader, follower = stable_pair(group)
    follower.join()
    assert follower.joined[-1].generation == leader.generation
    assert leader.heartbeat() is ErrorNumber.NONE
    assert follower.sync().synced[-1].assignment == b"b"


def test_a_leader_that_joins_again_wants_to_assign_anew(group: Group) -> None:
    leader, follower = stable_pair(group)
    leader.join()
    assert follower.heartbeat() is ErrorNumber.REBALANCE_IN_PROGRESS


def test_the_protocol_that_most_members_prefer_is_taken(group: Group) -> None:
    everything = [("roundrobin", b"1"), ("range", b"2")]
    first = Client(group, "a").join([("range", b""), ("sticky", b""), ("roundrobin", b"")])
    second, third = Client(group, "b").join(everything), Client(group, "c").join(everything)
    first.join([("range", b""), ("sticky", b""), ("roundrobin", b"")])
    assert {client.joined[-1].protocol for client in (first, second, third)} == {"roundrobin"}
    assert [subscription for _, _, subscription in first.joined[-1].members] == [b"", b"1", b"1"]


@pytest.mark.parametrize(("protocols", "kind"), [([("sticky", b"")], "consumer"), (RANGE, "connect"), ([], "consumer")])
def test_a_member_that_speaks_another_protocol_is_refused(group: Group, protocols: Protocols, kind: str) -> None:
    Client(group, "a").join()
    stranger = Client(group, "b").join(protocols, kind=kind)
    assert stranger.joined[-1].error is ErrorNumber.INCONSISTENT_GROUP_PROTOCOL


def test_an_id_that_nobody_gave_is_refused(group: Group) -> None:
    assert Client(group, member_id="made up").join().joined[-1].error is ErrorNumber.UNKNOWN_MEMBER_ID


def test_a_static_member_comes_back_without_a_rebalance(group: Group, clock: ManualClock) -> None:
    first = Client(group, "a", instance="one").join()
    other = Client(group, "b").join()
    first.join()
    other.sync()
    first.lead(other)
    again = Client(group, "a", instance="one").join()
    assert again.member_id != first.member_id
    assert again.generation == first.generation
    assert again.joined[-1].members == ()
    assert again.sync().synced[-1].assignment == b"a"
    assert other.heartbeat() is ErrorNumber.NONE
    assert first.heartbeat() is ErrorNumber.FENCED_INSTANCE_ID
    clock.advance(SESSION_MS)
    assert len(group.members) == 0


def test_a_static_member_leaves_by_its_instance_id(group: Group) -> None:
    Client(group, "a", instance="one").join()
    group.leave("", "one")
    assert group.state is GroupState.EMPTY


def test_a_static_member_that_takes_over_ends_the_waiting_of_its_predecessor(group: Group) -> None:
    Client(group, "a").join()
    first = Client(group, "b", instance="one").join()
    Client(group, "b", instance="one").join()
    assert first.joined[-1].error is ErrorNumber.FENCED_INSTANCE_ID


def test_members_of_the_current_generation_may_commit(group: Group) -> None:
    leader, follower = stable_pair(group)
    assert follower.commit_check() is ErrorNumber.NONE
    third = Client(group, "c").join()
    assert follower.commit_check() is ErrorNumber.NONE  # what it read before it joins again
    leader.join()
    follower.join()
    assert follower.commit_check() is ErrorNumber.REBALANCE_IN_PROGRESS
    leader.lead(follower, third)
    stale = refusal_of(group.check_commit, follower.member_id, None, follower.generation - 1)
    assert stale.number is ErrorNumber.ILLEGAL_GENERATION
    assert refusal_of(group.check_commit, "", None, -1).number is ErrorNumber.UNKNOWN_MEMBER_ID


def test_anyone_may_commit_for_a_group_without_members(group: Group) -> None:
    group.check_commit("", None, -1)


def test_only_groups_without_members_can_be_deleted(clock: ManualClock) -> None:
    groups = Groups(clock.deadlines)
    client = Client(groups.found_or_made("g")).join()
    assert refusal_of(groups.delete, "g").number is ErrorNumber.NON_EMPTY_GROUP
    groups.group("g").leave(client.member_id, None)
    groups.delete("g")
    assert refusal_of(groups.delete, "g").number is ErrorNumber.GROUP_ID_NOT_FOUND


def test_offsets_of_a_deleted_topic_are_forgotten(clock: ManualClock) -> None:
    groups = Groups(clock.deadlines)
    offsets = groups.found_or_made("g").offsets
    offsets.commit({("gone", 0): CommittedOffset(1), ("kept", 0): CommittedOffset(2)})
    offsets.commit_in_transaction(5, {("gone", 1): CommittedOffset(3)})
    groups.forget_topic("gone")
    offsets.end_transaction(5, committed=True)
    assert offsets.committed == {("kept", 0): CommittedOffset(2)}
