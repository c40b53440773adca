"""Nexmark, the public measure of streaming SQL: an auction house's events, its queries, and what Flink makes of them."""
