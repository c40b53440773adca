"""The consumer groups of the broker: made when someone joins or commits, and kept until they are deleted."""

from __future__ import annotations

from velo_harness.kafka.embedded.deadlines import Deadlines
from velo_harness.kafka.embedded.groups import Group, GroupState
from velo_harness.kafka.embedded.protocol import ErrorNumber, KafkaError


class Groups:
    """The groups of the broker."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._groups: dict[str, Group] = {}

    def all(self) -> list[Group]:
        """Every group, in order of creation."""
        return list(self._groups.values())

    def find(self, group_id: str) -> Group | None:
        """The group of this id, or None."""
        return self._groups.get(group_id)

    def group(self, group_id: str) -> Group:
        """The group of this id. Raises KafkaError (GROUP_ID_NOT_FOUND)."""
        group = self._groups.get(group_id)
        if group is None:
            raise KafkaError(ErrorNumber.GROUP_ID_NOT_FOUND, f"there is no group {group_id}")
        return group

    def member_group(self, group_id: str) -> Group:
        """The group that a member says it is in. Raises KafkaError (UNKNOWN_MEMBER_ID)."""
        group = self._groups.get(group_id)
        if group is None:
            raise KafkaError(ErrorNumber.UNKNOWN_MEMBER_ID)
        return group

    def found_or_made(self, group_id: str) -> Group:
        """The group of this id, new when there was none. Raises KafkaError (INVALID_GROUP_ID)."""
        if not group_id:
            raise KafkaError(ErrorNumber.INVALID_GROUP_ID)
        group = self._groups.get(group_id)
        if group is None:
            group = self._groups[group_id] = Group(group_id, self._deadlines)
        return group

    def delete(self, group_id: str) -> None:
        """Deletes a group without members. Raises KafkaError."""
        if self.group(group_id).state is not GroupState.EMPTY:
            raise KafkaError(ErrorNumber.NON_EMPTY_GROUP)
        del self._groups[group_id]

    def forget_topic(self, name: str) -> None:
        """Drops the offsets of a topic that is gone."""
        for group in self._groups.values():
            group.offsets.forget_topic(name)
