"""Deleting what runs left on clusters when they crashed: the topics in their ledgers, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from velo_engine.connectors.kafka.client import KafkaCluster, cluster_from
from velo_engine.connectors.kafka.open_client import check_cluster
from velo_harness.kafka.ledger import left_ledgers, strike_left
from velo_harness.kafka.providers import TopicRules
from velo_harness.kafka.topics import TopicAdmin


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was done about the ledger of one run."""

    bootstrap_servers: str
    deleted: tuple[str, ...]
    """Topics that are gone, also those that somebody else had deleted."""
    left: tuple[str, ...]
    """Topics that the cluster does not let this user delete; they stay in the ledger."""


def clean_left_topics(
    brokers: str | None, config_file: Path | None, environment: Mapping[str, str], folder: Path | None = None
) -> list[Cleaned]:
    """Delete the topics of runs that are no more, on the clusters that their ledgers name, or only on `brokers`.

    Security comes from the file and the environment. Raises VeloError when a cluster does not answer.
    """
    done = []
    for ledger in left_ledgers(folder):
        if brokers is not None and ledger.bootstrap_servers != brokers:
            continue
        given = cluster_from(ledger.bootstrap_servers, config_file, environment)
        cluster = given or KafkaCluster(ledger.bootstrap_servers)
        deleted: list[str] = []
        if ledger.topics:
            check_cluster(cluster)
            deleted = TopicAdmin(cluster, TopicRules(shared=True)).delete(ledger.topics)
        left = tuple(topic for topic in ledger.topics if topic not in deleted)
        strike_left(ledger, deleted)
        done.append(Cleaned(ledger.bootstrap_servers, tuple(deleted), left))
    return done
