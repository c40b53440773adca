"""A cluster that exists: this run's topics stand beside those of others, and only they are deleted."""

from __future__ import annotations

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.open_client import check_cluster
from velo_harness.kafka.providers import EXTERNAL, TopicRules


class ExternalProvider:
    """A cluster that somebody else runs."""

    name = EXTERNAL
    rules = TopicRules(shared=True)
    stays = None

    def __init__(self, cluster: KafkaCluster) -> None:
        self._cluster = cluster

    @property
    def address(self) -> str:
        """What `--kafka` was given."""
        return self._cluster.bootstrap_servers

    def start(self) -> KafkaCluster:
        """The cluster, once a broker answers. Raises VeloError: none does, or it does not let us in."""
        check_cluster(self._cluster)
        return self._cluster

    def stop(self) -> None:
        """Nothing of it is ours to stop."""
