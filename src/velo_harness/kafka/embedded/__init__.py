"""A Kafka broker in this process: for tests, without Docker and without a JVM.

A test double: one node, no replication, in memory. Clients of any language connect to it; what it holds is gone when it
stops, and nothing is dropped before.
"""

from velo_harness.kafka.embedded.broker import BrokerSize, EmbeddedBroker

__all__ = ["BrokerSize", "EmbeddedBroker"]
