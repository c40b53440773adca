"""Comparing sides that are too large for one machine: the same SQL, run by Apache Spark."""
