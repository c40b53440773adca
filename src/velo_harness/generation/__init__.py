"""Seeded, vectorised generation of rows by data schemas: columns at a time into Arrow."""

from __future__ import annotations

from velo_harness.generation.tables import TimePlan, generate

__all__ = ["TimePlan", "generate"]
