"""A real Flink that answers cases: the product's own."""

from __future__ import annotations

from velo_harness.flink.installation import FlinkMissingError
from velo_harness.flink.server import QUIET_MS, Flink, FlinkAnswer, InputTable, Order, SinkTable

__all__ = ["QUIET_MS", "Flink", "FlinkAnswer", "FlinkMissingError", "InputTable", "Order", "SinkTable"]
