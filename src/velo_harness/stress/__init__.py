"""Queries run at volume and measured: throughput, latency, memory, errors."""
