"""Seeded, vectorised generation of rows by data schemas: columns at a time into Arrow."""

from __future__ import annotations

from velo_harness.generation.tables import generate

__all__ = ["generate"]
