"""Generated queries over generated rows: the engine against a real Flink, and planted bugs against the engine."""
