"""Compiled plans of Flink: from exec nodes back to SQL."""
