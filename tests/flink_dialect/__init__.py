"""The flink dialect, held against what Flink's own parser accepts."""
