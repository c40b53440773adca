"""Velostream SQL to Flink SQL: what Flink can say, with the same result; the rest is refused by name."""
