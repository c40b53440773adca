"""The importer: Flink SQL text in, a tested and observed Velostream project out."""
