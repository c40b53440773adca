"""A schema registry for tests: Confluent's protocol over HTTP, in memory, on loopback."""

from velo_harness.kafka.registry.server import RegistryServer

__all__ = ["RegistryServer"]
