"""Rows on the boundaries of a program: on window edges, at the watermark, on both sides of each literal, with NULLs."""

from velo_harness.generation.boundaries.rows import boundary_tables

__all__ = ["boundary_tables"]
