"""Flink SQL to Velostream SQL: rules by feature, and the check by the engine's own plan."""
